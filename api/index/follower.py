"""Keeps the lookup table (`table.py`) up to date: one process per machine reads the store's change feed and writes it down.

    start    the table that lies there, if it can be believed; else a new one, made from the list
    then     read the feed from the table's position, put every change in, move the position; when nothing is left: `checked_at`
    each time the feed has to begin with the change that stands at the table's position. Where it does not, the store is another
             one than the table was made from (restored, or failed over with changes lost) and gives the same numbers to other
             changes: the table is marked at once, so that nobody believes it any more, and built anew
    next     when the table is full, or when somebody asked for a new one (`nullsender index rebuild`), the next one is made
             aside, a slice with each step (`building.py`), while the live one is kept up. When it is complete it is renamed
             over the old one, and the old one marked, so that readers open the new one: nobody waits

While the store can not be read the table grows stale by itself, and lookups ask the store, which says so. The same happens
where the table is full and there is no room for a bigger one.
"""

import contextlib
import logging
import os
from collections.abc import Callable, Iterator
from hashlib import blake2b
from pathlib import Path

from api.index.building import CopiedTable, ListedTable, NextTable, batch_of_changes
from api.index.table import file_at, identity_of, lock_path, table_path
from api.index.writing import WritableTable, taken_over
from nullsender import telemetry
from nullsender.clock import Clock
from nullsender.counting import Timings
from nullsender.errors import Misconfigured, Transient
from nullsender.file_lock import locked
from nullsender.limits import (
    FOLLOW_BATCH_MAX,
    FOLLOW_POLL_SECONDS,
    FOLLOW_RETRY_SECONDS_MAX,
    RETRY_SECONDS_MIN,
    TABLE_RETRY_SECONDS,
)
from suppression.store.feed import Changes, Noted
from suppression.store.store import Store

_log = logging.getLogger("follow")
_DELAYS = Timings(telemetry.LOOKUP_DELAY)


def aside_path(folder: Path) -> Path:
    """Where the next table lies while it is made."""
    return folder / "table.new"


def request_path(folder: Path) -> Path:
    """The file that asks the follower for a new table, for as long as it lies there."""
    return folder / "rebuild"


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
        self._aside = aside_path(folder)
        self._request = request_path(folder)
        self._identity = identity_of(store.key_fingerprint)
        self._live: WritableTable | None = None
        self._live_file: tuple[int, int] | None = None
        self._next: NextTable | None = None
        self._next_from_seconds = 0.0  # when a next table may be begun again after one could not be made

    def step(self) -> bool:
        """Take one batch from the feed, and make some more of a next table; True when nothing is left of either.

        `Transient`: the store or the disk has trouble.
        """
        try:
            live = self._live_table()
            return self._made_first() if live is None else self._followed(live)
        except Transient:
            self._drop_next()
            raise

    # --- the live table ---

    def _live_table(self) -> WritableTable | None:
        """The table that readers open; None where there is none that can be believed."""
        if self._live is not None and file_at(self._path) == self._live_file:
            return self._live
        if self._next is None or self._live is not None:
            self._drop_next()
            self._live, self._live_file = taken_over(self._path, identity=self._identity), file_at(self._path)
        return self._live

    def _followed(self, live: WritableTable) -> bool:
        asked_at_seconds = self._clock.monotonic_seconds()
        changes = self._changes_after(live)
        if changes is None:
            self._disown(live)
            return False
        if not live.has_room_for(len(changes)):
            self._make_room(live)
            return False
        if changes:
            self._apply(changes, live)
        is_all = len(changes) < FOLLOW_BATCH_MAX
        if is_all:
            live.checked(asked_at_seconds)
        self._go_on_with_next(live)
        return is_all and self._next is None

    def _make_room(self, live: WritableTable) -> None:
        """Make the next table while the live one can take no more, and grows stale."""
        if self._next is not None and not self._next.takes_changes:
            self._drop_next()  # the list takes long to read; it was asked for, and comes later
        self._go_on_with_next(live)
        if self._next is None and self._live is live:
            raise Transient("the lookup table is full, and the next one can not be made")

    def _changes_after(self, table: WritableTable) -> Changes | None:
        """The next changes that the table does not have; None where it is of another past than the store's.

        One statement asks for both, so that no reconnection to another store, which nothing tells us of, can lie in between.
        """
        if not table.position:
            return self._store.since(0, FOLLOW_BATCH_MAX)
        changes = self._store.since(table.position - 1, FOLLOW_BATCH_MAX + 1)
        if not changes or changes.noted(0).seq != table.position or _fingerprint(changes.noted(0)) != table.fingerprint:
            return None
        return changes.behind_first()

    def _apply(self, changes: Changes, live: WritableTable) -> None:
        _put(changes, live)
        now = self._clock.now()
        for at, count in changes.made().items():
            _DELAYS.observe_alike(max((now - at).total_seconds(), 0.0), count)
        telemetry.LOOKUP_TABLE_ENTRIES.set(live.standing)
        if self._next is not None and self._next.takes_changes:
            try:
                _put(changes, self._next.table)
            except Transient as trouble:
                self._give_up_next(trouble)

    def _disown(self, table: WritableTable) -> None:
        """Nobody believes `table` from now on."""
        _log.warning("the lookup table is of another past than the store's (restored, or failed over?): building it anew")
        # Unlinked first: whoever sees the mark finds nothing to open until the next table is complete.
        self._path.unlink(missing_ok=True)
        table.supersede()
        self._live = None
        self._drop_next()

    # --- the next one ---

    def _made_first(self) -> bool:
        """Make some of a table where there is none. Changes made meanwhile come from the feed afterwards."""
        if self._next is None:
            _log.info("there is no lookup table that can be believed: building one")
            position = self._store.feed_head()
            self._next = self._listed(self._store.count_standing())
            self._next.table.move_to(position, self._fingerprint_at(position))
        self._next.advance()
        if self._next.is_complete:
            self._put_in_place(self._next)
        return False

    def _go_on_with_next(self, live: WritableTable) -> None:
        """One more slice of it; in its place once it has all that the live one has."""
        if self._next is None:
            try:
                self._begin_next(live)
            except (Transient, Misconfigured) as trouble:
                self._give_up_next(trouble)
        elif not self._next.is_complete:
            self._next.advance()
        elif self._next.table.position >= live.position or self._catch_up(self._next, live):
            self._next.table.checked(live.checked_at_seconds)
            self._put_in_place(self._next)
            live.supersede()

    def _catch_up(self, complete: NextTable, live: WritableTable) -> bool:
        """Put in some of what has changed since its position; whether that was all that the live one has."""
        changes = self._changes_after(complete.table)
        if not changes:
            self._drop_next()  # the store is another one than it was made from; the next step says what that means
            return False
        try:
            _put(changes, complete.table)
        except Transient as trouble:
            self._give_up_next(trouble)
            return False
        return complete.table.position >= live.position

    def _begin_next(self, live: WritableTable) -> None:
        if self._clock.monotonic_seconds() < self._next_from_seconds:
            return
        if live.wants_to_grow:
            self._next = CopiedTable(live, self._aside, identity=self._identity)
        elif self._request.exists():
            self._next = self._listed(live.standing)
        else:
            return
        self._next.table.move_to(live.position, live.fingerprint)

    def _listed(self, entries: int) -> NextTable:
        return ListedTable(self._store, self._aside, identity=self._identity, wanted=entries)

    def _put_in_place(self, complete: NextTable) -> None:
        table = complete.table
        self._next = None
        complete.close()
        os.replace(self._aside, self._path)  # in place first: whoever sees the mark of the old one finds this
        self._live, self._live_file = table, file_at(self._path)
        telemetry.LOOKUP_TABLE_ENTRIES.set(table.standing)
        facts = {"entries": table.standing, "slots": table.slots, "position": table.position}
        if isinstance(complete, ListedTable):
            self._request.unlink(missing_ok=True)
            telemetry.LOOKUP_TABLE_BUILDS.inc()
            _log.info("built the lookup table", extra={"facts": facts})
        else:
            _log.info("grew the lookup table", extra={"facts": facts})

    def _give_up_next(self, trouble: Exception) -> None:
        """Go on without a next table for a while: the live one is kept up for as long as it has room."""
        facts = {"again_in_seconds": TABLE_RETRY_SECONDS, "trouble": trouble}
        _log.error("the next lookup table can not be made", extra={"facts": facts})
        self._next_from_seconds = self._clock.monotonic_seconds() + TABLE_RETRY_SECONDS
        self._request.unlink(missing_ok=True)  # whoever asked sees that it was not done
        self._drop_next()

    def _drop_next(self) -> None:
        if self._next is not None:
            self._next.close()
            self._next = None
        self._aside.unlink(missing_ok=True)

    def _fingerprint_at(self, position: int) -> int:
        """Of the change with this number; 0 where there is none."""
        changes = self._store.since(position - 1, 1)
        return _fingerprint(changes.noted(0)) if changes and changes.noted(0).seq == position else 0


def _put(changes: Changes, table: WritableTable) -> None:
    """Bring `table`, which has all before them, up to these. `Transient` where there is no room."""
    table.put(batch_of_changes(changes, table))
    last = changes.noted(-1)
    table.move_to(last.seq, _fingerprint(last))


def _fingerprint(change: Noted) -> int:
    identity = f"{change.seq} {change.entry_id} {change.at.isoformat()} {change.address_hash.hex()}"
    return int.from_bytes(blake2b(identity.encode(), digest_size=8).digest(), "little") or 1


@contextlib.contextmanager
def _only_one(folder: Path, clock: Clock, stopping: Callable[[], bool]) -> Iterator[bool]:
    """True while this process is the folder's only follower; False when it was stopped before it became so.

    The lock goes with the process, however it ends.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = locked(lock_path(folder))
    except OSError as error:
        raise Misconfigured(f"the lookup table's folder can not be written: {error}") from error
    if lock is None:
        _log.info("another follower is at work here, waiting for its end")
    while lock is None and not stopping():
        clock.sleep(RETRY_SECONDS_MIN)
        lock = locked(lock_path(folder))
    with lock or contextlib.nullcontext():
        yield lock is not None
