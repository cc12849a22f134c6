"""Dates of RFC 5322 section 3.3 as reports write them."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_DATE_CHARACTERS_MAX = 100


def parse_date(value: str) -> datetime | None:
    """The moment that `value` names, in UTC, or None where it names none. Without a zone it is taken to be UTC."""
    if not value:
        return None
    try:
        date = parsedate_to_datetime(value[:_DATE_CHARACTERS_MAX])
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
