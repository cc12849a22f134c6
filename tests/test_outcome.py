"""The closed list of reasons: total, safe, and the same in the code and on its page."""

from pathlib import Path

import pytest

from classifiers.elsewhere import ELSEWHERE, categories_page
from classifiers.outcome import MEANINGS, Category
from nullsender.events import Fault

PAGE = Path(__file__).parent.parent / "docs" / "categories.md"


def test_every_category_has_a_meaning_and_its_words_elsewhere() -> None:
    assert list(MEANINGS) == list(Category)
    assert set(ELSEWHERE) == set(Category)


@pytest.mark.parametrize("category", Category)
def test_only_the_recipients_own_fault_can_be_hard(category: Category) -> None:
    meaning = MEANINGS[category]

    assert not meaning.hard or meaning.fault is Fault.RECIPIENT


@pytest.mark.parametrize("category", [Category.UNKNOWN, Category.SUPPRESSED_ELSEWHERE])
def test_what_proves_nothing_is_nobodys_fault(category: Category) -> None:
    assert MEANINGS[category].fault is None


@pytest.mark.parametrize("category", Category)
def test_a_meaning_is_one_sentence_that_fits_a_table(category: Category) -> None:
    line = MEANINGS[category].line

    assert line[0].isupper()
    assert line.endswith(".")
    assert "|" not in line
    assert "\n" not in line


def test_the_page_of_categories_is_current() -> None:
    assert PAGE.read_text() == categories_page(), "run `make docs`"
