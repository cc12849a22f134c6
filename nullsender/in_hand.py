"""What a consumer has in hand, noted where its own death does not reach: so a record that kills the process is found out.

No exception tells of a parser that takes the process with it, or of the kernel that ends one which takes too much memory. What
tells is a note that nobody took back: before a batch is dealt with, the place where it begins on each partition is noted, and
whatever becomes of it, the note is taken back. A process that finds one for the very records that it was given has come after
a death. One death may be chance; at the second the records are taken one at a time; and the record that was alone in hand at
RECORD_DEATHS_MAX deaths in a row is set aside, whole (`consume.py`).

The notes outlive the process, not the machine, and are never waited for: nothing is lost without them, since what was in hand
was not acknowledged and comes again. Attempts that end in an exception are counted in memory only, and start anew.
"""

import logging
import os
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from nullsender.log import Partition, StoredRecord

_DEATHS_BY_CHANCE_MAX = 1
_NOTE = struct.Struct(">?QI?")  # whether there is one, and the three fields

_log = logging.getLogger("consume")


class Note(NamedTuple):
    """The record that was first in hand, deaths before this attempt with it in hand, and whether it was alone."""

    offset: int
    deaths: int
    alone: bool


class InHand:
    """The notes of one consumer group. These are forgotten with the process; `InHandFiles` are not."""

    def __init__(self) -> None:
        self._notes: dict[Partition, Note] = {}

    def has_killed(self, batch: Sequence[StoredRecord]) -> bool:
        """Whether more processes died with these records in hand than chance explains: take them one at a time."""
        return any(
            left.alone or left.deaths + 1 > _DEATHS_BY_CHANCE_MAX
            for partition, offset in _beginnings(batch).items()
            if (left := self._left(partition, offset))
        )

    def deaths_alone(self, record: StoredRecord) -> int:
        """How many processes in a row died with this record, and no other, in hand."""
        left = self._left(record.partition, record.offset)
        return left.deaths + 1 if left and left.alone else 0

    @contextmanager
    def holding(self, batch: Sequence[StoredRecord]) -> Iterator[None]:
        """Around dealing with `batch`: noted before, taken back after, however it ends short of the process's death."""
        alone = len(batch) == 1
        beginnings = _beginnings(batch)
        for partition, offset in beginnings.items():
            left = self._left(partition, offset)
            deaths = left.deaths + 1 if left and left.alone == alone else 0
            self._write(partition, Note(offset, deaths, alone))
        try:
            yield
        finally:
            for partition in beginnings:
                self._write(partition, None)

    def _left(self, partition: Partition, offset: int) -> Note | None:
        """The note that a dead process left, if it is of this very record."""
        left = self._read(partition)
        return left if left and left.offset == offset else None

    def _read(self, partition: Partition) -> Note | None:
        return self._notes.get(partition)

    def _write(self, partition: Partition, note: Note | None) -> None:
        if note:
            self._notes[partition] = note
        else:
            self._notes.pop(partition, None)


def _beginnings(batch: Sequence[StoredRecord]) -> Mapping[Partition, int]:
    """The first offset of each partition, which gives its records in order."""
    return {record.partition: record.offset for record in reversed(batch)}


class InHandFiles(InHand):
    """Notes in a small file for each partition, written in place: it needs no room on a disk that is full.

    Whoever reads a partition next on this machine finds what its last reader left.
    """

    def __init__(self, folder: Path, group: str) -> None:
        super().__init__()
        self._folder = folder
        self._group = group

    def _read(self, partition: Partition) -> Note | None:
        try:
            there, *fields = _NOTE.unpack(self._file(partition).read_bytes())
        except (OSError, struct.error):  # none was ever made; or the machine's end has cut it
            return None
        return Note(*fields) if there else None

    def _write(self, partition: Partition, note: Note | None) -> None:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self._file(partition), os.O_WRONLY | os.O_CREAT, 0o600)
            try:
                os.pwrite(descriptor, _NOTE.pack(True, *note) if note else bytes(_NOTE.size), 0)
            finally:
                os.close(descriptor)
        except OSError as trouble:
            _log.warning("what is in hand can not be noted", extra={"facts": {"trouble": trouble}})

    def _file(self, partition: Partition) -> Path:
        return self._folder / f"{self._group}.{partition.topic}.{partition.number}"
