"""A property that is found once, and the few words of a header block that stand on it."""

from ingest.reading.headers import NO_HEADERS, fields_in, read_fields
from ingest.reading.lazy import lazy
from nullsender.limits import HEADER_BYTES_MAX


class _Counted:
    """Counts how often its property is found."""

    def __init__(self) -> None:
        self.found = 0

    @lazy
    def value(self) -> int:
        """How often it was found."""
        self.found += 1
        return self.found


def test_a_lazy_property_is_found_when_it_is_asked_for_and_only_once() -> None:
    counted = _Counted()
    assert counted.found == 0
    assert (counted.value, counted.value, counted.found) == (1, 1, 1)


def test_each_object_has_a_lazy_property_of_its_own() -> None:
    first, second = _Counted(), _Counted()
    first.found = 10
    assert (first.value, second.value) == (11, 1)


def test_fields_are_several_only_where_their_names_differ() -> None:
    assert not NO_HEADERS.has_several
    assert not read_fields(b"To: anna@example.org\nTO: bert@example.org").has_several
    assert read_fields(b"To: anna@example.org\nto: bert@example.org\nFrom: carla@example.org").has_several


def test_a_block_that_is_decoded_already_has_the_same_fields() -> None:
    text = "Subject : Zur\u00fcck\nTo: anna@example.org,\n\tbert@example.org"
    read, found = read_fields(text.encode()), fields_in(text)
    assert found.names() == read.names() == {"subject", "to"}
    assert [found.get(name) for name in ("subject", "to")] == [read.get(name) for name in ("subject", "to")]
    assert not found.is_cut
    assert fields_in("To: a\n" + "x" * HEADER_BYTES_MAX).is_cut
