"""Rows on disk in the order of the list's keys, in memory that does not grow with them.

Keys are hashes, so rows in the order of a file would touch every page of every index of a large list again and again. Sorted,
they walk through the list once. The rows go into as many parts as there are thousands of them, by the first bits of the key; a
part is sorted when it is read. All rows of one person are in one part, in the order in which they stood.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import msgspec

from nullsender.limits import IMPORT_PART_BYTES, IMPORT_PART_ROWS_HELD, IMPORT_PARTS_MAX, IMPORT_SORTED_ROWS_MAX
from suppression.store.imports import Brought

_LENGTH_BYTES = 4
_ROWS = msgspec.msgpack.Decoder(list[Brought])


def parts_for(size_bytes: int) -> int:
    """Into how many parts the rows of a file of that size go: a power of two."""
    parts = 1
    while parts < IMPORT_PARTS_MAX and parts * IMPORT_PART_BYTES < size_bytes:
        parts *= 2
    return parts


class Sorter:
    """Writes the parts into a folder."""

    def __init__(self, folder: Path, parts: int) -> None:
        self._held: list[list[Brought]] = [[] for _ in range(parts)]
        self._files: list[IO[bytes]] = [_part(folder, number).open("wb") for number in range(parts)]
        self._shift = 32 - parts.bit_length() + 1
        self.written_bytes = 0

    def add(self, row: Brought) -> None:
        """One more row."""
        number = int.from_bytes(row.address_hash[:4]) >> self._shift
        held = self._held[number]
        held.append(row)
        if len(held) >= IMPORT_PART_ROWS_HELD:
            self._write(number)

    def finish(self) -> None:
        """All rows are on disk."""
        for number, file in enumerate(self._files):
            self._write(number)
            file.flush()
            os.fsync(file.fileno())
        self.close()

    def close(self) -> None:
        """Let go of the files."""
        for file in self._files:
            file.close()

    def _write(self, number: int) -> None:
        block = msgspec.msgpack.encode(self._held[number])
        self._held[number].clear()
        self.written_bytes += self._files[number].write(len(block).to_bytes(_LENGTH_BYTES) + block)


def sorted_rows(folder: Path, number: int) -> Iterator[Sequence[Brought]]:
    """The rows of one part, in the order of the list's keys; more than IMPORT_SORTED_ROWS_MAX of them in several runs."""
    rows: list[Brought] = []
    with _part(folder, number).open("rb") as file:
        while length := file.read(_LENGTH_BYTES):
            rows += _ROWS.decode(file.read(int.from_bytes(length)))
            if len(rows) >= IMPORT_SORTED_ROWS_MAX:
                yield sorted(rows, key=_order)
                rows.clear()
    yield sorted(rows, key=_order)


def _order(row: Brought) -> tuple[bytes, int]:
    return row.address_hash, row.line


def _part(folder: Path, number: int) -> Path:
    return folder / f"part-{number:03}"
