"""Records read again: what today's readers and rules make of them. Nothing is written here."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from classifiers.consumer import GIVES
from ingest.intake import Intake
from nullsender.clock import Clock
from nullsender.errors import Invalid
from nullsender.events import DeadLetter, Decision, Outcome, RawMessage, Rejudgement, Report, decode
from nullsender.limits import REPLAY_APPENDED_EARLIER_SECONDS_MAX
from nullsender.log import Record, StoredRecord, Topic

#: What can be read again: what reports were decided of, and what they were read in.
READ_AGAIN = (*GIVES, Topic.RAW)


class Span(NamedTuple):
    """From one moment to another, the first included and the second not; None: no bound."""

    since: datetime | None = None
    until: datetime | None = None

    def __contains__(self, moment: object) -> bool:
        assert isinstance(moment, datetime), "a span holds moments"
        return (self.since is None or moment >= self.since) and (self.until is None or moment < self.until)

    def appended_since(self) -> datetime | None:
        """Where to start reading a log: what was received in this span was appended then or later."""
        return self.since and self.since - timedelta(seconds=REPLAY_APPENDED_EARLIER_SECONDS_MAX)


ALWAYS = Span()


class Reread(NamedTuple):
    """A report as it is read today: its outcome, and where on the log that belongs."""

    topic: Topic
    key: bytes
    outcome: Outcome


class Unreadable(NamedTuple):
    """What today's reader can not read; it stays where it lies."""

    where: str
    reason: str


class Decides(Protocol):
    """What decides a report (`classifiers.rules.Rules`)."""

    def decide(self, report: Report) -> Decision:
        """The decision on `report`."""


class Rereader:
    """Reads records again. All of one replay are decided at the same moment, by which a later replay is told from it."""

    def __init__(self, rules: Decides, intake: Intake | None, span: Span, rejudged: Rejudgement, *, clock: Clock) -> None:
        """`intake` reads raw messages; reports are read again without one."""
        self.span = span
        self._rules = rules
        self._intake = intake
        self._rejudged = rejudged
        self._decided_at = clock.now()

    def read(self, record: StoredRecord) -> Iterator[Reread | Unreadable]:
        """The reports of a record of READ_AGAIN that were received in the span."""
        try:
            if record.partition.topic is Topic.RAW:
                yield from self._read_message(record, decode(RawMessage, record.value))
            else:
                yield from self._decide(record.partition.topic, record.key, decode(Report, record.value))
        except Invalid as invalid:
            yield Unreadable(_where(record), invalid.reason)

    def _read_message(self, record: StoredRecord, raw: RawMessage) -> Iterator[Reread | Unreadable]:
        if raw.received_at not in self.span:
            return
        assert self._intake is not None, "who reads the topic of raw messages needs an intake"
        for read in self._intake.take(raw.content, raw.source, raw.received_at).records:
            if read.topic is Topic.DEAD_LETTERS:
                yield Unreadable(_where(record), decode(DeadLetter, read.value).reason)
            elif read.topic is not Topic.RAW:
                yield from self._decide_read(read)

    def _decide_read(self, read: Record) -> Iterator[Reread]:
        return self._decide(read.topic, read.key, decode(Report, read.value))

    def _decide(self, topic: Topic, key: bytes, report: Report) -> Iterator[Reread]:
        if report.received_at in self.span:
            decision = self._rules.decide(report)
            outcome = Outcome(report=report, decision=decision, decided_at=self._decided_at, rejudged=self._rejudged)
            yield Reread(GIVES[topic], key, outcome)


def _where(record: StoredRecord) -> str:
    return f"{record.partition.topic}/{record.partition.number} at {record.offset}"
