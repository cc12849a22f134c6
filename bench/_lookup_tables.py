"""What the lookup table itself costs at any size: made from drawn entries, without a list behind it.

A list of fifty million entries takes hours to be written to a database, and 24 bytes an entry to be looked up in. What depends
on the size of the table alone (memory, the single lookup, batches, the check when a follower takes it over, the copy when it
grows) is measured on a table whose first `LISTED_MAX` entries are of addresses that can be asked for, and the others nobody's.
"""

import random
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from api.batch.asking import Batch
from api.batch.hashing import COLUMNS
from api.batch.reading import PADDING, Spans, Text, find_lines
from api.index.building import CopiedTable
from api.index.reader import TableReader
from api.index.slots import CHECK_MASK, CHECK_SHIFT, tenant_mask, value_of
from api.index.table import identity_of, table_path
from api.index.writing import Batch as Entries
from api.index.writing import create, slots_for, taken_over
from api.lookup import Lookup
from bench._claims import Claim, at_least, at_most, million, show, thousands, times
from bench._lookup_sizes import ROUNDS, VIEW, lookup_ns
from bench._lookup_world import LISTED_MAX, LookupWorld, clean, listed
from nullsender.address import AddressHasher
from nullsender.clock import SystemClock
from suppression.policy import Cause

SAMPLES = 100_000
HIT_EVERY = 100
_AT_ONCE = 1_000_000  # entries that are drawn together
_FRESH_SECONDS = 3600.0


class Size(NamedTuple):
    """What one size of the table takes."""

    entries: int
    bytes_a_million: float
    clean_ns: float
    listed_ns: float
    batch_ns: float
    check_seconds: float
    copy_seconds: float


def tables(sizes: Sequence[int]) -> Sequence[Claim]:
    """Each size, one after the other; the disk holds two tables at a time."""
    with tempfile.TemporaryDirectory(prefix="ns-bench-") as name, LookupWorld(Path(name) / "data") as world:
        found = [_measured(world, size) for size in sizes]
    rows = {
        "table, MB a million entries": [f"{size.bytes_a_million / 1e6:.1f}" for size in found],
        "one lookup in the process, clean, CPU ns": [thousands(size.clean_ns) for size in found],
        "one lookup in the process, suppressed, CPU ns": [thousands(size.listed_ns) for size in found],
        f"lines read and looked up {COLUMNS:,} at a time, 1 % suppressed, CPU ns an address": [
            thousands(size.batch_ns) for size in found
        ],
        "all slots checked, as by a follower that starts, s": [f"{size.check_seconds:.2f}" for size in found],
        "all slots copied, as when the table grows, s": [f"{size.copy_seconds:.2f}" for size in found],
    }
    heads = ("the table alone", *(f"{size.entries:,} entries" for size in found))
    show("Made from drawn entries, without a list.", heads, [[name, *figures] for name, figures in rows.items()])
    smallest, largest = found[0], found[-1]
    return [
        at_most("the largest table, a million entries", largest.bytes_a_million, 25e6, lambda size: f"{size / 1e6:.1f} MB"),
        at_most("a lookup in the largest table, of one in the smallest", largest.clean_ns / smallest.clean_ns, 2.0, times),
        at_most("an address of a batch, the same", largest.batch_ns / smallest.batch_ns, 2.0, times),
        at_least("lines looked up in the largest table, a second of CPU", 1e9 / largest.batch_ns, 3e6, million),
    ]


def _measured(world: LookupWorld, entries: int) -> Size:
    folder, clock = world.folder / f"table-{entries}", SystemClock()
    folder.mkdir()
    path, identity = table_path(folder), identity_of(world.store.key_fingerprint)
    size_bytes = _make(path, identity, world.hasher, entries)
    reader = TableReader(path, identity=identity, clock=clock, staleness_seconds_max=_FRESH_SECONDS)
    lookup, chance = Lookup(world.store, reader, world.hasher, clock=clock), random.Random(1)
    cleans = [clean(chance.randrange(10**9)) for _ in range(SAMPLES)]
    hits = [listed(chance.randrange(min(entries, LISTED_MAX))) for _ in range(SAMPLES)]
    began = time.thread_time()
    table = taken_over(path, identity=identity)
    check_seconds = time.thread_time() - began
    assert table is not None, "the table that was just made is sound"
    began = time.thread_time()
    copy = CopiedTable(table, folder / "copy", identity=identity)
    while not copy.is_complete:
        copy.advance()
    copy_seconds = time.thread_time() - began
    (folder / "copy").unlink()
    return Size(
        entries=entries,
        bytes_a_million=size_bytes / entries * 1e6,
        clean_ns=lookup_ns(lookup, cleans, allowed=True),
        listed_ns=lookup_ns(lookup, hits, allowed=False),
        batch_ns=_batch_ns(lookup, [hits[i] if i % HIT_EVERY == 0 else it for i, it in enumerate(cleans)]),
        check_seconds=check_seconds,
        copy_seconds=copy_seconds,
    )


def _make(path: Path, identity: bytes, hasher: AddressHasher, entries: int) -> int:
    """A table of so many entries that is fresh; the bytes of its file."""
    table, chance = create(path, identity=identity, slots=slots_for(entries), wanted=entries), np.random.default_rng(1)
    value = np.uint64(value_of(Cause.HARD, provisional=False, scope=0, check=0, expires=None))
    known = [hasher.hash(listed(number)) for number in range(min(entries, LISTED_MAX))]
    words = np.frombuffer(b"".join(known), np.uint64).reshape(len(known), 2)
    for begin in range(0, entries, _AT_ONCE):
        if begin:
            words = chance.integers(1, 2**64 - 1, (min(_AT_ONCE, entries - begin), 2), np.uint64)
        values = value | (words[:, 1] & np.uint64(CHECK_MASK)) << np.uint64(CHECK_SHIFT)
        keys = words[:, 0] ^ np.uint64(tenant_mask(VIEW.tenant))
        table.put(Entries(keys, values, np.zeros(len(keys), np.bool_), 0))
    table.checked(SystemClock().monotonic_seconds())
    return table.size_bytes


def _batch_ns(lookup: Lookup, addresses: Sequence[str]) -> float:
    """Nanoseconds of this thread's CPU for an address, the quickest of some rounds over all of them."""
    batch, spans = Batch(lookup), Spans.of(COLUMNS)
    text = Text.of("\n".join(addresses).encode() + b"\n" + PADDING)

    def ask_all() -> None:
        count, at = find_lines(text.text, text.words, 0, *spans, COLUMNS, COLUMNS)
        while count:
            batch.ask(VIEW, text, spans, count, _no_item)
            count, at = find_lines(text.text, text.words, at, *spans, COLUMNS, COLUMNS)

    ask_all()
    return min(_thread_seconds(ask_all) for _ in range(ROUNDS)) / len(addresses) * 1e9


def _thread_seconds(work: Callable[[], None]) -> float:
    began = time.thread_time()
    work()
    return time.thread_time() - began


def _no_item(raw: bytes, odd: int) -> str:
    raise AssertionError(f"all of these addresses are plain: {raw!r} {odd}")
