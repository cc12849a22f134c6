"""Plain lookups that come in over many connections at once, read and answered as one batch: compiled.

The packets of connections that are ready are received one after the other, what they ask about is hashed and looked up together
(eight addresses cost little more than one), and each gets its answer. The system is called directly: where a request costs the
interpreter's own reading and writing, it costs more than all that is thought about.

Only what is plain is answered here: one whole request for an address of ASCII, from a connection whose last one ended in the
same bytes, about which the table knows nothing at all. The grammar is that of `_PLAIN` in `api/http/quick.py`; a test holds the
two together. Everything else is the caller's, with all that was received.
"""

import platform
import socket
from typing import Any, Final, NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from api.batch.hashing import BLOCK_BYTES, BLOCK_WORDS, COLUMNS, LAST, Word, Words, columns_of, compress
from api.batch.reading import Bytes
from api.index.kernels import read_only
from nullsender.compiled import compiled, inlined
from nullsender.limits import API_FIELDS_REMEMBERED_BYTES_MAX, API_HOT_READY_MAX, NAME_LENGTH_MAX

Numbers = NDArray[np.int64]

#: What stands before the address of every plain lookup.
BEFORE: Final = np.frombuffer(b"GET /v1/check?address=", np.uint8)
_STREAM: Final = np.frombuffer(b"&stream=", np.uint8)
_LIST: Final = np.frombuffer(b"&list=", np.uint8)

#: The longest request of which nothing is left over; of a longer one the rest is still to be received.
PACKET_BYTES: Final = (
    len(BEFORE) + BLOCK_BYTES + len(_STREAM) + len(_LIST) + 2 * NAME_LENGTH_MAX + API_FIELDS_REMEMBERED_BYTES_MAX
)
ANSWER_BYTES: Final = 1_024


def _canonical_bytes(allowed: bytes) -> Bytes:
    """The canonical form of each byte that is allowed, at its place; 0 for the others."""
    forms = np.zeros(256, np.uint8)
    forms[list(allowed)] = list(allowed.lower())
    return forms


_SMALL, _DIGITS = b"abcdefghijklmnopqrstuvwxyz", b"0123456789"
_CANONICAL: Final = _canonical_bytes(_SMALL + _SMALL.upper() + _DIGITS + b"_.!$'*/?~-@")
_IN_NAME: Final = _canonical_bytes(_SMALL + _DIGITS + b"_.-")
_AT, _DOT, _AMPERSAND = ord("@"), ord("."), ord("&")

# An event of epoll is its flags (32 bits) and our number (64), without a gap between them on x86-64 alone.
_EVENT_WORDS, _OUR_WORD = (3, 1) if platform.machine() == "x86_64" else (4, 2)
_FLAGS: Final = socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL
_epoll_wait: Any = types.ExternalFunction("epoll_wait", types.intc(types.intc, types.uintp, types.intc, types.intc))
_receive: Any = types.ExternalFunction("recv", types.intp(types.intc, types.uintp, types.uintp, types.intc))
_send: Any = types.ExternalFunction("send", types.intp(types.intc, types.uintp, types.uintp, types.intc))

_ZERO, _ONE, _TWO, _HALF, _EIGHT = (np.uint64(number) for number in (0, 1, 2, 32, 8))


class Room(NamedTuple):
    """Where packets, answers and what lies between them stand, a row for each. For one thread; used again and again."""

    events: NDArray[np.int32]
    packets: Bytes  # rows of `PACKET_BYTES`
    answers: Bytes  # rows of `ANSWER_BYTES`
    columns: Words  # as `compress` wants them
    counters: Words
    hashes: Words
    descriptors: Numbers  # whose packet it is
    received: Numbers  # how many bytes; 0: the other side has ended, below: it failed
    lengths: Numbers  # of the address; 0: it is not plain
    answered: Numbers  # how many bytes its answer has; 0: none was made
    sent: Numbers  # how many of them are gone

    @classmethod
    def made(cls) -> "Room":
        """Of the usual size."""
        rows = (np.zeros(API_HOT_READY_MAX, np.int64) for _ in range(5))
        return cls(
            np.zeros(_EVENT_WORDS * API_HOT_READY_MAX, np.int32),
            np.zeros(PACKET_BYTES * API_HOT_READY_MAX, np.uint8),
            np.zeros(ANSWER_BYTES * API_HOT_READY_MAX, np.uint8),
            *(columns_of(BLOCK_WORDS), columns_of(1), columns_of(8)),
            *rows,
        )


class Terms(NamedTuple):
    """What connections that ask alike have in common."""

    rest: Bytes  # what stands behind the target of each request
    state: Words  # of the hash
    tenant_mask: Word
    prehashed_bit: Word  # in the table: somebody brought hashes of addresses, and `_is_absent` says nothing
    seconds_each: float  # of the key's bucket, as `api/http/rates.py` explains it
    burst_seconds: float
    staleness_seconds_max: float


class Slots(NamedTuple):
    """The table that is looked into."""

    words: Words
    checked_at: NDArray[np.float64]  # one number: until when it is known to have had everything, while it is the newest
    prehashed: Words  # one word


class Heads(NamedTuple):
    """What stands around the address of an answer."""

    heads: Bytes  # for an address of `n` bytes what stands in row `n`
    sizes: Numbers  # how much of the row
    behind: Bytes


@inlined
def _begins(text: Bytes, at: int, words: Bytes) -> bool:
    """Whether these bytes stand there."""
    differing = 0
    for i in range(len(words)):
        differing |= text[at + i] ^ words[i]
    return differing == 0


@compiled
def _past(text: Bytes, at: int, end: int, parameter: Bytes) -> int:
    """What stands behind this parameter and its name, or `at` where it does not stand there."""
    name = at + len(parameter)
    if name >= end or not _begins(text, at, parameter):
        return at
    behind = name
    while behind < end and behind < name + NAME_LENGTH_MAX and _IN_NAME[text[behind]]:
        behind += 1
    return behind if behind > name else at


@compiled
def take(text: Bytes, at: int, size: int, rest: Bytes, columns: Words, column: int) -> int:
    """Put the address that the packet of `size` bytes at `at` asks about into its column, in its canonical form.

    How many bytes it has; 0: the packet is no plain lookup that ends in `rest`, and the column means nothing.
    """
    end = at + size - len(rest)
    i = at + len(BEFORE)
    if end <= i or not _begins(text, end, rest) or not _begins(text, at, BEFORE):
        return 0
    for row in range(BLOCK_WORDS):
        columns[row * COLUMNS + column] = _ZERO
    length, local = 0, 0
    while i < end and text[i] != _AMPERSAND:
        if text[i] == _AT:
            if local or not length:
                return 0
            local = length
        if _CANONICAL[text[i]] == 0 or length == BLOCK_BYTES:
            return 0
        columns[(length >> 3) * COLUMNS + column] |= np.uint64(_CANONICAL[text[i]]) << (_EIGHT * np.uint64(length & 7))
        length += 1
        i += 1
    is_address = local > 0 and length > local + 1 and text[i - 1] != _DOT
    return length if is_address and _past(text, _past(text, i, end, _STREAM), end, _LIST) == end else 0


@compiled
def _is_absent(words: Words, key: Word) -> bool:
    """Whether the table has no slot of this key: `Table.lacks`."""
    size = np.uint64(len(words) // 2)
    place = ((key >> _HALF) * size) >> _HALF
    while words[_TWO * place] != _ZERO:
        if words[_TWO * place] == key:
            return False
        place += _ONE
        if place == size:
            place = _ZERO
    return True


@compiled
def _make(room: Room, heads: Heads, row: int) -> int:
    """Write the answer to the lookup in this row; how many bytes it has."""
    length, start = int(room.lengths[row]), row * ANSWER_BYTES
    at = start + int(heads.sizes[length])
    room.answers[start:at] = heads.heads[length, : heads.sizes[length]]
    address = row * PACKET_BYTES + len(BEFORE)
    for i in range(length):
        room.answers[at + i] = _CANONICAL[room.packets[address + i]]
    at += length
    room.answers[at : at + len(heads.behind)] = heads.behind
    return at + len(heads.behind) - start


@compiled
def _receive_all(descriptor: int, room: Room, rest: Bytes) -> int:
    """Receive what is there on connections that are ready, and read it; on how many."""
    count = _epoll_wait(descriptor, room.events.ctypes.data, API_HOT_READY_MAX, 0)
    for row in range(count):
        room.descriptors[row] = room.events[_EVENT_WORDS * row + _OUR_WORD]
        start = row * PACKET_BYTES
        size = _receive(room.descriptors[row], room.packets.ctypes.data + start, PACKET_BYTES, _FLAGS)
        length = take(room.packets, start, size, rest, room.columns, row)
        room.received[row], room.lengths[row], room.answered[row], room.sent[row] = size, length, 0, 0
        room.counters[row] = np.uint64(BLOCK_BYTES + length)
    return max(int(count), 0)


@compiled
def answer(
    descriptor: int, room: Room, terms: Terms, heads: Heads, slots: Slots, full_at_seconds: float, now_seconds: float
) -> tuple[int, int, int, float]:
    """Answer what is plain on connections of the epoll `descriptor` that are ready; never waits.

    On how many something came, how many of them were answered, how many of the answers are gone as a whole, and the bucket's
    new `full_at_seconds`. What is left to do stands in `room`.
    """
    count, answers, gone = _receive_all(descriptor, room, terms.rest), 0, 0
    compress(room.columns, room.counters, LAST, terms.state, room.hashes, count)
    # The requests are here: what was told to anybody before they were asked is in a table that is fresh now.
    is_fresh = abs(now_seconds - slots.checked_at[0]) <= terms.staleness_seconds_max
    is_telling = is_fresh and slots.prehashed[0] & terms.prehashed_bit == _ZERO
    for row in range(count):
        key = room.hashes[row] ^ terms.tenant_mask
        if not is_telling or room.lengths[row] == 0 or not _is_absent(slots.words, key if key != _ZERO else _ONE):
            continue
        if full_at_seconds - now_seconds > terms.burst_seconds:
            continue
        full_at_seconds = max(full_at_seconds, now_seconds) + terms.seconds_each
        size = room.answered[row] = _make(room, heads, row)
        sent = _send(room.descriptors[row], room.answers.ctypes.data + row * ANSWER_BYTES, size, _FLAGS)
        room.sent[row] = max(sent, 0)
        answers += 1
        gone += sent == size
    return count, answers, gone, full_at_seconds


def warm() -> None:
    """Compile everything, or load what was compiled before."""
    nothing = np.zeros(1, np.uint8)
    terms = Terms(read_only(nothing), np.zeros(8, np.uint64), _ZERO, _ZERO, 0.0, 0.0, 0.0)
    slots = Slots(read_only(np.zeros(32, np.uint64)), read_only(np.zeros(1)), read_only(np.zeros(1, np.uint64)))
    heads = Heads(np.zeros((1, 1), np.uint8), np.zeros(1, np.int64), read_only(nothing))
    answer(-1, Room.made(), terms, heads, slots, 0.0, 0.0)
