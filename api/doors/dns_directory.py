"""Finds our keyed hash of an address by a hash that anybody can make of it, for a DNS zone is asked by the latter.

The one can not be made of the other. So every plain address that the store knows is hashed in both ways, and the pair kept in
an LMDB file. Whether mail may go there is not in it: that is the lookup's to say, by our hash, as for every other door. What
was lifted, or has expired, may stay here.

    begin    note the number of the newest change, then take all names in pages, in the order of our hashes; a restart goes on
    then     take the names of what has changed since; nothing left: it is fresh
    each time the changes have to begin with the one that was taken last. Where they do not, the store is another one than the
             directory was made from (restored, or failed over), and it is made anew

A hash without a key can be tried against a dictionary of addresses: the file is as personal as the list itself.
"""

import logging
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import lmdb

from nullsender import telemetry
from nullsender.clock import Clock
from nullsender.errors import Misconfigured, Transient
from nullsender.file_lock import locked
from nullsender.limits import (
    DIRECTORY_BATCH_MAX,
    DIRECTORY_MAP_BYTES,
    DIRECTORY_NAMES_MAX,
    DIRECTORY_POLL_SECONDS,
    FOLLOW_RETRY_SECONDS_MAX,
)
from suppression.store.names import NamedChange
from suppression.store.store import Store

_log = logging.getLogger("doors")
_TRANSIENT = (lmdb.DiskError, lmdb.MapFullError, lmdb.PanicError, lmdb.MemoryError)

# Beside the hashes, which are longer than this.
_FORMAT_KEY = b"format"
_TAKEN_KEY = b"taken"  # the change that was taken last, as `_mark` writes it
_BEGUN_KEY = b"begun"  # while the names are taken: the last of our hashes
_NO_CHANGE = b"0"


class Directory:
    """The pairs of one hashing. One thread keeps them (`keep`), any may ask."""

    def __init__(
        self,
        folder: Path,
        store: Store,
        *,
        hashing: str,
        digest: Callable[[bytes], bytes],
        clock: Clock,
        staleness_seconds_max: float,
    ) -> None:
        """`digest`: makes the other hash of an address in UTF-8, and `hashing` names it. `Misconfigured`: no such folder."""
        self._staleness_seconds_max = staleness_seconds_max
        self._folder = folder
        self._store = store
        self._digest = digest
        self._clock = clock
        self._format = f"1 {hashing} {store.key_fingerprint}".encode()
        self._checked_at_seconds = float("-inf")
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = locked(folder / "one")
            if self._lock is None:
                raise Misconfigured(f"another process keeps {folder}: one role `doors` with a DNS zone on a machine is enough")
            self._environment = self._opened()
        except (OSError, lmdb.Error) as error:
            raise Misconfigured(f"{folder} can not be used for the DNS zone's directory: {error}") from error

    # --- asking ---

    def is_fresh(self) -> bool:
        """Whether who is not found here is nobody whom the store knows."""
        return self._clock.monotonic_seconds() - self._checked_at_seconds <= self._staleness_seconds_max

    def find(self, digest: bytes) -> bytes | None:
        """Our hash of the address with that digest. `Transient` where the file can not be read."""
        try:
            with self._environment.begin() as transaction:
                found: bytes | None = transaction.get(digest)
                return found
        except lmdb.Error as error:
            raise Transient(f"the DNS zone's directory can not be read: {error}") from error

    # --- keeping ---

    def keep(self, stopping: Callable[[], bool]) -> None:
        """Keep it up to date until `stopping()`. Trouble that may pass is logged and tried again."""
        while not stopping():
            try:
                is_idle = self.step()
            except Transient as trouble:
                _log.warning("the DNS zone falls behind", extra={"facts": {"trouble": trouble}})
                self._clock.sleep(FOLLOW_RETRY_SECONDS_MAX)
            else:
                if is_idle:
                    self._clock.sleep(DIRECTORY_POLL_SECONDS)

    def step(self) -> bool:
        """Take one batch; True when there was no more. `Transient`: the store or the disk has trouble."""
        try:
            taken, begun = self._get(_TAKEN_KEY), self._get(_BEGUN_KEY)
            if taken is None:
                self._begin()
            elif begun is not None:
                self._take_names(begun)
            else:
                return self._take_changes(taken)
        except _TRANSIENT as error:
            raise Transient(f"the DNS zone's directory can not be written: {error}") from error
        return False

    def close(self) -> None:
        """Leave it to the next process."""
        self._environment.close()
        if self._lock is not None:
            self._lock.close()

    def _begin(self) -> None:
        head = self._store.feed_head()
        changes = self._store.named_changes(head - 1, 1) if head else []
        self._put([], {_TAKEN_KEY: _mark(changes[0]) if changes else _NO_CHANGE, _BEGUN_KEY: b""})

    def _take_names(self, after: bytes) -> None:
        names = self._store.names(after, DIRECTORY_NAMES_MAX)
        pairs = [(it.address, it.address_hash) for it in names if it.address is not None]
        self._put(pairs, {_BEGUN_KEY: names[-1].address_hash if names else None})
        if not names:
            _log.info("the DNS zone knows every address", extra={"facts": {"addresses": self._count()}})

    def _take_changes(self, taken: bytes) -> bool:
        asked_at_seconds = self._clock.monotonic_seconds()
        position = int(taken.partition(b" ")[0])
        changes = list(self._store.named_changes(position - 1, DIRECTORY_BATCH_MAX + 1))
        if position and (not changes or _mark(changes.pop(0)) != taken):
            _log.warning("the DNS zone's directory is of another past than the store's: making it anew")
            self._make_anew()
            return False
        if changes:
            pairs = [(it.address, it.address_hash) for it in changes if it.address is not None]
            self._put(pairs, {_TAKEN_KEY: _mark(changes[-1])})
        if len(changes) >= DIRECTORY_BATCH_MAX:
            return False
        self._checked_at_seconds = asked_at_seconds
        return True

    # --- the file ---

    def _opened(self) -> lmdb.Environment:
        """The file that lies there, if it is ours; else a new one."""
        environment = self._open()
        with environment.begin(write=True) as transaction:
            known = transaction.get(_FORMAT_KEY)
            if known is None:
                transaction.put(_FORMAT_KEY, self._format)
        if known in (None, self._format):
            return environment
        environment.close()
        shutil.rmtree(self._folder / "pairs")
        return self._opened()

    def _open(self) -> lmdb.Environment:
        return lmdb.open(str(self._folder / "pairs"), map_size=DIRECTORY_MAP_BYTES, mode=0o700, lib_version=0)

    def _make_anew(self) -> None:
        self._checked_at_seconds = float("-inf")
        with self._environment.begin(write=True) as transaction:
            transaction.drop(self._environment.open_db(txn=transaction), delete=False)
            transaction.put(_FORMAT_KEY, self._format)

    def _get(self, key: bytes) -> bytes | None:
        with self._environment.begin() as transaction:
            found: bytes | None = transaction.get(key)
            return found

    def _put(self, pairs: Iterable[tuple[str, bytes]], facts: dict[bytes, bytes | None]) -> None:
        """All of it or nothing. A fact that is None is forgotten."""
        digests = sorted((self._digest(address.encode()), address_hash) for address, address_hash in pairs)
        with self._environment.begin(write=True) as transaction:
            for digest, address_hash in digests:
                transaction.put(digest, address_hash)
            for key, value in facts.items():
                if value is None:
                    transaction.delete(key)
                else:
                    transaction.put(key, value)
        telemetry.DIRECTORY_ADDRESSES.set(self._count())

    def _count(self) -> int:
        return int(self._environment.stat()["entries"]) - 2  # but for the facts


def _mark(change: NamedChange) -> bytes:
    """Tells the change from whatever another store may have under its number."""
    return f"{change.seq} {change.entry_id} {change.address_hash.hex()}".encode()
