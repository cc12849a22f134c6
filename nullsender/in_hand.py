"""What a consumer has in hand, noted where its own death does not reach: so a record that kills the process is found out.

No exception tells of a parser that takes the process with it, or of the kernel that ends one which takes too much memory. What
tells is a note that nobody took back: before a batch is dealt with, the place where it begins on each partition is noted, and
whatever becomes of it, the note is taken back. A process that finds one for the very records that it was given has come after
a death.

Most processes die of something else: an operator's kill, a neighbour that takes the memory, another loop's record. So a note
of the ordinary kind only casts suspicion. After the second death in a row the records are tried one at a time, each alone in
the whole process: the other loops begin nothing meanwhile. Only a death during such a trial counts against the record, and
only while the process works on it: a trial that has waited for RECORD_WAITS_SECONDS_MAX in all (for the store, the log or a
turn to write: no processor time was taken) is over, its note is taken back, and the others go on. At RECORD_DEATHS_MAX counted
deaths in a row the record is set aside, whole (`consume.py`).

The notes outlive the process, not the machine, and are never waited for: nothing is lost without them, since what was in hand
was not acknowledged and comes again. Attempts that end in an exception are counted in memory only, and start anew.
"""

import logging
import os
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from nullsender.limits import RECORD_WAITS_LOOK_SECONDS, RECORD_WAITS_SECONDS_MAX
from nullsender.log import Partition, StoredRecord, mark_of
from nullsender.room import Room

_DEATHS_BY_CHANCE_MAX = 1
_NOTE = struct.Struct(">?Q16sI?")  # whether there is one, and the four fields

_log = logging.getLogger("consume")


class Note(NamedTuple):
    """The record that was first in hand, deaths before this attempt with it in hand, and whether it was on trial."""

    offset: int
    mark: bytes
    deaths: int
    on_trial: bool


def _idle_seconds() -> float:
    """For how long this process has not worked, since some fixed point. Several threads at work let it go back."""
    return time.monotonic() - time.process_time()


class InHand:
    """The notes of one consumer group, for all loops of a process. These are forgotten with it; `InHandFiles` are not."""

    def __init__(self, *, idle_seconds: Callable[[], float] = _idle_seconds) -> None:
        """`idle_seconds` says for how long this process has only waited, since some fixed point."""
        self._idle_seconds = idle_seconds
        self._notes: dict[Partition, Note] = {}
        self._room = Room()

    def suspects(self, batch: Sequence[StoredRecord]) -> bool:
        """Whether more processes died with these records in hand than chance explains: try them one at a time."""
        return any(
            left.on_trial or left.deaths + 1 > _DEATHS_BY_CHANCE_MAX
            for record in _beginnings(batch)
            if (left := self._left(record))
        )

    def deaths_on_trial(self, record: StoredRecord) -> int:
        """How many processes in a row died while they worked on this record and on no other."""
        left = self._left(record)
        return left.deaths + 1 if left and left.on_trial else 0

    @contextmanager
    def holding(self, batch: Sequence[StoredRecord]) -> Iterator[None]:
        """Around dealing with `batch`: noted before, taken back after, however it ends short of the process's death.

        Waits while a record is on trial.
        """
        beginnings = _beginnings(batch)
        with self._room.together():
            for record in beginnings:
                self._note(record, on_trial=False)
            try:
                yield
            finally:
                for record in beginnings:
                    self._write(record.partition, None)

    @contextmanager
    def trying(self, record: StoredRecord) -> Iterator[None]:
        """Around dealing with `record` alone: as `holding`, once nothing else of this process is in hand."""
        with ExitStack() as trial:
            trial.enter_context(self._room.alone())
            trial.callback(self._write, record.partition, None)
            self._note(record, on_trial=True)
            with self._ended_early(trial):
                yield

    @contextmanager
    def _ended_early(self, trial: ExitStack) -> Iterator[None]:
        """Close `trial` already when the process has only waited for so long."""
        dealt_with = threading.Event()
        over_at_seconds = self._idle_seconds() + RECORD_WAITS_SECONDS_MAX

        def watch() -> None:
            while self._idle_seconds() < over_at_seconds:
                if dealt_with.wait(RECORD_WAITS_LOOK_SECONDS):
                    return
            trial.close()

        watcher = threading.Thread(target=watch, name="trial")
        watcher.start()
        try:
            yield
        finally:
            dealt_with.set()
            watcher.join()

    def _note(self, record: StoredRecord, *, on_trial: bool) -> None:
        left = self._left(record)
        deaths = left.deaths + 1 if left and left.on_trial == on_trial else 0
        self._write(record.partition, Note(record.offset, mark_of(record), deaths, on_trial))

    def _left(self, record: StoredRecord) -> Note | None:
        """The note that a dead process left, if it is of this very record and not of one that lay there on another log."""
        left = self._read(record.partition)
        return left if left and left.offset == record.offset and left.mark == mark_of(record) else None

    def _read(self, partition: Partition) -> Note | None:
        return self._notes.get(partition)

    def _write(self, partition: Partition, note: Note | None) -> None:
        if note:
            self._notes[partition] = note
        else:
            self._notes.pop(partition, None)


def _beginnings(batch: Sequence[StoredRecord]) -> Iterable[StoredRecord]:
    """The first record of each partition, which gives its records in order."""
    return {record.partition: record for record in reversed(batch)}.values()


class InHandFiles(InHand):
    """Notes in a small file for each partition, written in place: it needs no room on a disk that is full.

    Whoever reads a partition next on this machine finds what its last reader left.
    """

    def __init__(self, folder: Path, group: str, *, idle_seconds: Callable[[], float] = _idle_seconds) -> None:
        super().__init__(idle_seconds=idle_seconds)
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
