"""Whether the lookup table says what the list says, entry by entry.

The list is read into a table of its own, which nobody else sees, and the two are compared both ways. The list goes on changing
meanwhile, and so does the table, if a follower is at work. What was changed since the table's position at the beginning
can differ for that reason alone: the feed tells of whom that is, and they are left out.
"""

import os
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np

from api.index.building import batch_of, batch_of_changes
from api.index.kernels import Words, differing, read_only
from api.index.slots import CAUSE_MASK, CAUSES, EPOCH, EXPIRY_SHIFT, OTHER_SCOPE, PROVISIONAL_BIT, SCOPE_MASK, SCOPE_SHIFT
from api.index.table import Table, identity_of
from api.index.writing import WritableTable, create, slots_for
from nullsender.limits import FOLLOW_BATCH_MAX, TABLE_BUILD_ROWS, VERIFY_DIFFERENCES_MAX
from suppression.store.store import Store


class Said(NamedTuple):
    """What an entry says, as far as a table knows."""

    cause: str
    scope: str
    provisional: bool
    expires: datetime | None


class Difference(NamedTuple):
    """One entry that the list and the table do not agree about. `key`: of the address, as the table knows it."""

    key: str
    listed: Said | None  # None: it does not stand there
    in_table: Said | None


class Compared(NamedTuple):
    """The table beside the list."""

    listed: int  # entries
    in_table: int
    changed_meanwhile: int  # addresses that were left out
    differences: list[Difference]
    is_cut: bool  # there are more differences than were looked at

    @property
    def missing(self) -> int:
        """Entries of the list that the table lacks."""
        return sum(it.in_table is None for it in self.differences)

    @property
    def extra(self) -> int:
        """Entries of the table that do not stand on the list."""
        return sum(it.listed is None for it in self.differences)

    @property
    def other(self) -> int:
        """Entries of both, of which they say different things."""
        return len(self.differences) - self.missing - self.extra


def compare(store: Store, table: Table, folder: Path, progress: Callable[[int, int], None]) -> Compared:
    """Compare `table` with the list. What is made of the list lies in `folder` for as long as this takes.

    `progress` hears now and then how many entries were read, of how many. `Transient`: the list can not be read, or the disk
    has no room.
    """
    position, wanted = table.position, store.count_standing()
    expected = _made_aside(store, folder, wanted)
    expected.take_names(table)
    for standing in store.standing(TABLE_BUILD_ROWS):
        expected.put(batch_of(standing, expected))
        progress(expected.standing, wanted)
    theirs = read_only(np.frombuffer(table.words, np.uint64))
    ours = read_only(expected.array)
    lacking, surplus = _room(), _room()
    counts = differing(ours, theirs, lacking), differing(theirs, ours, surplus)
    changed = _keys_changed_after(store, position, expected)
    found = {
        (key, listed): Difference(f"{key:016x}", _said(listed, expected), _said(in_table, table))
        for key, listed, in_table in (*_triples(lacking, counts[0]), *((k, b, a) for k, a, b in _triples(surplus, counts[1])))
        if key not in changed and not _is_other(in_table)
    }
    return Compared(
        listed=expected.standing,
        in_table=table.standing,
        changed_meanwhile=len(changed),
        differences=list(found.values()),
        is_cut=max(counts) > VERIFY_DIFFERENCES_MAX,
    )


def _made_aside(store: Store, folder: Path, entries: int) -> WritableTable:
    path = folder / f"table.{os.getpid()}.verify"
    table = create(path, identity=identity_of(store.key_fingerprint), slots=slots_for(entries))
    path.unlink()  # it stays for as long as we have it mapped, and nobody has to tidy up after us
    return table


def _room() -> Words:
    return np.zeros(3 * VERIFY_DIFFERENCES_MAX, np.uint64)


def _triples(found: Words, count: int) -> list[tuple[int, int, int]]:
    """The first of so many: key, value, and what the other table says."""
    return [(key, value, other) for key, value, other in found[: 3 * count].reshape(-1, 3).tolist()]


def _is_other(value: int) -> bool:
    """One of a scope without a number stands for several, and stays when they end: it only asks the store."""
    return value >> SCOPE_SHIFT & SCOPE_MASK == OTHER_SCOPE


def _keys_changed_after(store: Store, position: int, table: WritableTable) -> set[int]:
    keys: set[int] = set()
    while changes := store.since(position, FOLLOW_BATCH_MAX):
        keys.update(batch_of_changes(changes, table).keys.tolist())
        position = changes.noted(-1).seq
    return keys


def _said(value: int, table: Table) -> Said | None:
    if not value & CAUSE_MASK:
        return None
    scope, expiry = value >> SCOPE_SHIFT & SCOPE_MASK, value >> EXPIRY_SHIFT
    return Said(
        cause=CAUSES[value & CAUSE_MASK].value,
        scope="(a scope without a number)" if scope == OTHER_SCOPE else table.scope_name(scope),
        provisional=bool(value & PROVISIONAL_BIT),
        expires=EPOCH + timedelta(seconds=expiry) if expiry else None,
    )
