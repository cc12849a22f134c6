"""A log in memory that fails as real ones do: answers get lost, batches land in part, late or twice, members seem dead.

It stands in for the real logs because it passes their suite (`tests/log_contract.py`). One thing it does worse than they: a
partition changes hands at once, in the middle of a batch, so that every reader that loses one is a zombie for a while.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from datetime import datetime
from itertools import dropwhile
from random import Random
from zlib import crc32

from nullsender.clock import Clock
from nullsender.errors import Invalid, NullsenderError, Transient
from nullsender.limits import RECORD_BYTES_MAX
from nullsender.log import Consumer, Log, Partition, Position, Producer, Record, StartAt, StoredRecord, Topic, mark_of
from tests.sim.fate import Fair, Fate, Trouble

_TURN_RECORDS = 32  # of one partition before the next has its turn

_log = logging.getLogger("log")


def go_on() -> None:
    """Between two steps nothing happens."""


class SimulatedLog(Log):
    """Partitions and offsets in memory; `between` is called between any two steps of a process."""

    def __init__(self, *, clock: Clock, partitions: int, fate: Fate | None = None, between: Callable[[], None] = go_on) -> None:
        self.clock = clock
        self.fate = fate or Fair()
        self.between = between
        self.lock = threading.RLock()
        self.records: dict[Partition, list[StoredRecord]] = {
            Partition(topic, number): [] for topic in Topic for number in range(partitions)
        }
        self.offsets: dict[tuple[str, Partition], int] = {}
        self.members: dict[tuple[str, Topic], list[SimulatedConsumer]] = {}
        self.readers: dict[tuple[str, Partition], SimulatedConsumer] = {}
        self._partitions = partitions
        self._late: list[Sequence[Record]] = []

    # --- what goes wrong with all of it ---

    def send_late(self, records: Sequence[Record]) -> None:
        """Records that are on their way, though their publisher was told that they failed."""
        self._late.append(records)

    def land_late(self) -> None:
        """What was on its way arrives."""
        while self._late:
            self.append(self._late.pop())

    def set_back(self, chance: Random | None = None) -> None:
        """The log is made anew, or by `chance` put back from a copy: every partition ends where it once ended.

        Every process that had it open has to be dead.
        """
        for records in self.records.values():
            del records[chance.randint(0, len(records)) if chance else 0 :]
        for (group, partition), offset in self.offsets.items():
            self.offsets[group, partition] = min(offset, len(self.records[partition]))
        self.members.clear()
        self.readers.clear()
        self._late.clear()

    # --- what the log's own parts ask for ---

    def of(self, topic: Topic) -> list[Partition]:
        """The partitions of a topic."""
        return [Partition(topic, number) for number in range(self._partitions)]

    def append(self, records: Sequence[Record]) -> None:
        """Let them lie there."""
        for record in records:
            partition = Partition(record.topic, crc32(record.key) % self._partitions)
            place = self.records[partition]
            place.append(StoredRecord(partition, len(place), self.clock.now(), record.key, record.value))

    # --- the interface ---

    def producer(self) -> "SimulatedProducer":
        """A new producer."""
        return SimulatedProducer(self)

    def consumer(self, group: str, topics: Sequence[Topic], *, start_at: StartAt | None = None) -> "SimulatedConsumer":
        """A new member; it joins with its first poll."""
        return SimulatedConsumer(self, group, topics, start_at)

    def read(self, topic: Topic, *, since: datetime | None = None) -> Iterator[StoredRecord]:
        """As the interface says."""
        for partition in self.of(topic):
            records = list(self.records[partition])
            if since is not None:
                records = list(dropwhile(lambda record: record.appended_at < since, records))
            yield from records

    def group_lag(self, group: str, topics: Sequence[Topic]) -> Mapping[Partition, int]:
        """As the interface says."""
        with self.lock:
            return {
                partition: len(self.records[partition]) - self.offsets.get((group, partition), 0)
                for topic in topics
                for partition in self.of(topic)
            }

    def unread(self, group: str, topics: Sequence[Topic]) -> Sequence[Partition]:
        """As the interface says."""
        with self.lock:
            return [partition for topic in topics for partition in self.of(topic) if (group, partition) not in self.readers]


class SimulatedProducer(Producer):
    """Publishes at once, or fails at once in one of the ways that there are."""

    def __init__(self, log: SimulatedLog) -> None:
        self._log = log

    def publish(self, records: Sequence[Record]) -> "Future[None]":
        """As the interface says."""
        published: Future[None] = Future()
        self._log.between()
        with self._log.lock:
            failure = self._failure_of(records)
        self._log.between()
        if failure is None:
            published.set_result(None)
        else:
            published.set_exception(failure)
        return published

    def _failure_of(self, records: Sequence[Record]) -> NullsenderError | None:
        log, fate = self._log, self._log.fate
        if any(len(record.key) + len(record.value) > RECORD_BYTES_MAX for record in records):
            return Invalid(f"a record is too large; the log takes up to {RECORD_BYTES_MAX} bytes")
        if fate.strikes(Trouble.REFUSED):
            return Transient("the log took nothing")
        if fate.strikes(Trouble.LATE):
            log.send_late(records)
            return Transient("the log did not answer in time")
        if fate.strikes(Trouble.IN_PART):
            chance = fate.chosen_for(Trouble.IN_PART)
            log.append([record for record in records if chance.random() < 0.5])
            return Transient("the log failed in the middle of a batch")
        log.append(records)
        if fate.strikes(Trouble.DOUBLED):
            chance = fate.chosen_for(Trouble.DOUBLED)
            log.append([record for record in records if chance.random() < 0.5])
        if fate.strikes(Trouble.UNANSWERED):
            return Transient("the log's answer got lost")
        return None


class SimulatedConsumer(Consumer):
    """One member of a group."""

    def __init__(self, log: SimulatedLog, group: str, topics: Sequence[Topic], start_at: StartAt | None) -> None:
        self._log = log
        self._group = group
        self._topics = topics
        self._start_at = start_at
        self._stored: dict[Partition, int] = {}  # what the group has dealt with, for each partition that we hold
        self._next: dict[Partition, int] = {}  # what we give next

    def poll(self, *, records_max: int, timeout_seconds: float) -> Sequence[StoredRecord]:
        """As the interface says, but it never waits."""
        self._log.between()
        with self._log.lock:
            if self._log.fate.strikes(Trouble.POLL_FAILS):
                raise Transient("the log can not be read")
            self._share()
            records = self._take(self._log.fate.up_to(records_max))
        self._log.between()
        return records

    def _share(self) -> None:
        """Join where we are no member (any more), give up what is no longer ours, take what is."""
        self._forget_lost()
        for topic in self._topics:
            members = self._log.members.setdefault((self._group, topic), [])
            if self not in members:
                members.append(self)
            for partition in self._log.of(topic):
                ours = members[partition.number % len(members)] is self
                if ours and partition not in self._stored:
                    self._stored[partition] = self._next[partition] = self._start(partition)
                    self._log.readers[self._group, partition] = self
                elif not ours and partition in self._stored:
                    self._let_go(partition)

    def _forget_lost(self) -> None:
        for partition in [partition for partition in self._stored if not self._holds(partition)]:
            del self._stored[partition], self._next[partition]

    def _holds(self, partition: Partition) -> bool:
        return self._log.readers.get((self._group, partition)) is self

    def _let_go(self, partition: Partition) -> None:
        del self._stored[partition], self._next[partition], self._log.readers[self._group, partition]

    def _start(self, partition: Partition) -> int:
        kept = self._start_at(partition) if self._start_at else None
        wanted = kept.next_offset if kept else self._log.offsets.get((self._group, partition), 0)
        if self._fits(partition, wanted, kept):
            return wanted
        _log.error("a group's position does not fit the log", extra={"facts": {"group": self._group, "wanted": wanted}})
        return 0

    def _fits(self, partition: Partition, wanted: int, kept: Position | None) -> bool:
        records = self._log.records[partition]
        if wanted > len(records):
            return False
        return kept is None or wanted == 0 or mark_of(records[wanted - 1]) == kept.mark

    def _take(self, records_max: int) -> list[StoredRecord]:
        """In turns, so that no partition waits behind a full one."""
        taken: list[StoredRecord] = []
        waiting = self._log.fate.shuffled(list(self._next))
        while waiting and len(taken) < records_max:
            partition = waiting.pop(0)
            first = self._next[partition]
            given = self._log.records[partition][first : first + min(_TURN_RECORDS, records_max - len(taken))]
            if given:
                taken += given
                self._next[partition] = first + len(given)
                waiting.append(partition)
        return taken

    def store(self, next_offsets: Mapping[Partition, int]) -> None:
        """As the interface says."""
        self._log.between()
        with self._log.lock:
            if self._log.fate.strikes(Trouble.OFFSETS_REFUSED):
                raise Transient("the log stores no offsets")
            for partition, offset in next_offsets.items():
                if self._holds(partition):
                    self._log.offsets[self._group, partition] = self._stored[partition] = offset
            if self._log.fate.strikes(Trouble.OFFSETS_UNANSWERED):
                raise Transient("the log's answer got lost")
        self._log.between()

    def rewind(self) -> None:
        """As the interface says."""
        self._next = dict(self._stored)

    def lag(self) -> Mapping[Partition, int]:
        """As the interface says."""
        with self._log.lock:
            return {
                partition: len(self._log.records[partition]) - stored
                for partition, stored in self._stored.items()
                if self._holds(partition)
            }

    def leave(self) -> None:
        """The others take over: it left, or was taken for dead. In the second case it comes back with its next poll."""
        with self._log.lock:
            for topic in self._topics:
                members = self._log.members.get((self._group, topic), [])
                if self in members:
                    members.remove(self)
            for place in [place for place, reader in self._log.readers.items() if reader is self]:
                del self._log.readers[place]

    def close(self) -> None:
        """Leave the group."""
        self.leave()
