"""Finds every text of every rule in one pass over a reply.

All texts, those for rules and against them and those that tell the phase and the provider, stand in one Hyperscan database,
each once, however many rules name it. It is an automaton: the pass takes time in proportion to the length of the reply,
whatever the reply holds, and thousands of texts cost little more than tens.
"""

import re
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence

import hyperscan

from nullsender.errors import Misconfigured
from nullsender.limits import DECIDING_WORDS_CHARACTERS_MAX

#: What stands in a reply: the numbers of its texts, in the order in which they end, and where, in bytes.
Hits = Mapping[int, int]


class Texts:
    """Many texts, numbered and compiled. Any number of threads may scan at once."""

    def __init__(self, texts: Iterable[str]) -> None:
        """Compile them; `Misconfigured` where Hyperscan does not take one."""
        self._texts = tuple(dict.fromkeys(texts))
        self._numbers = {text: number for number, text in enumerate(self._texts)}
        self._patterns: dict[int, re.Pattern[bytes]] = {}  # made when they are first asked for: most never are
        self._lengths = [len(text.encode()) if text == re.escape(text).replace("\\ ", " ") else 0 for text in self._texts]
        self._database = _compile(self._texts)
        self._thread = _PerThread(self._database)

    def __len__(self) -> int:
        """How many different texts there are."""
        return len(self._texts)

    def numbers(self, texts: Iterable[str]) -> frozenset[int]:
        """The numbers under which hits name these texts."""
        return frozenset(self._numbers[text] for text in texts)

    def scan(self, folded: bytes) -> Hits:
        """Every text that occurs in `folded`. The answer holds until this thread scans again."""
        thread = self._thread
        hits = thread.hits
        hits.clear()
        self._database.scan(folded, thread.note, 0, None, thread.scratch)
        return hits

    def span(self, folded: bytes, number: int, end: int) -> tuple[int, int]:
        """Where one hit stands. Hyperscan knows where a match ends; its beginning is looked for in a short stretch before."""
        length = self._lengths[number]
        if length:
            return end - length, end
        pattern = self._patterns.get(number)
        if pattern is None:
            pattern = self._patterns[number] = re.compile(self._texts[number].encode())
        first = max(0, end - DECIDING_WORDS_CHARACTERS_MAX)
        match = pattern.search(folded, first, end)
        return match.span() if match else (first, end)


def _compile(texts: Sequence[str]) -> hyperscan.Database:
    try:
        return _compiled(texts)
    except hyperscan.HyperscanError as error:
        wrong = next((text for text in texts if not _can_be_compiled(text)), "all of them")
        raise Misconfigured(f"the text {wrong!r} of a rule can not be compiled: {error}") from error


def _can_be_compiled(text: str) -> bool:
    try:
        return bool(_compiled([text]))
    except hyperscan.HyperscanError:
        return False


def _compiled(texts: Sequence[str]) -> hyperscan.Database:
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    patterns = [text.encode() for text in texts]
    flags = [hyperscan.HS_FLAG_SINGLEMATCH] * len(patterns)  # once is enough: the first end of each text
    database.compile(expressions=patterns, ids=list(range(len(patterns))), flags=flags)
    return database


class _PerThread(threading.local):
    """What only one scan may use at a time: Hyperscan's working memory, and where it notes what it finds."""

    def __init__(self, database: hyperscan.Database) -> None:
        self.scratch = hyperscan.Scratch(database)
        self.hits: dict[int, int] = {}
        self.note = _noting(self.hits)


def _noting(hits: dict[int, int]) -> Callable[[int, int, int, int, object], None]:
    """What Hyperscan calls for each hit. It counts in a reply's decision, so it does one thing."""

    def note(number: int, _start: int, end: int, _flags: int, _context: object) -> None:
        hits[number] = end

    return note
