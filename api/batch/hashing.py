"""The keyed hash of many short addresses: BLAKE2b (RFC 7693), as `AddressHasher` makes it one by one.

An address of up to 128 bytes is one block, so all that is left of BLAKE2b is one compression from the state that stands behind
the block of the key, and that state is the same for all. Each address is a column: its 16 words of 64 bits stand in 16 rows.
So the loop over the columns is the only one, all that is inside is written out, and the compiler does eight columns at a time.

Nearly every address is short. Of a short one only the first rows are there; that all else is zero is known to the compiler.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from nullsender.address import AddressHasher
from nullsender.compiled import compiled, inlined

Word = np.uint64
Words = NDArray[np.uint64]

#: The longest text that is one block.
BLOCK_BYTES: Final = 128
BLOCK_WORDS: Final = 16

#: So many words has a short one.
SHORT_WORDS: Final = 5
SHORT_BYTES: Final = 8 * SHORT_WORDS

#: How many addresses are hashed together. It is a constant of the compiled code, which so knows that rows do not overlap; and
#: no power of two, so that the rows of one column do not contend for the same places of the processor's cache.
COLUMNS: Final = 2_000

# RFC 7693 2.6.
_IV: Final = (
    0x6A09E667F3BCC908,
    0xBB67AE8584CAA73B,
    0x3C6EF372FE94F82B,
    0xA54FF53A5F1D36F1,
    0x510E527FADE682D1,
    0x9B05688C2B3E6C1F,
    0x1F83D9ABFB41BD6B,
    0x5BE0CD19137E2179,
)
_IV_0, _IV_1, _IV_2, _IV_3, _IV_4, _IV_5, _IV_6, _IV_7 = (np.uint64(word) for word in _IV)
#: What `compress` is told of a block that is the last one, and of another.
LAST: Final = np.uint64(2**64 - 1)
_NOT_LAST: Final = np.uint64(0)
_KEY_BYTES: Final = np.uint64(BLOCK_BYTES)  # its block comes first
_U1, _U16, _U24, _U32, _U40, _U48, _U63 = (np.uint64(bits) for bits in (1, 16, 24, 32, 40, 48, 63))


def columns_of(rows: int) -> Words:
    """Room for `rows` words of each of `COLUMNS` addresses, all zero: row after row in one array."""
    return np.zeros(rows * COLUMNS, dtype=np.uint64)


def state_of(hasher: AddressHasher) -> Words:
    """The 8 words of state behind the block that holds the key; the secret part of every hash."""
    parameters = bytearray(64)  # RFC 7693 2.5, and the layout of the BLAKE2 specification: sizes, fan-out, depth, person
    parameters[:4] = bytes([hasher.HASH_BYTES, len(hasher.key), 1, 1])
    parameters[48 : 48 + len(hasher.PERSON)] = hasher.PERSON
    initial = np.array(_IV, dtype=np.uint64) ^ np.frombuffer(parameters, dtype="<u8")
    words, states = columns_of(BLOCK_WORDS), columns_of(8)
    words[::COLUMNS] = np.frombuffer(hasher.key.ljust(BLOCK_BYTES, b"\0"), dtype="<u8")
    compress(words, np.array([BLOCK_BYTES], dtype=np.uint64), _NOT_LAST, initial, states, 1)
    return states[::COLUMNS].copy()


def hash_columns(words: Words, counters: Words, state: Words, hashes: Words, count: int) -> None:
    """Fill `hashes` (8 rows) so that its first two rows are the hashes of the first `count` columns of `words`.

    `words` has 16 rows, each column is filled up with zeros; `counters` says how many bytes each has, plus `BLOCK_BYTES`.
    """
    compress(words, counters, LAST, state, hashes, count)


@inlined
def _mixed(a: Word, b: Word, c: Word, d: Word, x: Word, y: Word) -> tuple[Word, Word, Word, Word]:
    """RFC 7693 3.1."""
    a = a + b + x
    d = d ^ a
    d = (d >> _U32) | (d << _U32)
    c = c + d
    b = b ^ c
    b = (b >> _U24) | (b << _U40)
    a = a + b + y
    d = d ^ a
    d = (d >> _U16) | (d << _U48)
    c = c + d
    b = b ^ c
    b = (b >> _U63) | (b << _U1)
    return a, b, c, d


@inlined
def _round(
    v: tuple[Word, ...],
    x0: Word,
    y0: Word,
    x1: Word,
    y1: Word,
    x2: Word,
    y2: Word,
    x3: Word,
    y3: Word,
    x4: Word,
    y4: Word,
    x5: Word,
    y5: Word,
    x6: Word,
    y6: Word,
    x7: Word,
    y7: Word,
) -> tuple[Word, ...]:
    """RFC 7693 3.2, one round: the columns, then the diagonals."""
    v0, v1, v2, v3, v4, v5, v6, v7, v8, v9, v10, v11, v12, v13, v14, v15 = v
    v0, v4, v8, v12 = _mixed(v0, v4, v8, v12, x0, y0)
    v1, v5, v9, v13 = _mixed(v1, v5, v9, v13, x1, y1)
    v2, v6, v10, v14 = _mixed(v2, v6, v10, v14, x2, y2)
    v3, v7, v11, v15 = _mixed(v3, v7, v11, v15, x3, y3)
    v0, v5, v10, v15 = _mixed(v0, v5, v10, v15, x4, y4)
    v1, v6, v11, v12 = _mixed(v1, v6, v11, v12, x5, y5)
    v2, v7, v8, v13 = _mixed(v2, v7, v8, v13, x6, y6)
    v3, v4, v9, v14 = _mixed(v3, v4, v9, v14, x7, y7)
    return v0, v1, v2, v3, v4, v5, v6, v7, v8, v9, v10, v11, v12, v13, v14, v15


@inlined
def _rounds(
    v: tuple[Word, ...],
    m0: Word,
    m1: Word,
    m2: Word,
    m3: Word,
    m4: Word,
    m5: Word,
    m6: Word,
    m7: Word,
    m8: Word,
    m9: Word,
    m10: Word,
    m11: Word,
    m12: Word,
    m13: Word,
    m14: Word,
    m15: Word,
) -> tuple[Word, ...]:
    """RFC 7693 2.7 and 3.2, all twelve."""
    v = _round(v, m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15)
    v = _round(v, m14, m10, m4, m8, m9, m15, m13, m6, m1, m12, m0, m2, m11, m7, m5, m3)
    v = _round(v, m11, m8, m12, m0, m5, m2, m15, m13, m10, m14, m3, m6, m7, m1, m9, m4)
    v = _round(v, m7, m9, m3, m1, m13, m12, m11, m14, m2, m6, m5, m10, m4, m0, m15, m8)
    v = _round(v, m9, m0, m5, m7, m2, m4, m10, m15, m14, m1, m11, m12, m6, m8, m3, m13)
    v = _round(v, m2, m12, m6, m10, m0, m11, m8, m3, m4, m13, m7, m5, m15, m14, m1, m9)
    v = _round(v, m12, m5, m1, m15, m14, m13, m4, m10, m0, m7, m6, m3, m9, m2, m8, m11)
    v = _round(v, m13, m11, m7, m14, m12, m1, m3, m9, m5, m0, m15, m4, m8, m6, m2, m10)
    v = _round(v, m6, m15, m14, m9, m11, m3, m0, m8, m12, m2, m13, m7, m1, m4, m10, m5)
    v = _round(v, m10, m2, m8, m4, m7, m6, m1, m5, m15, m11, m9, m14, m3, m12, m13, m0)
    v = _round(v, m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15)
    return _round(v, m14, m10, m4, m8, m9, m15, m13, m6, m1, m12, m0, m2, m11, m7, m5, m3)


@compiled
def compress(words: Words, counters: Words, last: np.uint64, state: Words, states: Words, count: int) -> None:
    """RFC 7693 3.2: the compression of one block a column, each from the same `state`; `counters`: bytes up to its end."""
    h0, h1, h2, h3, h4, h5, h6, h7 = state[0], state[1], state[2], state[3], state[4], state[5], state[6], state[7]
    for i in range(count):
        m0, m1, m2, m3 = words[i], words[1 * COLUMNS + i], words[2 * COLUMNS + i], words[3 * COLUMNS + i]
        m4, m5, m6, m7 = words[4 * COLUMNS + i], words[5 * COLUMNS + i], words[6 * COLUMNS + i], words[7 * COLUMNS + i]
        m8, m9, m10, m11 = words[8 * COLUMNS + i], words[9 * COLUMNS + i], words[10 * COLUMNS + i], words[11 * COLUMNS + i]
        m12, m13, m14, m15 = words[12 * COLUMNS + i], words[13 * COLUMNS + i], words[14 * COLUMNS + i], words[15 * COLUMNS + i]
        v12, v14 = _IV_4 ^ counters[i], _IV_6 ^ last
        v: tuple[Word, ...] = (h0, h1, h2, h3, h4, h5, h6, h7, _IV_0, _IV_1, _IV_2, _IV_3, v12, _IV_5, v14, _IV_7)
        v = _rounds(v, m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15)
        states[i], states[1 * COLUMNS + i] = h0 ^ v[0] ^ v[8], h1 ^ v[1] ^ v[9]
        states[2 * COLUMNS + i], states[3 * COLUMNS + i] = h2 ^ v[2] ^ v[10], h3 ^ v[3] ^ v[11]
        states[4 * COLUMNS + i], states[5 * COLUMNS + i] = h4 ^ v[4] ^ v[12], h5 ^ v[5] ^ v[13]
        states[6 * COLUMNS + i], states[7 * COLUMNS + i] = h6 ^ v[6] ^ v[14], h7 ^ v[7] ^ v[15]


@compiled
def hash_short(words: Words, sizes: Words, state: Words, hashes: Words, count: int) -> None:
    """Fill the first two rows of `hashes` with the hashes of `count` columns of `SHORT_WORDS` rows; `sizes`: their bytes."""
    h0, h1, h2, h3, h4, h5, h6, h7 = state[0], state[1], state[2], state[3], state[4], state[5], state[6], state[7]
    n = np.uint64(0)
    for i in range(count):
        m0, m1, m2, m3, m4 = (
            words[i],
            words[1 * COLUMNS + i],
            words[2 * COLUMNS + i],
            words[3 * COLUMNS + i],
            words[4 * COLUMNS + i],
        )
        v12, v14 = _IV_4 ^ (sizes[i] + _KEY_BYTES), _IV_6 ^ LAST
        v: tuple[Word, ...] = (h0, h1, h2, h3, h4, h5, h6, h7, _IV_0, _IV_1, _IV_2, _IV_3, v12, _IV_5, v14, _IV_7)
        v = _rounds(v, m0, m1, m2, m3, m4, n, n, n, n, n, n, n, n, n, n, n)
        hashes[i], hashes[1 * COLUMNS + i] = h0 ^ v[0] ^ v[8], h1 ^ v[1] ^ v[9]
