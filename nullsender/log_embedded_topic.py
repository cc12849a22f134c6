"""One topic on the disk: partitions of numbered records in one LMDB file.

The keys, in the order in which they lie:

    n PARTITION           the offset that the partition's next record gets
    r PARTITION OFFSET    a record: when it was appended, the length of its key, its key, its value

A topic is trimmed from its oldest end, by age and when it is full, but never past what a consumer group has not dealt with: a
topic that is full of unread records refuses new ones, and whoever publishes says so to whoever can wait.
"""

import heapq
import struct
import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from nullsender import telemetry
from nullsender.clock import Clock, SteadyTime
from nullsender.errors import Transient
from nullsender.limits import LOG_TRIM_RECORDS_MAX
from nullsender.log import Closing, Partition, Record, StoredRecord, Topic
from nullsender.log_embedded_lmdb import Environment, Transaction

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NEXT_KEY = struct.Struct(">cH")
_RECORD_KEY = struct.Struct(">cHQ")
_OFFSET = struct.Struct(">Q")
_OFFSET_END = 2**64 - 1  # behind every record
_HEADER = struct.Struct(">qI")  # microseconds since the epoch, length of the key


class Retention(NamedTuple):
    """How much of a topic is kept: records that every group has dealt with leave when they are too old or the topic is full."""

    days: float
    bytes_max: int


class _Head(NamedTuple):
    """The oldest record of a partition; heads compare by age."""

    appended_us: int
    number: int
    offset: int


class TopicStore(Closing):
    """The records of one topic. Thread-safe, and shared with other processes.

    `floors` gives for each partition the lowest offset that some group has not dealt with (none where there is no group).
    """

    def __init__(
        self,
        topic: Topic,
        environment: Environment,
        *,
        partitions: int,
        retention: Retention,
        floors: Callable[[], Mapping[int, int]],
        clock: Clock,
    ) -> None:
        self.topic = topic
        self._environment = environment
        self._partitions = partitions
        self._retention = retention
        self._floors = floors
        self._clock = clock
        self._steady = SteadyTime(clock)

    def append(self, records: Sequence[Record]) -> None:
        """Append `records` in one commit, durable on return.

        `Transient` when the disk is in trouble or the topic is full of records that a group has not dealt with.
        """
        needed_bytes = sum(len(record.key) + len(record.value) for record in records)
        full_bytes = self._retention.bytes_max - needed_bytes
        trimmed = 1
        while trimmed:
            with self._environment.writing() as transaction:
                if _used_bytes(transaction) > full_bytes:
                    trimmed = self._trim(transaction, full_bytes, expired_us=0)
                if _used_bytes(transaction) <= full_bytes:
                    self._put(transaction, records)
                    return
        raise Transient(
            f"the topic {self.topic} is full ({self._retention.bytes_max} bytes) of records that a consumer group has not "
            "dealt with: start the role that reads it"
        )

    def _put(self, transaction: Transaction, records: Sequence[Record]) -> None:
        next_offsets: dict[int, int] = {}
        appended_us = (self._clock.now() - _EPOCH) // _MICROSECOND
        for record in records:
            number = zlib.crc32(record.key) % self._partitions
            offset = next_offsets[number] if number in next_offsets else _next_offset(transaction, number)
            value = b"".join((_HEADER.pack(appended_us, len(record.key)), record.key, record.value))
            transaction.put(_record_key(number, offset), value)
            next_offsets[number] = offset + 1
        for number, offset in next_offsets.items():
            transaction.put(_next_key(number), _OFFSET.pack(offset))

    def read(self, number: int, offset: int, *, records_max: int, bytes_max: int) -> list[StoredRecord]:
        """Records of partition `number` from `offset` on, oldest first: at most so many, and no more after `bytes_max`."""
        records = []
        end = _record_key(number + 1, 0)
        with self._environment.reading() as transaction, transaction.cursor() as cursor:
            found = records_max > 0 and cursor.set_range(_record_key(number, offset))
            while found and (key := bytes(cursor.key())) < end:
                records.append(self._stored(key, cursor.value()))
                bytes_max -= len(cursor.value())
                found = bytes_max > 0 and len(records) < records_max and cursor.next()
        return records

    def last_commit(self) -> int:
        """The number of the last commit, by anybody: while it stays the same there is nothing new."""
        with self._environment.reading() as transaction:
            return transaction.id()

    def get(self, number: int, offset: int) -> StoredRecord | None:
        """One record, if it is (still) there."""
        with self._environment.reading() as transaction:
            key = _record_key(number, offset)
            value = transaction.get(key)
            return self._stored(key, value) if value is not None else None

    def _stored(self, key: bytes, value: memoryview) -> StoredRecord:
        _, number, offset = _RECORD_KEY.unpack(key)
        appended_us, key_length = _HEADER.unpack_from(value)
        body = _HEADER.size + key_length
        return StoredRecord(
            partition=Partition(self.topic, number),
            offset=offset,
            appended_at=_EPOCH + appended_us * _MICROSECOND,
            key=bytes(value[_HEADER.size : body]),
            value=bytes(value[body:]),
        )

    def bounds(self) -> Mapping[int, range]:
        """The offsets that each partition holds now; an empty range says where the next record will lie."""
        with self._environment.reading() as transaction:
            bounds = {}
            for number in range(self._partitions):
                head, end = _head(transaction, number), _next_offset(transaction, number)
                bounds[number] = range(head.offset if head else end, end)
            return bounds

    def offsets_since(self, number: int, offsets: range, since: datetime) -> range:
        """Those of `offsets` from the first record on that was appended at `since` or later.

        One after the other, for the times of a partition may go back where the clock did, and halving would leave some out.
        """
        for offset in offsets:
            record = self.get(number, offset)
            if record is not None and record.appended_at >= since:
                return range(offset, offsets.stop)
        return range(offsets.stop, offsets.stop)

    def tend(self) -> None:
        """Trim what is too old, in steps between which others can write, and make room where readers were killed."""
        self._environment.clear_dead_readers()
        now = self._steady.now()
        expired_us = 0 if now is None else (now - timedelta(days=self._retention.days) - _EPOCH) // _MICROSECOND
        trimmed = LOG_TRIM_RECORDS_MAX
        while trimmed == LOG_TRIM_RECORDS_MAX:
            with self._environment.writing() as transaction:
                trimmed = self._trim(transaction, self._retention.bytes_max, expired_us)
                used_bytes = _used_bytes(transaction)
            telemetry.LOG_BYTES.labels(self.topic).set(used_bytes)

    def _trim(self, transaction: Transaction, full_bytes: int, expired_us: int) -> int:
        """Delete oldest records from before `expired_us` or past `full_bytes`; how many, LOG_TRIM_RECORDS_MAX at most."""
        floors = self._floors()
        heads = [head for number in range(self._partitions) if (head := _removable(transaction, number, floors))]
        heapq.heapify(heads)
        trimmed = 0
        while heads and trimmed < LOG_TRIM_RECORDS_MAX:
            if heads[0].appended_us >= expired_us and _used_bytes(transaction) <= full_bytes:
                break
            oldest = heapq.heappop(heads)
            transaction.delete(_record_key(oldest.number, oldest.offset))
            trimmed += 1
            if head := _removable(transaction, oldest.number, floors):
                heapq.heappush(heads, head)
        telemetry.LOG_TRIMMED.labels(self.topic).inc(trimmed)
        return trimmed

    def remove(self, keys: Collection[bytes]) -> int:
        """Take out every record with one of these keys, in steps between which others can write; how many that were.

        Offsets may have gaps anyway, so whoever reads the topic meanwhile only finds less.
        """
        removed, numbers = 0, {zlib.crc32(key) % self._partitions for key in keys}
        for number, held in self.bounds().items():
            offset = held.start if number in numbers else held.stop
            while offset < held.stop:
                found, offset = self._find(number, offset, keys)
                if found:
                    with self._environment.writing() as transaction:
                        removed += sum(transaction.delete(key) for key in found)
        return removed

    def _find(self, number: int, offset: int, keys: Collection[bytes]) -> tuple[list[bytes], int]:
        """Where records with these keys lie among the next ones of a partition, and the offset behind those."""
        found: list[bytes] = []
        with self._environment.reading() as transaction, transaction.cursor() as cursor:
            more = cursor.set_range(_record_key(number, offset))
            for _ in range(LOG_TRIM_RECORDS_MAX):
                if not more:
                    return found, _OFFSET_END
                _, its_number, offset = _RECORD_KEY.unpack(cursor.key())
                if its_number != number:
                    return found, _OFFSET_END
                value = cursor.value()
                _, key_length = _HEADER.unpack_from(value)
                if bytes(value[_HEADER.size : _HEADER.size + key_length]) in keys:
                    found.append(bytes(cursor.key()))
                more = cursor.next()
        return found, offset + 1

    def close(self) -> None:
        """Close the file."""
        self._environment.close()


def _record_key(number: int, offset: int) -> bytes:
    return _RECORD_KEY.pack(b"r", number, offset)


def _next_key(number: int) -> bytes:
    return _NEXT_KEY.pack(b"n", number)


def _next_offset(transaction: Transaction, number: int) -> int:
    value = transaction.get(_next_key(number))
    return 0 if value is None else int(_OFFSET.unpack(value)[0])


def _head(transaction: Transaction, number: int) -> _Head | None:
    with transaction.cursor() as cursor:
        if not cursor.set_range(_record_key(number, 0)):
            return None
        _, found, offset = _RECORD_KEY.unpack(cursor.key())
        return _Head(_HEADER.unpack_from(cursor.value())[0], number, offset) if found == number else None


def _removable(transaction: Transaction, number: int, floors: Mapping[int, int]) -> _Head | None:
    """The partition's oldest record, if no group still has to deal with it."""
    head = _head(transaction, number)
    return head if head and head.offset < floors.get(number, head.offset + 1) else None


def _used_bytes(transaction: Transaction) -> int:
    """The pages that hold something; the file may be larger, for pages that were freed are used again, not given back."""
    stat = transaction.stat()
    return (stat["branch_pages"] + stat["leaf_pages"] + stat["overflow_pages"]) * stat["psize"]
