"""Numbers with their nouns, as sentences for people have them."""

from nullsender.wording import counted


def test_a_noun_goes_with_its_number() -> None:
    assert [counted(number, "row") for number in (0, 1, 2, 1000)] == ["0 rows", "1 row", "2 rows", "1,000 rows"]
    assert [counted(number, "person", "people") for number in (1, 12)] == ["1 person", "12 people"]
