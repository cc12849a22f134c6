"""Dates of RFC 5322 section 3.3 as reports write them."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_DATE_CHARACTERS_MAX = 100


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
    try:
        return _in_utc(parsedate_to_datetime(value[:_DATE_CHARACTERS_MAX]))
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _in_utc(date: datetime) -> datetime:
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).astimezone(UTC)
