"""A fresh lookup table for a command: the follower's, or where none runs on this machine, one that the command keeps itself."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from api.index.table import lock_path
from api.lookup import Lookup
from nullsender.cli.scrubbing.late_store import LateStore
from nullsender.clock import Clock
from nullsender.config import Settings
from nullsender.errors import Misconfigured
from nullsender.file_lock import locked
from nullsender.limits import SCRUB_FRESH_SECONDS_MAX, SCRUB_KEEP_UP_SECONDS, TABLE_REOPEN_SECONDS

if TYPE_CHECKING:
    from api.index.follower import Follower


class KeptUp:
    """The table while a command uses it."""

    def __init__(self, follower: "Follower | None", clock: Clock) -> None:
        self._follower = follower  # None: another process is the machine's follower
        self._clock = clock
        self._kept_up_at_seconds = clock.monotonic_seconds()

    def keep_up(self) -> None:
        """Called again and again: takes what has changed, now and then. `Transient` where the store has trouble."""
        now_seconds = self._clock.monotonic_seconds()
        if self._follower is not None and now_seconds - self._kept_up_at_seconds >= SCRUB_KEEP_UP_SECONDS:
            self._kept_up_at_seconds = now_seconds
            self._follower.step()

    def begin(self, lookup: Lookup) -> None:
        """Come back when the table is fresh. After a while too where another process keeps it: then the store is asked."""
        began_at_seconds = self._clock.monotonic_seconds()
        if self._follower is not None:
            while not self._follower.step():
                pass
        if lookup.is_fresh():
            return
        if self._follower is None:
            print("scrub: waiting for the lookup table, which `nullsender follow` keeps up to date", file=sys.stderr)
        while not lookup.is_fresh():
            if self._clock.monotonic_seconds() - began_at_seconds >= SCRUB_FRESH_SECONDS_MAX:
                print("scrub: the table is not up to date, so the list itself is asked, which is slow", file=sys.stderr)
                return
            self._clock.sleep(TABLE_REOPEN_SECONDS)


@contextlib.contextmanager
def kept_up(settings: Settings, store: LateStore, clock: Clock) -> Iterator[KeptUp]:
    """The machine's table; where nobody else is its follower, this process is, until the end of the block."""
    folder = settings.index_folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = locked(lock_path(folder))
    except OSError as error:
        raise Misconfigured(f"the lookup table's folder can not be written: {error}") from error
    with lock or contextlib.nullcontext():
        yield KeptUp(_follower(store, folder, clock) if lock else None, clock)


def _follower(store: LateStore, folder: Path, clock: Clock) -> "Follower":
    from api.index.follower import Follower  # where another process is it, nothing of it is loaded

    return Follower(store.opened, folder, clock)
