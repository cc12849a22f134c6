"""The lines that are kept of a text, one behind the other: compiled, because a list has millions of them."""

import numpy as np

from api.batch.hashing import Word, Words
from api.batch.reading import Bytes, Places
from api.index.slots import CAUSE_MASK
from nullsender.compiled import compiled

_LF = 10
_CODE = np.uint64(CAUSE_MASK)
_ONE, _NO = np.uint64(1), np.uint64(0)


@compiled
def keep(text: Bytes, starts: Places, ends: Places, values: Words, count: int, wanted: Word, kept: Bytes) -> int:
    """Copy to `kept` those of the first `count` lines that are wanted, each with its line feed; how many bytes that are.

    `wanted` has the bit of each code (`probing.py`) that is. Lines that stand together are copied together.
    """
    size, place = 0, 0
    while place < count:
        first = place
        while place < count and (wanted >> (values[place] & _CODE)) & _ONE != _NO:
            place += 1
            if place < count and starts[place] != ends[place - 1] + 1:
                break  # something was left out in between
        if place == first:
            place += 1
            continue
        start, end = starts[first], ends[place - 1]
        kept[size : size + end - start] = text[start:end]
        size += end - start
        kept[size] = _LF
        size += 1
    return size
