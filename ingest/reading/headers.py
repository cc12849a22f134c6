"""Header fields as strangers send them: a bounded scan over bytes, one pass, never an exception.

The same scan reads the head of a message, the head of a MIME part and the fields of a report part, because all three
have RFC 5322's shape. Names are kept in lower case, values unfolded; of a field that comes twice all values are kept.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from ingest.reading.charsets import decode_bytes, decode_words
from nullsender.limits import HEADER_BYTES_MAX, HEADER_FIELDS_MAX, HEADER_VALUE_CHARACTERS_MAX

# RFC 5322 2.2 and 3.6.8: a name of printable US-ASCII without space and colon, and a value that goes on in every line that
# begins with white space (2.2.3). The possessive repeat never goes back, so the time is linear.
_FIELD = re.compile(r"^([!-9;-~]++)[ \t]*+:(.*(?:\n[ \t].*)*)", re.MULTILINE)
_FOLD = re.compile(r"\n[ \t]+")
_STRAY_LINE = re.compile(r"\n(?![!-9;-~]++[ \t]*+:)")


class Headers:
    """The fields of one header block. Immutable; asking for a field that is not there gives `""` or `()`.

    Of a bounce's fields three or four are asked for, so values are unfolded when they are.
    """

    __slots__ = ("_fields", "is_cut")

    def __init__(self, fields: Mapping[str, Sequence[str]], *, is_cut: bool = False) -> None:
        self._fields = fields
        self.is_cut = is_cut  # by our bounds: fields are missing

    def get(self, name: str) -> str:
        """The first value of the field `name` (lower case), unfolded and trimmed, or `""`."""
        values = self._fields.get(name)
        return _unfolded(values[0]) if values else ""

    def all(self, name: str) -> tuple[str, ...]:
        """Every value of the field `name` (lower case), in order."""
        return tuple(map(_unfolded, self._fields.get(name, ())))

    def text(self, name: str) -> str:
        """The first value of the field `name` with its encoded words (RFC 2047) decoded."""
        return decode_words(self.get(name))

    def __contains__(self, name: str) -> bool:
        return name in self._fields

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)


NO_HEADERS = Headers({})


def _unfolded(value: str) -> str:
    value = value[:HEADER_VALUE_CHARACTERS_MAX]
    return (_FOLD.sub(" ", value) if "\n" in value else value).strip()


def read_fields(block: bytes, *, keep_stray_lines: bool = False) -> Headers:
    """The fields in `block` (line ends are LF already).

    A line that is neither a field nor folded is left out; with `keep_stray_lines` it continues the field before it,
    because many an MTA forgets to indent the second line of a Diagnostic-Code.
    """
    text = decode_bytes(block[:HEADER_BYTES_MAX])
    if keep_stray_lines:
        text = _STRAY_LINE.sub("\n ", text)
    fields: dict[str, list[str]] = {}
    found = _FIELD.findall(text)
    for name, value in found[:HEADER_FIELDS_MAX]:
        fields.setdefault(name.lower(), []).append(value)
    return Headers(fields, is_cut=len(block) >= HEADER_BYTES_MAX or len(found) > HEADER_FIELDS_MAX)


def split_head(data: bytes) -> tuple[bytes, bytes]:
    """`data` cut at its first empty line: header block and body. What begins with no field at all is body altogether."""
    if data.startswith(b"\n"):
        return b"", data[1:]
    if _FIRST_FIELD.match(data) is None:
        return b"", data
    end = data.find(b"\n\n", 0, HEADER_BYTES_MAX)
    if end >= 0:
        return data[:end], data[end + 2 :]
    return data[:HEADER_BYTES_MAX], data[HEADER_BYTES_MAX:]


_FIRST_FIELD = re.compile(rb"[!-9;-~]{1,1000}+[ \t]{0,100}+:")


def parameters_of(value: str) -> tuple[str, dict[str, str]]:
    """A structured value such as Content-Type's as its first word, lower-cased, and its parameters (RFC 2045 5.1).

    Names in lower case. Quotes are taken off; a quoted string that never ends ends with the value.
    """
    value = value[:_PARAMETER_CHARACTERS_MAX]
    word, _, rest = value.partition(";")
    parameters: dict[str, str] = {}
    for match in _PARAMETER.finditer(rest):
        name, quoted, plain = match.groups()
        parameters.setdefault(name.lower(), plain.strip() if quoted is None else _ESCAPED.sub(r"\1", quoted))
    return word.strip().lower(), parameters


_PARAMETER_CHARACTERS_MAX = 2_000
_PARAMETER = re.compile(r'([\w*-]{1,60})[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.){0,500})"?|([^;"]{0,500}))')
_ESCAPED = re.compile(r"\\(.)")
