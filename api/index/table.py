"""The lookup table: who is on the list, as one memory-mapped file that all processes of a machine share. This half reads it.

    a page        the header: what this file is, how full, up to which change of the list, and when that was last all there was
    the names     of the scopes, NAME_LENGTH_MAX bytes each, the name of number 1 at place 1; those that exist are in the header
    the slots     16 bytes each, any number of them; `slots.py` says what a slot holds

One process writes (`writing.py`), any number read, nobody locks. Each word is aligned and has eight bytes, which `memoryview`
and compiled code read and write with a single instruction on every 64-bit processor: a reader sees the old word or the new
one, never half of it. A slot that is in use changes by its value alone. A new one gets its value first and its key afterwards;
x86-64 shows them to others in this order. A processor or compiler that does not can show a key whose value is still 0 or was
a stranger's, and the check bits tell: then the reader asks the store. An entry that a reader does not see yet is one that
came a moment ago, and how long ago is bounded by `checked_at`: the moment at which the writer asked the store for changes
and was told that there are no more.

A reader believes only what was written in this boot: after a power cut nobody knows which pages reached the disk. The writer
finds that out, by the checksum, and makes the table its own (`writing.py`). That also makes the monotonic clock, which the
processes of one boot share and nobody can set back, the right one for `checked_at`.
"""

import math
import mmap
import os
import struct
from collections.abc import Callable, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Final

from api.index.slots import (
    CAUSE_MASK,
    CHECK_MASK,
    CHECK_SHIFT,
    EVERYWHERE_SCOPE,
    EXPIRY_SHIFT,
    OTHER_SCOPE,
    PROVISIONAL_BIT,
    SCOPE_MASK,
    SCOPE_SHIFT,
    home_of,
    identity_of_hash,
    prehashed_bit,
    tenant_mask,
)
from nullsender.limits import NAME_LENGTH_MAX, TABLE_SCOPES_MAX
from suppression.policy import EVERYWHERE

HEADER_BYTES: Final = 4096
SLOTS_AT_BYTES: Final = HEADER_BYTES + (SCOPE_MASK + 1) * NAME_LENGTH_MAX
SLOT_BYTES: Final = 16
MAGIC: Final = int.from_bytes(b"ns-table", "little")
FORMAT: Final = 3

# Where each word of the header stands. `IDENTITY` and `BOOT` take two.
MAGIC_AT, FORMAT_AT, IDENTITY_AT, BOOT_AT, SLOTS_AT, USED_AT, STANDING_AT, SCOPES_AT = 0, 1, 2, 4, 6, 7, 8, 9
POSITION_AT, FINGERPRINT_AT, CHECKED_AT, SUPERSEDED_AT, CHECKSUM_AT, NAMES_AT, DIRTY_AT, WANTED_AT, PREHASHED_AT = range(10, 19)

IDENTITY_BYTES: Final = 16
BOOT_ID_FILE: Final = Path("/proc/sys/kernel/random/boot_id")

NEVER: Final = -math.inf  # when a table was checked that nobody is to believe

#: What `Table.value_of` says where it is no entry's value.
NOTHING: Final = 0
ASK_STORE: Final = -1

_FIRST_WORD = struct.Struct("<Q").unpack_from


def table_path(folder: Path) -> Path:
    """Where in the index folder the table lies."""
    return folder / "table"


def lock_path(folder: Path) -> Path:
    """The file that the machine's one follower has locked."""
    return folder / "lock"


def file_at(path: Path) -> tuple[int, int] | None:
    """Which file lies there, and of how many bytes; None: none. While it is mapped no other file gets its number.

    A file that was cut short has pages that nobody may touch any more, so it counts as another one.
    """
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size


def identity_of(key_fingerprint: str) -> bytes:
    """What a table must carry to be of this list: the address key that its hashes were made with, in 16 bytes."""
    return blake2b(key_fingerprint.encode(), digest_size=IDENTITY_BYTES, person=b"ns-table").digest()


def this_boot() -> bytes:
    """Which boot of which machine this is, in 16 bytes."""
    try:
        boot = BOOT_ID_FILE.read_text(encoding="ascii").strip()
    except OSError:
        # Not Linux: the monotonic clock starts again at every boot there too, so an old table looks stale or from the future.
        boot = "unknown"
    return blake2b(boot.encode(), digest_size=IDENTITY_BYTES, person=b"ns-boot").digest()


class Table:
    """A mapped table file, to be read. Made by `open_table`; unmapped when the last reference goes."""

    def __init__(self, mapped: mmap.mmap) -> None:
        self.mapped = mapped
        whole = memoryview(mapped)
        self.header = whole[:HEADER_BYTES].cast("Q")
        self.slots = self.header[SLOTS_AT]
        self.words = whole[SLOTS_AT_BYTES : SLOTS_AT_BYTES + SLOT_BYTES * self.slots].cast("Q")
        self.checked_at = whole[CHECKED_AT * 8 : CHECKED_AT * 8 + 8].cast("d")
        self.prehashed = self.header[PREHASHED_AT : PREHASHED_AT + 1]
        self._words_count = 2 * self.slots
        self._numbers: dict[str, int] = {EVERYWHERE: EVERYWHERE_SCOPE}
        self._names: list[str] = [EVERYWHERE]

    # --- who is on it ---

    def value_of(self, tenant: str, scopes: Sequence[str], address_hash: bytes, now_seconds: Callable[[], float]) -> int:
        """The value of the gravest entry of these scopes; NOTHING where there is none, ASK_STORE where the store has to tell.

        `address_hash` is what `AddressHasher` makes; `now_seconds` is asked for the time, since `EPOCH`, where that matters.
        """
        if self.lacks(tenant, address_hash):
            return NOTHING
        key, check = identity_of_hash(tenant, address_hash)
        return self._gravest(key, check, self.scope_numbers(scopes), now_seconds)

    def lacks(self, tenant: str, address_hash: bytes) -> bool:
        """Whether nothing at all is known of this address: for most lookups that is all there is to find out."""
        key = (_FIRST_WORD(address_hash)[0] ^ tenant_mask(tenant)) or 1  # `identity_of_hash`, without the call
        words, place, behind = self.words, (key >> 32) * self.slots >> 32 << 1, self._words_count
        while word := words[place]:
            if word == key:
                return False
            place += 2
            if place == behind:
                place = 0
        return True

    def has_prehashed(self, tenant: str) -> bool:
        """Whether entries of this tenant may stand under another hash of their address, which somebody else made.

        One bit for many tenants: now and then it is another one's.
        """
        return bool(self.prehashed[0] & prehashed_bit(tenant))

    def _gravest(self, key: int, check: int, numbers: Sequence[int], now_seconds: Callable[[], float]) -> int:
        place = 2 * home_of(key, self.slots)
        words, gravest, gravest_rank = self.words, NOTHING, 0
        while word := words[place]:
            if word == key:
                value = words[place + 1]
                if not value or value >> CHECK_SHIFT & CHECK_MASK != check:
                    return ASK_STORE
                cause, scope = value & CAUSE_MASK, value >> SCOPE_SHIFT & SCOPE_MASK
                if cause and scope in numbers:
                    if scope == OTHER_SCOPE:
                        return ASK_STORE
                    expiry = value >> EXPIRY_SHIFT
                    rank = cause << 2 | (0 if value & PROVISIONAL_BIT else 2) | (scope == EVERYWHERE_SCOPE)
                    if rank > gravest_rank and not (expiry and expiry <= now_seconds()):
                        gravest, gravest_rank = value, rank
            place += 2
            if place == self._words_count:
                place = 0
        return gravest

    # --- scopes ---

    def scope_numbers(self, scopes: Sequence[str]) -> tuple[int, ...]:
        """The number of each scope; OTHER_SCOPE where it was given none.

        With OTHER_SCOPE and names to spare nothing in the table has this scope.
        """
        if self.header[SCOPES_AT] != len(self._names):
            self._learn_names()
        return tuple([self._numbers.get(scope, OTHER_SCOPE) for scope in scopes])

    def scope_name(self, number: int) -> str:
        """The scope with this number, which stands in a value."""
        if number >= len(self._names):
            self._learn_names()
        return self._names[number]

    def names(self) -> list[str]:
        """Every scope that has a number, in the order of the numbers; `*` is the first."""
        self._learn_names()
        return self._names

    def _learn_names(self) -> None:
        begin = HEADER_BYTES
        # As a whole and at once: another thread may look at both meanwhile.
        names = [EVERYWHERE]
        for number in range(1, self.header[SCOPES_AT]):
            at = begin + number * NAME_LENGTH_MAX
            names.append(self.mapped[at : at + NAME_LENGTH_MAX].rstrip(b"\0").decode("utf-8", "replace"))
        self._numbers = {name: number for number, name in enumerate(names)}
        self._names = names

    # --- how it is ---

    @property
    def used(self) -> int:
        """How many slots are in use, those of ended entries included."""
        return self.header[USED_AT]

    @property
    def standing(self) -> int:
        """How many entries stand."""
        return self.header[STANDING_AT]

    @property
    def load(self) -> float:
        """The share of slots that are in use."""
        return self.used / self.slots

    @property
    def wanted(self) -> int:
        """How many entries a table that is being made will have, as far as that was known when it was begun."""
        return self.header[WANTED_AT]

    @property
    def size_bytes(self) -> int:
        """Of the whole file."""
        return len(self.mapped)

    @property
    def position(self) -> int:
        """Every change of the store's feed up to this number is in the table."""
        return self.header[POSITION_AT]

    @property
    def fingerprint(self) -> int:
        """Says which change stood at `position`: a store that was put back and went on has another one there."""
        return self.header[FINGERPRINT_AT]

    @property
    def checked_at_seconds(self) -> float:
        """The monotonic clock when the writer last asked for changes and found none missing; NEVER: not yet."""
        return self.checked_at[0]

    @property
    def superseded(self) -> bool:
        """A newer table lies at the path; nobody writes to this one any more."""
        return bool(self.header[SUPERSEDED_AT])


def open_table(path: Path, *, identity: bytes) -> Table | None:
    """The table at `path`, to be read; None where none can be believed (missing, cut short, of another format, key or boot)."""
    mapped = mapped_table(path, identity=identity, writable=False)
    if mapped is None or _word(mapped, BOOT_AT, IDENTITY_BYTES) != this_boot():
        return None
    return Table(mapped)


def mapped_table(path: Path, *, identity: bytes, writable: bool) -> mmap.mmap | None:
    """The file at `path`, mapped, whichever boot it is of; None where it is no table of this list, or was cut short."""
    try:
        descriptor = os.open(path, (os.O_RDWR if writable else os.O_RDONLY) | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        size_bytes = os.fstat(descriptor).st_size
        if size_bytes < SLOTS_AT_BYTES + SLOT_BYTES:
            return None
        # Not filled now: 50 million entries would take a third of a second, in the midst of the lookups of a running process.
        mapped = mmap.mmap(descriptor, size_bytes, prot=mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0))
    except (OSError, ValueError):
        return None
    finally:
        os.close(descriptor)
    return mapped if _is_ours(mapped, size_bytes, identity) else None


def _is_ours(mapped: mmap.mmap, size_bytes: int, identity: bytes) -> bool:
    with memoryview(mapped) as whole, whole[:HEADER_BYTES] as page, page.cast("Q") as header:
        return (
            header[MAGIC_AT] == MAGIC
            and header[FORMAT_AT] == FORMAT
            and _word(mapped, IDENTITY_AT, IDENTITY_BYTES) == identity
            and size_bytes == SLOTS_AT_BYTES + SLOT_BYTES * header[SLOTS_AT]
            and 1 <= header[SCOPES_AT] <= TABLE_SCOPES_MAX + 1
        )


def _word(mapped: mmap.mmap, at: int, size_bytes: int = 8) -> bytes:
    return mapped[at * 8 : at * 8 + size_bytes]
