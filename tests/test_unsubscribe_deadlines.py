"""By when an unsubscribe has to be heeded, and that somebody is told before that is too late."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suppression.unsubscribes.deadlines import RULES, Deadlines, Jurisdiction, limit_of

# A Friday. The Monday after is a holiday in neither country.
FRIDAY = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
_MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2060, 1, 1), timezones=st.just(UTC))


@pytest.mark.parametrize(
    ("jurisdiction", "received", "limit"),
    [
        ("house", "2026-11-20T14:30", "2026-11-21T14:30"),
        ("providers", "2026-11-20T14:30", "2026-11-22T14:30"),
        ("eu", "2026-11-20T14:30", "2026-12-20T14:30"),
        ("uk", "2026-12-31T14:30", "2027-01-31T14:30"),
        ("eu", "2027-01-31T14:30", "2027-02-28T14:30"),
        ("us", "2026-11-20T14:30", "2026-12-07T14:30"),  # Thanksgiving on the 26th
        ("ca", "2026-11-20T14:30", "2026-12-04T14:30"),
        ("au", "2026-11-20T14:30", "2026-11-27T14:30"),
        ("au", "2026-12-24T14:30", "2027-01-04T14:30"),  # Christmas, Boxing Day and its day in lieu, New Year's Day
        ("us", "2026-11-21T14:30", "2026-12-07T14:30"),  # a Saturday
    ],
)
def test_each_rule_counts_in_its_own_way(jurisdiction: str, received: str, limit: str) -> None:
    moment = datetime.fromisoformat(received).replace(tzinfo=UTC)

    assert limit_of(RULES[Jurisdiction(jurisdiction)], moment) == datetime.fromisoformat(limit).replace(tzinfo=UTC)


@given(_MOMENTS, st.sampled_from(Jurisdiction))
def test_a_limit_lies_behind_the_receipt_and_never_past_what_the_rule_gives(
    moment: datetime, jurisdiction: Jurisdiction
) -> None:
    limit = limit_of(RULES[jurisdiction], moment)

    assert moment < limit <= moment + timedelta(days=32)
    assert limit.timetz() == moment.timetz()


def test_the_strictest_rule_of_a_tenant_counts() -> None:
    deadlines = Deadlines({"*": [Jurisdiction.US, Jurisdiction.PROVIDERS], "acme": [Jurisdiction.AUSTRALIA], "empty": []})

    assert deadlines.limit("anybody", FRIDAY).jurisdiction is Jurisdiction.PROVIDERS
    assert [limit.jurisdiction for limit in deadlines.limits("anybody", FRIDAY)] == [Jurisdiction.PROVIDERS, Jurisdiction.US]
    assert deadlines.limit("acme", FRIDAY).jurisdiction is Jurisdiction.AUSTRALIA
    assert deadlines.limit("empty", FRIDAY).jurisdiction is Jurisdiction.PROVIDERS


def test_without_a_word_the_house_has_a_day() -> None:
    assert Deadlines().limit("default", FRIDAY).at == FRIDAY + timedelta(days=1)


@given(_MOMENTS)
def test_the_house_is_within_all_of_them(moment: datetime) -> None:
    deadlines = Deadlines({"*": list(Jurisdiction)})

    assert deadlines.limit("default", moment).jurisdiction is Jurisdiction.HOUSE
