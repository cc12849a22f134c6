"""The ways in which systems write times: seconds or milliseconds since 1970, ISO 8601, RFC 5322."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from nullsender.limits import IMPORT_TIME_CHARACTERS_MAX

_MILLISECONDS_FROM: Final = 10**11  # as seconds, a time three thousand years ahead
_SECONDS_MIN, _SECONDS_MAX = 10**8, 10**10  # 1973 to 2286: what is outside is no time but a slip, or a date without hyphens


#: What a field names that has something in it, and no time that anybody can read.
UNREADABLE: Final = datetime.max.replace(tzinfo=UTC)


def time_of(value: object) -> datetime | None:
    """The moment in UTC that a field names; None where it is empty, else UNREADABLE. Without a zone it is UTC."""
    if not value or value is True or (isinstance(value, str) and not value.strip()):
        return None
    return _read(value) or UNREADABLE


def _read(value: object) -> datetime | None:
    if isinstance(value, datetime):
        return _in_utc(value)
    if isinstance(value, int | float):
        return _of_seconds(value)
    text = str(value).strip()[:IMPORT_TIME_CHARACTERS_MAX]
    if text.isascii() and text.replace(".", "", 1).isdecimal():
        return _of_seconds(float(text)) or _of_text(text)
    return _of_text(text.removesuffix(" UTC"))


def _of_seconds(number: float) -> datetime | None:
    if not _SECONDS_MIN <= number <= _SECONDS_MAX * 1000:
        return None
    seconds = number / 1000 if number >= _MILLISECONDS_FROM else number
    return datetime.fromtimestamp(seconds, UTC) if _SECONDS_MIN <= seconds <= _SECONDS_MAX else None


def _of_text(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        try:
            moment = parsedate_to_datetime(text)
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
    return _in_utc(moment)


def _in_utc(moment: datetime) -> datetime | None:
    try:
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return moment.astimezone(UTC) if 1970 <= moment.year < 3000 else None
    except (ValueError, OverflowError):
        return None
