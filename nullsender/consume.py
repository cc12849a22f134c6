"""The one loop of every consumer: take a batch, deal with it, remember how far we are. In this order, always.

A record ends in one of three ways, and the exception's type says which:

    done    `handle` returned: the effect is durable, the offset moves on
    later   `Transient`: nothing happened; the same batch again after a wait that grows
    never   `Invalid`, or our own code failed on it RECORD_ATTEMPTS_MAX times: the record goes to the dead letters, whole,
            with the reason, and only then does the offset move on

`Misconfigured` is no record's fault: it ends the role, with the offset where it was.

A brake holds the consumer when DEAD_LETTERS_IN_A_ROW_MAX records in a row are dead: then we are at fault, not the records, and
waiting loses nothing while pouring a topic into the dead letters would bury it. It stays where it is, says so, and tries the
same record again now and then; other topics' loops go on.
"""

import hashlib
import logging
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from nullsender import telemetry
from nullsender.clock import Clock
from nullsender.errors import Invalid, Misconfigured, Transient
from nullsender.events import DeadLetter, encode
from nullsender.limits import (
    DEAD_LETTERS_IN_A_ROW_MAX,
    LAG_EVERY_SECONDS,
    POLL_RECORDS_MAX,
    POLL_SECONDS,
    RECORD_ATTEMPTS_MAX,
    RETRY_SECONDS_MAX,
    RETRY_SECONDS_MIN,
)
from nullsender.log import Consumer, Partition, Producer, Record, StoredRecord, Topic, wait_until_durable


class Handler(Protocol):
    """One stage's effect."""

    def handle(self, batch: Sequence[StoredRecord], next_offsets: Mapping[Partition, int]) -> None:
        """Deal with every record of `batch`; on return the effect is durable.

        `next_offsets` is what the group will have dealt with then, for a stage that keeps offsets in its own transaction.
        Raises `Transient` when nothing was done and may be later, `Invalid` when a record can never be dealt with. It must be
        idempotent: the same records may come again.
        """


class Braked(Transient):
    """So many records in a row are dead that the consumer goes no further; an operator has to look."""


class ConsumeLoop:
    """Runs one `Handler` on one `Consumer` until `stopping()` says so."""

    def __init__(
        self,
        group: str,
        *,
        consumer: Consumer,
        handler: Handler,
        dead_letters: Producer,
        clock: Clock,
        stopping: Callable[[], bool],
    ) -> None:
        self._group = group
        self._consumer = consumer
        self._handler = handler
        self._dead_letters = dead_letters
        self._clock = clock
        self._stopping = stopping
        self._log = logging.getLogger(group)
        self._dead_in_a_row = 0
        self._retry_seconds = RETRY_SECONDS_MIN
        self._lag_due_at_seconds = 0.0

    def run(self) -> None:
        """Consume until stopped; nothing that was not stored is lost however it ends."""
        while not self._stopping():
            self.run_once()

    def run_once(self) -> None:
        """One poll and what follows from it; waits `POLL_SECONDS` at most when there is nothing to do."""
        try:
            self._show_lag()
            batch = self._consumer.poll(records_max=POLL_RECORDS_MAX, timeout_seconds=POLL_SECONDS)
            if batch:
                self._deal_with(batch)
        except Transient as trouble:
            self._wait(trouble)
            self._consumer.rewind()

    def _deal_with(self, batch: Sequence[StoredRecord]) -> None:
        try:
            self._finish(batch)
        except (Transient, Misconfigured):
            raise
        except Exception as failure:
            # One record may spoil a batch for all the others: find it by taking them one at a time.
            if len(batch) > 1:
                self._log.warning("a batch failed, taking its records one at a time", extra={"facts": {"failure": failure}})
            for record in batch:
                self._deal_with_one(record)

    def _deal_with_one(self, record: StoredRecord) -> None:
        for attempt in range(1, RECORD_ATTEMPTS_MAX + 1):
            try:
                return self._finish([record])
            except (Transient, Misconfigured):
                raise
            except Invalid as invalid:
                return self._set_aside(record, invalid.reason, attempt)
            except Exception as bug:
                self._log.exception("our own code failed on a record", extra={"facts": {"attempt": attempt, **_where(record)}})
                if attempt == RECORD_ATTEMPTS_MAX:
                    return self._set_aside(record, f"our bug: {_last_line(bug)}", attempt)
        raise AssertionError("unreachable: the last attempt returns")

    def _finish(self, batch: Sequence[StoredRecord]) -> None:
        next_offsets = {record.partition: record.offset + 1 for record in batch}  # the last of a partition wins
        self._handler.handle(batch, next_offsets)
        self._consumer.store(next_offsets)
        if self._dead_in_a_row:
            self._dead_in_a_row = 0
            telemetry.CONSUMER_BRAKED.labels(self._group).set(0)
        self._retry_seconds = RETRY_SECONDS_MIN
        telemetry.RECORDS_DONE.labels(self._group).inc(len(batch))
        age = self._clock.now() - min(record.appended_at for record in batch)
        telemetry.RECORD_AGE.labels(self._group).observe(max(age.total_seconds(), 0.0))

    def _set_aside(self, record: StoredRecord, reason: str, attempts: int) -> None:
        """Publish the dead letter, and only then move on."""
        if self._dead_in_a_row >= DEAD_LETTERS_IN_A_ROW_MAX:
            telemetry.CONSUMER_BRAKED.labels(self._group).set(1)
            raise Braked(
                f"{self._group} goes no further: {self._dead_in_a_row} records in a row can not be dealt with (now: {reason}). "
                "Nothing is lost. See `nullsender dead-letters list`, and mend the cause."
            )
        letter = dead_letter_of(record, reason=reason, stage=self._group, attempts=attempts, clock=self._clock)
        wait_until_durable(self._dead_letters.publish([Record(Topic.DEAD_LETTERS, letter.id.encode(), encode(letter))]))
        self._consumer.store({record.partition: record.offset + 1})
        self._dead_in_a_row += 1
        telemetry.RECORDS_DEAD.labels(self._group).inc()
        self._log.warning("set aside as a dead letter", extra={"facts": {"id": letter.id, "reason": reason, **_where(record)}})

    def _wait(self, trouble: Transient) -> None:
        telemetry.BATCH_RETRIES.labels(self._group).inc()
        self._log.warning("will try again", extra={"facts": {"in_seconds": self._retry_seconds, "trouble": trouble}})
        self._clock.sleep(self._retry_seconds)
        self._retry_seconds = min(self._retry_seconds * 2, RETRY_SECONDS_MAX)

    def _show_lag(self) -> None:
        now_seconds = self._clock.monotonic_seconds()
        if now_seconds >= self._lag_due_at_seconds:
            self._lag_due_at_seconds = now_seconds + LAG_EVERY_SECONDS
            telemetry.CONSUMER_LAG.labels(self._group).set(sum(self._consumer.lag().values()))


def dead_letter_of(record: StoredRecord, *, reason: str, stage: str, attempts: int, clock: Clock) -> DeadLetter:
    """The dead letter of a record: its id is made from where the record lay, so setting it aside twice makes one id."""
    place = f"{stage} {record.partition.topic} {record.partition.number} {record.offset}"
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


def _where(record: StoredRecord) -> dict[str, object]:
    return {"topic": record.partition.topic, "partition": record.partition.number, "offset": record.offset}


def _last_line(error: BaseException) -> str:
    return traceback.format_exception_only(error)[-1].strip()
