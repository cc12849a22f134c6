"""What may lie under the embedded log: four ways to keep records on a disk, side by side in one run, and the log itself.

    .venv/bin/python -m bench.log_storage [--folder DIR] [--seconds 4]

Each way appends batches of 5 KB records, durable before the next batch starts, which is what a group commit does: a batch of 1
is one producer that waits for its own commit, a batch of 64 is 64 producers that wait together. Then each is filled to a
limit and kept there, the oldest record leaving for every new one, with the sizes of real mail (most small, some of megabytes),
because a storage that is fast when it is empty may be slow or grow without end when it is full.
The answers and what we made of them stand in docs/decisions/0001-embedded-log.md.
"""

import argparse
import asyncio
import itertools
import os
import random
import statistics
import tempfile
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path

import lmdb
import pysqlite3

from nullsender.clock import SystemClock
from nullsender.limits import POLL_RECORDS_MAX
from nullsender.log import Record, Topic
from nullsender.log_embedded import EmbeddedLog

RECORD_BYTES = 5_000
SEGMENT_BYTES = 64 * 2**20
FULL_BYTES = 256 * 2**20
FULL_BATCH_RECORDS = 16


class Storage(ABC):
    """Keeps records in the order in which they were appended."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @abstractmethod
    def append(self, records: Sequence[bytes], *, drop: int = 0) -> None:
        """Append `records` and let go of the `drop` oldest; durable on return."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the files."""


class Lmdb(Storage):
    """One LMDB environment; a record is one value under its number."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.environment = lmdb.open(str(folder), map_size=2**40, lib_version=0)
        self.first = self.next = 0

    def append(self, records: Sequence[bytes], *, drop: int = 0) -> None:
        """One transaction: two syncs, the data and the page that points to it."""
        with self.environment.begin(write=True) as transaction:
            for number in range(self.first, self.first + drop):
                transaction.delete(number.to_bytes(8, "big"))
            self.first += drop
            for record in records:
                transaction.put(self.next.to_bytes(8, "big"), record, append=True)
                self.next += 1

    def close(self) -> None:
        """Close the environment."""
        self.environment.close()


class Sqlite(Storage):
    """One SQLite table in WAL mode, synchronous=FULL."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.connection = pysqlite3.connect(str(folder / "log.db"), isolation_level=None)
        self.connection.execute("PRAGMA journal_mode=WAL")
        self.connection.execute("PRAGMA synchronous=FULL")
        self.connection.execute("CREATE TABLE records (number INTEGER PRIMARY KEY, value BLOB)")
        self.first = self.next = 0

    def append(self, records: Sequence[bytes], *, drop: int = 0) -> None:
        """One transaction: one sync of the WAL, and now and then a checkpoint that writes everything a second time."""
        self.connection.execute("BEGIN IMMEDIATE")
        self.first += drop
        self.connection.execute("DELETE FROM records WHERE number < ?", (self.first,))
        self.connection.executemany("INSERT INTO records VALUES (?, ?)", enumerate(records, self.next))
        self.next += len(records)
        self.connection.execute("COMMIT")

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()


class Segments(Storage):
    """Files of fixed size, one write and one fdatasync a batch; a file is deleted when all of its records are dropped."""

    prewritten = False

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.numbers = itertools.count()
        self.sealed: deque[tuple[Path, int]] = deque()  # a file and how many records it holds
        self.dropped = 0
        self._begin()

    def _begin(self) -> None:
        self.path = self.folder / f"{next(self.numbers)}.segment"
        self.file = os.open(self.path, os.O_RDWR | os.O_CREAT)
        self.records = self.written_bytes = 0
        if self.prewritten:
            for _ in range(SEGMENT_BYTES // 2**20):
                os.write(self.file, bytes(2**20))
            os.fsync(self.file)
            os.lseek(self.file, 0, os.SEEK_SET)

    def append(self, records: Sequence[bytes], *, drop: int = 0) -> None:
        """One write, one fdatasync (no checksum, index or recovery, which a real one needs)."""
        length_bytes = sum(map(len, records))
        if self.written_bytes + length_bytes > SEGMENT_BYTES:
            os.close(self.file)
            self.sealed.append((self.path, self.records))
            self._begin()
        os.write(self.file, b"".join(records))
        os.fdatasync(self.file)
        self.written_bytes += length_bytes
        self.records += len(records)
        self.dropped += drop
        while self.sealed and self.dropped >= self.sealed[0][1]:
            path, held = self.sealed.popleft()
            self.dropped -= held
            path.unlink()

    def close(self) -> None:
        """Close the last file."""
        os.close(self.file)


class PrewrittenSegments(Segments):
    """The same, each file filled with zeros first, so that fdatasync has no metadata to write."""

    prewritten = True


STORAGES: Sequence[type[Storage]] = (Lmdb, Sqlite, Segments, PrewrittenSegments)


def fill(storage: Storage, batch_records: int, seconds: float) -> list[float]:
    """Append for `seconds`; how many seconds each batch took."""
    batch = [os.urandom(RECORD_BYTES) for _ in range(batch_records)]
    took = []
    end_seconds = time.perf_counter() + seconds
    while (started_seconds := time.perf_counter()) < end_seconds:
        storage.append(batch)
        took.append(time.perf_counter() - started_seconds)
    return took


def keep_full(storage: Storage, seconds: float) -> list[float]:
    """Fill up to FULL_BYTES with records of mixed sizes and keep it there; how many seconds each batch took once full."""
    sizes = mixed_sizes(random.Random(1))
    kept: deque[int] = deque()
    kept_bytes, drop, took = 0, 0, []
    end_seconds = None
    while end_seconds is None or time.perf_counter() < end_seconds:
        batch = [bytes(size) for size in itertools.islice(sizes, FULL_BATCH_RECORDS)]
        started_seconds = time.perf_counter()
        storage.append(batch, drop=drop)
        if end_seconds is not None:
            took.append(time.perf_counter() - started_seconds)
        kept.extend(map(len, batch))
        kept_bytes += sum(map(len, batch))
        drop = 0
        while kept_bytes > FULL_BYTES:
            end_seconds = end_seconds or time.perf_counter() + seconds
            kept_bytes -= kept.popleft()
            drop += 1
    return took


def mixed_sizes(chance: random.Random) -> Iterator[int]:
    """Sizes of mail in bytes: log-normal around 6 KB, one in 500 of up to 8 MB."""
    while True:
        yield int(chance.lognormvariate(8.7, 0.7)) if chance.random() > 0.002 else chance.randrange(8_000_000)


def disk_bytes(folder: Path) -> int:
    """What the folder takes on the disk."""
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


def show(name: str, what: str, took: Sequence[float], records_each: int, seconds: float, more: str = "") -> None:
    """Print one row: records a second, and how long one wait took."""
    ordered = sorted(taken * 1000 for taken in took)
    median, p99 = statistics.median(ordered), ordered[int(len(ordered) * 0.99)]
    waits = f"p50 {median:6.2f} ms  p99 {p99:6.2f} ms  max {ordered[-1]:6.1f} ms"
    print(f"{name:20} {what:26} {records_each * len(took) / seconds:9,.0f}/s  {waits}  {more}")


def measure_storages(parent: Path, seconds: float) -> None:
    """The four ways, at 1 and 64 producers and when they are full."""
    for batch_records in (1, 64):
        for kind in STORAGES:
            with tempfile.TemporaryDirectory(dir=parent) as folder:
                storage = kind(Path(folder))
                show(kind.__name__, f"{batch_records} waiting", fill(storage, batch_records, seconds), batch_records, seconds)
                storage.close()
    for kind in STORAGES:
        with tempfile.TemporaryDirectory(dir=parent) as folder:
            storage = kind(Path(folder))
            took = keep_full(storage, seconds)
            disk = f"disk {disk_bytes(Path(folder)) / FULL_BYTES:.2f} x"
            show(kind.__name__, f"full, mixed, {FULL_BATCH_RECORDS} waiting", took, FULL_BATCH_RECORDS, seconds, disk)
            storage.close()


async def publish_for(log: EmbeddedLog, producers: int, seconds: float) -> list[float]:
    """Coroutines that each publish a record and wait for it, like SMTP sessions; how many seconds each wait took."""
    value = os.urandom(RECORD_BYTES)
    took = []
    end_seconds = time.perf_counter() + seconds

    async def one(number: int) -> None:
        with log.producer() as producer:
            while (started_seconds := time.perf_counter()) < end_seconds:
                published: Future[None] = producer.publish([Record(Topic.BOUNCES, b"%d" % number, value)])
                await asyncio.wrap_future(published)
                took.append(time.perf_counter() - started_seconds)

    await asyncio.gather(*(one(number) for number in range(producers)))
    return took


def measure_log(parent: Path, seconds: float) -> None:
    """The embedded log: waiting coroutines, threads and futures included; then how fast a group reads it all and stores."""
    for producers in (1, 64):
        with tempfile.TemporaryDirectory(dir=parent) as folder, EmbeddedLog(Path(folder), clock=SystemClock()) as log:
            took = asyncio.run(publish_for(log, producers, seconds))
            show("EmbeddedLog", f"{producers} waiting", took, 1, seconds)
            with log.consumer("bench", [Topic.BOUNCES]) as consumer:
                polled = []
                started_seconds = last_seconds = time.perf_counter()
                while records := consumer.poll(records_max=POLL_RECORDS_MAX, timeout_seconds=0):
                    consumer.store({record.partition: record.offset + 1 for record in records})
                    polled.append(time.perf_counter() - last_seconds)
                    last_seconds = time.perf_counter()
            records_each = len(took) // len(polled)
            show("EmbeddedLog", f"read {records_each} and store", polled, records_each, last_seconds - started_seconds)


def main() -> None:
    """Run everything and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="a folder on the disk to measure")
    parser.add_argument("--seconds", type=float, default=4.0, help="how long each row measures")
    arguments = parser.parse_args()
    measure_storages(arguments.folder, arguments.seconds)
    measure_log(arguments.folder, arguments.seconds)


if __name__ == "__main__":
    main()
