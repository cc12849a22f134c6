"""Group commit: everybody who waits for the disk waits for the same write.

One thread for each topic takes what has gathered while it was busy and appends it in one commit. A lone record is written at
once; the busier the log, the more share one wait. The queue is bounded: past it, and whenever the disk says no, the
publisher is told `Transient` and keeps what it has.
"""

import logging
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from nullsender import telemetry
from nullsender.clock import Clock
from nullsender.errors import Transient
from nullsender.limits import (
    LOG_COMMIT_BYTES_MAX,
    LOG_COMMIT_RECORDS_MAX,
    LOG_QUEUE_BYTES_MAX,
    LOG_QUEUE_RECORDS_MAX,
    PUBLISH_SECONDS_MAX,
)
from nullsender.log import Closing, Record
from nullsender.log_embedded_topic import TopicStore
from nullsender.log_publication import Publication

_log = logging.getLogger("log")


@dataclass(frozen=True, eq=False)
class _Part:
    """The records of one publication for one topic."""

    publication: Publication
    records: Sequence[Record]
    length_bytes: int


class GroupCommit(Closing):
    """The thread that writes one topic for this process."""

    def __init__(self, store: TopicStore, *, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._queue: deque[_Part] = deque()
        self._writing: list[_Part] = []
        self._queued_records = self._queued_bytes = 0
        self._closing = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name=f"log {store.topic}", daemon=True)
        self._thread.start()

    def submit(self, records: Sequence[Record], publication: Publication) -> None:
        """Queue one part of `publication`; it is settled when the part is durable, or has failed."""
        part = _Part(publication, records, sum(len(record.key) + len(record.value) for record in records))
        with self._changed:
            refusal = self._refusal(part)
            if refusal is None:
                self._queue.append(part)
                self._count(part, 1)
                self._changed.notify()
        if refusal is not None:
            self._refuse([part], refusal)

    def _refusal(self, part: _Part) -> Transient | None:
        if self._closing:
            return Transient("the log is being closed")
        full = (
            self._queued_records + len(part.records) > LOG_QUEUE_RECORDS_MAX
            or self._queued_bytes + part.length_bytes > LOG_QUEUE_BYTES_MAX
        )
        return Transient("too many records wait for the disk") if full and self._queue else None

    def _count(self, part: _Part, sign: int) -> None:
        self._queued_records += sign * len(part.records)
        self._queued_bytes += sign * part.length_bytes

    def _run(self) -> None:
        while parts := self._take():
            started_seconds = self._clock.monotonic_seconds()
            try:
                self._store.append([record for part in parts for record in part.records])
            except Transient as trouble:
                self._refuse(parts, trouble)
            except Exception as bug:  # it belongs to those who wait for it; the thread must live for those who come later
                _log.exception("our own code failed on a commit")
                self._refuse(parts, bug)
            else:
                for part in parts:
                    part.publication.settle()
            telemetry.LOG_COMMIT_SECONDS.labels(self._store.topic).observe(self._clock.monotonic_seconds() - started_seconds)

    def _take(self) -> list[_Part]:
        """What the next commit carries, at least one part; nothing: the log closes and all is written."""
        with self._changed:
            self._writing = []
            while not self._queue and not self._closing:
                self._changed.wait()
            records = length_bytes = 0
            while self._queue:
                part = self._queue[0]
                records += len(part.records)
                length_bytes += part.length_bytes
                if self._writing and (records > LOG_COMMIT_RECORDS_MAX or length_bytes > LOG_COMMIT_BYTES_MAX):
                    break
                self._writing.append(self._queue.popleft())
                self._count(part, -1)
            return self._writing

    def fail_overdue(self) -> None:
        """Tell those who waited too long: the disk hangs, or another process holds the topic. What is queued of theirs goes."""
        now_seconds = self._clock.monotonic_seconds()
        with self._changed:
            overdue = [part for part in self._writing if part.publication.deadline_seconds <= now_seconds]
            while self._queue and self._queue[0].publication.deadline_seconds <= now_seconds:
                overdue.append(self._queue.popleft())
                self._count(overdue[-1], -1)
        if overdue:
            self._refuse(overdue, Transient(f"the log did not write it within {PUBLISH_SECONDS_MAX:.0f} s"))

    def _refuse(self, parts: Sequence[_Part], failure: Exception) -> None:
        records = sum(len(part.records) for part in parts)
        telemetry.LOG_REFUSED.labels(self._store.topic).inc(records)
        _log.warning("refused", extra={"facts": {"topic": self._store.topic, "records": records, "why": failure}})
        for part in parts:
            part.publication.settle(failure)

    def close(self) -> None:
        """Write what is queued, then end the thread; what hangs for longer than a publish may take is left behind."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(PUBLISH_SECONDS_MAX)
        if self._thread.is_alive():
            with self._changed:
                left, self._queue = [*self._writing, *self._queue], deque()
            self._refuse(left, Transient("the log was closed before it was written"))
