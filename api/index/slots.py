"""What a slot of the lookup table says: two words of 64 bits, the key of an address and what stands there.

    key     the first half of the address's keyed hash, mixed with the tenant; never 0, which is a free slot
    value   from the lowest bit: cause (3 bits; 0: nothing stands here any more), provisional (1), scope (12), check (16),
            expiry (32, seconds since 2020, rounded up; 0: never)

One slot is one entry: an address that several entries stop has several slots with one key. `check` is a part of the other half
of the hash, so that together 80 bits say that a slot is about an address: among ten million entries one lookup in 10^17 takes
a stranger for a listed one. It also ties the two words together for a reader who looks while they are written: a value whose
check is another one, or that is 0 as a whole, says that the store has to be asked.

The home of a key among `slots` slots (any number below 2^32) is the upper half of the key times the slots, divided by 2^32;
what does not fit there goes to the next free slot, and behind the last one comes the first.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import blake2b
from typing import Final, NamedTuple

from suppression.policy import Cause

#: The graver the higher, so that of several values the one that decides is found by comparing (`GRAVITY` of the policy).
CAUSE_CODES: Final[Mapping[Cause, int]] = {cause: code for code, cause in enumerate(reversed(Cause), start=1)}
CAUSES: Final[Mapping[int, Cause]] = {code: cause for cause, code in CAUSE_CODES.items()}
CAUSE_MASK: Final = 0b111
PROVISIONAL_BIT: Final = 0b1000
SCOPE_SHIFT: Final = 4
SCOPE_MASK: Final = 0xFFF
EVERYWHERE_SCOPE: Final = 0  # the scope `*`
SCOPE_BITS: Final = 12
OTHER_SCOPE: Final = SCOPE_MASK  # a scope for which there was no number left: the store knows which
SCOPES_PACKED_MAX: Final = 3
CHECK_SHIFT: Final = 16
CHECK_MASK: Final = 0xFFFF
EXPIRY_SHIFT: Final = 32
EPOCH: Final = datetime(2020, 1, 1, tzinfo=UTC)
EXPIRY_SECONDS_MAX: Final = 2**32 - 1  # the year 2156; what lasts longer lasts for ever


class Identity(NamedTuple):
    """What a table knows of an address of a tenant: the key, and the check that goes into the value."""

    key: int
    check: int


def identity_of_hash(tenant: str, address_hash: bytes) -> Identity:
    """Of the 16 bytes that `AddressHasher` makes of an address."""
    key = int.from_bytes(address_hash[:8], "little") ^ tenant_mask(tenant)
    return Identity(key or 1, int.from_bytes(address_hash[8:10], "little"))


@lru_cache(maxsize=1024)
def tenant_mask(tenant: str) -> int:
    """64 bits that keep one tenant's keys apart from another's."""
    return int.from_bytes(blake2b(tenant.encode(), digest_size=8, person=b"ns-tenant").digest(), "little")


def prehashed_bit(tenant: str) -> int:
    """The bit of a table's header that says that a tenant has entries under hashes that somebody else made."""
    return 1 << (tenant_mask(tenant) & 63)


def value_of(cause: Cause, *, provisional: bool, scope: int, check: int, expires: datetime | None) -> int:
    """The value of an entry that stands. `scope` is the number that the table has given to it."""
    code = CAUSE_CODES[cause] | (PROVISIONAL_BIT if provisional else 0)
    return code | scope << SCOPE_SHIFT | check << CHECK_SHIFT | expiry_of(expires) << EXPIRY_SHIFT


def expiry_of(expires: datetime | None) -> int:
    """Seconds since `EPOCH`, rounded up, at least 1; 0 where it never ends."""
    if expires is None:
        return 0
    elapsed = expires - EPOCH
    seconds = elapsed.days * 86_400 + elapsed.seconds + (1 if elapsed.microseconds else 0)
    return 0 if seconds > EXPIRY_SECONDS_MAX else max(seconds, 1)


def packed(scopes: Sequence[int]) -> int:
    """The numbers of the scopes that stop one mail as compiled code takes them: in one word, without `EVERYWHERE_SCOPE`."""
    narrower = [number for number in scopes if number != EVERYWHERE_SCOPE]
    assert len(narrower) <= SCOPES_PACKED_MAX, "a stream, a list, and all that is not transactional"
    return sum(number << SCOPE_BITS * place for place, number in enumerate(narrower))


def home_of(key: int, slots: int) -> int:
    """The slot where `key` is looked for first."""
    return (key >> 32) * slots >> 32
