"""The lookup table as its one writer has it: made, taken over from the writer before, and changed.

A table is sound when its header says what its slots say: how many are used, how many entries stand, and a checksum over all.
Each batch of changes brings these up to date; while one is under way the header is marked as dirty. So a writer that finds a
table knows what to do with it:

    of this boot      the memory is as the last writer left it. Clean: it has to be sound. Dirty: that writer was killed in the
                      midst of a batch, which the feed will give again, so the slots are counted anew
    of another boot   what reached the disk is believed if it is clean and sound
    anything else     is not believed, and built anew from the list

Position and checksum stand in one page, so what is sound is also as far as it says.
"""

import mmap
import os
from hashlib import blake2b
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from api.index.kernels import Words, copy_standing, count_all, put_all, read_only
from api.index.slots import OTHER_SCOPE
from api.index.table import (
    BOOT_AT,
    CHECKSUM_AT,
    DIRTY_AT,
    FINGERPRINT_AT,
    FORMAT,
    FORMAT_AT,
    HEADER_BYTES,
    IDENTITY_AT,
    IDENTITY_BYTES,
    MAGIC,
    MAGIC_AT,
    NAMES_AT,
    NEVER,
    POSITION_AT,
    PREHASHED_AT,
    SCOPES_AT,
    SLOT_BYTES,
    SLOTS_AT,
    SLOTS_AT_BYTES,
    STANDING_AT,
    SUPERSEDED_AT,
    USED_AT,
    WANTED_AT,
    Table,
    mapped_table,
    this_boot,
)
from nullsender import limits
from nullsender.errors import Misconfigured, Transient

_WORD: Final = 2**64


class Batch(NamedTuple):
    """Entries as the table has them, in the order in which they came to be so; arrays of one length."""

    keys: Words
    values: Words
    ends: npt.NDArray[np.bool_]  # the entry of this value stands no more
    prehashed: int = 0  # the bits of the tenants of those whose key was made of a hash


class Counts(NamedTuple):
    """What a header says of the slots."""

    used: int
    standing: int
    checksum: int


class WritableTable(Table):
    """A table that is ours to change. Made by `create` and `taken_over`."""

    def __init__(self, mapped: mmap.mmap) -> None:
        super().__init__(mapped)
        self.array: Words = np.frombuffer(mapped, np.uint64, count=2 * self.slots, offset=SLOTS_AT_BYTES)

    def put(self, batch: Batch) -> None:
        """Let every entry stand as it says, or end it. `Transient` where there is no room: nothing was changed then."""
        if not self.has_room_for(len(batch.keys)):
            raise Transient(f"the lookup table is full, and the next one is not there: {self.used} of {self.slots} slots")
        self.header[DIRTY_AT] = 1
        if batch.prehashed & ~self.header[PREHASHED_AT]:
            # Before there is one: whoever finds nothing has to know where else to look.
            self._tell_of_prehashed(batch.prehashed)
        self._count(put_all(self.array, batch.keys, batch.values, batch.ends))

    def copy_from(self, source: "WritableTable", begin: int, end: int) -> None:
        """Put in what stands in the slots of `source` from `begin` to before `end`. Scopes have the same numbers there."""
        self.header[DIRTY_AT] = 1
        self._count(copy_standing(read_only(source.array), begin, end, self.array))

    def _count(self, changes: tuple[int, int, np.uint64]) -> None:
        header, (used, standing, checksum) = self.header, changes
        header[USED_AT] += used
        header[STANDING_AT] += standing
        header[CHECKSUM_AT] = (header[CHECKSUM_AT] + int(checksum)) % _WORD
        header[DIRTY_AT] = 0

    def numbers_for(self, scopes: set[str]) -> dict[str, int]:
        """The number of each scope; those that have none get one while there are some, the others OTHER_SCOPE."""
        numbers = {name: number for number, name in enumerate(self.names())}
        for scope in sorted(scopes - numbers.keys()):
            name = scope.encode()
            if len(numbers) <= limits.TABLE_SCOPES_MAX and len(name) <= limits.NAME_LENGTH_MAX:
                numbers[scope] = len(numbers)
                self._name(name)
        return {scope: numbers.get(scope, OTHER_SCOPE) for scope in scopes}

    def take_names(self, other: Table) -> None:
        """Give the scopes of another table the numbers that they have there, and know of the same tenants that some of their

        entries are hashes. For a table that knows none yet.
        """
        for name in other.names()[1:]:
            self._name(name.encode())
        self._tell_of_prehashed(other.header[PREHASHED_AT])

    def _tell_of_prehashed(self, bits: int) -> None:
        self.header[PREHASHED_AT] |= bits
        self.header[NAMES_AT] = _names_digest(self)

    def _name(self, name: bytes) -> None:
        header, number = self.header, self.header[SCOPES_AT]
        header[DIRTY_AT] = 1
        at = HEADER_BYTES + number * limits.NAME_LENGTH_MAX
        self.mapped[at : at + len(name)] = name
        header[SCOPES_AT] = number + 1
        header[NAMES_AT] = _names_digest(self)
        header[DIRTY_AT] = 0

    def has_room_for(self, entries: int) -> bool:
        """Whether so many more can be put in."""
        return self.used + entries <= self.slots * limits.TABLE_LOAD_FULL

    @property
    def wants_to_grow(self) -> bool:
        """Fuller than is good for it."""
        return self.used > self.slots * limits.TABLE_LOAD_MAX

    def move_to(self, position: int, fingerprint: int) -> None:
        """Every change up to `position` is in now."""
        self.header[POSITION_AT] = position
        self.header[FINGERPRINT_AT] = fingerprint

    def checked(self, at_seconds: float) -> None:
        """There were no more changes at that time of the monotonic clock."""
        self.checked_at[0] = at_seconds

    def supersede(self) -> None:
        """Tell the readers that map this table to open the one at the path, now."""
        self.header[SUPERSEDED_AT] = 1
        self.checked(NEVER)


def slots_for(entries: int) -> int:
    """How many slots a new table for so many entries has."""
    return max(limits.TABLE_SLOTS_MIN, int(entries / limits.TABLE_LOAD_NEW) + 1)


def create(path: Path, *, identity: bytes, slots: int, wanted: int = 0) -> WritableTable:
    """A new, empty table of `slots` at `path`, for `wanted` entries; what lay there is gone.

    Write it aside and `os.replace` it over the one that readers open. `Transient` where the disk has no room, `Misconfigured`
    where we may not write.
    """
    size_bytes = SLOTS_AT_BYTES + SLOT_BYTES * slots
    try:
        # Unlinked, never cut short: somebody may still have the old file mapped, and would die of a SIGBUS.
        path.unlink(missing_ok=True)
        mapped = _new_file(path, size_bytes)
    except (PermissionError, FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise Misconfigured(f"the lookup table can not be written ({error}): give this user a folder for it") from error
    except OSError as error:
        raise Transient(f"the lookup table can not be written: {error}") from error
    with memoryview(mapped) as whole, whole[:HEADER_BYTES] as page, page.cast("Q") as header:
        header[FORMAT_AT], header[SLOTS_AT], header[SCOPES_AT], header[WANTED_AT] = FORMAT, slots, 1, wanted
        mapped[IDENTITY_AT * 8 : IDENTITY_AT * 8 + IDENTITY_BYTES] = identity
        mapped[BOOT_AT * 8 : BOOT_AT * 8 + IDENTITY_BYTES] = this_boot()
        header[MAGIC_AT] = MAGIC
    table = WritableTable(mapped)
    table.header[NAMES_AT] = _names_digest(table)
    table.checked(NEVER)
    return table


def _new_file(path: Path, size_bytes: int) -> mmap.mmap:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        # Real blocks, not a hole: a full disk is an error here, and not a SIGBUS at some later insert.
        os.posix_fallocate(descriptor, 0, size_bytes)
        return mmap.mmap(descriptor, size_bytes)
    except OSError:
        path.unlink(missing_ok=True)  # what it has of the disk is needed elsewhere
        raise
    finally:
        os.close(descriptor)


def taken_over(path: Path, *, identity: bytes) -> WritableTable | None:
    """The table at `path`, ours from now on; None where there is none that can be believed."""
    mapped = mapped_table(path, identity=identity, writable=True)
    if mapped is None:
        return None
    table = WritableTable(mapped)
    counts = _counted(table)
    if table.superseded or table.header[NAMES_AT] != _names_digest(table) or counts.used > table.slots * limits.TABLE_LOAD_FULL:
        return None
    boot_bytes = slice(BOOT_AT * 8, BOOT_AT * 8 + IDENTITY_BYTES)
    is_of_this_boot, is_dirty = mapped[boot_bytes] == this_boot(), bool(table.header[DIRTY_AT])
    if is_dirty and is_of_this_boot:
        table.header[USED_AT], table.header[STANDING_AT], table.header[CHECKSUM_AT] = counts
        table.header[DIRTY_AT] = 0
    elif is_dirty or counts != Counts(table.used, table.standing, table.header[CHECKSUM_AT]):
        return None
    if not is_of_this_boot:
        table.checked(NEVER)  # first: what that clock said means nothing now
        mapped[boot_bytes] = this_boot()
    return table


def _counted(table: WritableTable) -> Counts:
    used, standing, checksum = count_all(read_only(table.array))
    return Counts(used, standing, int(checksum))


def _names_digest(table: Table) -> int:
    names = table.mapped[HEADER_BYTES : HEADER_BYTES + table.header[SCOPES_AT] * limits.NAME_LENGTH_MAX]
    prehashed = table.header[PREHASHED_AT].to_bytes(8, "little")
    return int.from_bytes(blake2b(names + prehashed, digest_size=8, person=b"ns-names").digest(), "little")
