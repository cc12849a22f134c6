"""Addresses in fields: a name is never one, whatever it looks like."""

import pytest

from ingest.reading.mailboxes import address_in_field, mailbox_in, mailboxes_in


@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("anna@example.org", "anna@example.org"),
        ("<anna@example.org>", "anna@example.org"),
        ("< anna@example.org >", "anna@example.org"),
        ('"victim@example.com" <anna@example.org>', "anna@example.org"),
        ("victim@example.com <anna@example.org>", "anna@example.org"),
        ("<anna@example.org> victim@example.com", "anna@example.org"),
        ('"<victim@example.com>" <anna@example.org>', "anna@example.org"),
        ('"a \\"victim@example.com\\" <victim@example.com>" <anna@example.org>', "anna@example.org"),
        ("(<victim@example.com>) anna@example.org", "anna@example.org"),
        ("anna@example.org (victim@example.com (and \\) him@example.com))", "anna@example.org"),
        ('"victim@example.com <anna@example.org>', "anna@example.org"),
        ("(victim@example.com <anna@example.org>", "anna@example.org"),
        ("Example, Anna <anna@example.org>", "anna@example.org"),
        ("victim@example.com, Inc. <anna@example.org>", "anna@example.org"),
        ('"victim@example.com" anna@example.org', "anna@example.org"),
        ('"anna maria"@example.org', '"anna maria"@example.org'),
        ('"Anna" <"anna maria"@example.org>', '"anna maria"@example.org'),
        ('<"victim@example.com"@example.org>', '"victim@example.com"@example.org'),
        ('"victim@example.com"@example.org', '"victim@example.com"@example.org'),
        ('<"<victim@example.com>"@example.org>', '"<victim@example.com>"@example.org'),
        ("<@hop.example,@hop2.example:anna@example.org>", "anna@example.org"),
        ("<anna@example.org", "anna@example.org"),
        ("=?utf-8?q?victim=40example.com?= <anna@example.org>", "anna@example.org"),
        ("victim@example.com <>", None),
        ('"victim@example.com" <anna>', None),
        ("anna@example.org, bert@example.org", None),
        ("<anna@example.org> <bert@example.org>", None),
        ("undisclosed-recipients:;", None),
        ("", None),
    ],
)
def test_whose_mailbox_a_field_names(value: str, address: str | None) -> None:
    assert mailbox_in(value) == address


@pytest.mark.parametrize(
    ("value", "addresses"),
    [
        ('anna@example.org, "victim@example.com" <bert@example.org>', ["anna@example.org", "bert@example.org"]),
        ("Friends: anna@example.org, Bert <bert@example.org>;", ["anna@example.org", "bert@example.org"]),
        ("anna@example.org (, victim@example.com) , <bert@example.org>", ["anna@example.org", "bert@example.org"]),
        ("anna@example.org bert@example.org", ["anna@example.org", "bert@example.org"]),
    ],
)
def test_the_mailboxes_of_a_list(value: str, addresses: list[str]) -> None:
    assert [mailbox.address for mailbox in mailboxes_in(value)] == addresses


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
        ('rfc822; "victim@example.com" <anna@example.org>', "anna@example.org"),
        ("rfc822; victim@example.com <anna@example.org>", "anna@example.org"),
        ("rfc822; anna@example.org (victim@example.com)", "anna@example.org"),
        ('rfc822; "victim@example.com"@example.org', '"victim@example.com"@example.org'),
        ("rfc822; mailto:anna@example.org", "anna@example.org"),
        ("rfc822; @hop.example,@hop2.example:anna@example.org", "anna@example.org"),
        ("rfc822; anna@example.org.", "anna@example.org"),
        ('rfc822; "a:b"@example.org', '"a:b"@example.org'),
        ("rfc822; anna:@example.org", "anna:@example.org"),
    ],
)
def test_the_address_in_a_field(value: str, address: str) -> None:
    assert address_in_field(value) == address
