"""Finds every text of every rule in one pass over a reply.

All texts, those for rules and against them and those that tell the phase and the provider, stand in one Hyperscan database,
each once, however many rules name it. It is an automaton: the pass takes time in proportion to the length of the reply,
whatever the reply holds, and thousands of texts cost little more than tens.
"""

import re
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from functools import lru_cache

import hyperscan

from nullsender.errors import Misconfigured
from nullsender.limits import DECIDING_WORDS_CHARACTERS_MAX, OWN_TEXTS_REMEMBERED_MAX

#: What stands in a reply: the numbers of its texts, in the order in which they end, and where, in bytes.
Hits = Mapping[int, int]


class CannotCompile(Misconfigured):
    """Hyperscan does not take `text`, which is one of those that it was given, or none of them for they are too many."""

    def __init__(self, text: str | None, why: object) -> None:
        super().__init__(f"the text {text!r} can not be compiled: {why}" if text else f"the texts can not be compiled: {why}")
        self.text = text


class Texts:
    """Many texts, numbered and compiled. Any number of threads may scan at once."""

    def __init__(self, texts: Iterable[str], own: Set[str] = frozenset()) -> None:
        """Compile them, of which an operator wrote those of `own`; `CannotCompile` names one that Hyperscan does not take."""
        self._texts = tuple(dict.fromkeys(texts))
        self._numbers = {text: number for number, text in enumerate(self._texts)}
        self._patterns: dict[int, re.Pattern[bytes]] = {}  # made when they are first asked for: most never are
        self._lengths = [len(text.encode()) if text == re.escape(text).replace("\\ ", " ") else 0 for text in self._texts]
        self._own = self.numbers(own)
        self._beginning = lru_cache(OWN_TEXTS_REMEMBERED_MAX)(_Beginning)
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
        """Where one hit stands. Hyperscan knows where a match ends; its beginning is looked for in a short stretch before.

        Python's `re` does that for our own texts: it is compiled in a sixth of the time, and we know what they take. Those
        of an operator may take it for ever ("(x+x+)+y"), so Hyperscan, which is never slow, is asked again.
        """
        length = self._lengths[number]
        if length:
            return end - length, end
        first = max(0, end - DECIDING_WORDS_CHARACTERS_MAX)
        if number in self._own:
            return max(first, self._beginning(self._texts[number]).of(folded, end)), end
        pattern = self._patterns.get(number)
        if pattern is None:
            pattern = self._patterns[number] = re.compile(self._texts[number].encode())
        match = pattern.search(folded, first, end)
        return match.span() if match else (first, end)


class _Beginning:
    """Where the matches of one text begin, which takes a larger automaton than where they end."""

    def __init__(self, text: str) -> None:
        try:
            self._database = _compiled([text], hyperscan.HS_FLAG_SOM_LEFTMOST)
        except hyperscan.HyperscanError:  # the larger automaton is too large
            self._thread = None
        else:
            self._thread = _PerThread(self._database)

    def of(self, folded: bytes, end: int) -> int:
        """Of the match that ends at `end`; 0 where that can not be told."""
        if self._thread is None:
            return 0
        begins: list[int] = []

        def note(_number: int, start: int, _end: int, _flags: int, _context: object) -> None:
            begins.append(start)  # no match ends before the first one, and behind that nothing is scanned

        self._database.scan(folded[:end], note, 0, None, self._thread.scratch)
        return min(begins, default=0)


def _compile(texts: Sequence[str]) -> hyperscan.Database:
    try:
        return _compiled(texts)
    except hyperscan.HyperscanError as error:
        raise CannotCompile(next((text for text in texts if not _can_be_compiled(text)), None), error) from error


def _can_be_compiled(text: str) -> bool:
    try:
        return bool(_compiled([text]))
    except hyperscan.HyperscanError:
        return False


def _compiled(texts: Sequence[str], flag: int = hyperscan.HS_FLAG_SINGLEMATCH) -> hyperscan.Database:
    """The automaton; once is enough unless `flag` says otherwise: the first end of each text."""
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    patterns = [text.encode() for text in texts]
    database.compile(expressions=patterns, ids=list(range(len(patterns))), flags=[flag] * len(patterns))
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
