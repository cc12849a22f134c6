"""The log between the stages: topics of records that are durable before they are acknowledged.

One interface, two makings: `log_embedded` (one machine, several processes) and Kafka. What both promise, and one behaviour
suite (`tests/log_contract.py`) holds them to:

- A published record is acknowledged when it is durable, and not before. One that is not acknowledged may be there all the same:
  whoever publishes again must be idempotent, and so must whoever reads.
- Records with one key keep their order; records with different keys may lie on different partitions.
- A consumer group remembers an offset for each partition: the next record that it has not dealt with. The offset moves only
  when `store` is called, after the effect. Whoever dies before that sees the same records again.
- A partition is read by one member of a group at a time. A member that dies is replaced by the others.

No method is called from two threads at once, except `Producer.publish`.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future
from datetime import datetime
from enum import StrEnum
from types import TracebackType
from typing import NamedTuple, Self

import msgspec

from nullsender.errors import Transient
from nullsender.limits import PUBLISH_SECONDS_MAX


class Topic(StrEnum):
    """What lies where."""

    BOUNCES = "bounces"
    COMPLAINTS = "complaints"
    UNSUBSCRIBES = "unsubscribes"
    OUTCOMES = "outcomes"  # of bounces
    URGENT_OUTCOMES = "outcomes-urgent"  # of complaints and unsubscribes, which wait for no bounce
    RAW = "raw"
    DEAD_LETTERS = "dead-letters"


class Partition(NamedTuple):
    """One partition of one topic."""

    topic: Topic
    number: int


class Record(msgspec.Struct, frozen=True):
    """What is to be published. Records with the same key keep their order."""

    topic: Topic
    key: bytes
    value: bytes


class StoredRecord(msgspec.Struct, frozen=True):
    """A record that lies on the log."""

    partition: Partition
    offset: int
    appended_at: datetime
    key: bytes
    value: bytes


class Closing:
    """`with` closes what has a `close`."""

    def close(self) -> None:
        """Give back what is held; a second call does nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class Producer(Closing, ABC):
    """Puts records on the log."""

    @abstractmethod
    def publish(self, records: Sequence[Record]) -> "Future[None]":
        """Append `records`; the future is done when all of them are durable.

        It fails with `Transient` when they could not be made durable (some may lie there all the same), within
        `PUBLISH_SECONDS_MAX`, and with `Invalid` when one is larger than a record may be (then none is appended).
        Thread-safe. Wait with `.result()` in a thread, with `asyncio.wrap_future` on a loop.
        """


def wait_until_durable(published: "Future[None]") -> None:
    """Block until the records of a `publish` are durable; `Transient` when they are not in time."""
    try:
        published.result(PUBLISH_SECONDS_MAX)
    except TimeoutError:
        raise Transient(f"the log did not acknowledge within {PUBLISH_SECONDS_MAX:.0f} s") from None


class Consumer(Closing, ABC):
    """Reads topics as one member of a consumer group."""

    @abstractmethod
    def poll(self, *, records_max: int, timeout_seconds: float) -> Sequence[StoredRecord]:
        """Up to `records_max` records that this member has not been given yet, oldest first within a partition.

        Waits until there is at least one or the time is up (then the answer is empty). `Transient`: the log can not be read.
        """

    @abstractmethod
    def store(self, next_offsets: Mapping[Partition, int]) -> None:
        """Remember for the group that everything before these offsets has been dealt with.

        Durable on return. An offset for a partition that this member no longer holds is ignored: its new reader decides.
        """

    @abstractmethod
    def rewind(self) -> None:
        """Forget what was given but not stored: the next `poll` gives it again."""

    @abstractmethod
    def lag(self) -> Mapping[Partition, int]:
        """How many records lie behind the stored offset, for each partition that this member holds."""


class Position(NamedTuple):
    """How far a group has come on a partition, for a group that keeps it outside the log (in the store's own transaction)."""

    next_offset: int  # the first record that it has not dealt with
    mark: bytes  # of the record before that one


def mark_of(record: StoredRecord) -> bytes:
    """What tells the record from any other that may lie in its place, on a log that was made anew or put back from a copy."""
    head = f"{record.appended_at.isoformat()} {len(record.key)} ".encode()
    return hashlib.sha256(head + record.key + record.value).digest()[:16]


#: Where a group starts on a partition when its positions are kept outside the log; None: at the offset that it has stored.
#: A position that does not fit the log (past its end, older than its oldest record, or another record lies where the marked one
#: lay) is logged as an error, and counts as the oldest record's: after the loss of a log nothing new is left out.
#: Such a group calls `Consumer.store` all the same: by that the log knows its lag and what may be trimmed.
StartAt = Callable[[Partition], Position | None]


class Log(Closing, ABC):
    """A log that is open. Safe to share between threads; every process opens its own."""

    @abstractmethod
    def producer(self) -> Producer:
        """A new producer."""

    @abstractmethod
    def consumer(self, group: str, topics: Sequence[Topic], *, start_at: StartAt | None = None) -> Consumer:
        """A new member of `group` that reads `topics`. A group without an offset starts at the oldest record."""

    @abstractmethod
    def read(self, topic: Topic, *, since: datetime | None = None) -> Iterator[StoredRecord]:
        """Every record that `topic` holds now, outside any group (to show and to replay).

        Oldest first within a partition. `since` leaves out what lies before the first record of a partition
        that was appended at that moment or later. What follows it is given whatever its time: a clock may have gone back.
        """

    def remove(self, _topic: Topic, _keys: Collection[bytes]) -> int:
        """Take the records with these keys out of a topic that no group reads; how many that were.

        0 where this log can take none out singly: there they leave when they are old.
        """
        return 0

    @abstractmethod
    def group_lag(self, group: str, topics: Sequence[Topic]) -> Mapping[Partition, int]:
        """How many records `group` has not dealt with, for every partition, whoever holds it."""

    @abstractmethod
    def unread(self, group: str, topics: Sequence[Topic]) -> Sequence[Partition]:
        """The partitions that no member of `group` reads at this moment: the group is down, or is just sharing them out."""

    def trouble(self) -> str | None:
        """What keeps records from being published although the log answers; None where nothing does. Anybody may read it."""
        return None

    def findings(self) -> Sequence[str]:
        """What an operator should change although the log works, a sentence each. It may take seconds."""
        return ()
