"""Bytes of any encoding become UTF-8, and that becomes lines of bounded length. Pure: pieces in, pieces out.

A byte order mark, or every other byte being NUL, says UTF-16; all else is taken for UTF-8. What is no UTF-8 in it is kept as it
is (surrogate escapes): an address with such a character is refused with its row, and in a name beside it nobody minds. No older
encoding is guessed, for a wrong guess makes another address.
"""

import codecs
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final

from nullsender.errors import Invalid
from nullsender.limits import IMPORT_ENCODING_LOOKED_AT_BYTES, IMPORT_LINE_BYTES_MAX

_MARKS: Final = (
    (codecs.BOM_UTF8, None),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_CONTROLS: Final = frozenset(range(32)) - {9, 10, 12, 13, 27}


def utf8_of(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same text in UTF-8, with the line ends of Unix where it has those of old Macs. `Invalid` where it is no text."""
    rest = iter(pieces)
    first = next(rest, b"")
    mark, encoding = next(((mark, name) for mark, name in _MARKS if first.startswith(mark)), (b"", _unmarked(first)))
    if encoding == "utf-32":
        raise Invalid("the file is in UTF-32: save it as UTF-8")
    pieces = chain([first.removeprefix(mark)], rest)
    first, pieces = _first_of(pieces if encoding is None else _recoded(pieces, encoding))
    _require_text(first[:IMPORT_ENCODING_LOOKED_AT_BYTES])
    if b"\r" in first and b"\n" not in first:
        return (piece.replace(b"\r", b"\n") for piece in pieces)
    return pieces


def _unmarked(first: bytes) -> str | None:
    """UTF-16 without a mark: letters of the Latin alphabet have a NUL beside them, always on the same side."""
    looked_at = first[:IMPORT_ENCODING_LOOKED_AT_BYTES]
    if len(looked_at) < 4:
        return None
    even, odd = looked_at[::2].count(0) * 2 / len(looked_at), looked_at[1::2].count(0) * 2 / len(looked_at)
    if odd > 0.7 and even < 0.1:
        return "utf-16-le"
    return "utf-16-be" if even > 0.7 and odd < 0.1 else None


def _recoded(pieces: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    for piece in pieces:
        yield decoder.decode(piece).encode("utf-8", "replace")
    yield decoder.decode(b"", final=True).encode("utf-8", "replace")


def _first_of(pieces: Iterable[bytes]) -> tuple[bytes, Iterator[bytes]]:
    rest = iter(pieces)
    first = next(rest, b"")
    return first, chain([first], rest)


def _require_text(sample: bytes) -> None:
    strange = sum(byte in _CONTROLS for byte in sample)
    if strange * 20 > len(sample):
        raise Invalid("this is no list but a binary file: export it as CSV, JSON or plain text")


def lines_of(pieces: Iterable[bytes]) -> Iterator[str | None]:
    """Its lines without their ends; None stands for one that is longer than anybody's and was skipped."""
    rest, skips = b"", False
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            yield None if skips else _line(line)
            skips = False
        if len(rest) > IMPORT_LINE_BYTES_MAX:
            rest, skips = b"", True
    if rest or skips:
        yield None if skips else _line(rest)


def _line(line: bytes) -> str | None:
    return None if len(line) > IMPORT_LINE_BYTES_MAX else line.removesuffix(b"\r").decode("utf-8", "surrogateescape")
