"""How rows become a file, part by part: what a format has to say, and who says it.

A *writer* turns each part of the rows into bytes, which are appended to a draft; `finish` makes the file of the whole draft. So
a draft that was torn is cut back to where its last whole part ended, whatever the format. For CSV and NDJSON the draft is the
file; Parquet and lists of hashes are made of it at the end.
"""

import csv
import gzip
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from suppression.exports.cells import guarded
from suppression.exports.columns import COLUMNS, Column, Kind, Row, Value
from suppression.exports.request import ExportRequest, Format

#: Called again and again while something takes long; it may raise to end that.
Breathe = Callable[[], None]


class Writer(Protocol):
    """Writes one format."""

    def head(self) -> bytes:
        """What stands before the first part."""

    def part(self, rows: Sequence[Row]) -> bytes:
        """The bytes of some rows: one at least."""

    def finish(self, draft: Path, target: Path, rows: int, breathe: Breathe) -> int:
        """Make the file of the whole draft, which may be gone then; how many rows (or hashes) the file has."""


def writer_for(request: ExportRequest) -> Writer:
    """Who writes what was asked for. Only the libraries that it takes are loaded."""
    columns = COLUMNS[request.what]
    match request.format:
        case Format.CSV:
            return CsvWriter(columns, compressed=request.gzip)
        case Format.NDJSON:
            return NdjsonWriter(columns, compressed=request.gzip)
        case Format.PARQUET:
            from suppression.exports.parquet import ParquetWriter

            return ParquetWriter(columns)
        case Format.MD5 | Format.SHA256:
            from suppression.exports.hashes import HashWriter

            return HashWriter(request)


class _Text:
    """Text: the draft is the file. Compressed, each part is a member of its own (RFC 1952 2.2), so it can be cut back too."""

    def __init__(self, columns: Sequence[Column], *, compressed: bool) -> None:
        self._columns = columns
        self._names = [column.name for column in columns]
        self._compressed = compressed

    def finish(self, draft: Path, target: Path, rows: int, breathe: Breathe) -> int:
        """Give it its name."""
        breathe()
        draft.rename(target)
        return rows

    def _octets(self, text: bytes) -> bytes:
        # Without the time, so that the same rows are the same file.
        return gzip.compress(text, compresslevel=6, mtime=0) if self._compressed else text


class CsvWriter(_Text):
    """RFC 4180: CRLF, quotes where a cell needs them, a line of names first. UTF-8. No cell is a formula (`cells.py`)."""

    def head(self) -> bytes:
        """The names of the columns."""
        return self._octets(_csv([self._names]))

    def part(self, rows: Sequence[Row]) -> bytes:
        """A line each, unless a cell holds a line end."""
        columns = [
            _CELLS[column.kind](values) if column.kind in _CELLS else values
            for column, values in zip(self._columns, zip(*rows, strict=True), strict=True)
        ]
        return self._octets(_csv(list(zip(*columns, strict=True))))


class NdjsonWriter(_Text):
    """An object a line; what is empty is null."""

    def head(self) -> bytes:
        """Nothing."""
        return b""

    def part(self, rows: Sequence[Row]) -> bytes:
        """A line each."""
        names = self._names
        return self._octets(msgspec.json.Encoder().encode_lines([dict(zip(names, row, strict=True)) for row in rows]))


def _texts(values: Sequence[Value]) -> Sequence[Value]:
    # Each word once: in most columns few words stand many times, and hardly any is dangerous.
    changed: dict[Value, Value] = {
        value: cell for value in set(values) if isinstance(value, str) and (cell := guarded(value)) != value
    }
    return [changed.get(value, value) for value in values] if changed else values


def _flags(values: Sequence[Value]) -> Sequence[Value]:
    return [None if value is None else "true" if value else "false" for value in values]


#: What is not written as it is.
_CELLS: Mapping[Kind, Callable[[Sequence[Value]], Sequence[Value]]] = {Kind.TEXT: _texts, Kind.FLAG: _flags}


def _csv(rows: Sequence[Row]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode("utf-8")
