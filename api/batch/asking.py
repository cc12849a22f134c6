"""What may be sent to, of up to `COLUMNS` addresses of a text: the compiled loops, and one by one what they leave over.

plain           hashed and looked up by the compiled loops, the long ones apart
unusual         canonical form, hash and table in Python (`Lookup.at_once_of`): the same answer, slowly. All are unusual to a
                tenant whose list has hashes that others made (`Table.has_prehashed`)
not in memory   while the table is stale or missing, and where it can not tell: `waiting`, until the store was asked
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC
from functools import partial

import numpy as np

from api.batch.hashes import Hashes
from api.batch.hashing import Word, columns_of
from api.batch.probing import ASK, INVALID, probe
from api.batch.reading import Spans, Text
from api.batch.writing import Items
from api.index.slots import CAUSE_CODES, CAUSE_MASK, CAUSES, EPOCH, SCOPE_MASK, SCOPE_SHIFT, packed, tenant_mask
from api.index.table import Table
from api.lookup import Keys, Lookup, Verdict
from api.view import View
from nullsender.address import canonical
from nullsender.errors import Invalid
from suppression.policy import Cause

_CAUSE, _UNSUBSCRIBE = Word(CAUSE_MASK), Word(CAUSE_CODES[Cause.UNSUBSCRIBE])

#: The item that some bytes of a text are, and in which way they are odd -> its text; `Invalid` where it has none.
ItemReader = Callable[[bytes, int], str]


class Batch:
    """Room for `COLUMNS` addresses, and what is said of each of them. For one thread; used again and again."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._hashes = Hashes(lookup.hasher)
        self._table: Table | None = None
        self._verdicts: dict[int, Verdict] = {}
        self._count = 0
        #: What is said of each item: `ALLOWED`, a slot's value, `ASK` or `INVALID`.
        self.values = columns_of(1)
        #: What writes an answer's items about values of the table.
        self.items = Items()
        #: The columns of those that were looked up alone.
        self.unusual: Sequence[int] = []
        #: Why an item is invalid, the canonical form of an unusual one, the keys of one of which only the store can tell.
        self.reasons: dict[int, str] = {}
        self.addresses: dict[int, str] = {}
        self.waiting: dict[int, Keys] = {}

    def ask(self, view: View, text: Text, spans: Spans, count: int, item_of: ItemReader) -> None:
        """Look up the first `count` spans of `text`. From memory only: what is `waiting` afterwards is for the store."""
        self.reasons, self.addresses, self.waiting, self._verdicts = {}, {}, {}, {}
        self._count = count
        table, self._table = self._table, self._lookup.table.fresh()
        if self._table is not table:
            self.items.forget()  # another table gives other numbers to scopes
        if self._table is None:
            self.values[:count] = ASK
            self.unusual = self._hashes.make(text, spans, count)
        elif self._table.has_prehashed(view.tenant):
            self.unusual = range(count)
        else:
            self.unusual = self._hashes.make(text, spans, count)
            self._probe(self._table, view)
        for column in self.unusual:
            raw, odd = text.raw[spans.starts[column] : spans.ends[column]], int(spans.odd[column])
            self._ask_alone(view, column, partial(item_of, raw, odd))
        waiting_before = len(self.waiting)
        for column in np.flatnonzero(self.values[:count] == ASK).tolist():
            if column not in self.waiting:
                canonical_form = text.raw[spans.starts[column] : spans.ends[column]].decode("ascii").lower()
                self.waiting[column] = self._lookup.keys_of(view.tenant, canonical_form)
        self._lookup.count_from_table(count - len(self.unusual) - (len(self.waiting) - waiting_before))

    def tell(self, verdicts: Mapping[Keys, Verdict]) -> None:
        """What the store said of all that were `waiting`, by their keys."""
        for column, keys in self.waiting.items():
            self._put(column, verdicts[keys])
        self.waiting = {}

    def stopped(self) -> Sequence[int]:
        """The columns of all that may not be sent to, invalid and waiting ones included, in their order."""
        return np.flatnonzero(self.values[: self._count]).tolist()

    def tell_unsubscribed(self, view: View) -> None:
        """Let it be known of whom the table says that an unsubscribe stops mail: of all others the lookup told already."""
        stopped = np.flatnonzero(self.values[: self._count] & _CAUSE == _UNSUBSCRIBE).tolist()
        for column in set(stopped).difference(self.unusual):
            self._lookup.on_unsubscribed(view.tenant, (self._hashes.of(column),))

    def verdict(self, column: int) -> Verdict:
        """Why mail to a column that is suppressed is stopped."""
        verdict = self._verdicts.get(column)
        if verdict is not None:
            return verdict
        value = int(self.values[column])
        assert self._table is not None, "values come from a table, or there is a verdict"
        scope = self._table.scope_name(value >> SCOPE_SHIFT & SCOPE_MASK)
        return Verdict(allowed=False, cause=CAUSES[value & CAUSE_MASK], scope=scope)

    def _probe(self, table: Table, view: View) -> None:
        words = np.frombuffer(table.words, np.uint64)
        now_seconds = int((self._lookup.clock.now().astimezone(UTC) - EPOCH).total_seconds())
        numbers = table.scope_numbers(self._lookup.scopes_of(view))
        scopes, mask = Word(packed(numbers)), Word(tenant_mask(view.tenant))
        probe(words, self._hashes.words, mask, scopes, Word(max(now_seconds, 0)), self.values, self._count)

    def _ask_alone(self, view: View, column: int, item: Callable[[], str]) -> None:
        try:
            address = canonical(item())
        except Invalid as invalid:
            self.values[column] = INVALID
            self.reasons[column] = invalid.reason
            return
        keys = self._lookup.keys_of(view.tenant, address)
        verdict = self._lookup.at_once_of(view, keys)
        self.addresses[column] = address
        if verdict is None:
            self.values[column] = ASK
            self.waiting[column] = keys
        else:
            self._put(column, verdict)

    def _put(self, column: int, verdict: Verdict) -> None:
        self._verdicts[column] = verdict
        self.values[column] = 0 if verdict.cause is None else CAUSE_CODES[verdict.cause]
