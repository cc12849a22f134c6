"""A body of `POST /v1/check` and its answer, without a step of Python for each address that may be sent to.

The addresses are found in the body's own bytes, as spans of its one array; JSON's reader sees the body without them. What is
not as plain as that (`read_body` gives None) is for the reader of any JSON, which also says what is wrong with it.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from api.batch.asking import Batch
from api.batch.hashing import COLUMNS
from api.batch.probing import ASK_CODE, INVALID_CODE
from api.batch.reading import COMPLETE, PADDING, Spans, Text, find_items
from api.index.slots import CAUSE_MASK
from api.lookup import Keys, Verdict
from api.view import View
from nullsender.errors import Invalid
from nullsender.limits import CHECK_ADDRESSES_MAX


class NotPlain(Exception):
    """The body has to be read by JSON's own reader."""


class Question(msgspec.Struct):
    """What a body asks: about `count` items, which stand in `text` where `spans` say."""

    text: Text
    spans: Spans
    count: int
    stream: str | None
    mailing_list: str | None
    explain: bool


class _Head(msgspec.Struct, forbid_unknown_fields=True):
    """A body, but for what stands in its array."""

    addresses: list[Any]
    stream: str | None = None
    mailing_list: str | None = msgspec.field(default=None, name="list")
    explain: bool = False


_HEADS = msgspec.json.Decoder(_Head)


def read_body(body: bytes) -> Question | None:
    """What `body` asks; None: it is not plain.

    The first `[` has to be the only one, and the body without what stands between it and its `]` has to be JSON of the right
    shape with an empty array: so it was the array of `addresses` and nothing else.
    """
    text = Text.of(body + PADDING)
    before = body.find(b"[")
    spans = Spans.of(CHECK_ADDRESSES_MAX)
    count, behind, state = find_items(text.text, text.words, before + 1, *spans, CHECK_ADDRESSES_MAX)
    if before < 0 or state != COMPLETE or body.find(b"[", behind) >= 0:
        return None
    try:
        head = _HEADS.decode(body[:before] + b"[]" + body[behind:])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if head.addresses or "[" in f"{head.stream}{head.mailing_list}":
        return None
    return Question(text, spans, count, head.stream, head.mailing_list, head.explain)


class Checking:
    """One question on its way: all `steps`, `tell` what was `waiting`, then `answer`."""

    def __init__(self, batch: Batch, view: View, question: Question) -> None:
        self._batch = batch
        self._view = view
        self._question = question
        self._suppressed: list[tuple[int, bytes]] = []  # items, each with a comma behind it, by the number of the first
        self._invalid: list[bytes] = []
        self._waiting: dict[int, tuple[Keys, bytes]] = {}
        self._known = True

    def steps(self) -> Iterator[None]:
        """Look up all items from memory, `COLUMNS` a step. `NotPlain`: this is no JSON after all."""
        question, batch = self._question, self._batch
        for begin in range(0, question.count, COLUMNS):
            spans, count = question.spans.part(begin), min(COLUMNS, question.count - begin)
            batch.ask(self._view, question.text, spans, count, _item)
            written = 0
            for column in sorted({*batch.unusual, *batch.waiting}):
                self._write(spans, range(written, column), begin)
                if batch.values[column]:
                    self._note(begin + column, column, spans)
                written = column + 1
            self._write(spans, range(written, count), begin)
            batch.tell_unsubscribed(self._view)
            yield

    def _write(self, spans: Spans, columns: range, first: int) -> None:
        """The items for those of these columns that the table stops."""
        batch = self._batch
        if columns:
            items = batch.items.write(self._question.text.text, spans[:2], batch.values, columns, first, self._ending_of)
            self._suppressed.append((first + columns.start, items))

    def _ending_of(self, column: int) -> bytes:
        return b'"' + _ending(self._batch.verdict(column))

    @property
    def waiting(self) -> Sequence[Keys]:
        """The keys of those of whom only the store can tell."""
        return [keys for keys, _ in self._waiting.values()]

    def tell(self, verdicts: Mapping[Keys, Verdict]) -> None:
        """What the store said of them."""
        for index, (keys, start) in self._waiting.items():
            verdict = verdicts[keys]
            self._known &= verdict.known
            if not verdict.allowed:
                self._suppressed.append((index, start + _ending(verdict) + b","))
        self._suppressed.sort()

    def answer(self) -> bytes:
        """`CheckManyAnswer` as JSON."""
        known = b"" if self._known else b'"known":false,'
        suppressed = b"".join([items for _, items in self._suppressed])
        parts = (self._question.count, known, suppressed[:-1], b",".join(self._invalid))
        return b'{"checked":%d,%b"suppressed":[%b],"invalid":[%b]}' % parts

    def _note(self, index: int, column: int, spans: Spans) -> None:
        """One that was looked up alone, or of which only the store can tell."""
        batch, code = self._batch, int(self._batch.values[column]) & CAUSE_MASK
        if code == INVALID_CODE:
            reason = _json(batch.reasons[column])
            self._invalid.append(b'{"index":%d,"address":%b,"reason":%b}' % (index, self._as_sent(index), reason))
            return
        address = batch.addresses.get(column)
        raw = self._question.text.raw[spans.starts[column] : spans.ends[column]]
        start = b'{"index":%d,"address":%b' % (index, b'"%b"' % raw.lower() if address is None else _json(address))
        if code == ASK_CODE:
            self._waiting[index] = (batch.waiting[column], start)
        else:
            self._suppressed.append((index, start + _ending(batch.verdict(column)) + b","))

    def _as_sent(self, index: int) -> bytes:
        """The JSON of an item that is no address; `null` where it is no text."""
        raw, spans = self._question.text.raw, self._question.spans
        start, end = int(spans.starts[index]), int(spans.ends[index])
        if spans.odd[index]:
            return raw[start:end] if raw[start : start + 1] == b'"' else b"null"
        return raw[raw.rfind(b'"', 0, start) : raw.find(b'"', end) + 1]  # what was trimmed of it was sent too


_json = msgspec.json.encode


def _ending(verdict: Verdict) -> bytes:
    return b',"cause":"%b","scope":"%b"}' % (str(verdict.cause).encode(), str(verdict.scope).encode())


def _item(raw: bytes, odd: int) -> str:
    """An item of the array, a plain string without its quotes."""
    if not odd:
        return raw.decode("ascii")
    try:
        item = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NotPlain from error
    if not isinstance(item, str):
        raise Invalid("not an address: it is no text")
    return item
