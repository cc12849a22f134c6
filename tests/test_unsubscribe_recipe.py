"""What docs/unsubscribes.md tells senders to copy makes what we make, and its tables say what the code does."""

import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nullsender.limits import UNSUBSCRIBE_DAYS
from nullsender.signing.keys import Claims, SigningKeys
from nullsender.signing.unsubscribe_headers import headers_of
from nullsender.signing.unsubscribe_link import UnsubscribeLinks, seal, unseal
from suppression.unsubscribes.deadlines import RULES

PAGE = (Path(__file__).parents[1] / "docs" / "unsubscribes.md").read_text(encoding="utf-8")
LINKS = UnsubscribeLinks(SigningKeys({"a": b"a secret of the tests, 32 bytes."}))
_NAMES = st.just("") | st.text("abcxyz019_.-", min_size=1, max_size=64)


def _recipe() -> Mapping[str, Any]:
    """The functions of the page."""
    code = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert code is not None
    functions: dict[str, Any] = {}
    exec(code[1], functions)
    return functions


RECIPE = _recipe()


@given(
    tenant=st.sampled_from(["default", "acme", "a.b-c"]),
    stream=_NAMES,
    mailing_list=_NAMES,
    message=st.text("!#~aZ09<>&", max_size=64),
    user=st.text("abcxyzäöé019._+-", min_size=1, max_size=200),
    day=st.dates(date(2026, 1, 1), date(2149, 1, 1)),
)
def test_the_recipe_makes_our_tokens(tenant: str, stream: str, mailing_list: str, message: str, user: str, day: date) -> None:
    key_id, key = LINKS.key_of(tenant)
    recipient = f"{user}@example.org"

    token = RECIPE["unsubscribe_token"](
        key_id, key, recipient, day, tenant=tenant, stream=stream, mailing_list=mailing_list, message=message
    )

    claims = Claims(tenant, stream or None, recipient, day, message, mailing_list or None)
    assert token == LINKS.make(claims)
    headers = RECIPE["unsubscribe_headers"]("https://u.test", "unsubscribe@b.test", token)
    assert headers == headers_of("https://u.test", "unsubscribe@b.test", token)


def test_the_vectors_hold_and_can_be_read_again() -> None:
    key = bytes(range(32))
    rows = re.findall(r"^\| (\d{4}-\d\d-\d\d) \|(.*)\| `(1\.a\..*)` \|$", PAGE, re.MULTILINE)
    assert len(rows) == 3
    for day, fields, token in rows:
        tenant, stream, mailing_list, message, recipient = (field.strip() for field in fields.split("|"))
        made = RECIPE["unsubscribe_token"](
            "a",
            key,
            recipient,
            date.fromisoformat(day),
            tenant=tenant,
            stream=stream,
            mailing_list=mailing_list,
            message=message,
        )
        assert made == token
        body = token.rpartition(".")[2]
        assert seal(key, unseal(key, body)) == body


@pytest.mark.parametrize("jurisdiction", RULES)
def test_the_page_shows_each_rule_as_the_code_has_it(jurisdiction: str) -> None:
    rule = next(rule for name, rule in RULES.items() if name == jurisdiction)
    time = {
        rule.hours: f"{rule.hours} hours",
        rule.days: f"{rule.days} days",
        rule.business_days: f"{rule.business_days} business days",
        rule.months: f"{rule.months} month",
    }
    told = next(words for number, words in time.items() if number)

    assert f"| `{jurisdiction}` | {rule.law} | {told} | {rule.as_of:%Y-%m} |" in PAGE


def test_the_page_says_for_how_long_a_link_is_good() -> None:
    assert f"good for {UNSUBSCRIBE_DAYS} days" in PAGE
