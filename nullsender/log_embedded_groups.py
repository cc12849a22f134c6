"""How the processes of one machine share the reading: what each group has dealt with, and who reads which partition.

Offsets lie in an LMDB file of their own, so that storing one never waits behind a publisher, and still works when a topic
has no room left. Partitions are shared by file locks, which the kernel frees when a process dies, however it dies:

    groups/GROUP/TOPIC.member.N       locked while the group has a member number N
    groups/GROUP/TOPIC.partition.N    locked by the member that reads partition N

Members of a topic in the order of their numbers take the partitions in turn. Every member comes to the same division by looking
who is there, without a word between them; it lets go of what is no longer its own and takes what is, once its reader lets go.
"""

import re
import struct
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from nullsender.file_lock import is_free, locked
from nullsender.log import Closing, Partition, Topic
from nullsender.log_embedded_lmdb import Environment, Transaction

_GROUP_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_NUMBER = struct.Struct(">H")
_OFFSET = struct.Struct(">Q")


class GroupOffsets(Closing):
    """The next offset of every group on every partition. Thread-safe, and shared with other processes."""

    def __init__(self, environment: Environment, *, partitions: int) -> None:
        self._environment = environment
        self._partitions = partitions

    def register(self, group: str, topics: Sequence[Topic]) -> None:
        """From now on nothing is trimmed that `group` has not dealt with. A group that is known keeps its offsets."""
        if not _GROUP_NAME.fullmatch(group):
            raise ValueError(f"not a group's name: {group!r}; it has small letters, digits and hyphens, 64 at most")
        with self._environment.writing() as transaction:
            for topic in topics:
                for number in range(self._partitions):
                    transaction.put(_key(topic, group, number), _OFFSET.pack(0), overwrite=False)

    def forget(self, group: str) -> None:
        """The group is no more: what it has not dealt with may be trimmed."""
        with self._environment.writing() as transaction:
            for topic in Topic:
                for number in range(self._partitions):
                    transaction.delete(_key(topic, group, number))

    def load(self, group: str, topic: Topic) -> Mapping[int, int]:
        """The offset stored for each partition; none where the group is not known."""
        with self._environment.reading() as transaction:
            return dict(_under(transaction, _prefix(topic, group)))

    def save(self, group: str, next_offsets: Mapping[Partition, int]) -> None:
        """Durable on return."""
        with self._environment.writing() as transaction:
            for partition, offset in next_offsets.items():
                transaction.put(_key(partition.topic, group, partition.number), _OFFSET.pack(offset))

    def floors(self, topic: Topic) -> Mapping[int, int]:
        """For each partition the lowest offset that some group has not dealt with; none where no group reads the topic."""
        floors: dict[int, int] = {}
        with self._environment.reading() as transaction:
            for number, offset in _under(transaction, _prefix(topic)):
                floors[number] = min(offset, floors.get(number, offset))
        return floors

    def close(self) -> None:
        """Close the file."""
        self._environment.close()


def _prefix(*names: str) -> bytes:
    return b"".join(name.encode() + b"\0" for name in names)


def _key(topic: Topic, group: str, number: int) -> bytes:
    return _prefix(topic, group) + _NUMBER.pack(number)


def _under(transaction: Transaction, prefix: bytes) -> list[tuple[int, int]]:
    """Partition and offset of every entry whose key starts with `prefix`."""
    found = []
    with transaction.cursor() as cursor:
        there = cursor.set_range(prefix)
        while there and (key := bytes(cursor.key())).startswith(prefix):
            found.append((_NUMBER.unpack(key[-_NUMBER.size :])[0], _OFFSET.unpack(cursor.value())[0]))
            there = cursor.next()
    return found


class TopicShare(Closing):
    """One member's part in a group's reading of one topic."""

    def __init__(self, folder: Path, topic: Topic, *, partitions: int) -> None:
        """`folder` is the group's, and is there."""
        self._members = [folder / f"{topic}.member.{number}" for number in range(partitions)]
        self._partitions = [_lock_of(folder, topic, number) for number in range(partitions)]
        self._member: tuple[int, BinaryIO] | None = None
        self._held: dict[int, BinaryIO] = {}

    def balance(self) -> Collection[int]:
        """Look who is there, let go of what is another's now, take what is ours and free; the partitions that we hold."""
        self._join()
        ours = self._ours()
        for number in self._held.keys() - ours:
            self._held.pop(number).close()
        for number in ours - self._held.keys():
            if file := locked(self._partitions[number]):
                self._held[number] = file
        return self._held.keys()

    def _join(self) -> None:
        """Become a member. When there are as many as partitions there is nothing to read for one more: it waits."""
        for number, path in enumerate(self._members):
            if self._member is None and (file := locked(path)):
                self._member = number, file

    def _ours(self) -> set[int]:
        if self._member is None:
            return set()
        us = self._member[0]
        members = [number for number, path in enumerate(self._members) if number == us or not is_free(path)]
        return {number for number in range(len(self._partitions)) if members[number % len(members)] == us}

    def close(self) -> None:
        """Leave the group: the others take over."""
        files = [*self._held.values(), *([self._member[1]] if self._member else [])]
        self._held, self._member = {}, None
        for file in files:
            file.close()


def _lock_of(folder: Path, topic: Topic, number: int) -> Path:
    return folder / f"{topic}.partition.{number}"


def is_unread(folder: Path, topic: Topic, number: int) -> bool:
    """Whether no member of the group whose folder this is reads the partition now."""
    return is_free(_lock_of(folder, topic, number))
