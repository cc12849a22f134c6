"""Header fields as strangers send them: a block stays one text, and a field is looked for when somebody asks for it.

The same class reads the head of a message, the head of a MIME part and the fields of a report part, because all three have
RFC 5322's shape. Of a bounce's forty fields some five are asked for, and `str.find` passes over the others faster than
anything could take them apart. Names are given in lower case; values come unfolded, decoded and trimmed; of a field that
comes twice all values are kept.
"""

import re
from collections.abc import Iterator
from itertools import islice

from ingest.reading.charsets import decode_bytes, decode_words
from nullsender.limits import HEADER_BYTES_MAX, HEADER_FIELDS_MAX, HEADER_VALUE_CHARACTERS_MAX

# RFC 5322 2.2 and 3.6.8: a name is of printable US-ASCII without space and colon. Possessive repeats never go back, so the
# time is linear; and the line end in front is a letter that the regex engine can look for fast.
_NAME = re.compile(r"\n([!-9;-~]++):")
_SPACE_BEFORE_COLON = re.compile(r"(\n[!-9;-~]++)[ \t]++:")
_STRAY_LINE = re.compile(r"\n(?![ \t]|[!-9;-~]++:)")
# Section 2.2.3: a value goes on in every line that begins with white space.
_VALUE = r".*+(?:\n[ \t].*+)*+"
_FOLDED = re.compile(_VALUE)
# ... and here in every line that does not begin with a name.
_FIELD = re.compile(r"\n([!-9;-~]++):(.*+(?:\n(?![!-9;-~]++:).*+)*+)")
_BROKEN = re.compile(r"\n[ \t]*")
_FOLD = re.compile(r"\n[ \t]+")


class Headers:
    """The fields of one header block. Immutable; asking for a field that is not there gives `""` or `()`."""

    __slots__ = ("_lower", "_names", "_text", "_was_cut")

    def __init__(self, text: str, *, was_cut: bool = False) -> None:
        """`text`: each field begins with LF and its name, directly followed by a colon. `read_fields` makes it so."""
        # Every place in the one is the same place in the other: the letter whose lower case is longer is written as two before.
        self._text = text if text.isascii() else text.replace("\u0130", "I\u0307")
        self._lower = self._text.lower()
        self._names: frozenset[str] | None = None  # until somebody asks
        self._was_cut = was_cut

    def get(self, name: str) -> str:
        """The first value of the field `name` (lower case), or `""`."""
        place = self._lower.find(f"\n{name}:")
        if place < 0:
            return ""
        return self._value(place + len(name) + 2)

    def all(self, name: str) -> tuple[str, ...]:
        """The values of the field `name` (lower case), in order; at most `HEADER_FIELDS_MAX` of them."""
        mark = f"\n{name}:"
        place = self._lower.find(mark)
        if place < 0:
            return ()
        return tuple(islice(self._values(mark, place), HEADER_FIELDS_MAX))

    def text(self, name: str) -> str:
        """The first value of the field `name` with its encoded words (RFC 2047) decoded."""
        value = self.get(name)
        return decode_words(value) if "=?" in value else value

    def names(self) -> frozenset[str]:
        """The names of the fields, in lower case."""
        if self._names is None:
            self._names = frozenset(_NAME.findall(self._lower))
        return self._names

    @property
    def has_several(self) -> bool:
        """Whether there are fields of two different names at least."""
        first = _NAME.search(self._lower)
        if first is None:
            return False
        name = first.group(1)
        return any(other.group(1) != name for other in _NAME.finditer(self._lower, first.end()))

    @property
    def is_cut(self) -> bool:
        """Whether our bounds cut fields away from the block, or keep some from being told."""
        may_be_many = self._lower.count("\n") > HEADER_FIELDS_MAX  # each field begins a line
        return self._was_cut or (may_be_many and len(_NAME.findall(self._lower)) > HEADER_FIELDS_MAX)

    def __contains__(self, name: str) -> bool:
        return f"\n{name}:" in self._lower

    def __bool__(self) -> bool:
        return _NAME.search(self._lower) is not None

    def _values(self, mark: str, place: int) -> Iterator[str]:
        while place >= 0:
            yield self._value(place + len(mark))
            place = self._lower.find(mark, place + len(mark))

    def _value(self, begins: int) -> str:
        text = self._text
        ends = text.find("\n", begins)
        if ends < 0:
            ends = len(text)
        elif text.startswith((" ", "\t"), ends + 1) and (folded := _FOLDED.match(text, begins)):
            return _unfolded(folded.group())
        if ends - begins > HEADER_VALUE_CHARACTERS_MAX:
            ends = begins + HEADER_VALUE_CHARACTERS_MAX
        return text[begins:ends].strip()


def _unfolded(value: str) -> str:
    value = value[:HEADER_VALUE_CHARACTERS_MAX]
    return (_FOLD.sub(" ", value) if "\n" in value else value).strip()


NO_HEADERS = Headers("")


def first_values_of(block: str) -> dict[str, str]:
    """The first value of every field in a small `block` by its name, in lower case: for who asks for most of them.

    A line that is neither a field nor folded continues the field before it, because many an MTA forgets to indent the second
    line of a Diagnostic-Code.
    """
    text = _with_plain_names("\n" + block[:HEADER_BYTES_MAX])
    values: dict[str, str] = {}
    for name, value in _FIELD.findall(text):
        if (name := name.lower()) not in values:
            bounded = value[:HEADER_VALUE_CHARACTERS_MAX]
            values[name] = (_BROKEN.sub(" ", bounded) if "\n" in bounded else bounded).strip()
    return values


def _with_plain_names(text: str) -> str:
    """`text` with each field's name directly followed by its colon."""
    if " :" in text or ("\t" in text and "\t:" in text):
        text = _SPACE_BEFORE_COLON.sub(r"\1:", text)
    return text


def read_fields(block: bytes, *, keep_stray_lines: bool = False) -> Headers:
    """The fields in `block` (line ends are LF already).

    A line that is neither a field nor folded is left out; with `keep_stray_lines` it continues the field before it,
    because many an MTA forgets to indent the second line of a Diagnostic-Code.
    """
    text = _with_plain_names("\n" + decode_bytes(block[:HEADER_BYTES_MAX]))
    if keep_stray_lines:
        text = text[:1] + _STRAY_LINE.sub("\n ", text[1:])
    return Headers(text, was_cut=len(block) >= HEADER_BYTES_MAX)


def fields_in(text: str) -> Headers:
    """The fields in a block that is decoded already, as `read_fields` finds them."""
    return Headers(_with_plain_names("\n" + text[:HEADER_BYTES_MAX]), was_cut=len(text) >= HEADER_BYTES_MAX)


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


def parameters_of(value: str) -> dict[str, str]:
    """The parameters of a structured value such as Content-Type's (RFC 2045 5.1), behind its first word.

    Names in lower case. Quotes are taken off; a quoted string that never ends ends with the value.
    """
    parameters: dict[str, str] = {}
    for name, quoted, plain in _PARAMETER.findall(value[:_PARAMETER_CHARACTERS_MAX].partition(";")[2]):
        if (name := name.lower()) not in parameters:
            parameters[name] = plain.strip() or (_ESCAPED.sub(r"\1", quoted) if "\\" in quoted else quoted)
    return parameters


_PARAMETER_CHARACTERS_MAX = 1_000
# The look behind keeps a long run of letters from being read again from each of them.
_PARAMETER = re.compile(r'(?<![\w*-])([\w*-]{1,60}+)[ \t]*+=[ \t]*+(?:"([^"\\]*+(?:\\.[^"\\]*+)*+)"?|([^;"]*+))')
_ESCAPED = re.compile(r"\\(.)")
