"""Rows of other systems' lists come onto ours, thousands of people in one turn.

Nothing is ever ended or weakened by a row: it makes an entry, makes one stronger, or changes nothing. And what was lifted here
stays so, unless the row is known to be newer: an old list knows nothing of what a person has agreed to since.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import msgspec

from suppression.engine import reading
from suppression.policy import PROTECTED, Claim, Did, decide
from suppression.records import Entry
from suppression.store.prehashed import insert_prehashed
from suppression.store.rows import Key, Person
from suppression.store.text import clean_words, require_name
from suppression.store.turn import Grounds, Turn
from suppression.store.turns import StoreTurns
from suppression.unsubscribes.asking import Asking, Channel

_BROUGHT = Asking(channel=Channel.IMPORT, verified="import")  # the word reached us when the list did

#: What came of a row: ADDED, HARDENED, RENEWED, CONFIRMED or KEPT; or, as a text, why it was not taken.
Came: TypeAlias = Did | str


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Which import rows belong to: what their entries name as their evidence."""

    id: str
    sha256: str  # of the file, in hexadecimal digits
    actor: str
    reason: str
    is_our_own: bool = False  # an export of ours says nothing that our list did not say

    def evidence(self, line: int) -> str:
        """What an entry that a row has made names: the import, the line, the file."""
        return f"import:{self.id}:{line}:{self.sha256}"


class Brought(NamedTuple):
    """A row, ready for the list."""

    line: int
    address_hash: bytes
    address: str  # canonical, or the name of a hash
    is_hash: bool
    claim: Claim
    is_dated: bool  # the row says since when; else the claim's time is the import's
    words: str  # the other system's own for why
    tenant: str  # onto whose list it goes


class StoreImports(StoreTurns):
    """Taking rows; `Transient` for the database's trouble, and then none of the call's were taken."""

    def take_rows(self, source: Source, rows: Sequence[Brought], *, force: bool) -> Sequence[Came]:
        """Put these on the list in one turn; what came of each. Doing it again changes nothing, and answers the same.

        `force`: also what was lifted here later. Whoever else wants to write comes first.
        """
        for tenant in {row.tenant for row in rows}:
            require_name(tenant, "the tenant")
        return self._turn(lambda turn: _Taking(turn, source, force).take(rows), patient=True)

    def would_take(self, source: Source, rows: Sequence[Brought], *, force: bool) -> Sequence[Came]:
        """What `take_rows` would answer. Nothing is written."""
        with reading(self._engine) as connection:
            turn = Turn(connection, last=0, now=self._clock.now(), deadlines=self._deadlines)
            return _Taking(turn, source, force).take(rows)


class _Taking:
    """Rows within one turn."""

    def __init__(self, turn: Turn, source: Source, force: bool) -> None:
        self._turn = turn
        self._source = source
        self._force = force
        self._hashes: dict[bytes, str] = {}
        self._reasons: dict[str, str] = {}
        turn.at_end(lambda connection: insert_prehashed(connection, self._hashes))

    def take(self, rows: Sequence[Brought]) -> Sequence[Came]:
        people = [Person(row.tenant, row.address_hash) for row in rows]
        self._turn.load(set(people))
        known = self._turn.by_person()
        return [self._take(row, person, known) for row, person in zip(rows, people, strict=True)]

    def _take(self, row: Brought, person: Person, known: Mapping[Person, Collection[tuple[Key, Entry]]]) -> Came:
        turn, claim = self._turn, row.claim
        if person in known:
            if (why_not := self._why_not(row, known[person])) is not None and not self._force:
                return why_not
            if why_not is not None:
                claim = msgspec.structs.replace(claim, at=turn.now)  # the operator's word now, knowing of the lift
        key = Key(person, claim.scope, claim.cause)
        entry = turn.entry(key)
        did, standing = decide(turn.standing(key), claim)
        evidence = self._source.evidence(row.line)
        if did is Did.KEPT and entry is not None:
            if entry.evidence == evidence:
                return Did.ADDED  # by this very row, in a turn that was done before
            if entry.rule is not None and not self._source.is_our_own:
                did = Did.CONFIRMED  # it rests on a report, which may be read otherwise one day: then this row holds it
        if did is not Did.KEPT and standing is not None:
            grounds = Grounds(actor=self._source.actor, reason=self._reason(row.words), evidence=evidence, asking=_BROUGHT)
            turn.put(key, did, standing, grounds)
            self._name(person, row)
        return did

    def _why_not(self, row: Brought, theirs: Collection[tuple[Key, Entry]]) -> str | None:
        """Why the row is not to be taken by itself: the same was lifted here after it, or nobody knows."""
        lifted = [
            entry.ended if entry.ended_by is Did.RELEASED else entry.standing().lifted
            for key, entry in theirs
            if key.cause is row.claim.cause or {key.cause, row.claim.cause} <= PROTECTED
        ]
        last = max((moment for moment in lifted if moment is not None), default=None)
        if last is None or (row.is_dated and row.claim.at >= last):
            return None
        when = f"it was lifted or released here at {last:%Y-%m-%d %H:%M} UTC"
        return f"{when}, after the row's own date" if row.is_dated else f"{when}, and the row has no date"

    def _name(self, person: Person, row: Brought) -> None:
        if row.is_hash:
            self._hashes[row.address_hash] = row.address
        else:
            self._turn.name(person, row.address)

    def _reason(self, words: str) -> str:
        """Why an entry stands: the operator's reason, and what the other system calls it."""
        if words not in self._reasons:
            self._reasons[words] = clean_words(f"{self._source.reason} ({words})" if words else self._source.reason)
        return self._reasons[words]
