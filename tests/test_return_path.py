"""What we sign comes back as what we signed, or as nothing: in any case, for so many days, under any of our keys."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nullsender.address import canonical
from nullsender.errors import Invalid, Misconfigured
from nullsender.limits import LOCAL_PART_OCTETS_MAX, RETURN_PATH_DAYS, TOKEN_DAYS, UNSUBSCRIBE_DAYS
from nullsender.signing.keys import Claims, SigningKeys, canonical_claims
from nullsender.signing.return_path import Purpose, ReturnPaths, is_return_path
from nullsender.signing.token import Tokens

TODAY = date(2026, 5, 17)
KEYS = SigningKeys({"k2": b"the newer secret, thirty-two bytes", "k1": b"the older secret, thirty-two bytes"})
OLD_KEYS = SigningKeys({"k1": b"the older secret, thirty-two bytes"})
STRANGERS_KEYS = SigningKeys({"k2": b"a secret of somebody else, 32 byte"})
PATHS = ReturnPaths(KEYS)
TOKENS = Tokens(KEYS)
CLAIMS = Claims(tenant="default", stream="news", recipient="jane.doe@example.org", sent_on=TODAY, message="m7")
LONG = CLAIMS._replace(recipient="somebody.with.a.rather.long.name@mail.example.org")

_MESSAGES = st.text(alphabet="abcdefghijklmnopqrstuvwxyz0123456789_-", max_size=8)
_SHORT_NAMES = st.from_regex(r"([A-Za-z0-9_-]\.?){0,3}[a-z0-9_-]", fullmatch=True) | st.just("")
_NAMES = st.text(alphabet="abcXYZ019_.-", min_size=1, max_size=20)
_LOCAL_PARTS = st.text(alphabet="abcXYZ019.+=-_'/%ü", min_size=1, max_size=40)
_RECIPIENTS = st.builds("{}@{}".format, _LOCAL_PARTS, st.sampled_from(["example.org", "Example.NET", "bücher.example"]))


def test_the_recipient_stands_in_the_return_path_where_it_fits() -> None:
    local_part = PATHS.make(CLAIMS)

    assert local_part.endswith("+m7++news+jane.doe=example.org")
    assert PATHS.verify(local_part, today=TODAY) == CLAIMS


def test_a_recipient_that_does_not_fit_is_verified_against_those_that_are_named() -> None:
    local_part = PATHS.make(LONG)

    assert "=" not in local_part
    assert PATHS.verify(local_part, today=TODAY, recipients=["else@example.org", LONG.recipient]) == LONG
    for others in [[], ["else@example.org"]]:
        with pytest.raises(Invalid):
            PATHS.verify(local_part, today=TODAY, recipients=others)


@given(recipient=_RECIPIENTS, message=_MESSAGES, tenant=_SHORT_NAMES, stream=_SHORT_NAMES, purpose=st.sampled_from(Purpose))
def test_any_return_path_fits_and_comes_back_in_any_case(
    recipient: str, message: str, tenant: str, stream: str, purpose: Purpose
) -> None:
    claims = Claims(tenant or "default", stream or None, recipient, TODAY, message)
    known = canonical_claims(claims)
    local_part = PATHS.make(claims, purpose=purpose)

    assert len(local_part) <= LOCAL_PART_OCTETS_MAX
    assert is_return_path(local_part)
    verified = PATHS.verify(local_part.upper(), today=TODAY, recipients=[known.recipient])
    assert verified == known


@given(place=st.integers(0), letter=st.sampled_from("abcxyz0279+=.@-"))
def test_a_changed_return_path_proves_nothing(place: int, letter: str) -> None:
    local_part = PATHS.make(CLAIMS)
    place %= len(local_part)
    changed = local_part[:place] + letter + local_part[place + 1 :]
    if changed != local_part:
        with pytest.raises(Invalid):
            PATHS.verify(changed, today=TODAY, recipients=[CLAIMS.recipient])


def test_a_return_path_of_one_purpose_is_none_of_the_other() -> None:
    bounce = PATHS.make(CLAIMS)
    with pytest.raises(Invalid, match="signature is wrong"):
        PATHS.verify(bounce.replace("b+", "unsubscribe+", 1), today=TODAY)


def test_a_stranger_can_not_sign_and_an_old_key_still_verifies() -> None:
    assert PATHS.verify(ReturnPaths(OLD_KEYS).make(CLAIMS), today=TODAY) == CLAIMS
    with pytest.raises(Invalid, match="signature is wrong"):
        PATHS.verify(ReturnPaths(STRANGERS_KEYS).make(CLAIMS), today=TODAY)
    with pytest.raises(Invalid, match="do not have"):
        ReturnPaths(OLD_KEYS).verify(PATHS.make(CLAIMS), today=TODAY)


@pytest.mark.parametrize(
    ("days", "good"), [(-2, False), (-1, True), (0, True), (RETURN_PATH_DAYS, True), (RETURN_PATH_DAYS + 1, False)]
)
def test_a_return_path_is_good_for_its_days(days: int, good: bool) -> None:
    _expect(good, lambda: PATHS.verify(PATHS.make(CLAIMS), today=TODAY + timedelta(days=days)))


@pytest.mark.parametrize(("days", "good"), [(-2, False), (-1, True), (UNSUBSCRIBE_DAYS, True), (UNSUBSCRIBE_DAYS + 1, False)])
def test_an_unsubscribe_address_is_good_for_days_of_its_own(days: int, good: bool) -> None:
    local_part = PATHS.make(CLAIMS, purpose=Purpose.UNSUBSCRIBE)
    _expect(good, lambda: PATHS.verify(local_part, today=TODAY + timedelta(days=days)))


def test_the_law_is_kept_by_the_days_of_an_unsubscribe_address() -> None:
    """CASL asks for 60 days, CAN-SPAM for 30; people clear out mail of last year."""
    assert UNSUBSCRIBE_DAYS >= 400


@pytest.mark.parametrize(("days", "good"), [(-2, False), (-1, True), (TOKEN_DAYS, True), (TOKEN_DAYS + 1, False)])
def test_a_token_is_good_for_its_days(days: int, good: bool) -> None:
    _expect(good, lambda: TOKENS.verify(TOKENS.make(CLAIMS), today=TODAY + timedelta(days=days)))


def _expect(good: bool, verify: object) -> None:
    assert callable(verify)
    if good:
        assert verify() == CLAIMS
    else:
        with pytest.raises(Invalid):
            verify()


@pytest.mark.parametrize(
    "claims",
    [
        CLAIMS._replace(stream="two words"),
        CLAIMS._replace(stream=""),
        CLAIMS._replace(stream="two..dots", recipient=LONG.recipient),
        CLAIMS._replace(stream="dot.", recipient=LONG.recipient),
        CLAIMS._replace(message="a+b"),
        CLAIMS._replace(tenant="t" * 60),
        CLAIMS._replace(recipient="nobody"),
    ],
)
def test_what_can_not_stand_in_a_return_path_is_invalid(claims: Claims) -> None:
    with pytest.raises(Invalid):
        PATHS.make(claims)


def test_tenant_and_stream_are_known_by_one_form_however_they_are_written() -> None:
    written = CLAIMS._replace(tenant=" Acme ", stream="News.Weekly")
    known = CLAIMS._replace(tenant="acme", stream="news.weekly")

    assert PATHS.verify(PATHS.make(written), today=TODAY, recipients=[CLAIMS.recipient]) == known
    assert TOKENS.verify(TOKENS.make(written), today=TODAY) == known
    for name in ("no name", ""):
        for claims in (CLAIMS._replace(tenant=name), CLAIMS._replace(stream=name)):
            with pytest.raises(Invalid, match="not a name"):
                TOKENS.make(claims)


def test_a_name_whose_dots_do_not_fit_is_signed_where_the_recipient_ends_the_local_part() -> None:
    claims = CLAIMS._replace(stream="dot.", message="")

    assert PATHS.verify(PATHS.make(claims), today=TODAY) == claims


@given(st.text(max_size=80) | st.text(alphabet="b+k219az=.", max_size=80))
def test_any_text_is_a_proof_or_invalid(text: str) -> None:
    for verify in (PATHS.verify, TOKENS.verify):
        with pytest.raises(Invalid):
            verify(text, today=TODAY)


@given(tenant=_NAMES, stream=st.none() | _NAMES, message=st.text(max_size=40), recipient=_RECIPIENTS)
def test_a_token_carries_any_names_and_no_address_to_blacken(
    tenant: str, stream: str | None, message: str, recipient: str
) -> None:
    claims = Claims(tenant, stream, canonical(recipient), TODAY, message)
    token = TOKENS.make(claims)

    assert TOKENS.verify(token.upper(), today=TODAY) == canonical_claims(claims)
    assert TOKENS.verify(f"{token[:30]}\r\n\t{token[30:]}", today=TODAY) == canonical_claims(claims)
    assert "@" not in token
    assert token.isascii()


@given(place=st.integers(0), letter=st.sampled_from("abcxyz0279."))
def test_a_changed_token_proves_nothing(place: int, letter: str) -> None:
    token = TOKENS.make(CLAIMS)
    place %= len(token) - 1  # the last letter may hold bits that mean nothing
    changed = token[:place] + letter + token[place + 1 :]
    if changed != token:
        with pytest.raises(Invalid):
            TOKENS.verify(changed, today=TODAY)


def test_a_token_longer_than_readers_keep_is_not_made() -> None:
    with pytest.raises(Invalid, match="too long"):
        TOKENS.make(CLAIMS._replace(message="m" * 1_000))


@pytest.mark.parametrize("secrets", [{}, {"K": b"x" * 32}, {"k": b"short"}, {"": b"x" * 32}])
def test_keys_that_can_not_be_used_are_the_operators_to_mend(secrets: dict[str, bytes]) -> None:
    with pytest.raises(Misconfigured):
        SigningKeys(secrets)
