"""The hashes of the addresses of a text: first of the short ones, which nearly all are, then of the long ones."""

import numpy as np

from api.batch.hashing import BLOCK_WORDS, COLUMNS, SHORT_WORDS, columns_of, hash_columns, hash_short, state_of
from api.batch.reading import UNUSUAL, Spans, Text, take, take_long
from nullsender.address import AddressHasher


class Hashes:
    """Room for the hashes of `COLUMNS` addresses. For one thread; used again and again."""

    def __init__(self, hasher: AddressHasher) -> None:
        self._state = state_of(hasher)
        self._columns, self._sizes = columns_of(SHORT_WORDS), columns_of(1)
        self._long_columns, self._long_sizes, self._long_hashes = columns_of(BLOCK_WORDS), columns_of(1), columns_of(8)
        self._marks, self._places = columns_of(1), np.zeros(COLUMNS, np.int64)
        #: Two rows: the two words of each hash.
        self.words = columns_of(2)

    def make(self, text: Text, spans: Spans, count: int) -> list[int]:
        """Hash the first `count` addresses; which of them are unusual, and have none."""
        others = take(text.text, text.words, *spans, count, self._columns, self._sizes, self._marks)
        hash_short(self._columns, self._sizes, self._state, self.words, count)
        if not others:
            return []
        self._make_long(text, spans, count)
        unusual: list[int] = np.flatnonzero(self._marks[:count] == UNUSUAL).tolist()
        return unusual

    def of(self, column: int) -> bytes:
        """The hash of one of them, as `AddressHasher` makes it."""
        return self.words[column::COLUMNS].tobytes()

    def _make_long(self, text: Text, spans: Spans, count: int) -> None:
        into = self._long_columns, self._long_sizes, self._places
        found = take_long(text.words, spans.starts, count, self._sizes, self._marks, *into)
        hash_columns(self._long_columns, self._long_sizes, self._state, self._long_hashes, found)
        for row in range(2):
            self.words[row * COLUMNS + self._places[:found]] = self._long_hashes[row * COLUMNS : row * COLUMNS + found]
