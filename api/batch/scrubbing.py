"""A list of any size, line by line: which of its addresses may be sent to. Pure: bytes in, bytes out, and a summary.

    put       some bytes come in
    step      the next lines are looked up; False: there is no whole line left. What is `waiting` then is for the store
    kept      those of these lines that are wanted, as they were
    finish    nothing more comes: the last line needs no line feed

There is never more here than the bytes that came in last, the beginning of one line, and room for `COLUMNS` addresses.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Final

import msgspec
import numpy as np

from api.batch.asking import Batch
from api.batch.hashing import COLUMNS, Word
from api.batch.keeping import keep
from api.batch.probing import INVALID_CODE
from api.batch.reading import PADDING, Places, Spans, Text, find_lines, unquote
from api.index.slots import CAUSE_CODES, CAUSE_MASK, CAUSES
from api.lookup import Keys, Verdict
from api.view import View
from nullsender.errors import Invalid
from nullsender.limits import SCRUB_LINE_BYTES_MAX
from suppression.policy import Cause


class Form(StrEnum):
    """How a list is written."""

    TEXT = "text"  # an address a line
    NDJSON = "ndjson"  # a JSON string a line, or an object with the field `address`


class Wanted(StrEnum):
    """Which lines are given back."""

    ALLOWED = "allowed"
    SUPPRESSED = "suppressed"
    INVALID = "invalid"


_CODES: Final[Mapping[Wanted, int]] = {
    Wanted.ALLOWED: 1,
    Wanted.SUPPRESSED: sum(1 << code for code in CAUSES),
    Wanted.INVALID: 1 << INVALID_CODE,
}


class Summary(msgspec.Struct):
    """How many lines there were of each kind; blank ones are not counted."""

    checked: int
    allowed: int
    suppressed: int
    causes: dict[Cause, int]
    invalid: int
    unknown: int  # among the allowed: nobody could tell, and the operator lets this mail go then

    def line(self, form: Form) -> bytes:
        """The last line of an answer: who does not see it does not have the whole."""
        if form is Form.NDJSON:
            return msgspec.json.encode({"summary": self}) + b"\n"
        counts = {"checked": self.checked, "allowed": self.allowed, "suppressed": self.suppressed}
        counts |= {str(cause): count for cause, count in self.causes.items()} | {"invalid": self.invalid}
        if self.unknown:
            counts["unknown"] = self.unknown
        return ("# " + " ".join(f"{name}={count}" for name, count in counts.items()) + "\n").encode()


class Scrub:
    """One list on its way. For one thread, with a `Batch` of its own."""

    def __init__(self, batch: Batch, view: View, form: Form = Form.TEXT) -> None:
        self.batch = batch
        self.view = view
        self.form = form
        self._item_of: Callable[[bytes, int], str] = _row if form is Form.NDJSON else _line
        self._text, self._at = Text.of(PADDING), 0
        self._in_long_line = False
        self._is_first_line = True
        self._spans, self._starts, self._ends = Spans.of(COLUMNS), np.zeros(COLUMNS, np.int64), np.zeros(COLUMNS, np.int64)
        self._kept = np.zeros(0, np.uint8)
        self._counts = np.zeros(CAUSE_MASK + 1, np.int64)
        self._unknown = 0
        #: How many lines the last step looked up.
        self.count = 0

    def begin(self) -> None:
        """Another list begins."""
        self._is_first_line = True

    def put(self, chunk: bytes) -> None:
        """The next bytes of the list; every whole line of those before has been looked up."""
        if self._in_long_line:
            _, line_feed, chunk = chunk.partition(b"\n")
            self._in_long_line = not line_feed
        rest = self._rest()
        if len(rest) > SCRUB_LINE_BYTES_MAX and b"\n" not in chunk:
            self._in_long_line, rest, chunk = True, b"", b""
            self._counts[INVALID_CODE] += 1
        self._text, self._at = Text.of(rest + chunk + PADDING), 0

    def finish(self) -> None:
        """Nothing more comes."""
        self.put(b"\n")

    def step(self) -> bool:
        """Look up the next lines, at most `COLUMNS`; False: there is none."""
        spans, text = self._spans, self._text
        self.count, self._at = find_lines(text.text, text.words, self._at, *spans, COLUMNS, SCRUB_LINE_BYTES_MAX)
        if not self.count:
            return False
        self._starts[:], self._ends[:] = spans.starts, spans.ends
        if self._is_first_line:
            self._is_first_line = False
            if text.raw.startswith(_BYTE_ORDER_MARK, spans.starts[0]):
                spans.starts[0] += len(_BYTE_ORDER_MARK)
        if self.form is Form.NDJSON:
            unquote(text.text, *spans, self.count)
        self.batch.ask(self.view, text, spans, self.count, self._item_of)
        return True

    def step_of(self, records: Sequence[bytes], addresses: Sequence[bytes]) -> None:
        """Look up these, at most `COLUMNS`, each with the record that it stands in: for lists that others take apart."""
        self._text, self._at = Text.of(b"\n".join([*records, PADDING])), 0
        _place(records, self._starts, self._ends)
        _place(addresses, self._spans.starts, self._spans.ends)
        self._spans.odd[:] = 0
        self.count = len(records)
        self.batch.ask(self.view, Text.of(b"\n".join([*addresses, PADDING])), self._spans, self.count, _line)

    def tell(self, verdicts: Mapping[Keys, Verdict]) -> None:
        """What the store said of those that were waiting."""
        self._unknown += sum(not verdicts[keys].known for keys in self.batch.waiting.values())
        self.batch.tell(verdicts)

    def kept(self, *wanted: Wanted) -> list[bytes]:
        """Of the lines of the last step those that are wanted, for each kind; called once a step, when nothing is waiting."""
        assert not self.batch.waiting, "the store was asked first"
        count, values = self.count, self.batch.values
        self._counts += np.bincount(values[:count] & Word(CAUSE_MASK), minlength=CAUSE_MASK + 1)
        if len(self._kept) < len(self._text.raw):
            self._kept = np.zeros(len(self._text.raw), np.uint8)
        kept = []
        for kind in wanted:
            size = keep(self._text.text, self._starts, self._ends, values, count, Word(_CODES[kind]), self._kept)
            kept.append(self._kept[:size].tobytes())
        return kept

    def line(self, column: int) -> bytes:
        """A line of the last step, without its line feed."""
        return self._text.raw[self._starts[column] : self._ends[column]]

    def summary(self) -> Summary:
        """What there was so far."""
        counts = self._counts.tolist()
        causes = {cause: counts[CAUSE_CODES[cause]] for cause in Cause}
        return Summary(sum(counts), counts[0], sum(causes.values()), causes, counts[INVALID_CODE], self._unknown)

    def _rest(self) -> bytes:
        return self._text.raw[self._at : len(self._text.text)]


def _place(items: Sequence[bytes], starts: Places, ends: Places) -> None:
    """Where the items stand once they are joined by one byte each."""
    sizes = np.fromiter(map(len, items), np.int64, len(items))
    ends[: len(items)] = np.cumsum(sizes + 1) - 1
    starts[: len(items)] = ends[: len(items)] - sizes


_TOO_LONG: Final = 1
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"  # some editors begin a list with it; it is no part of the first address


def _line(raw: bytes, odd: int) -> str:
    if odd == _TOO_LONG:
        raise Invalid(f"the line has more than {SCRUB_LINE_BYTES_MAX} bytes")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Invalid("not an address: the line is not UTF-8") from error


class _Row(msgspec.Struct):
    address: str


_ROWS = msgspec.json.Decoder(str | _Row)


def _row(raw: bytes, odd: int) -> str:
    if odd == _TOO_LONG:
        return _line(raw, odd)
    try:
        row: str | _Row = _ROWS.decode(raw if odd else b'"%b"' % raw)
        if isinstance(row, str):
            return row
        # RFC 8259 4: of two members with one name readers take this one or that one. They may stand there with escapes.
        if raw.count(b'"address"') != 1 or b"\\" in raw:
            names = [name for name, _ in json.loads(raw, object_pairs_hook=list)]
            if names.count("address") != 1:
                raise Invalid('the line has several members "address"')
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise Invalid('the line is no JSON text and no JSON object with a text as "address"') from error
    return row.address
