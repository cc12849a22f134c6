"""Many patterns in one pass."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from nullsender.errors import Misconfigured
from nullsender.matching import CASELESS, MULTILINE, Patterns


def test_each_pattern_tells_where_its_first_match_ends() -> None:
    assert Patterns(["ab+", "c", "d"]).first_ends(b"xabbc abc") == {0: 3, 1: 5}


def test_patterns_of_one_number_are_one_group() -> None:
    assert Patterns(["a", "b", "c"], [7, 7, 8], literal=True).first_ends(b"..b..a") == {7: 3}


def test_a_literal_pattern_has_no_operators() -> None:
    patterns = Patterns(["(a|b)"], literal=True)

    assert patterns.first_ends(b"a") == {}
    assert patterns.first_ends(b"(a|b)") == {0: 5}


def test_flags_count_for_every_pattern() -> None:
    assert Patterns(["^b"], flags=CASELESS | MULTILINE).first_ends(b"a\nB") == {0: 3}


def test_what_can_not_be_compiled_is_our_mistake() -> None:
    with pytest.raises(Misconfigured, match="can not be compiled"):
        Patterns(["("])


def test_threads_look_at_once() -> None:
    patterns = Patterns([f"word{number}x" for number in range(50)])
    texts = [f"... word{number % 50}x ...".encode() for number in range(2_000)]

    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(patterns.first_ends, texts))

    assert [set(ends) for ends in found] == [{number % 50} for number in range(2_000)]
