"""Everything that is compiled, compiled: after an installation that takes half a minute, afterwards it is read from a file."""

import numpy as np

from api.batch import answering
from api.batch.hashing import BLOCK_WORDS, columns_of, hash_columns, state_of
from api.batch.keeping import keep
from api.batch.probing import probe
from api.batch.reading import PADDING, Spans, Text, find_items, find_lines, take, unquote
from api.index import kernels
from nullsender.address import AddressHasher


def warm() -> None:
    """Compile all loops of batches and of the lookup table, or load what was compiled before. It may be called in a thread."""
    kernels.warm()
    answering.warm()
    text, spans = Text.of(b'"a@b"]\n' + PADDING), Spans.of(1)
    columns, counters, hashes, values = columns_of(BLOCK_WORDS), columns_of(1), columns_of(8), columns_of(1)
    find_items(text.text, text.words, 0, *spans, 1)
    find_lines(text.text, text.words, 0, *spans, 1, 1)
    unquote(text.text, *spans, 1)
    take(text.text, text.words, spans.starts, spans.ends, 1, columns, counters, np.zeros(1, np.uint8))
    hash_columns(columns, counters, state_of(AddressHasher(bytes(16))), hashes, 1)
    zero = np.uint64(0)
    probe(kernels.read_only(np.zeros(32, np.uint64)), hashes, zero, zero, zero, values, 1)
    keep(text.text, spans.starts, spans.ends, values, 1, zero, np.zeros(8, np.uint8))
