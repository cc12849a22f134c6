"""May I send to this address? The one place that answers, for every door.

A fresh lookup table answers from memory, misses and hits alike. The store answers what the table can not: everything while
it is stale or missing, and whatever else there is to say about an entry. When the store can not be asked either, `Transient`
says so (G6): the answer is never guessed. Only mail whose view the operator named in `lookup.allow_unknown` may go then, and
its answer is marked: `known` is False.
"""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from api.index.reader import TableReader
from api.index.slots import CAUSE_MASK, CAUSES, EPOCH, PROVISIONAL_BIT, SCOPE_MASK, SCOPE_SHIFT
from api.index.table import ASK_STORE, NOTHING, Table, identity_of, table_path
from api.view import View
from nullsender import telemetry
from nullsender.address import AddressHasher, canonical
from nullsender.clock import Clock
from nullsender.counting import Tally
from nullsender.errors import Invalid, Transient
from suppression.gravity import gravity
from suppression.policy import Cause, Policy
from suppression.records import Entry

_log = logging.getLogger("lookup")


class Verdict(msgspec.Struct, frozen=True):
    """Whether mail may be sent to one address, and what stops it if not."""

    allowed: bool
    cause: Cause | None = None
    scope: str | None = None
    known: bool = True  # False: nobody could tell, and the operator lets mail of this view go then


class Answer(msgspec.Struct, frozen=True):
    """Whether mail may be sent to one address, and if not, the entry that stops it."""

    address: str  # canonical
    entry: Entry | None
    known: bool = True  # as in a `Verdict`

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
    known: bool = True  # False: the store is away, and nothing is said here of those on the list: memory may know (`at_once`)


class AskedStore(Protocol):
    """What a lookup asks of the list; the store, or whoever opens it only when it has to be asked."""

    @property
    def policy(self) -> Policy:
        """What says which scopes stop which mail."""

    @property
    def key_fingerprint(self) -> str:
        """Says which address key the hashes were made with."""

    def check_hashes(self, tenant: str, scopes: Sequence[str], hashes: Collection[bytes]) -> Mapping[bytes, Entry]:
        """The entry that stops the mail, for each hash of which one does."""


#: Under which the list may know one address, its own first.
Keys = tuple[bytes, ...]

_VIEWS_REMEMBERED_MAX = 4096
_CLEAN = Verdict(allowed=True)
_UNKNOWN = Verdict(allowed=True, known=False)
_FROM_TABLE = Tally(telemetry.LOOKUPS.labels("table"))
_FROM_STORE = Tally(telemetry.LOOKUPS.labels("store"))
_FROM_NOBODY = Tally(telemetry.LOOKUPS.labels("nobody"))
_OVERRULED = Tally(telemetry.LOOKUP_OVERRULED)


def _nobody_is_told(_tenant: str, _keys: Keys) -> None:
    """What is told of unsubscribes where nobody counts them."""


def addresses_of(items: Sequence[object]) -> tuple[Mapping[int, str], Sequence[InvalidAddress]]:
    """The canonical addresses of a batch by place, and the items that are none."""
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
    return addresses, invalid


def open_lookup(
    store: AskedStore,
    hasher: AddressHasher,
    index_folder: Path,
    *,
    clock: Clock,
    staleness_seconds_max: float,
    allow_unknown: Collection[View] = (),
    on_unsubscribed: Callable[[str, Keys], None] = _nobody_is_told,
) -> "Lookup":
    """Lookups of one process over `store` and the table that the follower keeps in `index_folder`."""
    reader = TableReader(
        table_path(index_folder),
        identity=identity_of(store.key_fingerprint),
        clock=clock,
        staleness_seconds_max=staleness_seconds_max,
    )
    return Lookup(store, reader, hasher, clock=clock, allow_unknown=allow_unknown, on_unsubscribed=on_unsubscribed)


def _gravity_of_value(value: int) -> tuple[int, bool]:
    """Of values under several keys of one address the gravest cause decides, and of those one that stands in full."""
    return value & CAUSE_MASK, not value & PROVISIONAL_BIT


class Lookup:
    """Answers from the table where it can and from the store where it must. Thread-safe."""

    def __init__(
        self,
        store: AskedStore,
        table: TableReader,
        hasher: AddressHasher,
        *,
        clock: Clock,
        allow_unknown: Collection[View] = (),
        on_unsubscribed: Callable[[str, Keys], None] = _nobody_is_told,
    ) -> None:
        """`on_unsubscribed` is told of every tenant and keys of whom an unsubscribe stopped mail; it must not wait."""
        self.on_unsubscribed = on_unsubscribed
        self._store = store
        self._table = table
        self._hasher = hasher
        self._clock = clock
        self._allow_unknown = frozenset(allow_unknown)
        self._scopes: dict[View, tuple[str, ...]] = {}

    # --- one address ---

    def at_once(self, view: View, address: str) -> Verdict | None:
        """The answer for a canonical address from memory alone; None: only the store can tell (`verdict`). Never waits."""
        return self.at_once_of(view, self.keys_of(view.tenant, address))

    def is_clean(self, tenant: str, address: bytes, now_seconds: float) -> bool:
        """Whether memory knows of nothing that ever stopped mail to a canonical address (its UTF-8), on any stream.

        False says nothing: `at_once` may know. What most lookups come to, in as few steps as there can be; `now_seconds` is the
        monotonic clock.
        """
        table = self.telling_table(tenant, now_seconds)
        if table is None or not table.lacks(tenant, self._hasher.hash_bytes(address)):
            return False
        _FROM_TABLE.count += 1
        return True

    def telling_table(self, tenant: str, now_seconds: float) -> Table | None:
        """The table, while it lacks (`Table.lacks`) whoever may be sent to by this tenant; None: that says nothing now."""
        table = self._table.fresh_at(now_seconds)
        return None if table is None or table.has_prehashed(tenant) else table

    def verdict(self, view: View, address: str) -> Verdict:
        """The answer for a canonical address. May wait for the store; `Transient` when nobody can tell."""
        return self.verdict_of(view, self.keys_of(view.tenant, address))

    def keys_of(self, tenant: str, address: str) -> Keys:
        """Under which keys the list may know a canonical address: its own, and those of hashes that somebody brought."""
        own, table = self._hasher.hash(address), self._table.fresh()
        return (own,) if table is not None and not table.has_prehashed(tenant) else (own, *self._hasher.prehashed(address))

    def at_once_of(self, view: View, keys: Keys) -> Verdict | None:
        """As `at_once`, for the keys of a canonical address, or those of them that are known."""
        verdict = self._from_table(view, keys)
        if verdict is not None:
            _FROM_TABLE.count += 1
        return verdict

    def verdict_of(self, view: View, keys: Keys) -> Verdict:
        """As `verdict`, for the keys of a canonical address, or those of them that are known."""
        return self.at_once_of(view, keys) or self.verdicts_of(view, [keys])[keys]

    # --- many ---

    def check_many(self, view: View, items: Sequence[object]) -> Answers:
        """The answers for a batch of addresses as people write them, with the whole entry of each that is on the list.

        May wait for the store; `Transient` when it can not tell and mail of this view may not go then.

        Whatever an item is, it spoils nothing for the others.
        """
        addresses, invalid = addresses_of(items)
        keys = {index: self.keys_of(view.tenant, address) for index, address in addresses.items()}
        said = {index: self._from_table(view, its_keys) for index, its_keys in keys.items()}
        suspects = [index for index, verdict in said.items() if verdict is None or not verdict.allowed]
        _FROM_TABLE.count += len(keys) - len(suspects)
        entries = self._from_store(view, [keys[index] for index in suspects]) if suspects else {}
        if entries is None:
            return Answers(len(items), {}, invalid, known=False)
        _OVERRULED.count += sum(said[index] is not None and keys[index] not in entries for index in suspects)
        suppressed = {
            index: Answer(addresses[index], msgspec.structs.replace(entry, address=addresses[index]))
            for index in suspects
            if (entry := entries.get(keys[index])) is not None
        }
        return Answers(len(items), suppressed, invalid)

    def answers_of(self, view: View, addresses: Sequence[str]) -> Mapping[str, Answer]:
        """What the store says of each of these canonical addresses. May wait for it; `Transient` as above."""
        keys = {address: self.keys_of(view.tenant, address) for address in addresses}
        entries = self._from_store(view, list(keys.values()))
        if entries is None:
            return {address: Answer(address, None, known=False) for address in addresses}
        return {address: Answer(address, entries.get(its_keys)) for address, its_keys in keys.items()}

    def count_overruled(self) -> None:
        """Memory said that an address is on the list, and the store said that it is not."""
        _OVERRULED.count += 1

    # --- where it comes from ---

    def _from_table(self, view: View, keys: Keys) -> Verdict | None:
        table = self._table.fresh()
        if table is None:
            return None
        scopes = self.scopes_of(view)
        values = [table.value_of(view.tenant, scopes, key, self._now_seconds) for key in keys]
        if ASK_STORE in values:
            return None
        value = max(values, key=_gravity_of_value)
        if value == NOTHING:
            return _CLEAN
        cause = CAUSES[value & CAUSE_MASK]
        if cause is Cause.UNSUBSCRIBE:
            self.on_unsubscribed(view.tenant, keys)
        return Verdict(False, cause, table.scope_name(value >> SCOPE_SHIFT & SCOPE_MASK))

    def _now_seconds(self) -> float:
        """Seconds since `EPOCH`, for what ends by itself."""
        return (self._clock.now() - EPOCH).total_seconds()

    def _from_store(self, view: View, asked: Sequence[Keys]) -> Mapping[Keys, Entry] | None:
        """The entries that stop mail of this view; None: the store can not tell, and such mail may go.

        `Transient` where it can not tell and the mail may not.
        """
        try:
            found = self._store.check_hashes(view.tenant, self.scopes_of(view), [key for keys in asked for key in keys])
        except Transient as trouble:
            if view._replace(mailing_list=None) not in self._allow_unknown:
                raise
            _FROM_NOBODY.count += len(asked)
            _log.warning("nobody can tell who is on the list: mail goes", extra={"facts": {"view": view, "trouble": trouble}})
            return None
        _FROM_STORE.count += len(asked)
        entries = {keys: max(its, key=gravity) for keys in asked if (its := [found[key] for key in keys if key in found])}
        for keys, entry in entries.items():
            if entry.cause is Cause.UNSUBSCRIBE:
                self.on_unsubscribed(view.tenant, keys)
        return entries

    def scopes_of(self, view: View) -> tuple[str, ...]:
        """The scopes whose entries stop mail of this view."""
        scopes = self._scopes.get(view)
        if scopes is None:
            if len(self._scopes) >= _VIEWS_REMEMBERED_MAX:
                self._scopes.clear()
            scopes = self._scopes[view] = self._store.policy.scopes_of(*view)
        return scopes

    # --- for api/batch, which reads the table in compiled code ---

    @property
    def table(self) -> TableReader:
        """The table as this process reads it."""
        return self._table

    @property
    def hasher(self) -> AddressHasher:
        """What makes hashes of canonical addresses."""
        return self._hasher

    @property
    def clock(self) -> Clock:
        """What entries' ends are compared with."""
        return self._clock

    def verdicts_of(self, view: View, asked: Sequence[Keys]) -> Mapping[Keys, Verdict]:
        """What the store says to each of these. `Transient` when nobody can tell."""
        entries = self._from_store(view, asked)
        if entries is None:
            return dict.fromkeys(asked, _UNKNOWN)
        stopped = {it: Verdict(allowed=False, cause=entry.cause, scope=entry.scope) for it, entry in entries.items()}
        return dict.fromkeys(asked, _CLEAN) | stopped

    def count_from_table(self, addresses: int) -> None:
        """So many were answered from memory."""
        _FROM_TABLE.count += addresses

    # --- how fresh ---

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
