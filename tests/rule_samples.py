"""Texts that a rule's regular expression takes: each of its alternatives once, everything else as short as it can be.

A rule that decides none of the samples of a text never decides by that text: an earlier rule has taken them all.
"""

from collections.abc import Iterable, Iterator
from importlib import import_module
from itertools import islice
from typing import Any

SAMPLES_MAX = 300  # of one text; the longest lists of alternatives have some hundred
_ALTERNATIVES_MAX = 24  # of one place in a text

_CATEGORY = {"CATEGORY_DIGIT": "7", "CATEGORY_SPACE": " "}  # everything else takes a letter


def samples_of(pattern: str) -> list[str]:
    """The samples, the plainest first."""
    parsed = import_module("re._parser").parse(pattern)  # the library has no other door to it
    return list(dict.fromkeys(islice(_of_sequence(list(parsed)), SAMPLES_MAX)))


def _of_sequence(tokens: Iterable[tuple[Any, Any]]) -> Iterator[str]:
    choices = [list(islice(_of_token(str(kind), value), _ALTERNATIVES_MAX)) for kind, value in tokens]
    first = [choice[0] for choice in choices]
    yield "".join(first)
    for place, choice in enumerate(choices):
        for other in choice[1:]:
            yield "".join([*first[:place], other, *first[place + 1 :]])


def _of_token(kind: str, value: Any) -> Iterator[str]:
    match kind:
        case "LITERAL":
            yield chr(value)
        case "ANY":
            yield " "
        case "NOT_LITERAL":
            yield "q"
        case "IN":
            yield from _of_set(value)
        case "MAX_REPEAT" | "MIN_REPEAT":
            least, _, repeated = value
            once = list(islice(_of_sequence(list(repeated)), _ALTERNATIVES_MAX))
            yield from (["", *once] if least == 0 else [sample * least for sample in once])
        case "SUBPATTERN":
            yield from _of_sequence(list(value[3]))
        case "BRANCH":
            for branch in value[1]:
                yield from _of_sequence(list(branch))
        case "AT":
            yield ""


def _of_set(members: Iterable[tuple[Any, Any]]) -> Iterator[str]:
    for kind, value in members:
        match str(kind):
            case "LITERAL":
                yield chr(value)
            case "RANGE":
                yield chr(value[0])
            case "CATEGORY":
                yield _CATEGORY.get(str(value), "w")
            case "NEGATE":
                yield "q"
                return
