"""The objects of a file of JSON, one after the other, whatever lies around them. Pure, and in bounded memory.

    [{…}, {…}]                      an array, as exports write it
    {"items": [{…}], "paging": …}   what an API answers; its arrays are found however deep, and several answers in a row too
    {…}↵{…}                        JSON lines
    ["a@example.com", …]            addresses alone

An object that names an address is a row, any other is what lies around rows.
"""

import codecs
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final, TypeAlias

from nullsender.limits import IMPORT_JSON_DEPTH_MAX, IMPORT_RECORD_BYTES_MAX
from suppression.imports.row import Refused
from suppression.imports.systems import ADDRESS_FIELDS, SHAPES, field_name

Item: TypeAlias = tuple[int, dict[str, Any]]  # the number of the line where it begins, and the row with its fields' names

_ROW_KEYS: Final = frozenset({*ADDRESS_FIELDS, *(shape.address for shape in SHAPES)} - {"value"})
_ALLOWED_KEYS: Final = frozenset({"value", "type"})  # a row of Mailgun's allowlist, which can name a domain instead
_AROUND = re.compile(r"[\s,]*")
_decode = json.JSONDecoder().raw_decode


class _NoJson(Exception):
    """What stands here is no JSON, or a value that is larger than any row."""


class _Text:
    """A window on a long text: what was read of it and is still needed."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._text = ""
        self._at = 0
        self._line = 1  # of the first character of the window
        self._counted = 0  # characters of the window whose lines are in `line`
        self._ended = False
        self._begins_at = 0  # of the window, in the whole text
        self._kept_from = 0  # what may still be gone back to, in the window

    def place(self) -> int:
        """Where it is, for `back_to`."""
        self._kept_from = self._at
        return self._begins_at + self._at

    def back_to(self, place: int) -> bool:
        """Go back to the last place; False where that is too far behind."""
        if place < self._begins_at:
            return False
        self._at = place - self._begins_at
        return True

    def next_mark(self) -> str:
        """The next character that is neither white space nor a comma, without going past it; "" at the end."""
        while True:
            self._at = _end_of(_AROUND, self._text, self._at)
            if self._at < len(self._text) or not self._more():
                return self._text[self._at : self._at + 1]

    def line(self) -> int:
        """The number of the line where the next value begins."""
        self._line += self._text.count("\n", self._counted, self._at)
        self._counted = self._at
        return self._line

    def take(self, characters: int = 1) -> None:
        """Go past so many."""
        self._at += characters

    def value(self) -> Any:
        """The JSON value that begins here, and go past it."""
        while True:
            try:
                value, self._at = _decode(self._text, self._at)
            except (ValueError, RecursionError):
                if len(self._text) - self._at > IMPORT_RECORD_BYTES_MAX or not self._more():
                    raise _NoJson from None
            else:
                return value

    def skip_line(self) -> bool:
        """Go to the next line; False: there is none."""
        while (end := self._text.find("\n", self._at)) < 0:
            self._at = len(self._text)
            if not self._more():
                return False
        self._at = end + 1
        return True

    def _more(self) -> bool:
        """Read another piece; False at the end."""
        if self._ended:
            return False
        self.line()
        gone = self._at if self._at - self._kept_from > IMPORT_RECORD_BYTES_MAX else min(self._kept_from, self._at)
        piece = next(self._pieces, None)
        self._ended = piece is None
        self._text = self._text[gone:] + self._decoder.decode(piece or b"", final=self._ended)
        self._begins_at += gone
        self._at -= gone
        self._counted -= gone
        self._kept_from = max(self._kept_from - gone, 0)
        return not self._ended


def _end_of(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    return match.end() if match else at


def objects_of(pieces: Iterable[bytes]) -> Iterator[Item | Refused]:
    """Every row of the file, with the number of its line; and what could not be read."""
    text = _Text(pieces)
    while text.next_mark():
        line, start, found = text.line(), text.place(), False
        try:
            for item in _rows(text, 0):
                found = True
                yield item
        except _NoJson:
            if found or not text.back_to(start):
                yield Refused(text.line(), "", "this is no JSON, or a row that is too large: nothing was read from here on")
                return
            yield Refused(line, "", "the line is no JSON")
            if not text.skip_line():
                return


def _rows(text: _Text, depth: int) -> Iterator[Item | Refused]:
    """The rows of the value that begins here."""
    mark, line = text.next_mark(), text.line()
    if mark == "[" and depth <= IMPORT_JSON_DEPTH_MAX:
        text.take()
        while (mark := text.next_mark()) != "]":
            yield from _rows(text, depth + 1)
        text.take()
    elif mark == "{" and depth <= IMPORT_JSON_DEPTH_MAX:
        try:
            value = text.value()
        except _NoJson:
            yield from _members(text, depth)
        else:
            yield from _found_in(value, line)
    else:
        yield from _found_in(text.value(), line)


def _members(text: _Text, depth: int) -> Iterator[Item | Refused]:
    """The rows in an object that is too large to be held: it can only be one that lies around rows."""
    text.take()
    while (mark := text.next_mark()) != "}":
        if mark != '"' or field_name(text.value()) in _ROW_KEYS or text.next_mark() != ":":
            raise _NoJson
        text.take()
        if text.next_mark() in {"[", "{"}:
            yield from _rows(text, depth + 1)
        else:
            text.value()
    text.take()


def _found_in(value: Any, line: int) -> Iterator[Item | Refused]:
    """The rows in a value that was read."""
    if isinstance(value, str):
        yield line, {"email": value}
    elif not isinstance(value, dict):
        yield Refused(line, "", "this is no row, but a value alone")
    elif is_row(fields := {field_name(key): one for key, one in value.items()}):
        yield line, fields
    else:
        around = [one for one in fields.values() if isinstance(one, list | dict)]
        if not around:
            yield Refused(line, "", "there is no address in this row")
        yield from (row for one in around for row in _within(one, line, 1))


def _within(value: Any, line: int, depth: int) -> Iterator[Item]:
    """The rows in what lies around rows."""
    if isinstance(value, dict) and is_row(fields := {field_name(key): one for key, one in value.items()}):
        yield line, fields
    elif isinstance(value, list | dict) and depth <= IMPORT_JSON_DEPTH_MAX:
        for one in value if isinstance(value, list) else value.values():
            yield from _within(one, line, depth + 1)
    elif isinstance(value, str) and "@" in value:
        yield line, {"email": value}


def is_row(fields: dict[str, Any]) -> bool:
    """Whether an object names an address, and so is a row itself."""
    return any(isinstance(fields.get(key), str) for key in _ROW_KEYS & fields.keys()) or fields.keys() >= _ALLOWED_KEYS
