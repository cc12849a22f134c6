"""What is done to many slots at once, compiled: to put in, to copy, to count, to compare. `slots.py` says what a slot holds.

A table is an array of words here: the key and the value of the first slot, those of the second, and so on. This is the only
place that writes a slot. It changes one word of a slot that is in use, and of a new one it writes the value first and the key
after it; `table.py` says why that needs no lock.
"""

from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from api.index.slots import CAUSE_MASK, CHECK_MASK, CHECK_SHIFT, OTHER_SCOPE, SCOPE_MASK, SCOPE_SHIFT
from nullsender.compiled import compiled

Words = npt.NDArray[np.uint64]
Kind = TypeVar("Kind", bound=np.generic)

_SAME = np.uint64(CAUSE_MASK | SCOPE_MASK << SCOPE_SHIFT | CHECK_MASK << CHECK_SHIFT)  # these bits say which entry it is
_CAUSE = np.uint64(CAUSE_MASK)
_SCOPE_SHIFT = np.uint64(SCOPE_SHIFT)
_SCOPE = np.uint64(SCOPE_MASK)
_OTHER = np.uint64(OTHER_SCOPE)
_FREE = np.uint64(0)
_NONE = np.uint64(0)
_HALF = np.uint64(32)

# Of a finisher that spreads every bit of its input over all of its output (Stafford's thirteenth for splitmix64).
_STEP = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_FIRST_SHIFT, _SECOND_SHIFT, _LAST_SHIFT = np.uint64(30), np.uint64(27), np.uint64(31)


@compiled
def mixed(key: np.uint64, value: np.uint64) -> np.uint64:
    """One number of both words of a slot; a table's checksum is the sum of those of its used slots."""
    mix = key * _STEP + value
    mix = (mix ^ (mix >> _FIRST_SHIFT)) * _FIRST
    mix = (mix ^ (mix >> _SECOND_SHIFT)) * _SECOND
    return mix ^ (mix >> _LAST_SHIFT)


@compiled
def _home(key: np.uint64, slots: int) -> Any:
    return np.intp(((key >> _HALF) * np.uint64(slots)) >> _HALF)  # a signed one, as the places that follow it are


@compiled
def _put(words: Words, key: np.uint64, value: np.uint64, ends: bool) -> tuple[int, int, np.uint64]:
    """Let the entry stand as `value` says, or end it; how many used and standing slots there are more, and of the checksum."""
    slots = len(words) // 2
    place = _home(key, slots)
    ended = -1
    while words[2 * place] != _FREE:
        if words[2 * place] == key:
            stood = words[2 * place + 1]
            if (stood ^ value) & _SAME == _NONE:
                stands = stood & ~_CAUSE if ends else value
                words[2 * place + 1] = stands
                return 0, -1 if ends else 0, mixed(key, stands) - mixed(key, stood)
            if ended < 0 and stood & _CAUSE == _NONE:
                ended = place
        place += 1
        if place == slots:
            place = 0
    if ends:
        return 0, 0, _NONE
    if ended >= 0:  # of another entry of this address
        stood = words[2 * ended + 1]
        words[2 * ended + 1] = value
        return 0, 1, mixed(key, value) - mixed(key, stood)
    words[2 * place + 1] = value
    words[2 * place] = key
    return 1, 1, mixed(key, value)


@compiled
def put_all(words: Words, keys: Words, values: Words, ends: npt.NDArray[np.bool_]) -> tuple[int, int, np.uint64]:
    """Let every entry stand as its value says, or end it, in this order; the changes of used, standing and checksum.

    The caller sees to it that there is room. A scope without a number stands for several, so such an entry never ends.
    """
    used, standing, checksum = 0, 0, _NONE
    for place in range(len(keys)):
        if ends[place] and (values[place] >> _SCOPE_SHIFT) & _SCOPE == _OTHER:
            continue
        more_used, more_standing, more_checksum = _put(words, keys[place], values[place], ends[place])
        used += more_used
        standing += more_standing
        checksum += more_checksum
    return used, standing, checksum


@compiled
def copy_standing(source: Words, begin: int, end: int, target: Words) -> tuple[int, int, np.uint64]:
    """Put what stands in the slots from `begin` to before `end` of one table into another; the other's changes as above."""
    used, standing, checksum = 0, 0, _NONE
    for place in range(begin, end):
        key, value = source[2 * place], source[2 * place + 1]
        if key == _FREE or value & _CAUSE == _NONE:
            continue
        more_used, more_standing, more_checksum = _put(target, key, value, False)
        used += more_used
        standing += more_standing
        checksum += more_checksum
    return used, standing, checksum


@compiled
def count_all(words: Words) -> tuple[int, int, np.uint64]:
    """How many slots are used, how many entries stand, and the checksum."""
    used, standing, checksum = 0, 0, _NONE
    for place in range(len(words) // 2):
        key, value = words[2 * place], words[2 * place + 1]
        if key != _FREE:
            used += 1
            standing += value & _CAUSE != _NONE
            checksum += mixed(key, value)
    return used, standing, checksum


@compiled
def differing(words: Words, others: Words, found: Words) -> int:
    """How many entries that stand in one table do not stand so in the other.

    Of as many as there is room for in `found` it notes three words: the key, the value, and the other's value or 0.
    """
    count, slots, places = 0, len(others) // 2, len(found) // 3
    for place in range(len(words) // 2):
        key, value = words[2 * place], words[2 * place + 1]
        if key == _FREE or value & _CAUSE == _NONE:
            continue
        other = _NONE
        there = _home(key, slots)
        while others[2 * there] != _FREE:
            if others[2 * there] == key and (others[2 * there + 1] ^ value) & _SAME == _NONE:
                other = others[2 * there + 1]
                break
            there += 1
            if there == slots:
                there = 0
        if other == value:
            continue
        if count < places:
            found[3 * count], found[3 * count + 1], found[3 * count + 2] = key, value, other
        count += 1
    return count


def warm() -> None:
    """Compile everything, or load what was compiled before."""
    words, pairs = np.zeros(32, np.uint64), np.ones(1, np.uint64)
    put_all(words, pairs, pairs, np.zeros(1, np.bool_))
    copy_standing(read_only(words), 0, 16, words)
    count_all(read_only(words))
    differing(read_only(words), read_only(words), np.zeros(3, np.uint64))


def read_only(words: npt.NDArray[Kind]) -> npt.NDArray[Kind]:
    """The same numbers, which can not be written: so that what only reads is compiled once, for both kinds."""
    view = words.view()
    view.flags.writeable = False
    return view
