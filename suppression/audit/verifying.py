"""What proves that the trail is whole: its rows are taken one by one in their order, and the first that does not hold is told.

An erased content is no breach: its row says so by having no salt, and some act later in the trail counts it among those that it
erased. A content that is gone without that, or is not the one that was there, is one.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from suppression.audit.chain import CHANGE, ERASES, FIRST_LINK, GENESIS, UNSEALED, Head, content_of, digest_of, link_of


class AuditRow(NamedTuple):
    """A row of the trail as it is stored."""

    head: Head
    body: str | None
    salt: bytes | None
    digest: bytes
    chain: bytes


class Link(NamedTuple):
    """The newest link of a trail at some time: whoever noted it can prove later that nothing was cut off."""

    seq: int
    chain: bytes

    def __str__(self) -> str:
        return f"{self.seq}:{self.chain.hex()}"


class Breach(NamedTuple):
    """The first thing that does not hold. `seq`: the row where that shows."""

    seq: int
    what: str  # a sentence


class Verdict(NamedTuple):
    """What was found."""

    rows: int
    erased: int  # contents that were erased, and that the trail says were
    newest: Link | None
    breach: Breach | None


class Verifier:
    """Takes a whole trail in its order. It keeps nothing of the rows but the last link and some counts."""

    def __init__(self, noted: Link | None = None) -> None:
        self._noted = noted
        self._last = Link(-1, FIRST_LINK)
        self._rows = self._erased = self._accounted = 0

    @property
    def last(self) -> Link:
        """The row that was taken last."""
        return self._last

    @property
    def owes(self) -> bool:
        """Whether more is erased than the rows so far account for; the act that does may come after them."""
        return self._erased > self._accounted

    def take(self, row: AuditRow, change: Mapping[str, Any] | None) -> Breach | None:
        """The next row, and the row of `changes` that has its number, if there is one. A breach ends it."""
        what = self._tied(row) or self._kept(row, change) or self._as_noted(row)
        if what is not None:
            return Breach(row.head.seq, what)
        self._rows += 1
        self._last = Link(row.head.seq, row.chain)
        return None

    def end(self, strangers: Iterable[int], newest: bytes | None) -> Verdict:
        """What it comes to. `strangers`: changes that the trail does not have; `newest`: the link that the pen goes on from."""
        newest_row = self._last if self._rows else None
        stranger = next(iter(strangers), None)
        breach: Breach | None = None
        if stranger is not None:
            breach = Breach(stranger, "this change of the list does not stand in the trail: it was put in past it")
        elif (newest or FIRST_LINK) != self._last.chain:
            breach = Breach(
                self._last.seq, "the trail ends here, but the next row would be tied to another one: the end is gone"
            )
        elif self._noted is not None and self._noted.seq > self._last.seq:
            breach = Breach(self._last.seq, f"the trail ends here; row {self._noted.seq}, which was noted, is cut off")
        elif self.owes:
            more = self._erased - self._accounted
            breach = Breach(self._last.seq, f"{more} more contents are gone than erasures and retention account for")
        return Verdict(self._rows, self._erased, newest_row, breach)

    def broken(self, breach: Breach) -> Verdict:
        """What it comes to where a row did not hold."""
        return Verdict(self._rows, self._erased, self._last if self._rows else None, breach)

    def _tied(self, row: AuditRow) -> str | None:
        if not self._rows and row.head.kind != GENESIS:
            return "the trail does not begin here: what came before is gone"
        if self._rows and row.head.kind == GENESIS:
            return "the trail begins here a second time"
        if link_of(self._last.chain, row.head, row.digest) != row.chain:
            return "the row is not tied to the one before it: here something was altered, removed, put in or moved"
        return None

    def _kept(self, row: AuditRow, change: Mapping[str, Any] | None) -> str | None:
        """What is wrong with the content, and whether it is erased."""
        is_change = row.head.kind == CHANGE
        if row.salt is None:
            if row.body is not None or row.head.kind in ERASES | {GENESIS}:
                return "the salt of this row was taken away"
            self._erased += 1
            return None
        if is_change and change is None:
            return "the change that this row stands for was removed, and not by an erasure"
        if not is_change and row.body is None:
            return "the words of this act were removed, and not by an erasure"
        content = content_of(change or {}) if is_change else (row.body or "").encode()
        if digest_of(row.salt, content) != row.digest or (is_change and row.body is not None):
            return "the change that this row stands for was altered" if is_change else "the words of this act were altered"
        if row.head.kind in ERASES:
            self._accounted += msgspec.json.decode(content)[UNSEALED]
        return None

    def _as_noted(self, row: AuditRow) -> str | None:
        noted, (seq, chain) = self._noted, (row.head.seq, row.chain)
        if noted is not None and self._last.seq < noted.seq <= seq and noted != (seq, chain):
            return f"the trail had another link at row {noted.seq} when it was noted: it was written anew since"
        return None
