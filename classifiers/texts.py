"""Finds every text of every rule in one pass over a reply.

All texts, those for rules and against them and those that tell the phase and the provider, stand in one Hyperscan database. It
is an automaton: the pass takes time in proportion to the length of the reply, whatever the reply holds, and thousands of texts
cost little more than tens.
"""

import re
import threading
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import hyperscan

from classifiers.rulebook import Rulebook
from nullsender.errors import Misconfigured
from nullsender.limits import DECIDING_WORDS_CHARACTERS_MAX


class Found(NamedTuple):
    """What stands in one reply. Rules are their places in the order; a hit is a text's number and where it ends, in bytes."""

    rules: dict[int, tuple[int, int]]
    against: set[int]
    phases: set[str]
    providers: set[str]


class Texts:
    """The texts of a rulebook, compiled. Any number of threads may scan at once."""

    def __init__(self, book: Rulebook) -> None:
        """Compile them; `Misconfigured` where Hyperscan does not take one."""
        self._texts = list(_texts(book))
        self._database = _compile(self._texts)
        self._thread = _PerThread(self._database)

    def scan(self, folded: bytes) -> Found:
        """Every text that occurs in `folded`."""
        hits: list[tuple[int, int]] = []

        def note(number: int, _start: int, end: int, _flags: int, _context: object) -> None:
            hits.append((number, end))

        self._database.scan(folded, match_event_handler=note, scratch=self._thread.scratch)
        found = Found({}, set(), set(), set())
        for number, end in hits:
            text = self._texts[number]
            if text.rule is not None:
                found.rules.setdefault(text.rule, (number, end))
            elif text.against is not None:
                found.against.add(text.against)
            elif text.phase is not None:
                found.phases.add(text.phase)
            elif text.provider is not None:
                found.providers.add(text.provider)
        return found

    def words(self, folded: bytes, hit: tuple[int, int]) -> str:
        """The words of one hit. Hyperscan knows where a match ends; its beginning is looked for in a short stretch before."""
        number, end = hit
        window = folded[max(0, end - DECIDING_WORDS_CHARACTERS_MAX) : end]
        match = re.search(self._texts[number].pattern.encode(), window)  # re remembers what it compiled last
        return (match.group() if match else window).decode("utf-8", "replace").strip()


class _Text(NamedTuple):
    """One text of the database and what it tells: for or against a rule, a phase, or a provider."""

    pattern: str
    rule: int | None = None
    against: int | None = None
    phase: str | None = None
    provider: str | None = None


def _texts(book: Rulebook) -> Iterator[_Text]:
    for place, rule in enumerate(book.rules):
        yield from (_Text(pattern, rule=place) for pattern in rule.texts)
        yield from (_Text(pattern, against=place) for pattern in rule.unless)
    for phase, patterns in book.signs.phases.items():
        yield from (_Text(pattern, phase=phase) for pattern in patterns)
    for name, provider in book.signs.providers.items():
        yield from (_Text(pattern, provider=name) for pattern in provider.texts)
        yield from (_Text(rf"\b{re.escape(host)}\b", provider=name) for host in provider.hosts)


def _compile(texts: Iterable[_Text]) -> hyperscan.Database:
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    patterns = [text.pattern.encode() for text in texts]
    flags = [hyperscan.HS_FLAG_SINGLEMATCH] * len(patterns)  # once is enough: the first end of each text
    try:
        database.compile(expressions=patterns, ids=list(range(len(patterns))), flags=flags)
    except hyperscan.HyperscanError as error:
        raise Misconfigured(f"the texts of the rules can not be compiled: {error}") from error
    return database


class _PerThread(threading.local):
    """Hyperscan's working memory, which only one scan may use at a time; each thread gets its own."""

    def __init__(self, database: hyperscan.Database) -> None:
        self.scratch = hyperscan.Scratch(database)
