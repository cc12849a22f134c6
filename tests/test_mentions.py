"""Addresses in the middle of words."""

import pytest

from ingest.reading.mentions import is_address, mentions_in


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("mail to <anna@example.org>, and bert@example.org.", ["anna@example.org", "bert@example.org"]),
        ("'anna@example.org' mailto:bert@example.org", ["anna@example.org", "bert@example.org"]),
        ("宛先anna@example.orgは見つかりません", ["anna@example.org"]),
        ("josé@exámple.org", ["josé@exámple.org"]),
        ('<"anna maria"@example.org>', ['"anna maria"@example.org']),
        ("anna+tag=x@sub.example.org;", ["anna+tag=x@sub.example.org"]),
        ("anna@[192.0.2.1]", ["anna@[192.0.2.1]"]),
        ("anna@localhost @example.org anna@ anna@example.1 @@", []),
    ],
)
def test_addresses_in_words(text: str, addresses: list[str]) -> None:
    assert [mention.address for mention in mentions_in(text)] == addresses


def test_a_mention_says_where_it_stands() -> None:
    text = "to <anna@example.org> now"
    (mention,) = mentions_in(text)

    assert text[mention.start : mention.end] == mention.address


@pytest.mark.parametrize("text", ["anna", "@example.org", "anna@", "a b@example.org", "<anna@example.org>", "a@" + "b" * 400])
def test_what_is_no_address(text: str) -> None:
    assert not is_address(text)


@pytest.mark.parametrize(
    "text", ["anna@example.org", '"anna maria"@example.org', '"a@example.com"@example.org', '"a>b"@example.org']
)
def test_what_is_an_address(text: str) -> None:
    assert is_address(text)
