"""Lists in Parquet, as our own exports can be. Only the columns that say something are read, a few thousand rows at a time."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from nullsender.errors import Invalid
from nullsender.limits import IMPORT_PARQUET_GROUP_BYTES_MAX, IMPORT_PARQUET_ROWS
from suppression.imports.detect import shape_of
from suppression.imports.reading import Reading, rows_of
from suppression.imports.row import Refused
from suppression.imports.systems import SHAPES, Fields, field_name, plain_shape

_FURTHER: Final = frozenset(
    {"known_as", "since", "created_at", "created", "expires", "ended", "provisional", "reason", "status"}
)
_UNREADABLE = (pa.ArrowException, OSError, ValueError, KeyError, MemoryError)


def read_parquet(path: Path, chosen: str | None) -> Reading:
    """The rows of the file; their numbers are those of rows, from 1. `Invalid` where it is damaged or no list."""
    try:
        file = pq.ParquetFile(
            path,
            thrift_string_size_limit=IMPORT_PARQUET_GROUP_BYTES_MAX,
            thrift_container_size_limit=IMPORT_PARQUET_ROWS * 64,
        )
        groups = [file.metadata.row_group(number).total_byte_size for number in range(file.metadata.num_row_groups)]
        columns = {field_name(name): name for name in file.schema_arrow.names}
    except _UNREADABLE as error:
        raise _damaged(error) from error
    if max(groups, default=0) > IMPORT_PARQUET_GROUP_BYTES_MAX:
        raise Invalid(f"a group of its rows takes more than {IMPORT_PARQUET_GROUP_BYTES_MAX // 2**20} MiB: write smaller ones")
    shape, why = shape_of(columns, chosen)
    wanted = _FURTHER.union({shape.address}, *(it.fields for it in (*SHAPES, plain_shape(shape.address)))) & columns.keys()
    return Reading(shape.name, why, rows_of(_records(file, {columns[name]: name for name in wanted}), shape))


def _records(file: pq.ParquetFile, names: dict[str, str]) -> Iterator[tuple[int, Fields] | Refused]:
    number = 0
    try:
        for batch in file.iter_batches(batch_size=IMPORT_PARQUET_ROWS, columns=list(names)):
            for row in batch.to_pylist():
                number += 1
                yield number, {names[name]: value for name, value in row.items()}
    except _UNREADABLE as error:
        raise _damaged(error) from error


def _damaged(error: BaseException) -> Invalid:
    return Invalid(f"the Parquet file is damaged: {' '.join(str(error).split())[:200]}")
