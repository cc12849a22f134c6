"""Where each address stands in a text, and its canonical form where that is plain: compiled, eight bytes at a time.

Two kinds of text: lines, and the inside of a JSON array. From both come *spans*: where an item starts and ends. What a span
holds is plain when it is ASCII, one @ and nothing that stands around an address: then its lower case is its canonical form
(`nullsender.address.canonical`, whose quick way this repeats; a test holds the two together). All else is left to that
function, one by one: international addresses, quoted ones, long ones, and what is no address.

Eight bytes are one number, and a step of arithmetic does something to each of them. Where it is about all eight, a byte's
highest bit says the answer: `_between` sets it for each byte from one to another, as long as all of them are ASCII. And what
has no branches is done to the words of eight items at a time: so the short ones are fetched first, and looked at afterwards.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from api.batch.hashing import BLOCK_BYTES, BLOCK_WORDS, COLUMNS, SHORT_BYTES, SHORT_WORDS, Word, Words
from nullsender.compiled import compiled, inlined

Bytes = NDArray[np.uint8]
Places = NDArray[np.int64]
Flags = NDArray[np.uint8]

#: What comes of looking for the items of a JSON array.
MORE, COMPLETE, BROKEN = 0, 1, 2

#: What an item is: plain and short, unusual, or plain as it seems and long.
PLAIN, UNUSUAL, LONG = np.uint64(0), np.uint64(1), np.uint64(2)

#: So many bytes of anything have to stand behind a text: `SHORT_WORDS` are read of each item, however short it is. With a
#: number of its own for each the processor would guess wrong.
PADDING: Final = bytes(SHORT_BYTES)

_LF, _CR, _SPACE, _TAB = 10, 13, 32, 9
_QUOTE, _BACKSLASH, _COMMA, _CLOSING = 34, 92, 44, 93
_AT, _DOT = 64, 46
_SHORTEST: Final = len("a@b")

_ZERO, _ONE, _EIGHT = np.uint64(0), np.uint64(1), np.uint64(8)
_ONES = np.uint64(0x0101010101010101)
_HIGHEST = np.uint64(0x8080808080808080)
_LINE_FEEDS, _QUOTES, _BACKSLASHES, _LETTERS = (np.uint64(0x0101010101010101 * byte) for byte in (_LF, _QUOTE, _BACKSLASH, 97))
_TOP_BYTE = np.uint64(56)
_TO_LOWER = np.uint64(2)  # from a byte's highest bit to the one that makes a small letter of a capital
_TO_LOWEST = np.uint64(7)


class Text(NamedTuple):
    """A text that items are looked for in."""

    raw: bytes  # with `PADDING` at its end
    text: Bytes  # without it
    words: Words  # word i is made of the eight bytes from byte i

    @classmethod
    def of(cls, raw: bytes) -> "Text":
        """`raw` ends with `PADDING`, which is not a part of the text."""
        size = len(raw) - len(PADDING)
        return cls(raw, np.frombuffer(raw, np.uint8, size), np.ndarray((len(raw) - 7,), np.uint64, raw, strides=(1,)))


class Spans(NamedTuple):
    """Where items start and end in a text."""

    starts: Places
    ends: Places
    odd: Flags  # what is not 0 is unusual whatever it looks like; the reader of the text knows what it means

    @classmethod
    def of(cls, count: int) -> "Spans":
        """Room for `count` of them."""
        return cls(np.empty(count, np.int64), np.empty(count, np.int64), np.zeros(count, np.uint8))

    def part(self, begin: int) -> "Spans":
        """Those from `begin` on."""
        return Spans(self.starts[begin:], self.ends[begin:], self.odd[begin:])


@inlined
def _equal(word: Word, bytes_of_one_kind: Word) -> Word:
    """The highest bit of each byte that is of this kind; above the first such byte others may have it too."""
    different = word ^ bytes_of_one_kind
    return (different - _ONES) & ~different & _HIGHEST


@inlined
def _below_space(word: Word) -> Word:
    """The same for bytes below a space."""
    return (word - _ONES * np.uint64(_SPACE)) & ~word & _HIGHEST


@inlined
def _place(marks: Word) -> int:
    """Which byte of the eight is the first with its highest bit set; at least one has."""
    return int(((((marks & (~marks + _ONE)) - _ONE) & _ONES) * _ONES) >> _TOP_BYTE) - 1


@inlined
def _between(word: Word, first: int, last: int) -> Word:
    """The highest bit of each byte from `first` to `last`; all eight are ASCII."""
    return ((word + _ONES * np.uint64(128 - first)) ^ (word + _ONES * np.uint64(127 - last))) & _HIGHEST


@inlined
def _forbidden(word: Word) -> Word:
    """The highest bit of each byte that can not stand in a plain address; all eight are ASCII."""
    around = _between(word, 0x22, 0x22) | _between(word, 0x28, 0x29) | _between(word, 0x2C, 0x2C)  # " ( ) ,
    around |= _between(word, 0x3A, 0x3C) | _between(word, 0x3E, 0x3E) | _between(word, 0x5B, 0x5D)  # : ; < > [ \\ ]
    return around | _between(word, 0x00, 0x20) | _between(word, 0x7F, 0x7F)


@inlined
def _canonical(word: Word, size: Word) -> tuple[Word, Word, Word]:
    """Of a word whose first `size` bytes (8 at most) are of an address: its canonical form, what is bad, and its @."""
    # What stands behind is nothing, and passes for letters. Two halves: by 64 bits nothing can be shifted.
    half = size << _TO_LOWER
    behind = (~_ZERO << half) << half
    word = word & ~behind | _LETTERS & behind
    ascii = word & ~_HIGHEST
    lower = (word | (_between(ascii, 0x41, 0x5A) >> _TO_LOWER)) & ~behind
    return lower, (word & _HIGHEST) | _forbidden(ascii), _between(ascii, _AT, _AT) >> _TO_LOWEST


@compiled
def find_lines(
    text: Bytes, words: Words, at: int, starts: Places, ends: Places, odd: Flags, room: int, longest: int
) -> tuple[int, int]:
    """Fill `starts` and `ends` with up to `room` lines of a text from `at`, without their line feeds. Blank ones are left out.

    How many, and where the next one starts. Bytes behind the last line feed are no line yet. `odd` is 1 for lines of
    more than `longest` bytes.
    """
    count, start, i, size = 0, at, at, len(text)
    while count < room and i < size:
        found = _equal(words[i], _LINE_FEEDS)
        if found == _ZERO:
            i += 8
            continue
        i += _place(found)
        if i >= size:
            break
        starts[count], ends[count], odd[count] = start, i, i - start > longest
        while text[start] == _SPACE or text[start] == _TAB or text[start] == _CR:
            start += 1
        if start < i:
            count += 1
        i += 1
        start = i
    return count, start


@compiled
def find_items(
    body: Bytes, words: Words, at: int, starts: Places, ends: Places, odds: Flags, room: int
) -> tuple[int, int, int]:
    """Fill `starts` and `ends` with up to `room` items of a JSON array (RFC 8259 5) whose `[` or last comma stands before `at`.

    How many, where the next one starts or what stands behind the array's `]`, and `MORE`, `COMPLETE` or `BROKEN`. The span of a
    string is what stands between its quotes. `odds` is 1 for items that JSON's own reader has to see, quotes and all: escapes,
    what is not ASCII, and what is no string. `BROKEN`: no JSON, or nested, or an empty array: somebody else reads it.
    """
    count, i, size = 0, at, len(body)
    while count < room:
        i = _past_space(body, i, size)
        if i >= size:
            return count, i, BROKEN
        start, odd = i, body[i] != _QUOTE
        i = _end_of_scalar(body, i, size) if odd else i + 1
        while not odd and i < size:
            word = words[i]
            stops = _equal(word, _QUOTES) | _equal(word, _BACKSLASHES) | _below_space(word) | (word & _HIGHEST)
            if stops != _ZERO:
                i += _place(stops)
                odd = i >= size or body[i] != _QUOTE
                break
            i += 8
        if odd and body[start] == _QUOTE:
            i = _end_of_string(body, i, size)
        elif not odd:
            start += 1
        if i >= size or (i == start and odd):
            return count, i, BROKEN
        starts[count], ends[count], odds[count] = start, i, odd
        count += 1
        i = _past_space(body, i if odd else i + 1, size)
        if i >= size or (body[i] != _COMMA and body[i] != _CLOSING):
            return count, i, BROKEN
        i += 1
        if body[i - 1] == _CLOSING:
            return count, i, COMPLETE
    return count, i, MORE


@compiled
def _past_space(body: Bytes, i: int, size: int) -> int:
    """Where the next byte stands that is no white space of JSON."""
    while i < size and (body[i] == _SPACE or body[i] == _LF or body[i] == _CR or body[i] == _TAB):
        i += 1
    return i


@compiled
def _end_of_string(body: Bytes, i: int, size: int) -> int:
    """What stands behind the closing quote of the string that `i` is inside of."""
    while i < size and body[i] != _QUOTE:
        i += 2 if body[i] == _BACKSLASH else 1
    return i + 1


@compiled
def _end_of_scalar(body: Bytes, i: int, size: int) -> int:
    """What stands behind a number, `true`, `false` or `null`."""
    while i < size and body[i] != _COMMA and body[i] != _CLOSING and body[i] > _SPACE and body[i] != _QUOTE:
        i += 1
    return i


@compiled
def take(
    text: Bytes, words: Words, starts: Places, ends: Places, odd: Flags, count: int, columns: Words, sizes: Words, marks: Words
) -> int:
    """Put the canonical forms of the first `count` spans into `columns` (`SHORT_WORDS` rows), eight bytes a word.

    Spaces, tabs and carriage returns around an item are trimmed, in `starts` and `ends` too. `sizes` gets the number of bytes,
    `marks` what an item is; the columns of those that are not `PLAIN` mean nothing. How many are not.
    """
    for column in range(count):
        start, end = starts[column], ends[column]
        while start < end and (text[start] == _SPACE or text[start] == _TAB or text[start] == _CR):
            start += 1
        while start < end and (text[end - 1] == _SPACE or text[end - 1] == _TAB or text[end - 1] == _CR):
            end -= 1
        starts[column], ends[column] = start, end
        size = end - start
        sizes[column] = np.uint64(size)
        is_odd = (odd[column] != 0) | (size < _SHORTEST) | (size > BLOCK_BYTES)
        is_odd |= (text[start] == _AT) | (text[end - 1] == _AT) | (text[end - 1] == _DOT)
        marks[column] = UNUSUAL if is_odd else LONG if size > SHORT_BYTES else PLAIN
        for row in range(SHORT_WORDS):
            columns[row * COLUMNS + column] = words[start + 8 * row]
    others = 0
    for column in range(count):
        rest, bad, ats = sizes[column], _ZERO, _ZERO
        for row in range(SHORT_WORDS):
            size_here = _EIGHT if rest > _EIGHT else rest
            lower, bad_here, ats_here = _canonical(columns[row * COLUMNS + column], size_here)
            columns[row * COLUMNS + column] = lower
            rest -= size_here
            bad |= bad_here
            ats += ats_here
        is_bad = (bad != _ZERO) | ((ats * _ONES) >> _TOP_BYTE != _ONE)
        if is_bad and marks[column] == PLAIN:
            marks[column] = UNUSUAL
        others += marks[column] != PLAIN
    return others


@compiled
def take_long(
    words: Words, starts: Places, count: int, sizes: Words, marks: Words, columns: Words, counters: Words, places: Places
) -> int:
    """Put those of the first `count` items that are `LONG` into `columns` (`BLOCK_WORDS` rows), one beside the other.

    How many; `places` says which. `counters` gets the number of bytes plus `BLOCK_BYTES`, as the hash wants it. What is not
    plain after all is marked as unusual, and left out.
    """
    found = 0
    for place in range(count):
        if marks[place] != LONG:
            continue
        rest, bad, ats = sizes[place], _ZERO, _ZERO
        for row in range(BLOCK_WORDS):
            size_here = _EIGHT if rest > _EIGHT else rest
            lower, bad_here, ats_here = _canonical(words[starts[place] + 8 * row] if size_here else _ZERO, size_here)
            columns[row * COLUMNS + found] = lower
            rest -= size_here
            bad |= bad_here
            ats += ats_here
        if bad != _ZERO or (ats * _ONES) >> _TOP_BYTE != _ONE:
            marks[place] = UNUSUAL
            continue
        counters[found], places[found] = sizes[place] + np.uint64(BLOCK_BYTES), place
        found += 1
    return found


@compiled
def unquote(text: Bytes, starts: Places, ends: Places, odd: Flags, count: int) -> None:
    """Take the quotes from those of the first `count` lines that are in quotes; those that are not get `odd` 2."""
    for place in range(count):
        start, end = starts[place], ends[place]
        while text[start] == _SPACE or text[start] == _TAB:
            start += 1
        while end > start and (text[end - 1] == _SPACE or text[end - 1] == _TAB or text[end - 1] == _CR):
            end -= 1
        if odd[place]:
            continue
        if end - start >= 2 and text[start] == _QUOTE and text[end - 1] == _QUOTE:
            starts[place], ends[place] = start + 1, end - 1
        else:
            odd[place] = 2
