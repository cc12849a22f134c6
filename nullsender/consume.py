"""The one loop of every consumer: take a batch, deal with it, remember how far we are. In this order, always.

A record ends in one of three ways, and the exception's type says which:

    done    `handle` returned: the effect is durable, the offset moves on
    later   `Transient`: nothing happened; the same batch again after a wait that grows
    never   `Invalid`, or our own code failed on it RECORD_ATTEMPTS_MAX times: the record goes to the dead letters, whole,
            with the reason, and only then does the offset move on

`Misconfigured` is no record's fault: it ends the role, with the offset where it was. Where a record ends the whole process,
nothing is raised at all: `in_hand` remembers what was in hand then, has suspected records tried one at a time with nothing else
going on in the process, and after RECORD_DEATHS_MAX deaths during such trials the record is set aside too.

A brake holds the consumer when DEAD_LETTERS_IN_A_ROW_MAX records in a row are dead: then we are at fault, not the records, and
waiting loses nothing while pouring a topic into the dead letters would bury it. It stays where it is, says so, and tries the
same record again now and then; other topics' loops go on.

Whether a loop moves at all is for another thread to see, and to say: `status` tells it.
"""

import hashlib
import logging
import random
import traceback
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from nullsender import telemetry
from nullsender.clock import Clock
from nullsender.errors import Invalid, Misconfigured, Transient
from nullsender.events import DeadLetter, encode
from nullsender.in_hand import InHand
from nullsender.limits import (
    DEAD_LETTERS_IN_A_ROW_MAX,
    LAG_EVERY_SECONDS,
    POLL_RECORDS_MAX,
    POLL_SECONDS,
    RECORD_ATTEMPTS_MAX,
    RECORD_DEATHS_MAX,
    RECORD_TRIAL_AFTER_SECONDS,
    RETRY_SECONDS_MAX,
    RETRY_SECONDS_MIN,
)
from nullsender.log import Consumer, Partition, Producer, Record, StoredRecord, Topic, mark_of, wait_until_durable


class Handler(Protocol):
    """One stage's effect."""

    def handle(self, batch: Sequence[StoredRecord], next_offsets: Mapping[Partition, int]) -> None:
        """Deal with every record of `batch`; on return the effect is durable.

        `next_offsets` is what the group will have dealt with then, for a stage that keeps offsets in its own transaction.
        Raises `Transient` when nothing was done and may be later, `Invalid` when a record can never be dealt with. It must be
        idempotent: the same records may come again.
        """

    def pass_over(self, record: StoredRecord) -> None:
        """`record` is a dead letter, durably: a stage that keeps offsets in its own transaction moves them past it.

        On return that is durable. `Transient` where it may work later; then the record comes again.
        """


class Braked(Transient):
    """So many records in a row are dead that the consumer goes no further; an operator has to look."""


class Status(NamedTuple):
    """How a loop is doing, as another thread sees it."""

    busy_seconds: float  # since it last dealt with a record, while it has some in hand; 0 when it has none
    oldest_record_at: datetime | None  # when the oldest record in hand was put on the log
    braked: bool
    silent_seconds: float = 0.0  # since the log first failed to answer; 0 while it answers


class ConsumeLoop:
    """Runs one `Handler` on one `Consumer` until `stopping()` says so, which it asks between any two steps."""

    def __init__(
        self,
        group: str,
        *,
        consumer: Consumer,
        handler: Handler,
        dead_letters: Producer,
        clock: Clock,
        stopping: Callable[[], bool],
        in_hand: InHand | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """All loops of a process share one `in_hand`; it outlives the process, if deaths are to be counted.

        `chance` gives a number from 0 to 1.
        """
        self._group = group
        self._consumer = consumer
        self._handler = handler
        self._dead_letters = dead_letters
        self._clock = clock
        self._stopping = stopping
        self._in_hand = in_hand or InHand()
        self._chance = chance
        self._log = logging.getLogger(group)
        self._dead_in_a_row = 0
        self._retry_seconds = RETRY_SECONDS_MIN
        self._lag_due_at_seconds = 0.0
        self._lag_records: Mapping[Topic, int] = {}
        self._moved_at_seconds: float | None = None  # while there is something in hand
        self._oldest_record_at: datetime | None = None
        self._braked = False
        self._silent_since_seconds: float | None = None  # while the log does not answer

    def status(self) -> Status:
        """How it is doing now. Thread-safe."""
        busy_seconds = self._seconds_since(self._moved_at_seconds)
        return Status(busy_seconds, self._oldest_record_at, self._braked, self._seconds_since(self._silent_since_seconds))

    def _seconds_since(self, moment_seconds: float | None) -> float:
        return 0.0 if moment_seconds is None else self._clock.monotonic_seconds() - moment_seconds

    def run(self) -> None:
        """Consume until stopped; nothing that was not stored is lost however it ends."""
        while not self._stopping():
            self.run_once()

    def run_once(self) -> None:
        """One poll and what follows from it; waits `POLL_SECONDS` at most when there is nothing to do."""
        try:
            self._show_lag()
            batch = self._consumer.poll(records_max=POLL_RECORDS_MAX, timeout_seconds=POLL_SECONDS)
            self._take_in_hand(batch)
            if batch:
                self._deal_with(batch)
                self._moved_at_seconds = None
            else:
                self._retry_seconds = RETRY_SECONDS_MIN  # the trouble is over, though there was nothing to show it on
        except Transient as trouble:
            self._wait(trouble)
            self._consumer.rewind()

    def _take_in_hand(self, batch: Sequence[StoredRecord]) -> None:
        """What did not work and is given again was in hand all the time."""
        self._oldest_record_at = min((record.appended_at for record in batch), default=None)
        if not batch:
            self._moved_at_seconds = None
        elif self._moved_at_seconds is None:
            self._moved_at_seconds = self._clock.monotonic_seconds()

    def _deal_with(self, batch: Sequence[StoredRecord]) -> None:
        if self._in_hand.suspects(batch):
            self._log.error("processes died with these records in hand, trying them one at a time", extra=_facts(batch[0]))
            return self._one_at_a_time(batch, on_trial=True)
        try:
            return self._finish(batch)
        except (Transient, Misconfigured):
            raise
        except Exception as failure:
            # One record may spoil a batch for all the others: find it by taking them one at a time.
            if len(batch) > 1:
                self._log.warning("a batch failed, taking its records one at a time", extra={"facts": {"failure": failure}})
            return self._one_at_a_time(batch, on_trial=False)

    def _one_at_a_time(self, batch: Sequence[StoredRecord], *, on_trial: bool) -> None:
        for record in batch:
            deaths = self._in_hand.deaths_on_trial(record)
            if deaths:
                self._live_without()
            if self._stopping():
                return  # the rest was not stored, and comes again
            if deaths >= RECORD_DEATHS_MAX:
                reason = f"{deaths} processes in a row died while they worked on this record alone"
                self._set_aside(record, reason, deaths)
            else:
                self._deal_with_one(record, on_trial=on_trial)

    def _live_without(self) -> None:
        """Live for a while before a record is tried again: a process that dies of something else does so now, and not then.

        The while is of no fixed length, so that no death which comes at its hour after a start meets the trial each time.
        """
        seconds = RECORD_TRIAL_AFTER_SECONDS * (1 + self._chance())
        tried_at_seconds = self._clock.monotonic_seconds() + seconds
        while self._clock.monotonic_seconds() < tried_at_seconds and not self._stopping():
            self._clock.sleep(POLL_SECONDS)

    def _deal_with_one(self, record: StoredRecord, *, on_trial: bool) -> None:
        for attempt in range(1, RECORD_ATTEMPTS_MAX + 1):
            try:
                return self._finish([record], on_trial=on_trial)
            except (Transient, Misconfigured):
                raise
            except Invalid as invalid:
                return self._set_aside(record, invalid.reason, attempt)
            except Exception as bug:
                self._log.exception("our own code failed on a record", extra=_facts(record, attempt=attempt))
                if attempt == RECORD_ATTEMPTS_MAX:
                    return self._set_aside(record, f"our bug: {_last_line(bug)}", attempt)
        raise AssertionError("unreachable: the last attempt returns")

    def _finish(self, batch: Sequence[StoredRecord], *, on_trial: bool = False) -> None:
        next_offsets = {record.partition: record.offset + 1 for record in batch}  # the last of a partition wins
        with self._in_hand.trying(batch[0]) if on_trial else self._in_hand.holding(batch):
            self._handler.handle(batch, next_offsets)
        self._consumer.store(next_offsets)
        self._dead_in_a_row = 0
        self._moved()
        for topic, count in Counter(record.partition.topic for record in batch).items():
            telemetry.RECORDS_DONE.labels(self._group, topic).inc(count)
        oldest = min(batch, key=lambda record: record.appended_at)
        age = self._clock.now() - oldest.appended_at
        telemetry.RECORD_AGE.labels(self._group, oldest.partition.topic).observe(max(age.total_seconds(), 0.0))

    def _set_aside(self, record: StoredRecord, reason: str, attempts: int) -> None:
        """Publish the dead letter, and only then move on."""
        if self._dead_in_a_row >= DEAD_LETTERS_IN_A_ROW_MAX:
            self._braked = True
            raise Braked(
                f"{self._group} goes no further: {self._dead_in_a_row} records in a row can not be dealt with (now: {reason}). "
                "Nothing is lost. See `nullsender dead-letters list`, and mend the cause."
            )
        letter = dead_letter_of(record, reason=reason, stage=self._group, attempts=attempts, clock=self._clock)
        wait_until_durable(self._dead_letters.publish([Record(Topic.DEAD_LETTERS, letter.id.encode(), encode(letter))]))
        self._handler.pass_over(record)
        self._consumer.store({record.partition: record.offset + 1})
        self._dead_in_a_row += 1
        self._moved()
        telemetry.RECORDS_DEAD.labels(self._group, record.partition.topic).inc()
        self._log.warning("set aside as a dead letter", extra=_facts(record, id=letter.id, reason=reason))

    def _moved(self) -> None:
        self._moved_at_seconds = self._clock.monotonic_seconds()
        self._retry_seconds = RETRY_SECONDS_MIN
        self._braked = False

    def _wait(self, trouble: Transient) -> None:
        """Between half and the whole of a time that doubles: many that failed together do not come again together."""
        seconds = self._retry_seconds * (1 + self._chance()) / 2
        telemetry.BATCH_RETRIES.labels(self._group).inc()
        self._log.warning("will try again", extra={"facts": {"in_seconds": f"{seconds:.2f}", "trouble": trouble}})
        self._clock.sleep(seconds)
        self._retry_seconds = min(self._retry_seconds * 2, RETRY_SECONDS_MAX)

    def _show_lag(self) -> None:
        if self._clock.monotonic_seconds() < self._lag_due_at_seconds:
            return
        lag = dict.fromkeys(self._lag_records, 0)  # a topic of which others hold everything now has none of ours
        try:
            for partition, records in self._consumer.lag().items():
                lag[partition.topic] = lag.get(partition.topic, 0) + records
        except Transient as trouble:
            # A number for people: whether there is something to read, the poll says.
            self._log.warning("can not count what waits", extra={"facts": {"trouble": trouble}})
            if self._silent_since_seconds is None:
                self._silent_since_seconds = self._clock.monotonic_seconds()
        else:
            self._silent_since_seconds = None
            self._lag_records = lag
            for topic, records in lag.items():
                telemetry.CONSUMER_LAG.labels(self._group, topic).set(records)
        self._lag_due_at_seconds = self._clock.monotonic_seconds() + LAG_EVERY_SECONDS  # of the answer: it may have taken long


def dead_letter_of(record: StoredRecord, *, reason: str, stage: str, attempts: int, clock: Clock) -> DeadLetter:
    """The dead letter of a record: its id is made from where it lay and what it was, so setting it aside twice makes one id.

    What it was counts too, because another record may lie there on a log that was put back from a copy.
    """
    place = f"{stage} {record.partition.topic} {record.partition.number} {record.offset} {mark_of(record).hex()}"
    return DeadLetter(
        id=hashlib.sha256(place.encode()).hexdigest()[:32],
        reason=reason,
        stage=stage,
        dead_at=clock.now(),
        attempts=attempts,
        topic=record.partition.topic,
        partition=record.partition.number,
        offset=record.offset,
        key=record.key,
        content=record.value,
    )


def _facts(record: StoredRecord, **more: object) -> dict[str, dict[str, object]]:
    """What a log line says of a record: where it lies."""
    return {"facts": {**more, "topic": record.partition.topic, "partition": record.partition.number, "offset": record.offset}}


def _last_line(error: BaseException) -> str:
    return traceback.format_exception_only(error)[-1].strip()
