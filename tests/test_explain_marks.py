"""The words of strangers on a page: what decided is found in them, and nothing of them is lost in its lines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nullsender.cli.explaining.marks import Look, excerpt, lines_of, marked


@pytest.mark.parametrize(
    ("text", "words", "found"),
    [
        ("550 User unknown", "User unknown", "User unknown"),
        ("550 <kiji@example.com>... is not known here", "@... is not known", "<kiji@example.com>... is not known"),
        ("550 Utilisat\u00e9ur inconnu, d\u00e9sol\u00e9", "utilisateur inconnu", "Utilisat\u00e9ur inconnu"),
        ("550 User unknown", "mailbox full", ""),
        ("", "mailbox full", ""),
        ("550 no", None, ""),
    ],
)
def test_words_are_found_as_they_stand_and_as_a_rule_sees_them(text: str, words: str | None, found: str) -> None:
    whole = marked(text, words)

    assert whole.text[whole.start : whole.end] == found


def test_the_carets_stand_under_wide_letters_too() -> None:
    _, carets = lines_of(marked("\u5bb9\u91cf full", "full"), Look(), 80)

    assert carets == " " * 5 + "^^^^"


@given(st.text(max_size=300), st.integers(0, 300), st.integers(0, 50), st.integers(1, 200), st.integers(1, 60))
def test_no_letter_of_a_reply_is_lost_in_its_lines(text: str, start: int, length: int, most: int, columns: int) -> None:
    whole = marked(text, None)._replace(start=start, end=start + length)

    assert "".join(lines_of(whole._replace(start=0, end=0), Look(), columns)).replace(" ", "") == whole.text.replace(" ", "")
    part = excerpt(whole, most)
    assert len(part.text) <= most + 2
    assert all(line.isprintable() for line in lines_of(part, Look(), columns))
