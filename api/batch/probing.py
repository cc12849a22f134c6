"""What the lookup table says of many addresses: one value each, as in a slot (`api/index/slots.py`), or a word of our own.

The table is far bigger than the processor's caches, so nearly every address waits for memory once. The first loop only fetches
the slots where the addresses are at home, and the processor waits for many of them at the same time.
"""

from typing import Any, Final

import numpy as np

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
_ZERO, _ONE, _TWO, _SIXTEEN, _HALF = (np.uint64(number) for number in (0, 1, 2, 16, 32))


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


@compiled
def probe(words: Words, hashes: Words, tenant_mask: Word, scopes: Word, now: Word, values: Words, count: int) -> None:
    """Fill `values`: for each of `count` columns of `hashes` the gravest value that stops mail, `ALLOWED`, or `ASK`.

    `words` is the table: the key and the value of one slot after the other. `scopes` are the numbers of those
    that stop the mail, as `packed` makes it. `now` is in seconds since `EPOCH`.
    """
    size = np.uint64(len(words) // 2)
    for i in range(count):
        values[i] = words[_TWO * ((((hashes[i] ^ tenant_mask) >> _HALF) * size) >> _HALF)]
    for i in range(count):
        key = hashes[i] ^ tenant_mask
        if key == _ZERO:
            key = _ONE
        place, found, gravest = ((key >> _HALF) * size) >> _HALF, values[i], ALLOWED
        for _ in range(size):
            if found == _ZERO:
                break
            if found == key:
                gravest = _graver(gravest, words[_TWO * place + _ONE], hashes[COLUMNS + i] & _CHECK_MASK, scopes, now)
            place += _ONE
            if place == size:
                place = _ZERO
            found = words[_TWO * place]
        values[i] = gravest
