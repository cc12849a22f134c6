"""Many patterns, looked for in one pass over a text.

Hyperscan makes one automaton of them: a pass takes time in proportion to the length of the text, whatever the text holds, and
a thousand patterns cost little more than ten. The reading of notices and the rules that decide both rest on it.
"""

import threading
from collections.abc import Sequence

import hyperscan

from nullsender.errors import Misconfigured

CASELESS = hyperscan.HS_FLAG_CASELESS  # ASCII letters only: the texts are scanned as bytes
MULTILINE = hyperscan.HS_FLAG_MULTILINE


class Patterns:
    """Patterns, compiled. Any number of threads may look for them at once."""

    def __init__(
        self, expressions: Sequence[str], numbers: Sequence[int] | None = None, *, literal: bool = False, flags: int = 0
    ) -> None:
        """Compile them; `Misconfigured` where Hyperscan does not take one.

        A pattern is known by its place, or by its number in `numbers`, and patterns of one number are one group. `literal`
        patterns stand for themselves and have no operators.
        """
        self._database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        try:
            self._database.compile(
                expressions=[expression.encode() for expression in expressions],
                ids=list(numbers if numbers is not None else range(len(expressions))),
                flags=[hyperscan.HS_FLAG_SINGLEMATCH | flags] * len(expressions),  # once is enough
                literal=literal,
            )
        except hyperscan.HyperscanError as error:
            raise Misconfigured(f"the patterns can not be compiled: {error}") from error
        self._thread = _PerThread(self._database)

    def first_ends(self, text: bytes) -> dict[int, int]:
        """The number of every pattern that occurs in `text`, with the place in bytes where its first match ends."""
        ends: dict[int, int] = {}

        def note(number: int, _start: int, end: int, _flags: int, _context: object) -> None:
            ends[number] = end

        self._database.scan(text, match_event_handler=note, scratch=self._thread.scratch)
        return ends


class _PerThread(threading.local):
    """Hyperscan's working memory, which only one scan may use at a time; each thread gets its own."""

    def __init__(self, database: hyperscan.Database) -> None:
        self.scratch = hyperscan.Scratch(database)
