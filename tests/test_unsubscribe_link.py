"""The token of an unsubscribe link says what we signed, to nobody else anything, and nothing else is believed."""

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nullsender.errors import Invalid
from nullsender.limits import UNSUBSCRIBE_DAYS, UNSUBSCRIBE_TOKEN_CHARACTERS_MAX
from nullsender.signing.keys import Claims, Expired, SigningKeys
from nullsender.signing.unsubscribe_link import UnsubscribeLinks, seal, tenant_of, token_id, tokens_in

TODAY = date(2026, 11, 22)
KEYS = SigningKeys({"a": b"a secret of the tests, 32 bytes."})
LINKS = UnsubscribeLinks(KEYS)
STRANGER = UnsubscribeLinks(SigningKeys({"a": b"a secret of a stranger, 32 bytes"}))
CLAIMS = Claims("default", "news", "jane@example.org", TODAY, "m7", "weekly.example.com")

_NAMES = st.text("abcxyz019_.-", min_size=1, max_size=64)
_CLAIMS = st.builds(
    Claims,
    tenant=st.just("default") | _NAMES,
    stream=st.none() | _NAMES,
    recipient=st.builds("{}@{}".format, st.text("abcxyzäöé019._+-", min_size=1, max_size=120), st.just("example.org")),
    sent_on=st.dates(date(2020, 1, 1), date(2140, 1, 1)),
    message=st.text("!#~aZ09<>&", max_size=64),
    mailing_list=st.none() | _NAMES,
)


@given(_CLAIMS)
def test_a_token_says_what_was_signed(claims: Claims) -> None:
    token = LINKS.make(claims)

    assert LINKS.verify(token, today=claims.sent_on) == claims
    assert tenant_of(token) == claims.tenant
    assert tokens_in(f"unsubscribe {token} please") == [token]


def test_the_same_mail_has_the_same_token_and_another_one_another() -> None:
    assert LINKS.make(CLAIMS) == LINKS.make(CLAIMS._replace(recipient="Jane@Example.ORG"))
    assert len({LINKS.make(CLAIMS._replace(**{name: other})) for name, other in _OTHERS}) == len(_OTHERS)


_OTHERS: list[tuple[str, Any]] = [
    ("tenant", "acme"),
    ("stream", None),
    ("stream", "weekly.example.com"),
    ("recipient", "john@example.org"),
    ("sent_on", TODAY - timedelta(days=1)),
    ("message", ""),
    ("mailing_list", None),
]


def test_a_token_shows_neither_address_nor_list() -> None:
    token = LINKS.make(CLAIMS._replace(tenant="acme"))

    assert token.startswith("1.a.acme.")
    assert not any(word in token for word in ("jane", "example", "news", "weekly", "m7"))


def test_a_usual_link_is_short() -> None:
    assert len(LINKS.make(Claims("default", "marketing", "jane.doe@example.com", TODAY, "m7f3a9"))) <= 80


@given(st.data())
def test_a_token_with_any_character_changed_is_none(data: st.DataObject) -> None:
    token = LINKS.make(CLAIMS)
    place = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.sampled_from("abcxyzABCXYZ019_-.~ ").filter(lambda letter: letter != token[place]))

    with pytest.raises(Invalid):
        LINKS.verify(token[:place] + other + token[place + 1 :], today=TODAY)


_LOOKS_LIKE_ONE = st.builds(
    "1.{}.{}{}".format,
    st.sampled_from(["a", "b", "abcdefgh"]),
    st.sampled_from(["", "acme.", "a.b."]),
    st.text("abcABC019_-", min_size=32, max_size=90),
)


@given(st.text(max_size=200) | _LOOKS_LIKE_ONE)
def test_no_text_is_believed_that_we_did_not_make(text: str) -> None:
    tenant_of(text)
    token_id(text)
    tokens_in(text)
    with pytest.raises(Invalid):
        LINKS.verify(text, today=TODAY)


@given(st.binary(max_size=80))
def test_whoever_has_the_key_of_a_tenant_may_write_what_they_like_into_a_token(plain: bytes) -> None:
    body = seal(LINKS.key_of("default")[1], plain)

    with pytest.raises(Invalid):
        LINKS.verify(f"1.a.{body}", today=date(1900, 1, 1))


def test_a_strangers_key_a_key_that_is_gone_and_another_tenants_key_make_nothing_that_counts() -> None:
    of_acme = LINKS.make(CLAIMS._replace(tenant="acme"))

    for forged in (
        STRANGER.make(CLAIMS),
        LINKS.make(CLAIMS).replace("1.a.", "1.b."),
        of_acme.replace(".acme.", ".other."),
        of_acme.replace(".acme.", "."),
    ):
        with pytest.raises(Invalid, match="signature is wrong"):
            LINKS.verify(forged, today=TODAY)


def test_a_new_key_in_front_leaves_the_old_links_good() -> None:
    rotated = UnsubscribeLinks(
        SigningKeys({"b": b"the next secret of the tests ...", "a": b"a secret of the tests, 32 bytes."})
    )

    assert rotated.verify(LINKS.make(CLAIMS), today=TODAY) == CLAIMS
    assert rotated.make(CLAIMS).startswith("1.b.")


def test_a_link_is_good_for_more_than_two_years_and_says_afterwards_what_it_said() -> None:
    token = LINKS.make(CLAIMS)

    assert LINKS.verify(token, today=TODAY + timedelta(days=UNSUBSCRIBE_DAYS)) == CLAIMS
    with pytest.raises(Expired) as expired:
        LINKS.verify(token, today=TODAY + timedelta(days=UNSUBSCRIBE_DAYS + 1))
    assert expired.value.claims == CLAIMS
    with pytest.raises(Invalid, match="has not come"):
        LINKS.verify(token, today=TODAY - timedelta(days=2))


@pytest.mark.parametrize(
    "wrong",
    [{"message": "two words"}, {"message": "x" * 65}, {"stream": "no such/name"}, {"recipient": "nobody"}, {"tenant": ""}],
)
def test_what_can_not_be_said_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        LINKS.make(CLAIMS._replace(**wrong))


def test_the_longest_address_fits() -> None:
    claims = Claims("t" * 64, "s" * 64, "ä" * 300 + "@example.org", TODAY, "m" * 64, "l" * 64)

    token = LINKS.make(claims)

    assert len(token) <= UNSUBSCRIBE_TOKEN_CHARACTERS_MAX
    assert LINKS.verify(token, today=TODAY) == claims
