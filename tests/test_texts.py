"""Texts found in a reply, and where each of them stands."""

import pytest

from classifiers.texts import Texts
from nullsender.errors import Misconfigured
from nullsender.limits import DECIDING_WORDS_CHARACTERS_MAX

PATTERNS = ("no such (user|person)", "(the |their )?mailbox( of \\S+)? is full", "^5[0-9]+ .{0,9}denied", "full")


def spans(texts: Texts, folded: bytes) -> dict[int, bytes]:
    """What stands where each text was found."""
    return {number: folded[slice(*texts.span(folded, number, end))] for number, end in dict(texts.scan(folded)).items()}


@pytest.mark.parametrize("own", [(), PATTERNS], ids=["ours", "an operator's"])
def test_the_words_of_a_hit_begin_where_the_longest_match_begins(own: tuple[str, ...]) -> None:
    found = spans(Texts(PATTERNS, frozenset(own)), b"550 access denied, no such person, their mailbox of mike is full now")

    assert found == {
        0: b"no such person", 1: b"their mailbox of mike is full", 2: b"550 access denied", 3: b"full",
    }  # fmt: skip


@pytest.mark.parametrize("own", [(), ("a[.]+z",)], ids=["ours", "an operator's"])
def test_words_are_quoted_from_a_short_stretch_alone(own: tuple[str, ...]) -> None:
    texts = Texts(["a[.]+z"], frozenset(own))

    assert len(spans(texts, b"a" + b"." * 800 + b"z")[0]) == DECIDING_WORDS_CHARACTERS_MAX


def test_a_text_that_backtracks_without_end_is_found_at_once() -> None:
    """`re` would try 2 to the 150th ways to end the first row of letters with a y."""
    texts = Texts(["(x+x+)+y"], frozenset({"(x+x+)+y"}))

    assert spans(texts, b"x" * 150 + b" xxy") == {0: b"xxy"}


def test_where_an_automaton_that_tells_the_beginning_is_too_large_all_that_stands_before_is_quoted() -> None:
    texts = Texts(["a.{0,900}z"], frozenset({"a.{0,900}z"}))

    assert spans(texts, b"550 a..z, they said") == {0: b"550 a..z"}


def test_a_text_that_no_automaton_takes_is_named() -> None:
    with pytest.raises(Misconfigured, match="no such"):
        Texts(["fine", "(no such)\\1"])
