"""Dates of RFC 5322 section 3.3 as reports write them."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_DATE_CHARACTERS_MAX = 100
# As nearly every MTA writes it: Tue, 3 Mar 2026 10:05:00 +0100 (CET). Everything else is left to the standard library.
_DATE = re.compile(
    r"(?:[A-Za-z]{3}, {1,2})?([0-9]{1,2}) ([A-Z][a-z]{2}) ([12][0-9]{3}) ([0-9]{2}:[0-9]{2}:[0-9]{2})"
    r" ([+-][01][0-9][0-5][0-9])(?: \([A-Za-z]{1,5}\))?"
)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH_NUMBERS = {name: f"{number:02}" for number, name in enumerate(_MONTHS, 1)}


def parse_timestamp(value: str) -> datetime | None:
    """The moment that an ISO 8601 time stamp (RFC 3339) names, in UTC, or None where it names none."""
    try:
        return _in_utc(datetime.fromisoformat(value[:_DATE_CHARACTERS_MAX]))
    except (ValueError, OverflowError):
        return None


def parse_date(value: str) -> datetime | None:
    """The moment that `value` names, in UTC, or None where it names none. Without a zone it is taken to be UTC."""
    if not value:
        return None
    usual = _DATE.fullmatch(value)
    try:
        return _usual(usual) if usual else _in_utc(parsedate_to_datetime(value[:_DATE_CHARACTERS_MAX]))
    except (ValueError, TypeError, IndexError, OverflowError, KeyError):
        return None


def _usual(match: re.Match[str]) -> datetime:
    """Raises KeyError where the month is none, and ValueError where there is no such day or time."""
    day, month, year, time, zone = match.groups()
    return datetime.fromisoformat(f"{year}-{_MONTH_NUMBERS[month]}-{day:0>2}T{time}{zone}").astimezone(UTC)


def _in_utc(date: datetime) -> datetime:
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).astimezone(UTC)
