"""A CSV file, record by record: where its addresses stand, and each record as it was written. RFC 4180, in UTF-8."""

import csv
from collections.abc import Iterator
from itertools import islice
from typing import IO, NamedTuple

from api.batch.hashing import COLUMNS
from nullsender.errors import Invalid
from nullsender.limits import SCRUB_LINE_BYTES_MAX, SCRUB_READ_BYTES


class Records(NamedTuple):
    """Some records, and the address of each."""

    records: list[bytes]
    addresses: list[bytes]
    read_bytes: int


class Table:
    """The file, which begins with a line that names its columns."""

    def __init__(self, file: IO[bytes], column: str) -> None:
        """`Invalid` where there is no such column."""
        self._lines = _Lines(file)
        self._rows = csv.reader(self._lines)
        self.names = names = next(self._rows, [])
        self.header = self._lines.taken().rstrip(b"\n")
        if names.count(column) != 1:
            raise Invalid(f"the first line names no column {column!r}, or several: it names {', '.join(names)[:200] or 'none'}")
        self._place = names.index(column)

    def parts(self) -> Iterator[Records]:
        """All records, as many at a time as are looked up together. `Invalid` where the file can not be CSV."""
        while part := list(islice(self._records(), COLUMNS)):
            records, addresses = map(list, zip(*part, strict=True))
            yield Records(records, addresses, sum(map(len, records)))

    def _records(self) -> Iterator[tuple[bytes, bytes]]:
        try:
            for row in self._rows:
                record = self._lines.taken()
                if row:  # a blank line is no record
                    address = row[self._place] if len(row) > self._place else ""
                    yield record.rstrip(b"\n"), address.encode("utf-8", "surrogateescape")
        except csv.Error as error:
            raise Invalid(f"line {self._rows.line_num} is no CSV: {error}") from error


class _Lines:
    """The lines of a file as text, for csv; and the bytes of those that were taken since one last asked."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._taken: list[bytes] = []
        self._taken_bytes = 0

    def __iter__(self) -> Iterator[str]:
        """`Invalid` where a line, or a record of several, is longer than anybody's: all of it would be held."""
        first = True
        while line := self._file.readline(SCRUB_LINE_BYTES_MAX + 1):
            self._taken.append(line)
            self._taken_bytes += len(line)
            if len(line) > SCRUB_LINE_BYTES_MAX or self._taken_bytes > SCRUB_READ_BYTES:
                raise Invalid(f"this is no CSV: a line has more than {SCRUB_LINE_BYTES_MAX} bytes, or a record has no end")
            text = line.decode("utf-8", "surrogateescape")
            yield text.removeprefix("\ufeff") if first else text
            first = False

    def taken(self) -> bytes:
        taken = b"".join(self._taken)
        self._taken.clear()
        self._taken_bytes = 0
        return taken
