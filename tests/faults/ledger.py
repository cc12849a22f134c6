"""The ledger of the sending client: what it sent, what it heard for each message, and what has to be found of it therefore.

A message that heard 250 has to be found exactly once for each of its recipients; one that never did, at most once. Nothing else
may be found. The ledger knows nothing of how it is found (`found.py`).
"""

import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from nullsender.events import Result
from suppression.policy import Cause
from tests.faults.mail import Expected, Mail

#: What the client writes down when the connection broke after it had sent everything: the message may have been recorded.
UNKNOWN = "unknown"


class FoundOutcome(NamedTuple):
    """One row of the store: what became of one report."""

    recipient: str
    outcome: Result
    message_id: str


class FoundLetter(NamedTuple):
    """One dead letter."""

    id: str
    reason: str
    content: bytes


class FoundEntry(NamedTuple):
    """One entry of the list, and how many changes made it what it is."""

    recipient: str
    cause: Cause
    scope: str
    provisional: bool
    changes: int


class Found(NamedTuple):
    """Everything that the system has at one moment."""

    outcomes: Sequence[FoundOutcome]
    letters: Sequence[FoundLetter]
    entries: Sequence[FoundEntry]


@dataclass
class Line:
    """One message and what its sender heard, attempt after attempt: whole replies, or UNKNOWN."""

    mail: Mail
    heard: list[str] = field(default_factory=list)

    @property
    def is_accepted(self) -> bool:
        """Whether it heard 250, after which its sender forgets it."""
        return any(reply.startswith("250 ") for reply in self.heard)

    @property
    def ids(self) -> set[str]:
        """The names that the MX gave it; one, however often it came."""
        return {reply.split("recorded as ", 1)[1].split(",", 1)[0] for reply in self.heard if "recorded as " in reply}

    def __str__(self) -> str:
        return f"message {self.mail.name} to {self.mail.to} (heard {', then '.join(self.heard) or 'nothing'})"


class Ledger:
    """What one client, with all its connections, sent. `opened` may be called from many threads."""

    def __init__(self) -> None:
        self._lines: list[Line] = []
        self._lock = threading.Lock()

    def opened(self, mail: Mail) -> Line:
        """The line of a message that is about to be sent."""
        line = Line(mail)
        with self._lock:
            self._lines.append(line)
        return line

    def accept(self, mail: Mail, message_id: str) -> Line:
        """The line of something that a test put on the log itself: as good as a message that heard 250."""
        line = self.opened(mail)
        line.heard.append(f"250 recorded as {message_id}, by the test")
        return line

    def strike(self, line: Line) -> None:
        """Forget a line: what was expected of it is expected no more."""
        with self._lock:
            self._lines.remove(line)

    @property
    def lines(self) -> Sequence[Line]:
        """Every message so far, in the order in which they were first sent."""
        with self._lock:
            return list(self._lines)

    def heard(self, beginning: str) -> int:
        """How often the client heard a reply that begins so."""
        return sum(reply.startswith(beginning) for line in self.lines for reply in line.heard)

    def expected(self) -> Mapping[str, Expected]:
        """What has to be found of the messages that were accepted, by recipient."""
        return {one.recipient: one for line in self.lines if line.is_accepted for one in line.mail.expected}

    def differences(self, found: Found) -> list[str]:
        """In words, everything in which what was found is not what has to be; nothing when all is well."""
        return [
            *self._wrong_replies(),
            *self._wrong_outcomes(found.outcomes),
            *self._wrong_letters(found.letters),
            *self._wrong_entries(found.entries),
        ]

    def _wrong_replies(self) -> Iterable[str]:
        for line in self.lines:
            if any(reply.startswith("5") for reply in line.heard):
                yield f"{line}: refused for good, so its sender drops it"
            if not line.is_accepted:
                yield f"{line}: never accepted"
            if len(line.ids) > 1:
                yield f"{line}: the same bytes have several names"

    def _wrong_outcomes(self, outcomes: Sequence[FoundOutcome]) -> Iterable[str]:
        rows = Counter(row.recipient for row in outcomes)
        by_recipient = {row.recipient: row for row in outcomes}
        for line in self.lines:
            for one in line.mail.expected:
                count, row = rows.pop(one.recipient, 0), by_recipient.get(one.recipient)
                if count > 1 or (count == 0 and line.is_accepted):
                    yield f"{line}: {count} outcomes of {one.recipient}"
                elif row is not None and row.outcome != one.outcome:
                    yield f"{line}: {one.recipient} came to {row.outcome}, not to {one.outcome}"
                elif row is not None and line.ids and row.message_id not in line.ids:
                    yield f"{line}: the outcome of {one.recipient} names {row.message_id}"
        yield from (f"{count} outcomes of {recipient}, of whom nobody sent anything" for recipient, count in rows.items())

    def _wrong_letters(self, letters: Sequence[FoundLetter]) -> Iterable[str]:
        left = Counter(letter.content for letter in letters)
        for line in self.lines:
            if not line.mail.expected:
                count = left.pop(line.mail.content, 0)
                if count > 1 or (count == 0 and line.is_accepted):
                    yield f"{line}: {count} dead letters hold it, not one"
        yield from (f"dead letter {one.id} holds what nobody sent: {one.reason}" for one in letters if one.content in left)

    def _wrong_entries(self, entries: Sequence[FoundEntry]) -> Iterable[str]:
        accepted = self.expected()
        wanted = {
            one.recipient: FoundEntry(one.recipient, one.cause, one.scope, one.provisional, 1)
            for one in accepted.values()
            if one.cause is not None
        }
        for entry in entries:
            want = wanted.pop(entry.recipient, None)
            if want != entry and (want is not None or entry.recipient not in self._unsure()):
                yield f"on the list stands {entry}, wanted: {want}"
        yield from (f"not on the list: {want}" for want in wanted.values())

    def _unsure(self) -> set[str]:
        """Of whom something may be found or not: their message was never accepted, and may have arrived all the same."""
        return {one.recipient for line in self.lines if not line.is_accepted for one in line.mail.expected}
