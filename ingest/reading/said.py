"""Which of the phrases that we know stand in a text: all of them are looked for in one pass.

A notice is asked many things: does it say that mail did not arrive, that it is only late, that somebody should prove himself,
and which system wrote it. Each is a list of phrases in `phrases.py`; here they become one automaton, and a text is read once.
"""

from collections.abc import Mapping
from enum import IntEnum

from ingest.reading import phrases
from nullsender.limits import NOTICE_CHARACTERS_MAX
from nullsender.matching import Patterns


class Says(IntEnum):
    """A list of phrases, by what a text says that holds one of them."""

    DAEMON = 0
    SUBJECT = 1
    WORDS = 2
    DELAYED = 3
    GIVEN_UP = 4
    CHALLENGE = 5
    ANSWER = 6
    PERSON = 7
    DELIVERED = 8


_LISTS = {
    Says.DAEMON: phrases.DAEMON_NAMES,
    Says.SUBJECT: phrases.SUBJECTS,
    Says.WORDS: phrases.WORDS,
    Says.DELAYED: phrases.DELAYED,
    Says.GIVEN_UP: phrases.GIVEN_UP,
    Says.CHALLENGE: phrases.CHALLENGES,
    Says.ANSWER: phrases.AUTO_REPLY_SUBJECTS,
    Says.PERSON: phrases.PERSONS,
    Says.DELIVERED: phrases.DELIVERED,
}
_LISTS_NUMBER = len(_LISTS)
_NUMBERS_END = _LISTS_NUMBER + len(phrases.FORMATS)
_NUMBERED = [(int(says), phrase) for says, list_ in _LISTS.items() for phrase in list_] + [
    (_LISTS_NUMBER + place, mark) for place, marks in enumerate(phrases.FORMATS.values()) for mark in marks
]
_PATTERNS = Patterns([phrase for _, phrase in _NUMBERED], [number for number, _ in _NUMBERED], literal=True)


class Said:
    """What one text says."""

    __slots__ = ("_ends",)

    def __init__(self, ends: Mapping[int, int]) -> None:
        self._ends = ends  # by the number of the list, where the first of its phrases ends

    def __contains__(self, says: Says) -> bool:
        return says in self._ends

    def comes_first(self, says: Says, other: Says) -> bool:
        """Whether a phrase of the one list stands in the text and before all of the other."""
        return says in self._ends and self._ends[says] < self._ends.get(other, _NOWHERE)

    def format(self, bytes_max: int) -> int:
        """The place in `phrases.FORMATS` of the first that has a mark in the first so many bytes; their number if none has."""
        first = _NUMBERS_END
        for number, end in self._ends.items():
            if _LISTS_NUMBER <= number < first and end <= bytes_max:
                first = number
        return first - _LISTS_NUMBER


SAYS_NOTHING = Said({})
_NOWHERE = 1 << 62


def said_in(plain_text: str) -> Said:
    """What `plain_text` says, which is in the form that `plain` makes."""
    return Said(_PATTERNS.first_ends(plain_text.encode("utf-8", "replace"))) if plain_text else SAYS_NOTHING


def plain(text: str) -> str:
    """`text` in the form that the phrases are written in: lower case, single spaces, straight apostrophes."""
    text = text[:NOTICE_CHARACTERS_MAX].lower()
    if not text.isascii():
        return " ".join(text.replace("\u2019", "'").replace("\xad", "").split())
    if "\n" in text:
        lines = [line.strip() for line in text.split("\n")]
        text = " ".join([line for line in lines if line])
    words = text.strip().replace("\t", " ")
    while "  " in words:  # halves every run of spaces, which costs less than a list of all words
        words = words.replace("  ", " ")
    return words
