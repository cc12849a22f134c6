"""An LMDB environment that fails in our three ways.

Several processes open the same environment. A commit is durable on return (LMDB syncs the data and then the page that points to
it), and a process that is killed at any moment leaves the last commit intact and no lock behind. What is particular:

- The map is far larger than a topic may ever be, so that no process sees another's larger map or a full one.
- A transaction is short. A reader that stays would keep LMDB from using pages again, and the file would grow.
- When the page that points to the data can not be written, LMDB declares the environment dead. It is opened again as
  soon as nobody in this process uses it.
- It must not be opened twice in one process, and not be used after a fork: a child opens its own.
"""

import contextlib
import errno
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import lmdb

from nullsender.durable import sync_folder
from nullsender.errors import Misconfigured, Transient
from nullsender.limits import LOG_MAP_BYTES, LOG_READERS_MAX
from nullsender.log import Closing

#: What the type checker may know of a transaction whose values are views of the map, valid until it ends.
Transaction: TypeAlias = "lmdb.Transaction[memoryview]"

_DISK_TROUBLE = {errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.ENOMEM, errno.EAGAIN}
_TRANSIENT = (lmdb.DiskError, lmdb.MapFullError, lmdb.PanicError, lmdb.ReadersFullError, lmdb.MemoryError)


class Environment(Closing):
    """One LMDB file and its transactions. Thread-safe."""

    def __init__(self, folder: Path) -> None:
        """Open or make the environment in `folder`, whose parent exists; `Misconfigured` when that can not be done."""
        self._folder = folder
        self._lock = threading.Lock()
        self._users = 0
        self._dead = False
        try:
            self._environment = self._open()
            # LMDB syncs what is in its file; that the file is in its folder, and the folder in its own, is for us to see to.
            sync_folder(folder)
            sync_folder(folder.parent)
        except (lmdb.Error, OSError) as error:
            raise Misconfigured(f"the log can not be opened: {error}") from error

    def _open(self) -> lmdb.Environment:
        environment = lmdb.open(
            str(self._folder), map_size=LOG_MAP_BYTES, max_readers=LOG_READERS_MAX, mode=0o700, lib_version=0
        )
        environment.reader_check()
        return environment

    @contextlib.contextmanager
    def reading(self) -> Iterator[Transaction]:
        """A snapshot. Take what you need and leave: no waiting, no yielding inside. `Transient` when it can not be read."""
        with self._using("read") as environment, environment.begin(buffers=True) as transaction:
            yield transaction

    @contextlib.contextmanager
    def writing(self) -> Iterator[Transaction]:
        """The only writer, in all processes; durable when the block is left, undone when it raises.

        `Transient` when it could not be made durable. Then nothing was written, or, very rarely, all of it.
        """
        with self._using("written") as environment, environment.begin(write=True, buffers=True) as transaction:
            yield transaction

    def clear_dead_readers(self) -> None:
        """Free the places of processes that were killed while they read, so that their pages can be used again."""
        with self._using("read") as environment:
            environment.reader_check()

    @contextlib.contextmanager
    def _using(self, verb: str) -> Iterator[lmdb.Environment]:
        try:
            environment = self._enter()
            try:
                yield environment
            finally:
                with self._lock:
                    self._users -= 1
        except lmdb.Error as error:
            if isinstance(error, lmdb.PanicError):
                self._dead = True
            if isinstance(error, _TRANSIENT) or error.code in _DISK_TROUBLE:
                raise Transient(f"{self._folder.name} on the log can not be {verb} now: {error}") from error
            raise

    def _enter(self) -> lmdb.Environment:
        with self._lock:
            if self._dead and self._users == 0:
                self._environment.close()
                self._environment = self._open()
                self._dead = False
            self._users += 1
            return self._environment

    def close(self) -> None:
        """Close the file; nobody may be using it."""
        self._environment.close()
