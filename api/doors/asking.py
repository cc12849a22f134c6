"""How every door asks: the words of the wire become a view and a canonical address, the lookup answers, and words come of that.

All that is particular to mail on its way is decided here, once for every door: a source route says nothing of the mailbox
(RFC 5321 4.1.1.3 and F.2), and `postmaster` without a domain is everybody's own (RFC 5321 4.1.1.3), on nobody's list.
"""

import logging
import time
from functools import cache
from typing import NamedTuple, Protocol

from api.doors.choosing import Chooser
from api.doors.said import NO_OPINION, Kind, Question, Said
from api.doors.words import INVALID, NO_ADDRESS, SUPPRESSED_TEXT, UNCHECKED, UNKNOWN, plain, refused, shadow_of, suppressed
from api.lookup import Verdict
from api.threads import StoreThreads
from api.view import View
from nullsender import telemetry
from nullsender.address import canonical
from nullsender.counting import Tally, Timings
from nullsender.errors import Invalid, Transient
from nullsender.limits import DOOR_LINE_SECONDS

_log = logging.getLogger("doors")
_POSTMASTER = "postmaster"


class Manner(NamedTuple):
    """How the operator wants every door to speak. `text` may hold `{cause}`; in `shadow` nothing is refused, only marked."""

    text: str = SUPPRESSED_TEXT
    shadow: bool = False


class Answering(Protocol):
    """What `Lookup` answers. `asked` is a canonical address, or whatever else a door has in its place."""

    def at_once(self, view: View, asked: str, /) -> Verdict | None:
        """The answer from memory alone; None: only `verdict` can tell."""
        ...

    def verdict(self, view: View, asked: str, /) -> Verdict:
        """The answer. May wait; `Transient` when nobody can tell."""
        ...


class Asking:
    """The questions of one listener of the door `door`."""

    def __init__(self, door: str, *, lookup: Answering, threads: StoreThreads, chooser: Chooser, manner: Manner) -> None:
        self._door = door
        self._lookup = lookup
        self._threads = threads
        self._chooser = chooser
        self._manner = manner
        self._counts = _counts_of(door)

    def at_once(self, question: Question) -> Said | None:
        """The answer from memory; None: ask with `said`, which may wait. Never waits."""
        began_at_seconds = time.perf_counter()
        asked = self._read(question)
        if isinstance(asked, Said):
            return self._told(asked, question, began_at_seconds)
        verdict = self._lookup.at_once(*asked)
        return None if verdict is None else self._told(self._in_words(verdict), question, began_at_seconds)

    async def said(self, question: Question) -> Said:
        """The answer. Never raises: what goes wrong is `UNKNOWN`."""
        began_at_seconds = time.perf_counter()
        asked = self._read(question)
        said = asked if isinstance(asked, Said) else await self._from_store(*asked)
        return self._told(said, question, began_at_seconds)

    def answered(self, said: Said) -> Said:
        """Count an answer that nobody had to be asked for, and give it in the manner that the operator wants."""
        return self._told(said, Question(""), time.perf_counter())

    def garbage(self, reason: str) -> None:
        """Note that somebody is hung up on."""
        self._counts.answers[Kind.REFUSED].count += 1
        self._complain("hung up", reason)

    def _read(self, question: Question) -> tuple[View, str] | Said:
        """Whose list is asked about whom, or what is to be said of the question itself."""
        try:
            view = self._chooser.view(question)
        except Invalid as mistake:
            return refused(mistake.reason)
        text = question.address
        if not text.strip():
            return NO_ADDRESS
        try:
            return view, canonical(_without_route(text) if text.startswith("@") else text)
        except Invalid:
            return NO_OPINION if text.strip().lower() == _POSTMASTER else INVALID

    async def _from_store(self, view: View, address: str) -> Said:
        try:
            return self._in_words(await self._threads.run(self._lookup.verdict, view, address))
        except Transient as trouble:
            self._complain("nobody can tell", str(trouble))
        except Exception:
            _log.exception("a question could not be answered", extra={"facts": {"door": self._door}})
        return UNKNOWN

    def _in_words(self, verdict: Verdict) -> Said:
        if verdict.allowed:
            return NO_OPINION if verdict.known else UNCHECKED
        assert verdict.cause is not None, "what is stopped is stopped by an entry, and that has a cause"
        return suppressed(verdict.cause, verdict.scope, self._manner.text)

    def _told(self, said: Said, question: Question, began_at_seconds: float) -> Said:
        counts = self._counts
        counts.answers[said.kind].count += 1
        counts.seconds.observe(time.perf_counter() - began_at_seconds)
        if said.kind is Kind.ALLOWED:
            return said
        if said.kind is Kind.REFUSED:
            self._complain("question refused", said.words)
        return self._shadowed(said, question) if self._manner.shadow else said

    def _shadowed(self, said: Said, question: Question) -> Said:
        """The trial run is there to be looked at: a line for each mail that would not have gone."""
        self._counts.shadowed.count += 1
        shadow = shadow_of(said)
        facts = {"door": self._door, "recipient": plain(question.address), "mark": shadow.mark}
        _log.info("mail goes that would be refused", extra={"facts": facts})
        return shadow

    def _complain(self, what: str, reason: str) -> None:
        """A line in the log, but not for every mail of a sender that is set up wrongly."""
        now_seconds = time.monotonic()
        counts = self._counts
        counts.unsaid += 1
        if now_seconds >= counts.quiet_until_seconds:
            facts = {"door": self._door, "reason": reason, "times": counts.unsaid}
            _log.warning(what, extra={"facts": facts})
            counts.unsaid = 0
            counts.quiet_until_seconds = now_seconds + DOOR_LINE_SECONDS


def _without_route(text: str) -> str:
    """`@one,@two:user@domain` is `user@domain`."""
    return text.partition(":")[2]


class _Counts:
    """What is counted of one door; all its listeners share it."""

    def __init__(self, door: str) -> None:
        self.answers = {kind: Tally(telemetry.DOOR_ANSWERS.labels(door, kind)) for kind in Kind}
        self.shadowed = Tally(telemetry.DOOR_SHADOWED.labels(door))
        self.seconds = Timings(telemetry.DOOR_SECONDS.labels(door))
        self.unsaid = 0
        self.quiet_until_seconds = 0.0


@cache  # one for each door that there is
def _counts_of(door: str) -> _Counts:
    return _Counts(door)
