"""Entries of the list as the table has them, and a next table that is made aside while another is in use.

There are two ways to a next table. A bigger one is copied from the live one, because that is full. A new one is made from the
list, because nothing can be believed, or because somebody asked for it. Either is made in steps, and between two of them the
live one goes on taking changes:

    copied        a slot is copied as it is by then, and every change goes into both tables
    from the list an entry is read as it stood at one moment, and would undo a change that came after that. So this table takes
                  none while it is made; then it reads the feed from where it was begun, up to where the live one is
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from api.index.kernels import Words
from api.index.slots import CHECK_MASK, CHECK_SHIFT, prehashed_bit, tenant_mask, value_of
from api.index.writing import Batch, WritableTable, create, slots_for
from nullsender import limits
from suppression.store.feed import Changes
from suppression.store.standing import Kind, Standing
from suppression.store.store import Store


class NextTable(ABC):
    """A table that is being made at a path aside."""

    #: Whether changes may go into the table while it is made. Where not, it stays at the position where it was begun.
    takes_changes: bool

    def __init__(self, table: WritableTable) -> None:
        self.table = table
        self.is_complete = False

    @abstractmethod
    def advance(self) -> None:
        """Make some more of it, and note when that was the last."""

    @abstractmethod
    def close(self) -> None:
        """Let go of what it is made from."""


class CopiedTable(NextTable):
    """As much room as the live table's entries need, which stand in it as they do there."""

    takes_changes = True

    def __init__(self, live: WritableTable, aside: Path, *, identity: bytes) -> None:
        super().__init__(create(aside, identity=identity, slots=slots_for(live.standing), wanted=live.standing))
        self.table.take_names(live)
        self._live = live
        self._copied = 0

    def advance(self) -> None:
        """Copy the next slots."""
        end = min(self._copied + limits.TABLE_COPY_SLOTS, self._live.slots)
        self.table.copy_from(self._live, self._copied, end)
        self._copied = end
        self.is_complete = end == self._live.slots

    def close(self) -> None:
        """Nothing is held."""


class ListedTable(NextTable):
    """Everything that stands on the list. `wanted`: how many entries that are."""

    takes_changes = False

    def __init__(self, store: Store, aside: Path, *, identity: bytes, wanted: int) -> None:
        super().__init__(create(aside, identity=identity, slots=slots_for(wanted), wanted=wanted))
        self._rest = store.standing(limits.TABLE_BUILD_ROWS)

    def advance(self) -> None:
        """Read the next entries. `Transient`: the list can not be read, or has many more entries than it had."""
        standing = next(self._rest, None)
        if standing is None:
            self.is_complete = True
        else:
            self.table.put(batch_of(standing, self.table))

    def close(self) -> None:
        """End the question to the store."""
        self._rest.close()


def batch_of_changes(changes: Changes, table: WritableTable) -> Batch:
    """What the changes did, for `table`."""
    standing, ends = changes.states
    return batch_of(standing, table, ends)


def batch_of(standing: Standing, table: WritableTable, ends: Sequence[bool] | None = None) -> Batch:
    """Entries for `table`, which gives numbers to their scopes; those with `ends` stand no more."""
    size = len(standing.hashes)
    numbers = table.numbers_for({kind.scope for kind in standing.kinds.values()})
    masks = {mark: tenant_mask(kind.tenant) for mark, kind in standing.kinds.items()}
    codes = {mark: _code_of(kind, numbers[kind.scope]) for mark, kind in standing.kinds.items()}
    halves = np.frombuffer(b"".join(standing.hashes), np.uint64).reshape(size, 2)
    keys = halves[:, 0] ^ np.fromiter(map(masks.__getitem__, standing.marks), np.uint64, size)
    keys[keys == 0] = 1
    values = np.fromiter(map(codes.__getitem__, standing.marks), np.uint64, size)
    values |= (halves[:, 1] & np.uint64(CHECK_MASK)) << np.uint64(CHECK_SHIFT)
    ended = np.zeros(size, np.bool_) if ends is None else np.asarray(ends, np.bool_)
    return Batch(keys, values, ended, _prehashed(standing, halves[:, 1]))


def _prehashed(standing: Standing, second_halves: Words) -> int:
    """The bits of the tenants of those whose key was made of a hash (`nullsender.address.is_prehashed`, for many at once)."""
    places = np.flatnonzero(second_halves >> np.uint64(32) == 0).tolist()
    bits = 0
    for tenant in {standing.kinds[standing.marks[place]].tenant for place in places}:
        bits |= prehashed_bit(tenant)
    return bits


def _code_of(kind: Kind, scope: int) -> int:
    return value_of(kind.cause, provisional=kind.provisional, scope=scope, check=0, expires=kind.expires)
