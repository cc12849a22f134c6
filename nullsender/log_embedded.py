"""The log on one machine: files in a folder that several processes open at once.

    format.json      version of the layout, number of partitions
    bounces/ ...     one LMDB file for each topic (log_embedded_topic), so that no topic's writer waits for another's
    offsets/         one more for what the groups have dealt with
    groups/          lock files by which processes share the partitions (log_embedded_groups)

A record's way: `publish` queues it for its topic's thread (log_embedded_commit), which commits all that wait at once; a
consumer (log_embedded_consumer), which looks every few milliseconds, gives it to its stage and stores the offset when the
stage is done. Why LMDB, what it costs and what would change our mind: docs/decisions/0001-embedded-log.md.

A process opens the folder once, after it was started: an open log does not survive a fork. All processes are of one
machine (one kernel, one PID namespace), and the folder is on a local disk: LMDB and file locks both want that.
"""

import fcntl
import logging
import os
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future
from datetime import datetime
from pathlib import Path
from types import MappingProxyType

import msgspec

from nullsender.clock import Clock
from nullsender.durable import sync_folder
from nullsender.errors import Invalid, Misconfigured, Transient
from nullsender.file_lock import locked
from nullsender.limits import (
    LOG_DEAD_LETTER_BYTES_MAX,
    LOG_DEAD_LETTER_DAYS,
    LOG_HOUSEKEEPING_SECONDS,
    LOG_PARTITIONS,
    LOG_RAW_BYTES_MAX,
    LOG_RAW_DAYS,
    LOG_REPORT_BYTES_MAX,
    LOG_REPORT_DAYS,
    PUBLISH_SECONDS_MAX,
    RECORD_BYTES_MAX,
)
from nullsender.log import Consumer, Log, Partition, Producer, Record, StartAt, StoredRecord, Topic
from nullsender.log_embedded_commit import GroupCommit
from nullsender.log_embedded_consumer import EmbeddedConsumer
from nullsender.log_embedded_groups import GroupOffsets, TopicShare, is_unread
from nullsender.log_embedded_lmdb import Environment
from nullsender.log_embedded_topic import Retention, TopicStore
from nullsender.log_positions import lag_records
from nullsender.log_publication import Publication

FORMAT_VERSION = 1

_REPORTS = Retention(days=LOG_REPORT_DAYS, bytes_max=LOG_REPORT_BYTES_MAX)
RETENTION: Mapping[Topic, Retention] = {
    Topic.BOUNCES: _REPORTS,
    Topic.COMPLAINTS: _REPORTS,
    Topic.UNSUBSCRIBES: _REPORTS,
    Topic.OUTCOMES: _REPORTS,
    Topic.URGENT_OUTCOMES: _REPORTS,
    Topic.RAW: Retention(days=LOG_RAW_DAYS, bytes_max=LOG_RAW_BYTES_MAX),
    Topic.DEAD_LETTERS: Retention(days=LOG_DEAD_LETTER_DAYS, bytes_max=LOG_DEAD_LETTER_BYTES_MAX),
}

_log = logging.getLogger("log")


class EmbeddedLog(Log):
    """The log in a folder."""

    def __init__(
        self,
        folder: Path,
        *,
        clock: Clock,
        partitions: int = LOG_PARTITIONS,
        retention: Mapping[Topic, Retention] = RETENTION,
        readers: Mapping[str, Sequence[Topic]] = MappingProxyType({}),
    ) -> None:
        """Open the log in `folder`, or make it there with that many partitions (one that exists keeps its number).

        For the groups that `readers` names their topics are kept from now on, though their roles may start much later: what
        was acknowledged is not trimmed unread.
        `Misconfigured`: the folder can not be used, or a newer version made it. `Transient`: the disk is in trouble.
        """
        self._folder = folder
        self._clock = clock
        self._partitions = _open_format(folder, partitions)
        self._offsets = GroupOffsets(Environment(folder / "offsets"), partitions=self._partitions)
        for group, topics in readers.items():
            self._offsets.register(group, topics)
        self._stores = {topic: self._open_store(topic, retention[topic]) for topic in Topic}
        self._commits: dict[Topic, GroupCommit] = {}
        self._commits_lock = threading.Lock()
        self._closed = threading.Event()
        # Two threads, for the disk that keeps the trimming waiting is the very thing that makes publishes overdue.
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._keep_house, self._keep_time)]
        for thread in self._threads:
            thread.start()

    def _open_store(self, topic: Topic, retention: Retention) -> TopicStore:
        return TopicStore(
            topic,
            Environment(self._folder / topic),
            partitions=self._partitions,
            retention=retention,
            floors=lambda: self._offsets.floors(topic),
            clock=self._clock,
        )

    def producer(self) -> Producer:
        """A producer; those of one process share a writing thread for each topic."""
        return _EmbeddedProducer(self._commit, clock=self._clock)

    def _commit(self, topic: Topic) -> GroupCommit:
        with self._commits_lock:
            if topic not in self._commits:
                self._commits[topic] = GroupCommit(self._stores[topic], clock=self._clock)
            return self._commits[topic]

    def consumer(self, group: str, topics: Sequence[Topic], *, start_at: StartAt | None = None) -> Consumer:
        """A member of `group`, whose name has small letters, digits and hyphens.

        From its first member on (one of the log's `readers`: from the opening on) nothing that the group has not dealt with is
        trimmed, until `forget_group`.
        """
        self._offsets.register(group, topics)
        folder = self._folder / "groups" / group
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return EmbeddedConsumer(
            group,
            stores={topic: self._stores[topic] for topic in topics},
            shares={topic: TopicShare(folder, topic, partitions=self._partitions) for topic in topics},
            offsets=self._offsets,
            start_at=start_at,
            clock=self._clock,
        )

    def read(self, topic: Topic, *, since: datetime | None = None) -> Iterator[StoredRecord]:
        """As the interface says. What is trimmed while you read is left out, what is appended meanwhile too."""
        store = self._stores[topic]
        for number, held in store.bounds().items():
            offsets = held if since is None else store.offsets_since(number, held, since)
            for offset in offsets:
                if (record := store.get(number, offset)) is not None:
                    yield record

    def remove(self, topic: Topic, keys: Collection[bytes]) -> int:
        """As the interface says. Others may write meanwhile; what they append behind us is not looked at."""
        return self._stores[topic].remove(keys)

    def group_lag(self, group: str, topics: Sequence[Topic]) -> Mapping[Partition, int]:
        """As the interface says."""
        lag = {}
        for topic in topics:
            stored = self._offsets.load(group, topic)
            for number, offsets in self._stores[topic].bounds().items():
                lag[Partition(topic, number)] = lag_records(offsets, stored.get(number, 0))
        return lag

    def unread(self, group: str, topics: Sequence[Topic]) -> Sequence[Partition]:
        """As the interface says."""
        folder = self._folder / "groups" / group
        return [
            Partition(topic, number)
            for topic in topics
            for number in range(self._partitions)
            if is_unread(folder, topic, number)
        ]

    def forget_group(self, group: str) -> None:
        """Let a group go that has no members any more: what it has not dealt with may be trimmed."""
        self._offsets.forget(group)

    def tend(self) -> None:
        """One round of housekeeping: trim every topic. The log does it itself; one process of them all does it for the rest."""
        for store in self._stores.values():
            store.tend()

    def _keep_house(self) -> None:
        """The thread outlives any trouble: while it has the lock nobody else trims. One topic does not stop the others."""
        turn = None
        while not self._closed.wait(LOG_HOUSEKEEPING_SECONDS):
            try:
                turn = turn or locked(self._folder / "housekeeping.lock")
            except OSError as trouble:
                _log.warning("will trim later", extra={"facts": {"trouble": trouble}})
            for store in self._stores.values() if turn else ():
                try:
                    store.tend()
                except Transient as trouble:
                    _log.warning("will trim later", extra={"facts": {"topic": store.topic, "trouble": trouble}})
                except Exception:
                    _log.exception("our own code failed on trimming", extra={"facts": {"topic": store.topic}})
        if turn:
            turn.close()

    def _keep_time(self) -> None:
        while not self._closed.wait(LOG_HOUSEKEEPING_SECONDS):
            with self._commits_lock:
                commits = list(self._commits.values())
            for commit in commits:
                commit.fail_overdue()

    def close(self) -> None:
        """Write what is queued, then close. Close consumers first: they read these files."""
        self._closed.set()
        for commit in self._commits.values():
            commit.close()
        for thread in self._threads:
            thread.join(PUBLISH_SECONDS_MAX)
        for store in self._stores.values():
            store.close()
        self._offsets.close()


class _EmbeddedProducer(Producer):
    """Hands records to the writing thread of their topic; it holds nothing itself."""

    def __init__(self, commit: Callable[[Topic], GroupCommit], *, clock: Clock) -> None:
        self._commit = commit
        self._clock = clock

    def publish(self, records: Sequence[Record]) -> "Future[None]":
        """As the interface says."""
        by_topic: dict[Topic, list[Record]] = {}
        for record in records:
            by_topic.setdefault(record.topic, []).append(record)
        deadline_seconds = self._clock.monotonic_seconds() + PUBLISH_SECONDS_MAX
        publication = Publication(parts=len(by_topic), deadline_seconds=deadline_seconds)
        largest_bytes = max((len(record.key) + len(record.value) for record in records), default=0)
        if largest_bytes > RECORD_BYTES_MAX:
            publication.settle(Invalid(f"a record of {largest_bytes} bytes; the log takes up to {RECORD_BYTES_MAX}"))
        elif not records:
            publication.settle()
        else:
            for topic, its_records in by_topic.items():
                self._commit(topic).submit(its_records, publication)
        return publication.future


class _Format(msgspec.Struct, frozen=True):
    """What format.json says."""

    version: int
    partitions: int


def _open_format(folder: Path, partitions: int) -> int:
    """The number of partitions of the log in `folder`, which is made when there is none."""
    path = folder / "format.json"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (folder / "format.lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not path.exists():
                _write_durably(path, msgspec.json.encode(_Format(FORMAT_VERSION, partitions)))
        found = msgspec.json.decode(path.read_bytes(), type=_Format)
    except (OSError, msgspec.MsgspecError) as error:
        raise Misconfigured(f"the log's folder {folder} can not be used: {error}") from error
    if found.version > FORMAT_VERSION:
        raise Misconfigured(
            f"the log in {folder} is of format {found.version} and this version reads up to {FORMAT_VERSION}: a newer version "
            "has written it; run that one"
        )
    return found.partitions


def _write_durably(path: Path, content: bytes) -> None:
    new = path.with_suffix(".new")
    with new.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    new.rename(path)
    sync_folder(path.parent)
