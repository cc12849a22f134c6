"""Parquet: typed columns, compressed, in row groups that a reader can skip.

A Parquet file has its index at its end and can not be appended to, so the draft holds Arrow batches: each behind its length.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from nullsender.limits import EXPORT_ROW_GROUP_ROWS
from suppression.exports.columns import Column, Kind, Row
from suppression.exports.formats import Breathe

_LENGTH_BYTES = 8
_MOMENT = pa.timestamp("us", tz="UTC")
_TYPES = {
    Kind.TEXT: pa.string(),
    Kind.HASH: pa.string(),
    Kind.MOMENT: _MOMENT,
    Kind.NUMBER: pa.int64(),
    Kind.FLAG: pa.bool_(),
}


class ParquetWriter:
    """Writes Parquet."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = columns
        self._schema = pa.schema([(column.name, _TYPES[column.kind]) for column in columns])

    def head(self) -> bytes:
        """Nothing."""
        return b""

    def part(self, rows: Sequence[Row]) -> bytes:
        """A batch behind its length."""
        arrays = [_array(column, values) for column, values in zip(self._columns, zip(*rows, strict=True), strict=True)]
        batch: bytes = pa.record_batch(arrays, schema=self._schema).serialize().to_pybytes()
        return len(batch).to_bytes(_LENGTH_BYTES, "little") + batch

    def finish(self, draft: Path, target: Path, rows: int, breathe: Breathe) -> int:
        """Write the batches as row groups."""
        with pq.ParquetWriter(target, self._schema, compression="zstd") as file:
            for group in _groups(_batches(draft, self._schema)):
                breathe()
                file.write_table(pa.Table.from_batches(group, schema=self._schema))
        draft.unlink()
        return rows


def _array(column: Column, values: Sequence[object]) -> pa.Array:
    if column.kind is Kind.MOMENT:
        return pa.array(values, type=pa.string()).cast(_MOMENT)
    return pa.array(values, type=_TYPES[column.kind])


def _batches(draft: Path, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    with draft.open("rb") as file:
        while length := file.read(_LENGTH_BYTES):
            yield pa.ipc.read_record_batch(pa.py_buffer(file.read(int.from_bytes(length, "little"))), schema)


def _groups(batches: Iterator[pa.RecordBatch]) -> Iterator[list[pa.RecordBatch]]:
    """Batches that make a row group together."""
    group: list[pa.RecordBatch] = []
    for batch in batches:
        group.append(batch)
        if sum(one.num_rows for one in group) >= EXPORT_ROW_GROUP_ROWS:
            yield group
            group = []
    if group:
        yield group
