"""What the lookup table says of many addresses: one value each, as in a slot (`api/index/slots.py`), or a word of our own.

The table is far bigger than the processor's caches, so nearly every address waits for memory once. The first loop looks at the
first slots of each and goes on, whatever stands there, so that the processor waits for many of them at the same time and has
nothing to guess. That is all for most addresses, of which nothing is known; the second loop goes through the others' slots.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from api.batch.hashing import COLUMNS, Word, Words
from api.index import slots as layout
from nullsender.compiled import compiled, inlined

#: In place of a cause: the table can not tell, and what was asked about is no address.
ASK_CODE: Final = 7
INVALID_CODE: Final = 6
assert max(layout.CAUSES) < INVALID_CODE

ALLOWED: Final = np.uint64(0)
ASK: Final = np.uint64(ASK_CODE)
INVALID: Final = np.uint64(INVALID_CODE)

_CAUSE_MASK = np.uint64(layout.CAUSE_MASK)
_PROVISIONAL = np.uint64(layout.PROVISIONAL_BIT)
_SCOPE_SHIFT, _SCOPE_MASK = np.uint64(layout.SCOPE_SHIFT), np.uint64(layout.SCOPE_MASK)
_EVERYWHERE, _OTHER = np.uint64(layout.EVERYWHERE_SCOPE), np.uint64(layout.OTHER_SCOPE)
_SCOPE_BITS, _TWO_SCOPES_BITS = np.uint64(layout.SCOPE_BITS), np.uint64(2 * layout.SCOPE_BITS)
_CHECK_SHIFT, _CHECK_MASK = np.uint64(layout.CHECK_SHIFT), np.uint64(layout.CHECK_MASK)
_EXPIRY_SHIFT = np.uint64(layout.EXPIRY_SHIFT)
_ZERO, _ONE, _TWO, _THREE, _FOUR, _SIXTEEN, _HALF = (np.uint64(number) for number in (0, 1, 2, 3, 4, 16, 32))

Places = NDArray[np.int64]


@inlined
def _graver(gravest: Word, value: Word, check: Word, scopes: Word, now: Word) -> Word:
    """Of two values the one that decides, where `value` stops this mail; `ASK` where only the store knows whether it does."""
    cause, scope, expiry = value & _CAUSE_MASK, (value >> _SCOPE_SHIFT) & _SCOPE_MASK, value >> _EXPIRY_SHIFT
    if value == _ZERO or (value >> _CHECK_SHIFT) & _CHECK_MASK != check or cause >= INVALID:
        graver = ASK
    elif cause == _ZERO:
        graver = gravest
    elif scope == _OTHER and _is_asked(scope, scopes):
        graver = ASK  # whatever its expiry: it stands for several entries
    elif expiry != _ZERO and expiry <= now:
        graver = gravest
    elif _is_asked(scope, scopes) and gravest != ASK and _rank(value) > _rank(gravest):
        graver = value
    else:
        graver = gravest
    return graver


@inlined
def _is_asked(scope: Word, scopes: Word) -> Any:
    """Whether an entry of this scope stops the mail; `scopes` as `packed` makes it, where a place that is free holds `*`."""
    first, second, third = scopes & _SCOPE_MASK, (scopes >> _SCOPE_BITS) & _SCOPE_MASK, scopes >> _TWO_SCOPES_BITS
    return (scope == _EVERYWHERE) | (scope == first) | (scope == second) | (scope == third)


@inlined
def _rank(value: Word) -> Word:
    """The higher the graver: the cause, then whether it stands in full, then whether it stops all mail."""
    is_full = (value & _PROVISIONAL) ^ _PROVISIONAL
    is_everywhere = (value >> _SCOPE_SHIFT) & _SCOPE_MASK == _EVERYWHERE
    return (value & _CAUSE_MASK) * _SIXTEEN + is_full + np.uint64(is_everywhere)


@inlined
def _home(address_hash: Word, tenant_mask: Word, size: Word) -> tuple[Word, Word]:
    """The key of an address, and the slot where it is looked for first."""
    key = address_hash ^ tenant_mask
    if key == _ZERO:
        key = _ONE
    return key, ((key >> _HALF) * size) >> _HALF


@compiled
def _sift(words: Words, hashes: Words, tenant_mask: Word, values: Words, count: int, left: Places) -> int:
    """Make the addresses `ALLOWED` of which four slots say that the table knows nothing; how many are `left`, and which."""
    size = np.uint64(len(words) // 2)
    if size < _FOUR:
        left[:count] = np.arange(count)
        return count
    last, found = size - _FOUR, 0
    for i in range(count):
        key, place = _home(hashes[i], tenant_mask, size)
        at = _TWO * (last if place > last else place)
        one, two, three, four = words[at], words[at + _TWO], words[at + _TWO * _TWO], words[at + _TWO * _THREE]
        is_there = (one == key) | (two == key) | (three == key) | (four == key)
        has_end = (one == _ZERO) | (two == _ZERO) | (three == _ZERO) | (four == _ZERO)
        values[i] = ALLOWED
        left[found] = i
        found += is_there | (not has_end) | (place > last)
    return found


@compiled
def probe(
    words: Words, hashes: Words, tenant_mask: Word, scopes: Word, now: Word, values: Words, count: int, left: Places
) -> int:
    """Fill `values`: for each of `count` columns of `hashes` the gravest value that stops mail, `ALLOWED`, or `ASK`.

    `words` is the table: the key and the value of one slot after the other. `scopes` are the numbers of those that stop the
    mail, as `packed` makes it. `now` is in seconds since `EPOCH`. How many are not `ALLOWED`; `left` is room for a number of
    each column.
    """
    size, stopped = np.uint64(len(words) // 2), 0
    for which in range(_sift(words, hashes, tenant_mask, values, count, left)):
        i = left[which]
        key, place = _home(hashes[i], tenant_mask, size)
        gravest = ALLOWED
        for _ in range(size):
            found = words[_TWO * place]
            if found == _ZERO:
                break
            if found == key:
                gravest = _graver(gravest, words[_TWO * place + _ONE], hashes[COLUMNS + i] & _CHECK_MASK, scopes, now)
            place += _ONE
            if place == size:
                place = _ZERO
        values[i] = gravest
        stopped += gravest != ALLOWED
    return stopped
