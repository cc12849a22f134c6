"""May I send to this address? The one place that answers, for every door.

A miss in a fresh lookup table is a yes. Anything else is the store's to say: whether a hit is an entry that stops this mail,
and everything while the table is stale or missing. When the store can not be asked either, `Transient` says so (G6): the
answer is never guessed.
"""

from collections.abc import Mapping, Sequence

import msgspec

from api.index.reader import TableReader
from api.index.table import key_of
from nullsender import telemetry
from nullsender.address import AddressHasher, canonical
from nullsender.errors import Invalid
from suppression.records import Entry
from suppression.store import Store


class Answer(msgspec.Struct, frozen=True):
    """Whether mail may be sent to one address, and if not, the entry that stops it."""

    address: str  # canonical
    entry: Entry | None

    @property
    def allowed(self) -> bool:
        """Nothing on the list stops this mail."""
        return self.entry is None


class InvalidAddress(msgspec.Struct, frozen=True):
    """An item of a batch that is no address; `address` is the item, None where it was no text at all."""

    index: int
    address: str | None
    reason: str


class Answers(msgspec.Struct, frozen=True):
    """What the list says to a batch: everything that is neither suppressed nor invalid may be sent to."""

    checked: int
    suppressed: Mapping[int, Answer]  # by place in the batch, in its order
    invalid: Sequence[InvalidAddress]


_FROM_TABLE = telemetry.LOOKUPS.labels("table")
_FROM_STORE = telemetry.LOOKUPS.labels("store")


class Lookup:
    """Answers from the table where it can and from the store where it must. Thread-safe."""

    def __init__(self, store: Store, table: TableReader, hasher: AddressHasher) -> None:
        self._store = store
        self._table = table
        self._hasher = hasher

    def is_surely_clean(self, tenant: str, address: str) -> bool:
        """True: nothing on the list stops mail to this canonical address, whatever its stream. Never waits for anything.

        False says nothing: `check` knows.
        """
        table = self._table.fresh()
        if table is None or table.holds(key_of(tenant, self._hasher.hash(address))):
            return False
        _FROM_TABLE.inc()
        return True

    def check(self, tenant: str, stream: str | None, address: str) -> Answer:
        """The answer for one canonical address; `Transient` when there is none to be had. May wait for the store."""
        if self.is_surely_clean(tenant, address):
            return Answer(address, None)
        _FROM_STORE.inc()
        return Answer(address, self._store.check(tenant, stream, [address]).get(0))

    def check_many(self, tenant: str, stream: str | None, items: Sequence[object]) -> Answers:
        """The answers for a batch of addresses as people write them; `Transient` when there are none to be had.

        Whatever an item is, it spoils nothing for the others.
        """
        addresses: dict[int, str] = {}
        invalid: list[InvalidAddress] = []
        for index, item in enumerate(items):
            if not isinstance(item, str):
                invalid.append(InvalidAddress(index, None, "not an address: it is no text"))
                continue
            try:
                addresses[index] = canonical(item)
            except Invalid as error:
                # Half a character (a lone surrogate) can come in as JSON and can not go out again.
                shown = item.encode("utf-8", "replace").decode("utf-8")
                invalid.append(InvalidAddress(index, shown, error.reason))
        suspects = self._suspects(tenant, addresses)
        _FROM_TABLE.inc(len(addresses) - len(suspects))
        _FROM_STORE.inc(len(suspects))
        entries = self._store.check(tenant, stream, [addresses[index] for index in suspects]) if suspects else {}
        found = {suspects[place]: entry for place, entry in entries.items()}
        suppressed = {index: Answer(addresses[index], found[index]) for index in sorted(found)}
        return Answers(len(items), suppressed, invalid)

    def _suspects(self, tenant: str, addresses: Mapping[int, str]) -> Sequence[int]:
        """The places of those addresses that only the store can answer for."""
        table = self._table.fresh()
        if table is None:
            return list(addresses)
        hash_of, holds = self._hasher.hash, table.holds
        return [index for index, address in addresses.items() if holds(key_of(tenant, hash_of(address)))]

    def is_visible(self, sequence: int) -> bool:
        """Whether every process of this machine answers with the store's changes up to `sequence`.

        Where this is not so `staleness_seconds_max` after the change, the table is stale for everybody, and so it is so.
        """
        table = self._table.latest()
        return table is None or table.position >= sequence

    @property
    def staleness_seconds_max(self) -> float:
        """How old an answer can be."""
        return self._table.staleness_seconds_max

    def staleness_seconds(self) -> float:
        """How old the table's knowledge is; infinite where there is no table."""
        return self._table.age_seconds()

    def is_fresh(self) -> bool:
        """Whether lookups are answered from memory now."""
        return self._table.fresh() is not None
