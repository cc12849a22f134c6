"""Addresses in fields and in the middle of words."""

import pytest

from ingest.reading.mentions import address_in_field, is_address, mentions_in


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


@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("rfc822; anna@example.org", "anna@example.org"),
        ("RFC822;<anna@example.org>", "anna@example.org"),
        ("anna@example.org", "anna@example.org"),
        ("rfc822; 'anna@example.org'", "anna@example.org"),
        ('rfc822; "anna maria"@example.org', '"anna maria"@example.org'),
        ("utf-8; jos\\x{E9}@example.org", "josé@example.org"),
        ("utf-8; jos\\x{D800}@example.org", "jos\\x{D800}@example.org"),
        ("rfc822; Anna Example <anna@example.org>", "anna@example.org"),
        ("x400; /C=XX/ADMD= /S=anna", "/C=XX/ADMD= /S=anna"),
        ("rfc822;", ""),
    ],
)
def test_the_address_in_a_field(value: str, address: str) -> None:
    assert address_in_field(value) == address


@pytest.mark.parametrize("text", ["anna", "@example.org", "anna@", "a b@example.org", "<anna@example.org>", "a@" + "b" * 400])
def test_what_is_no_address(text: str) -> None:
    assert not is_address(text)
