"""What may lie under the embedded log: four ways to keep records on a disk, side by side in one run.

    .venv/bin/python -m bench.log_storage [--folder DIR] [--seconds 4]

Each way appends batches of 5 KB records, durable before the next batch starts, which is what a group commit does: a batch of 1
is one producer that waits for its own commit, a batch of 64 is 64 producers that wait together. Then each is filled to a
limit and kept there, the oldest record leaving for every new one, with the sizes of real mail (most small, some of megabytes),
because a storage that is fast when it is empty may be slow or grow without end when it is full.
The answers and what we made of them stand in docs/decisions/0001-embedded-log.md.
"""

import argparse
import itertools
import os
import random
import shutil
import statistics
import tempfile
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import lmdb
import pysqlite3

RECORD_BYTES = 5_000
SEGMENT_BYTES = 64 * 2**20
CHURN_BYTES = 256 * 2**20


class Storage(ABC):
    """Keeps records in the order in which they were appended."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @abstractmethod
    def append(self, records: Sequence[bytes]) -> None:
        """Durable on return."""

    @abstractmethod
    def drop_oldest(self, count: int) -> None:
        """Forget that many of the oldest, at the latest with the next append."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the files."""


class Lmdb(Storage):
    """One LMDB environment; a record is one value under its number."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.environment = lmdb.open(str(folder), map_size=2**40, lib_version=0)
        self.first = self.next = 0

    def append(self, records: Sequence[bytes]) -> None:
        with self.environment.begin(write=True) as transaction:
            self._drop(transaction)
            for record in records:
                transaction.put(self.next.to_bytes(8, "big"), record, append=True)
                self.next += 1

    dropping = 0

    def _drop(self, transaction: "lmdb.Transaction[bytes]") -> None:
        for _ in range(self.dropping):
            transaction.delete(self.first.to_bytes(8, "big"))
            self.first += 1
        self.dropping = 0

    def drop_oldest(self, count: int) -> None:
        self.dropping += count  # with the next append, as the log does it

    def close(self) -> None:
        self.environment.close()


class Sqlite(Storage):
    """One SQLite table in WAL mode, synchronous=FULL."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.connection = pysqlite3.connect(str(folder / "log.db"), isolation_level=None)
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "auto_vacuum=NONE"):
            self.connection.execute(f"PRAGMA {pragma}")
        self.connection.execute("CREATE TABLE records (number INTEGER PRIMARY KEY, value BLOB)")
        self.first = self.next = 1
        self.dropping = 0

    def append(self, records: Sequence[bytes]) -> None:
        self.connection.execute("BEGIN IMMEDIATE")
        self.first += self.dropping
        if self.dropping:
            self.connection.execute("DELETE FROM records WHERE number < ?", (self.first,))
            self.dropping = 0
        self.connection.executemany("INSERT INTO records VALUES (?, ?)", enumerate(records, self.next))
        self.next += len(records)
        self.connection.execute("COMMIT")

    def drop_oldest(self, count: int) -> None:
        self.dropping += count

    def close(self) -> None:
        self.connection.close()


class Segments(Storage):
    """Files of fixed size, one write and one fdatasync a batch; whole files are dropped."""

    prewritten = False

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.segments: deque[tuple[Path, list[int]]] = deque()
        self.file = -1
        self._next_segment()

    def _next_segment(self) -> None:
        if self.file >= 0:
            os.close(self.file)
        path = self.folder / f"{time.monotonic_ns()}.segment"
        self.file = os.open(path, os.O_RDWR | os.O_CREAT)
        if self.prewritten:
            for _ in range(SEGMENT_BYTES // 2**20):
                os.write(self.file, bytes(2**20))
            os.fsync(self.file)
            os.lseek(self.file, 0, os.SEEK_SET)
        self.segments.append((path, []))
        self.written_bytes = 0

    def append(self, records: Sequence[bytes]) -> None:
        length = sum(map(len, records))
        if self.written_bytes + length > SEGMENT_BYTES:
            self._next_segment()
        os.write(self.file, b"".join(records))
        os.fdatasync(self.file)
        self.written_bytes += length
        self.segments[-1][1].append(len(records))

    def drop_oldest(self, count: int) -> None:
        while count and len(self.segments) > 1:
            path, counts = self.segments[0]
            self.owed = getattr(self, "owed", 0) + count
            count = 0
            if self.owed >= sum(counts):
                self.owed -= sum(counts)
                self.segments.popleft()
                path.unlink()

    def close(self) -> None:
        os.close(self.file)


class PrewrittenSegments(Segments):
    """The same, each file filled with zeros first, so that fdatasync has no metadata to write."""

    prewritten = True


STORAGES: Sequence[type[Storage]] = (Lmdb, Sqlite, Segments, PrewrittenSegments)


def fill(storage: Storage, batch_records: int, seconds: float) -> list[float]:
    """Append for `seconds`; how many seconds each batch took."""
    batch = [os.urandom(RECORD_BYTES) for _ in range(batch_records)]
    took = []
    end = time.perf_counter() + seconds
    while (start := time.perf_counter()) < end:
        storage.append(batch)
        took.append(time.perf_counter() - start)
    return took


def churn(storage: Storage, seconds: float) -> list[float]:
    """Keep CHURN_BYTES of records of mixed sizes, in batches of 16; how many seconds each batch took once it was full."""
    sizes = mixed_sizes(random.Random(1))
    kept: deque[int] = deque()
    kept_bytes, took, end = 0, [], None
    while end is None or time.perf_counter() < end:
        batch = [bytes(size) for size in itertools.islice(sizes, 16)]
        start = time.perf_counter()
        storage.append(batch)
        if end is not None:
            took.append(time.perf_counter() - start)
        kept.extend(map(len, batch))
        kept_bytes += sum(map(len, batch))
        while kept_bytes > CHURN_BYTES:
            end = end or time.perf_counter() + seconds
            kept_bytes -= kept.popleft()
            storage.drop_oldest(1)
    return took


def mixed_sizes(chance: random.Random) -> Iterator[int]:
    """Sizes of mail in bytes: log-normal around 6 KB, now and then one of up to 8 MB."""
    while True:
        yield min(int(chance.lognormvariate(8.7, 0.7)), 8_000_000) if chance.random() > 0.002 else chance.randrange(8_000_000)


def disk_bytes(folder: Path) -> int:
    """What the folder takes on the disk."""
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


def in_new_folder(parent: Path, kind: type[Storage], work: Callable[[Storage], None]) -> None:
    """Run `work` on a fresh storage and leave nothing behind."""
    folder = Path(tempfile.mkdtemp(dir=parent))
    storage = kind(folder)
    try:
        work(storage)
    finally:
        storage.close()
        shutil.rmtree(folder)


def line(name: str, what: str, took: Sequence[float], records_each: float, more: str = "") -> None:
    """Print one row: records a second and how long a batch took, in milliseconds."""
    ordered = sorted(took)
    rate = records_each * len(took) / sum(took)
    median, p99 = statistics.median(ordered) * 1000, ordered[int(len(ordered) * 0.99)] * 1000
    print(
        f"{name:20} {what:22} {rate:9,.0f}/s  p50 {median:7.2f} ms  p99 {p99:7.2f} ms  max {ordered[-1] * 1000:7.1f} ms {more}"
    )


def main() -> None:
    """Run everything and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="a folder on the disk to measure")
    parser.add_argument("--seconds", type=float, default=4.0, help="how long each row measures")
    arguments = parser.parse_args()
    for batch_records in (1, 64):
        for kind in STORAGES:

            def filled(storage: Storage, batch_records: int = batch_records) -> None:
                took = fill(storage, batch_records, arguments.seconds)
                line(type(storage).__name__, f"{batch_records} waiting", took, batch_records)

            in_new_folder(arguments.folder, kind, filled)
    for kind in STORAGES:

        def churned(storage: Storage) -> None:
            took = churn(storage, arguments.seconds)
            on_disk = disk_bytes(storage.folder) / CHURN_BYTES
            line(type(storage).__name__, "full, mixed sizes, 16", took, 16, f" disk {on_disk:.2f} x")

        in_new_folder(arguments.folder, kind, churned)


if __name__ == "__main__":
    main()
