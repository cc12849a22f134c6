"""Keeps the lookup table (`table.py`) up to date: one process per machine reads the store's change feed and puts keys in.

    start    the table that lies there, if it can be believed; else a full build from the store's hashes
    then     read the feed from the table's position, put in every key, move the position; when nothing is left: `checked_at`
    each time the feed has to begin with the change that stands at the table's position. Where it does not, the store is another
             one than the table was made from (restored, or failed over with changes lost) and gives the same numbers to other
             changes: the table is marked at once, so that nobody believes it any more, and built anew
    full     a bigger table is written aside, renamed over the old one, and the old one marked, so that readers open the new one

Every change puts its key in, whatever it was: one too many only costs a question to the store, one too few would be a guess.
While the store can not be read the table grows stale by itself, and lookups ask the store, which says so.
"""

import contextlib
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from pathlib import Path

from api.index.table import Table, create, identity_of, key_of, open_table
from nullsender import telemetry
from nullsender.clock import Clock
from nullsender.errors import Misconfigured, Transient
from nullsender.file_lock import locked
from nullsender.limits import (
    FOLLOW_BATCH_MAX,
    FOLLOW_POLL_SECONDS,
    FOLLOW_RETRY_SECONDS_MAX,
    RETRY_SECONDS_MIN,
    TABLE_SLOTS_MIN,
)
from suppression.records import Change
from suppression.store import Store

_log = logging.getLogger("follow")


def table_path(folder: Path) -> Path:
    """Where in the index folder the table lies."""
    return folder / "table"


def follow(store: Store, folder: Path, clock: Clock, stopping: Callable[[], bool]) -> None:
    """Keep the table in `folder` up to date until `stopping()`.

    Only one process of a machine does; a second one waits here until the first has gone. `Misconfigured` where the folder can
    not be written; trouble that may pass is logged and tried again.
    """
    with _only_one(folder, clock, stopping) as is_ours:
        if not is_ours:
            return
        follower = Follower(store, folder, clock)
        retry_seconds = RETRY_SECONDS_MIN
        while not stopping():
            try:
                caught_up = follower.step()
            except Transient as trouble:
                _log.warning("will try again", extra={"facts": {"in_seconds": retry_seconds, "trouble": trouble}})
                clock.sleep(retry_seconds)
                retry_seconds = min(retry_seconds * 2, FOLLOW_RETRY_SECONDS_MAX)
            else:
                retry_seconds = RETRY_SECONDS_MIN
                if caught_up:
                    clock.sleep(FOLLOW_POLL_SECONDS)


class Follower:
    """The one writer of the table in `folder`."""

    def __init__(self, store: Store, folder: Path, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._path = table_path(folder)
        self._aside = self._path.with_suffix(".new")
        self._identity = identity_of(store.key_fingerprint)
        self._table: Table | None = None

    def step(self) -> bool:
        """Take one batch from the feed; True when that was all there is. `Transient`: the store or the disk has trouble."""
        try:
            table = self._table or open_table(self._path, identity=self._identity, writable=True) or self._built()
            self._table = table
            asked_at_seconds = self._clock.monotonic_seconds()
            changes = self._changes_after(table)
            if changes is None:
                self._disown(table)
                return False
            for change in changes:
                if table.is_full:
                    table = self._grown(table)
                table.add(key_of(change.tenant, change.address_hash))
        except Transient:
            self._table = None  # it may have been removed or damaged meanwhile: look at it again before going on
            raise
        if changes:
            table.move_to(changes[-1].seq, _fingerprint(changes[-1]))
            telemetry.LOOKUP_TABLE_KEYS.set(table.count)
        if len(changes) < FOLLOW_BATCH_MAX:
            table.checked_at_seconds = asked_at_seconds
            return True
        return False

    def _changes_after(self, table: Table) -> Sequence[Change] | None:
        """The next changes that the table does not have; None where it is of another past than the store's.

        One statement asks for both, so that no reconnection to another store, which nothing tells us of, can lie in between.
        """
        if not table.position:
            return self._store.feed(0, FOLLOW_BATCH_MAX)
        changes = self._store.feed(table.position - 1, FOLLOW_BATCH_MAX + 1)
        if not changes or changes[0].seq != table.position or _fingerprint(changes[0]) != table.fingerprint:
            return None
        return changes[1:]

    def _disown(self, table: Table) -> None:
        """Nobody believes `table` from now on."""
        _log.warning("the lookup table is of another past than the store's (restored, or failed over?): building it anew")
        # Unlinked first: whoever sees the mark finds nothing to open until the next table is complete.
        self._path.unlink(missing_ok=True)
        table.supersede()
        self._table = None

    def _built(self) -> Table:
        """A table of everything that the store holds. Changes made meanwhile come from the feed afterwards."""
        position = self._store.feed_head()
        fingerprint = self._fingerprint_at(position)
        table = create(self._aside, identity=self._identity, slots=TABLE_SLOTS_MIN)
        after = None
        while page := self._store.hashes(after, FOLLOW_BATCH_MAX):
            for tenant, address_hash in page:
                if table.is_full:
                    table = self._larger(table)
                table.add(key_of(tenant, address_hash))
            after = page[-1]
        table.move_to(position, fingerprint)
        os.replace(self._aside, self._path)
        telemetry.LOOKUP_TABLE_BUILDS.inc()
        _log.info("built the lookup table", extra={"facts": {"keys": table.count, "slots": table.slots, "position": position}})
        return table

    def _grown(self, table: Table) -> Table:
        """The live table with twice the room. Until it is renamed into place nobody but us knows of it."""
        grown = self._larger(table)
        # In place first: whoever sees the mark finds the next table.
        os.replace(self._aside, self._path)
        table.supersede()
        self._table = grown
        _log.info("grew the lookup table", extra={"facts": {"keys": grown.count, "slots": grown.slots}})
        return grown

    def _larger(self, table: Table) -> Table:
        larger = create(self._aside, identity=self._identity, slots=2 * table.slots)
        for key in table:
            larger.add(key)
        larger.move_to(table.position, table.fingerprint)
        return larger

    def _fingerprint_at(self, position: int) -> int:
        """Of the change with this number; 0 where there is none."""
        changes = self._store.feed(position - 1, 1) if position else []
        return _fingerprint(changes[0]) if changes and changes[0].seq == position else 0


def _fingerprint(change: Change) -> int:
    identity = f"{change.seq} {change.entry_id} {change.at.isoformat()} {change.address_hash.hex()}"
    return int.from_bytes(blake2b(identity.encode(), digest_size=8).digest(), "little") or 1


@contextlib.contextmanager
def _only_one(folder: Path, clock: Clock, stopping: Callable[[], bool]) -> Iterator[bool]:
    """True while this process is the folder's only follower; False when it was stopped before it became so.

    The lock goes with the process, however it ends.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = locked(folder / "lock")
    except OSError as error:
        raise Misconfigured(f"the lookup table's folder can not be written: {error}") from error
    if lock is None:
        _log.info("another follower is at work here, waiting for its end")
    while lock is None and not stopping():
        clock.sleep(RETRY_SECONDS_MIN)
        lock = locked(folder / "lock")
    with lock or contextlib.nullcontext():
        yield lock is not None
