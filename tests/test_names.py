"""One form for the names of tenants and streams."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nullsender.errors import Invalid
from nullsender.names import canonical_name


@pytest.mark.parametrize(
    ("written", "known_as"), [("Marketing", "marketing"), (" news-2026 ", "news-2026"), ("a.b_c", "a.b_c")]
)
def test_a_name_has_one_form(written: str, known_as: str) -> None:
    assert canonical_name(written) == known_as


@pytest.mark.parametrize("text", ["", " ", "*", "two words", "news/letter", "größe", "x" * 65, "a\nb", "a\x00"])
def test_what_can_be_no_name_is_invalid(text: str) -> None:
    with pytest.raises(Invalid, match="not a name"):
        canonical_name(text)


@given(st.text(max_size=80))
def test_any_text_has_a_stable_form_or_is_invalid(text: str) -> None:
    try:
        once = canonical_name(text)
    except Invalid:
        return

    assert canonical_name(once) == once
