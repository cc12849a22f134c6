"""By when an unsubscribe has to be in effect. Each law counts in its own way; where several hold, the strictest does.

The figures change: each rule says as of when it is, and where it stands. All time runs from the moment at which the person's
word reached us, and ends at the same time of day. That is stricter than any of these laws, which give the whole of the last
day, and asks for nobody's time zone.
"""

from calendar import monthrange
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from holidays import HolidayBase

ANY_TENANT = "*"
_SATURDAY = 5


class Jurisdiction(StrEnum):
    """Whose rule: the word in the setting `unsubscribe.jurisdictions`."""

    US = "us"
    CANADA = "ca"
    AUSTRALIA = "au"
    EU = "eu"
    UK = "uk"
    PROVIDERS = "providers"
    HOUSE = "house"


class Rule(NamedTuple):
    """How long there is; one of the first four says it. `country` is whose holidays are no business days (ISO 3166)."""

    hours: int = 0
    days: int = 0
    business_days: int = 0
    months: int = 0
    country: str = ""
    law: str = ""
    as_of: date = date(2026, 11, 1)


#: Every rule that we know.
RULES: Mapping[Jurisdiction, Rule] = {
    Jurisdiction.US: Rule(business_days=10, country="US", law="CAN-SPAM Act, 16 CFR 316.5"),
    Jurisdiction.CANADA: Rule(business_days=10, country="CA", law="CASL, section 11(3)"),
    Jurisdiction.AUSTRALIA: Rule(business_days=5, country="AU", law="Spam Act 2003, schedule 2, section 6"),
    Jurisdiction.EU: Rule(months=1, law="GDPR, articles 12(3) and 21(3)"),
    Jurisdiction.UK: Rule(months=1, law="UK GDPR, articles 12(3) and 21(3), with PECR"),
    Jurisdiction.PROVIDERS: Rule(days=2, law="sender guidelines of Gmail and Yahoo"),
    Jurisdiction.HOUSE: Rule(hours=24, law="our own aim, within all of the others"),
}
assert RULES.keys() == set(Jurisdiction)
assert all(sum(map(bool, rule[:4])) == 1 for rule in RULES.values()), "a rule counts in one way"


class Limit(NamedTuple):
    """By when, and whose rule it is."""

    at: datetime
    jurisdiction: Jurisdiction


class Deadlines:
    """Which rules hold for each tenant."""

    def __init__(self, jurisdictions: Mapping[str, Sequence[Jurisdiction]] | None = None) -> None:
        """`jurisdictions` by tenant; `*` is for all others, and it is our own aim alone where nothing is said."""
        told = {tenant: rules for tenant, rules in (jurisdictions or {}).items() if rules}
        self._of_tenants: Mapping[str, Sequence[Jurisdiction]] = {ANY_TENANT: (Jurisdiction.HOUSE,), **told}

    def limits(self, tenant: str, received_at: datetime) -> Sequence[Limit]:
        """The end of the time under each rule, the first one first."""
        rules = self._of_tenants.get(tenant) or self._of_tenants[ANY_TENANT]
        return sorted(Limit(limit_of(RULES[jurisdiction], received_at), jurisdiction) for jurisdiction in rules)

    def limit(self, tenant: str, received_at: datetime) -> Limit:
        """The strictest of them."""
        return self.limits(tenant, received_at)[0]


def limit_of(rule: Rule, received_at: datetime) -> datetime:
    """When the time is over that `rule` gives from `received_at` on."""
    if rule.business_days:
        return _business_days_later(received_at, rule.business_days, rule.country)
    if rule.months:
        return _months_later(received_at, rule.months)
    return received_at + timedelta(days=rule.days, hours=rule.hours)


def _business_days_later(moment: datetime, business_days: int, country: str) -> datetime:
    free = _holidays(country)
    while business_days:
        moment += timedelta(days=1)
        business_days -= moment.weekday() < _SATURDAY and moment.date() not in free
    return moment


def _months_later(moment: datetime, months: int) -> datetime:
    """The same day of a later month, or its last one where it is shorter (Regulation (EEC) 1182/71, article 3(2)(c))."""
    years, month = divmod(moment.month - 1 + months, 12)
    year = moment.year + years
    return moment.replace(year=year, month=month + 1, day=min(moment.day, monthrange(year, month + 1)[1]))


@cache
def _holidays(country: str) -> "HolidayBase":
    """Those of the whole country; a year is worked out when it is first asked about."""
    from holidays import country_holidays  # half a second, which only those who count business days wait for

    return country_holidays(country)
