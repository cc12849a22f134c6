"""Everything that is compiled, compiled: after an installation that takes half a minute, afterwards it is read from a file."""

import numpy as np

from api.batch import answering, writing
from api.batch.hashes import Hashes
from api.batch.hashing import BLOCK_BYTES, columns_of
from api.batch.keeping import keep
from api.batch.probing import probe
from api.batch.reading import PADDING, Spans, Text, find_items, find_lines, unquote
from api.index import kernels
from nullsender.address import AddressHasher


def warm() -> None:
    """Compile all loops of batches and of the lookup table, or load what was compiled before. It may be called in a thread."""
    kernels.warm()
    answering.warm()
    writing.warm()
    text, spans = Text.of(b'"a@b"]\n' + PADDING), Spans.of(1)
    find_items(text.text, text.words, 0, *spans, 1)
    find_lines(text.text, text.words, 0, *spans, 1, 1)
    unquote(text.text, *spans, 1)
    hashes, values = Hashes(AddressHasher(bytes(16))), columns_of(1)
    for size in (1, BLOCK_BYTES - 2):
        long = Text.of(b"x" * size + b"@b" + PADDING)
        spans.starts[0], spans.ends[0], spans.odd[0] = 0, size + 2, 0
        hashes.make(long, spans, 1)
    zero = np.uint64(0)
    probe(kernels.read_only(np.zeros(32, np.uint64)), hashes.words, zero, zero, zero, values, 1)
    keep(text.text, spans.starts, spans.ends, values, 1, zero, np.zeros(8, np.uint8))
