"""A new lookup table because somebody asks for one.

The file `request_path` asks for it. Where a follower is at work it makes the table while it goes on following, and takes the
file away when the new one is in place, or when it can not be made. Where none is, we are the follower until then.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from api.index.follower import Follower, aside_path, request_path
from api.index.table import Table, file_at, identity_of, lock_path, open_table, table_path
from nullsender.clock import Clock
from nullsender.errors import Misconfigured, Transient
from nullsender.file_lock import locked
from nullsender.limits import RETRY_SECONDS_MIN
from suppression.store.store import Store


class Made(NamedTuple):
    """How far the new table has come."""

    entries: int
    wanted: int  # how many there were on the list when it was begun; 0 before that


def rebuild(store: Store, folder: Path, clock: Clock, progress: Callable[[Made], None]) -> Table:
    """Have the table in `folder` made anew; the new one.

    `Misconfigured` where the folder can not be written, `Transient` where the list can not be read, or no table could be made.
    """
    path, request, identity = table_path(folder), request_path(folder), identity_of(store.key_fingerprint)
    before = file_at(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        request.touch()
    except OSError as error:
        raise Misconfigured(f"the lookup table's folder can not be written: {error}") from error
    try:
        while request.exists():
            _go_on(store, folder, clock, lambda: progress(_made(folder, identity)))
    except BaseException:
        request.unlink(missing_ok=True)
        raise
    table = open_table(path, identity=identity)
    if table is None or file_at(path) == before:
        raise Transient("no new table could be made: the log of the role `follow` says why")
    return table


def _go_on(store: Store, folder: Path, clock: Clock, show: Callable[[], None]) -> None:
    """Make some of it, or wait for the one who does."""
    lock = locked(lock_path(folder))
    if lock is None:
        clock.sleep(RETRY_SECONDS_MIN)
        show()
        return
    with lock:
        follower = Follower(store, folder, clock)
        while request_path(folder).exists():
            follower.step()
            show()
        while not follower.step():
            pass  # as fresh as it would be with a follower, for a moment


def _made(folder: Path, identity: bytes) -> Made:
    table = open_table(aside_path(folder), identity=identity)
    return Made(0, 0) if table is None else Made(table.standing, table.wanted)
