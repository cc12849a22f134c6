"""Lines become records: CSV with any separator, RFC 4180 and a little more. A record that can not be read spoils no other.

A quote that is never closed would swallow all that follows. So a record has a bound; past it, its first line is refused and
the lines after it are read anew.
"""

import csv
from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Final, Literal, TypeAlias

from nullsender.limits import IMPORT_RECORD_BYTES_MAX
from suppression.imports.row import Refused

TOO_LONG = "the line is longer than any row of a list"


class _End(Enum):
    """After the last line."""

    END = 0


_END: Final = _End.END
_Line: TypeAlias = str | Literal[_End.END] | None


class _RecordTooLong(Exception):
    """A quote was opened and is not closed."""


class Records:
    """The records of a file: the number of the line where each begins, and its cells."""

    def __init__(self, lines: Iterable[str | None], separator: str) -> None:
        self._lines: Iterator[_Line] = iter(lines)
        self._separator = separator
        self._again: list[_Line] = []  # lines to be read anew, the next one last
        self._held: list[str] = []  # those of the record that is being read
        self._held_characters = 0
        self._number = 0  # of the last line that was read

    def __iter__(self) -> Iterator[tuple[int, list[str]] | Refused]:
        reader = self._reader()
        while True:
            self._held.clear()
            self._held_characters = 0
            try:
                record = next(reader, None)
            except (csv.Error, _RecordTooLong) as error:
                yield self._refuse_first_line(error)
                reader = self._reader()
                continue
            if record is None:
                return
            first = self._number - max(len(self._held), 1) + 1
            yield (first, record) if self._held else Refused(first, "", TOO_LONG)

    def _reader(self) -> Iterator[list[str]]:
        return csv.reader(self._fed(), delimiter=self._separator, strict=True)

    def _refuse_first_line(self, error: Exception) -> Refused:
        first = self._number - len(self._held) + 1
        self._again += reversed(self._held[1:])
        self._number = first
        return Refused(first, "", f"the line is no CSV: {error}")

    def _fed(self) -> Iterator[str]:
        """The lines, each with its end. One that is too long is a record of its own, of no line."""
        while True:
            line = self._again.pop() if self._again else next(self._lines, _END)
            if line is _END:
                return
            if line is None and self._held:
                self._again.append(None)
                raise _RecordTooLong("a quote is not closed")
            self._number += 1
            if line is None:
                yield ""
                continue
            self._held.append(line)
            self._held_characters += len(line)
            if self._held_characters > IMPORT_RECORD_BYTES_MAX:
                raise _RecordTooLong("a quote is not closed")
            yield line + "\n"


def single_fields(lines: Iterable[str | None]) -> Iterator[tuple[int, list[str]] | Refused]:
    """The same of a file that has one field a line. It may be quoted; a quote within one is a part of an address."""
    for number, line in enumerate(lines, start=1):
        if line is None:
            yield Refused(number, "", TOO_LONG)
        elif len(line) > 1 and line[0] == line[-1] == '"':
            yield number, [line[1:-1]]
        else:
            yield number, [line]
