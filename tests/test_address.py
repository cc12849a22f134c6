"""The canonical form of an address, and its keyed hash."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nullsender.address import AddressHasher, canonical, domain_of, is_prehashed
from nullsender.errors import Invalid


@pytest.mark.parametrize(
    ("written", "known_as"),
    [
        ("User@Example.COM", "user@example.com"),
        ("  user@example.com\t", "user@example.com"),
        ("user+tag@example.com", "user+tag@example.com"),
        ("u.s.e.r@gmail.com", "u.s.e.r@gmail.com"),
        ("jörg@Bücher.example", "jörg@xn--bcher-kva.example"),
        ("jo\u0308rg@bu\u0308cher.example", "jörg@xn--bcher-kva.example"),
        ("JÖRG@BÜCHER.EXAMPLE", "jörg@xn--bcher-kva.example"),
        ('"two words"@example.com', '"two words"@example.com'),
        ('"at@sign"@example.com', '"at@sign"@example.com'),
        ('"needless"@example.com', "needless@example.com"),
        ('"needless.quotes"@example.com', "needless.quotes@example.com"),
        ("user@example.com.", "user@example.com"),
        ("user@[IPv6:2001:db8::1]", "user@[ipv6:2001:db8::1]"),
        ("o'brien/x=y@example.com", "o'brien/x=y@example.com"),
        ("dots..in.a.row.@example.com", "dots..in.a.row.@example.com"),
        ("user@[192.0.2.1]", "user@[192.0.2.1]"),
    ],
)
def test_an_address_has_one_canonical_form(written: str, known_as: str) -> None:
    assert canonical(written) == known_as


@pytest.mark.parametrize(
    "text",
    [
        "",
        "@",
        "user",
        "user@",
        "@example.com",
        "two words@example.com",
        "user@exa mple.com",
        "<user@example.com>",
        "user@example.com>",
        "User <user@example.com>",
        "mailto:user@example.com",
        "rfc822;user@example.com",
        "someone@example.net,user@example.com",
        "user@example.com,",
        "(comment)user@example.com",
        "user@example.com@example.com",
        "us\u200ber@example.com",
        "user@exam\u200bple@com",
        '"user@example.com',
        "user@[example",
        "user@.",
        "user\x00@example.com",
        "user\r\n@example.com",
        '"user\n"@example.com',
        "user\u00a0x@example.com",
        "user@\u2028.example",
        "x" * 400 + "@example.com",
        "\ud800@example.com",
        "user@" + "ü" * 80 + ".example",
    ],
)
def test_what_can_not_be_an_address_is_invalid_and_says_why(text: str) -> None:
    with pytest.raises(Invalid, match="not an address"):
        canonical(text)


@given(st.text(max_size=400))
def test_any_text_has_a_stable_canonical_form_or_is_invalid(text: str) -> None:
    try:
        once = canonical(text)
    except Invalid:
        return

    assert canonical(once) == once
    assert once == once.strip()
    once.encode("utf-8")


def test_the_domain_is_what_stands_behind_the_last_at() -> None:
    assert domain_of('"a@b"@example.com') == "example.com"
    assert domain_of("nothing") == ""


def test_the_hash_depends_on_address_and_key_alone() -> None:
    one, same, other = AddressHasher(b"k" * 32), AddressHasher(b"k" * 32), AddressHasher(b"K" * 32)

    assert one.hash("user@example.com") == same.hash("user@example.com")
    assert one.hash("user@example.com") != other.hash("user@example.com")
    assert one.hash("user@example.com") != one.hash("user@example.net")
    assert len(one.hash("user@example.com")) == AddressHasher.HASH_BYTES
    assert one.fingerprint() == same.fingerprint() != other.fingerprint()


def test_a_key_that_is_too_short_is_refused() -> None:
    with pytest.raises(ValueError, match="16 to 64 bytes"):
        AddressHasher(b"short")


def test_an_address_that_was_brought_as_a_hash_is_known_by_a_key_that_says_so() -> None:
    hasher = AddressHasher(b"k" * 32)
    md5, sha256 = hasher.prehashed("ada@example.com")

    assert md5 == hasher.hash_prehashed("md5:" + hashlib.md5(b"ada@example.com").hexdigest())
    assert sha256 == hasher.hash_prehashed("sha256:" + hashlib.sha256(b"ada@example.com").hexdigest())
    assert is_prehashed(md5)
    assert is_prehashed(sha256)
    assert len({md5, sha256, *hasher.prehashed("ben@example.com")}) == 4
    assert not is_prehashed(hasher.hash("ada@example.com"))
