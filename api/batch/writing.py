"""The items of an answer about those on the list, as JSON: compiled, because a batch can have thousands of them.

Of an item only its number and its address are its own. What stands behind, cause and scope, is the same for many: it is made
once by whoever knows the words, and the loop stops where it meets an entry of whose kind nothing was made yet.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from api.batch.hashing import BLOCK_BYTES, COLUMNS, Words
from api.batch.reading import Bytes, Places
from api.index.slots import CAUSE_MASK, SCOPE_MASK, SCOPE_SHIFT
from nullsender.compiled import compiled, inlined
from nullsender.limits import CHECK_ADDRESSES_MAX, NAME_LENGTH_MAX

Numbers = NDArray[np.int32]

_BEFORE_INDEX: Final = np.frombuffer(b'{"index":', np.uint8)
_BEFORE_ADDRESS: Final = np.frombuffer(b',"address":"', np.uint8)
_KIND: Final = np.uint64(CAUSE_MASK | SCOPE_MASK << SCOPE_SHIFT)  # these bits of a value say of which kind an entry is
_DIGITS: Final = len(str(CHECK_ADDRESSES_MAX))
#: More than what stands behind an address in any item.
ENDING_BYTES_MAX: Final = 64 + NAME_LENGTH_MAX
_ITEM_BYTES_MAX: Final = len(_BEFORE_INDEX) + _DIGITS + len(_BEFORE_ADDRESS) + BLOCK_BYTES + ENDING_BYTES_MAX

_NOTHING = np.uint64(0)
_ZERO, _COMMA, _A, _Z, _TO_LOWER = ord("0"), ord(","), ord("A"), ord("Z"), ord("a") - ord("A")


class Items:
    """Writes items. For one thread; used again and again."""

    def __init__(self) -> None:
        self._room = np.zeros(COLUMNS * _ITEM_BYTES_MAX, np.uint8)
        self.forget()

    def forget(self) -> None:
        """What is known of kinds does not hold any more: it was another table's."""
        self._endings = np.zeros(0, np.uint8)
        self._behind, self._sizes = np.zeros(int(_KIND) + 1, np.int32), np.zeros(int(_KIND) + 1, np.int32)

    def write(
        self, text: Bytes, spans: tuple[Places, Places], values: Words, of: range, first: int, ending_of: Callable[[int], bytes]
    ) -> bytes:
        """The items for those of the columns that have a value, each with a comma behind it; `first`: the number of column 0.

        `ending_of` a column says what stands behind the address there, `"` first.
        """
        begin, size = of.start, 0
        while True:
            begin, size = write_items(
                text, *spans, values, begin, of.stop, first, self._behind, self._sizes, self._endings, self._room, size
            )
            if begin == of.stop:
                return self._room[:size].tobytes()
            self._learn(int(values[begin] & _KIND), ending_of(begin))

    def _learn(self, kind: int, ending: bytes) -> None:
        assert len(ending) <= ENDING_BYTES_MAX, "there is room for each item"
        self._behind[kind], self._sizes[kind] = len(self._endings), len(ending)
        self._endings = np.concatenate([self._endings, np.frombuffer(ending, np.uint8)])


@inlined
def _put(room: Bytes, at: int, some: Bytes) -> int:
    for i in range(len(some)):
        room[at + i] = some[i]
    return at + len(some)


@compiled
def write_items(
    text: Bytes,
    starts: Places,
    ends: Places,
    values: Words,
    begin: int,
    end: int,
    first: int,
    behind: Numbers,
    sizes: Numbers,
    endings: Bytes,
    room: Bytes,
    at: int,
) -> tuple[int, int]:
    """Write to `room` from `at` the items for the columns from `begin` to before `end` that have a value.

    The column where it ended, which is `end` or one whose kind has no ending yet, and where the next item begins.
    """
    for column in range(begin, end):
        if values[column] == _NOTHING:
            continue
        kind = values[column] & _KIND
        if sizes[kind] == 0:
            return column, at
        at = _put(room, at, _BEFORE_INDEX)
        index, digits = first + column, 1
        while index >= 10**digits:
            digits += 1
        for place in range(digits):
            room[at + digits - 1 - place] = _ZERO + index % 10
            index //= 10
        at = _put(room, at + digits, _BEFORE_ADDRESS)
        for i in range(starts[column], ends[column]):
            byte = text[i]
            room[at] = byte + _TO_LOWER if _A <= byte <= _Z else byte
            at += 1
        for i in range(behind[kind], behind[kind] + sizes[kind]):
            room[at] = endings[i]
            at += 1
        room[at] = _COMMA
        at += 1
    return end, at


def warm() -> None:
    """Compile it, or load what was compiled before."""
    text = np.frombuffer(b"a@b", np.uint8)
    places = np.zeros(1, np.int64), np.full(1, 3, np.int64)
    Items().write(text, places, np.ones(1, np.uint64), range(1), 0, lambda _: b'"}')
