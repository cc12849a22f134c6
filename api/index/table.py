"""The lookup table: which addresses may be on the list, as one memory-mapped file that all processes of a machine share.

The file is a header of one page and then slots of eight bytes, a power of two of them. A slot is 0 (free) or the key of an
address: the first eight bytes of its keyed hash, mixed with the tenant. Collisions go to the next free slot. A key is never
taken out: a lifted or expired entry, or two addresses with one key, only cost a question to the store, because a hit is
always confirmed there. A miss is an answer.

One process writes (`follower.py`), any number read, nobody locks. That is sound because a key is one aligned word of eight
bytes, which `memoryview` reads and writes with a single machine instruction on every 64-bit processor: a reader sees the old
word or the new one, never half of it. A reader that does not see a word yet answers as of a moment ago, and how long ago is
bounded by `checked_at`: the moment at which the writer asked the store for changes and was told that there are no more.

What is not to be trusted is built anew, never mended. A table is believed only in the boot that made it: without a power cut
the page cache holds every word that was written before a crash, after one nobody knows which pages reached the disk. That also
makes the monotonic clock, which the processes of one boot share and nobody can set back, the right one for `checked_at`.
"""

import mmap
import os
from collections.abc import Iterator
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Final

from nullsender.errors import Misconfigured, Transient
from nullsender.limits import TABLE_LOAD_MAX, TABLE_SLOTS_MIN

HEADER_BYTES: Final = 4096
_HEADER_WORDS: Final = HEADER_BYTES // 8
_MAGIC: Final = int.from_bytes(b"ns-table", "little")
_FORMAT: Final = 1

# Where each word of the header stands. `IDENTITY` takes two.
_MAGIC_AT, _FORMAT_AT, _IDENTITY_AT, _SLOTS_AT, _COUNT_AT = 0, 1, 2, 4, 5
_POSITION_AT, _FINGERPRINT_AT, _CHECKED_AT, _SUPERSEDED_AT = 6, 7, 8, 9

IDENTITY_BYTES: Final = 16
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def identity_of(key_fingerprint: str) -> bytes:
    """What a table must carry to be believed: the key of the hashes and this boot of this machine, in 16 bytes."""
    try:
        boot = _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        # Not Linux: the monotonic clock starts again at every boot there too, so an old table looks stale or from the future.
        boot = "unknown"
    return blake2b(f"{key_fingerprint} {boot}".encode(), digest_size=IDENTITY_BYTES, person=b"ns-table").digest()


def key_of(tenant: str, address_hash: bytes) -> int:
    """The table's key for one address of one tenant; never 0, which means a free slot."""
    return (int.from_bytes(address_hash[:8], "little") ^ _tenant_mask(tenant)) or 1


@lru_cache(maxsize=1024)
def _tenant_mask(tenant: str) -> int:
    return int.from_bytes(blake2b(tenant.encode(), digest_size=8, person=b"ns-tenant").digest(), "little")


class Table:
    """A mapped table file. Made by `create` and `open_table`; unmapped when the last reference goes."""

    def __init__(self, mapped: mmap.mmap, slots: int) -> None:
        words = memoryview(mapped).cast("Q")
        self._header = words[:_HEADER_WORDS]
        self._slots = words[_HEADER_WORDS : _HEADER_WORDS + slots]
        self._mask = slots - 1
        self._count_max = int(slots * TABLE_LOAD_MAX)

    def holds(self, key: int) -> bool:
        """False: no entry had this key when the table was `checked_at`. True: the store has to be asked."""
        slots, mask = self._slots, self._mask
        index = key & mask
        while word := slots[index]:
            if word == key:
                return True
            index = (index + 1) & mask
        return False

    def add(self, key: int) -> None:
        """Put `key` in, at most once. The caller makes room first (`is_full`)."""
        slots, mask = self._slots, self._mask
        index = key & mask
        while word := slots[index]:
            if word == key:
                return
            index = (index + 1) & mask
        assert not self.is_full, "the writer grows a table before it is full, so that every probe ends at a free slot"
        slots[index] = key
        self._header[_COUNT_AT] += 1

    def __iter__(self) -> Iterator[int]:
        """Every key, in no order that means anything."""
        return (word for word in self._slots if word)

    @property
    def is_full(self) -> bool:
        """No room for one more key at the load that keeps probing short."""
        return self.count >= self._count_max

    @property
    def slots(self) -> int:
        """How many slots there are, free ones included."""
        return self._mask + 1

    @property
    def count(self) -> int:
        """How many keys there are."""
        return self._header[_COUNT_AT]

    @property
    def position(self) -> int:
        """Every change of the store's feed up to this number is in the table."""
        return self._header[_POSITION_AT]

    @property
    def fingerprint(self) -> int:
        """Says which change stood at `position`: a store that was put back and went on has another one there."""
        return self._header[_FINGERPRINT_AT]

    def move_to(self, position: int, fingerprint: int) -> None:
        """Every change up to `position` is in now."""
        self._header[_POSITION_AT] = position
        self._header[_FINGERPRINT_AT] = fingerprint

    @property
    def checked_at_seconds(self) -> float:
        """The monotonic clock when the writer last asked for changes and found none missing; 0.0: never yet."""
        return self._header[_CHECKED_AT] / 1e9

    @checked_at_seconds.setter
    def checked_at_seconds(self, seconds: float) -> None:
        self._header[_CHECKED_AT] = int(seconds * 1e9)

    @property
    def superseded(self) -> bool:
        """A newer table lies at the path; nobody writes to this one any more."""
        return bool(self._header[_SUPERSEDED_AT])

    def supersede(self) -> None:
        """Tell the readers that map this table to open the one at the path."""
        self._header[_SUPERSEDED_AT] = 1


def create(path: Path, *, identity: bytes, slots: int) -> Table:
    """A new, empty, writable table of `slots` (a power of two, at least `TABLE_SLOTS_MIN`) at `path`; what lay there is gone.

    Write it aside and `os.replace` it over the one that readers open. `Transient` where the disk has no room, `Misconfigured`
    where we may not write.
    """
    size_bytes = HEADER_BYTES + 8 * slots
    try:
        # Unlinked, never cut short: somebody may still have the old file mapped, and would die of a SIGBUS.
        path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            # Real blocks, not a hole: a full disk is an error here, and not a SIGBUS at some later insert.
            os.posix_fallocate(descriptor, 0, size_bytes)
            mapped = mmap.mmap(descriptor, size_bytes)
        finally:
            os.close(descriptor)
    except (PermissionError, FileNotFoundError, NotADirectoryError) as error:
        raise Misconfigured(f"the lookup table can not be written ({error}): give this user a folder for it") from error
    except OSError as error:
        raise Transient(f"the lookup table can not be written: {error}") from error
    header = memoryview(mapped).cast("Q")
    header[_FORMAT_AT] = _FORMAT
    header[_SLOTS_AT] = slots
    mapped[_IDENTITY_AT * 8 : _IDENTITY_AT * 8 + IDENTITY_BYTES] = identity
    header[_MAGIC_AT] = _MAGIC
    return Table(mapped, slots)


def open_table(path: Path, *, identity: bytes, writable: bool = False) -> Table | None:
    """The table at `path`; None where none can be believed (missing, cut short, of another format, key or boot)."""
    try:
        descriptor = os.open(path, (os.O_RDWR if writable else os.O_RDONLY) | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        size_bytes = os.fstat(descriptor).st_size
        slots = (size_bytes - HEADER_BYTES) // 8
        if slots < TABLE_SLOTS_MIN:
            return None
        if writable:
            mapped = mmap.mmap(descriptor, size_bytes)
        else:
            # Filled now, so that no lookup waits for the disk later.
            mapped = mmap.mmap(descriptor, size_bytes, flags=mmap.MAP_SHARED | mmap.MAP_POPULATE, prot=mmap.PROT_READ)
    except (OSError, ValueError):
        return None
    finally:
        os.close(descriptor)
    return Table(mapped, slots) if _is_believable(mapped, size_bytes, identity) else None


def _is_believable(mapped: mmap.mmap, size_bytes: int, identity: bytes) -> bool:
    header = memoryview(mapped)[:HEADER_BYTES].cast("Q")
    slots = header[_SLOTS_AT]
    return (
        header[_MAGIC_AT] == _MAGIC
        and header[_FORMAT_AT] == _FORMAT
        and mapped[_IDENTITY_AT * 8 : _IDENTITY_AT * 8 + IDENTITY_BYTES] == identity
        and slots.bit_count() == 1
        and size_bytes == HEADER_BYTES + 8 * slots
    )
