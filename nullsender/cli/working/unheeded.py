"""Unsubscribes that reached us and stop no mail yet, wherever they are: on the log, set aside, or withheld by the policy.

Each has its limit from the moment at which it came. For those on the log that is told only while they are there; the list keeps
those that it took and could not heed.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import NamedTuple

from ingest.roles import role_of
from nullsender.errors import Invalid
from nullsender.events import DeadLetter, Kind, Outcome, Report, decode
from nullsender.limits import UNSUBSCRIBE_ALARM_SHARE, UNSUBSCRIBE_WAITING_DAYS, UNSUBSCRIBES_STUCK_MAX
from nullsender.log import Log, Partition, StoredRecord, Topic
from suppression.store.unsubscribes import StoreUnsubscribes
from suppression.unsubscribes.deadlines import Deadlines, Limit

#: Who takes an unsubscribe from which topic, on its way from the MX to the list.
_WAY = {"classify": Topic.UNSUBSCRIBES, "suppress": Topic.URGENT_OUTCOMES}


class Unheeded(NamedTuple):
    """One of them."""

    received: datetime
    limit: Limit
    tenant: str
    address: str | None  # as the mail wrote it; None where nothing says it
    report: str
    held_up: str  # by what, in words
    remedy: str

    def is_at_risk(self, now: datetime) -> bool:
        """Whether less than a quarter of its time is left."""
        return now >= self.limit.at - (self.limit.at - self.received) * UNSUBSCRIBE_ALARM_SHARE

    def is_breached(self, now: datetime) -> bool:
        """Whether its time is over."""
        return now >= self.limit.at


class Unheededs:
    """Looks for them. What it has read of the dead letters it remembers, so that looking every minute costs little."""

    def __init__(self, log: Log | None, store: StoreUnsubscribes) -> None:
        """`log` None: there is none yet."""
        self._log = log
        self._store = store
        self._deadlines: Deadlines = store.deadlines
        self._letters: dict[bytes, Unheeded] = {}
        self._letters_read_to: datetime | None = None

    def look(self, now: datetime) -> Sequence[Unheeded]:
        """All of the last UNSUBSCRIBE_WAITING_DAYS, the oldest first."""
        since = now - timedelta(days=UNSUBSCRIBE_WAITING_DAYS)
        found = [*self._in_the_store(since)]
        if self._log is not None:
            found += [*self._on_the_log(self._log, since), *self._dead(self._log, since, now)]
        return sorted(found, key=lambda one: one.received)

    def _in_the_store(self, since: datetime) -> Iterator[Unheeded]:
        for one in self._store.waiting(since, UNSUBSCRIBES_STUCK_MAX):
            yield Unheeded(
                one.received,
                Limit(one.limit_at, one.jurisdiction),
                one.tenant,
                one.address,
                one.report or "",
                one.why_not or "",
                "look at its history; where it is meant, put the address on the list with the cause unsubscribe; where it is "
                f"not, `nullsender deadlines dismiss {one.seq} --reason …`",
            )

    def _on_the_log(self, log: Log, since: datetime) -> Iterator[Unheeded]:
        for group, topic in _WAY.items():
            lag = {place: count for place, count in log.group_lag(group, [topic]).items() if count}
            for record in _last(log, topic, lag, since) if lag else ():
                report = _report_in(topic, record.value)
                if report is not None and report.kind is Kind.UNSUBSCRIBE:
                    yield self._of_report(report, f"on the log, for `nullsender {group}`", "is that role running?")

    def _dead(self, log: Log, since: datetime, now: datetime) -> Sequence[Unheeded]:
        for record in log.read(Topic.DEAD_LETTERS, since=self._letters_read_to or since):
            one = self._of_letter(decode(DeadLetter, record.value)) if record.value else None
            if one is None:
                self._letters.pop(record.key, None)  # it was replayed, or is none of ours
            elif record.key in self._letters or len(self._letters) < UNSUBSCRIBES_STUCK_MAX:
                self._letters[record.key] = one
        self._letters_read_to = now - timedelta(minutes=1)  # the log's clock may be another one
        return [one for one in self._letters.values() if one.received >= since]

    def _of_letter(self, letter: DeadLetter) -> Unheeded | None:
        held_up, remedy = f"a dead letter: {letter.reason}", f"`nullsender replay {letter.id}` when the cause is gone"
        if not letter.topic:
            if not any(role_of(address) is Topic.UNSUBSCRIBES for address in letter.source.rcpt_to):
                return None
            limit = self._deadlines.limit("default", letter.dead_at)
            return Unheeded(letter.dead_at, limit, "default", letter.source.mail_from or None, letter.id, held_up, remedy)
        report = _report_in(letter.topic, letter.content)
        if report is None or report.kind is not Kind.UNSUBSCRIBE:
            return None
        return self._of_report(report, held_up, remedy)

    def _of_report(self, report: Report, held_up: str, remedy: str) -> Unheeded:
        limit = self._deadlines.limit(report.tenant, report.received_at)
        return Unheeded(report.received_at, limit, report.tenant, report.recipient, report.id, held_up, remedy)


def _last(log: Log, topic: Topic, lag: Mapping[Partition, int], since: datetime) -> Iterator[StoredRecord]:
    """The records of a topic that its reader has not dealt with, the oldest of each partition first."""
    held = Counter(record.partition for record in log.read(topic, since=since))
    skipped: Counter[Partition] = Counter()

    def waiting() -> Iterator[StoredRecord]:
        for record in log.read(topic, since=since):
            skipped[record.partition] += 1
            if skipped[record.partition] > held[record.partition] - lag.get(record.partition, 0):
                yield record

    return islice(waiting(), UNSUBSCRIBES_STUCK_MAX)


def _report_in(topic: str, content: bytes) -> Report | None:
    """The report that a record of this topic holds; None where it holds none that can be read."""
    try:
        return decode(Outcome, content).report if topic == Topic.URGENT_OUTCOMES else decode(Report, content)
    except Invalid:
        return None
