"""The edge of the store: what strangers wrote becomes what every database can hold.

PostgreSQL refuses the character NUL and half characters (lone surrogates) in text, and an index row over 2,704 bytes; SQLite
takes all of them. One such value would stop a whole batch for ever, so none gets past here.
"""

import json
from datetime import UTC, datetime

import msgspec

from nullsender.errors import Invalid
from nullsender.limits import STORE_NAME_CHARACTERS_MAX, STORE_WORDS_CHARACTERS_MAX

_TIME_MIN = datetime(1970, 1, 1, tzinfo=UTC)
_TIME_MAX = datetime(9000, 1, 1, tzinfo=UTC)  # far enough from the end for adding days


def clean_words(text: str) -> str:
    """`text` without what no database takes, cut to `STORE_WORDS_CHARACTERS_MAX`."""
    return _clean(text)[:STORE_WORDS_CHARACTERS_MAX]


def clean_name(text: str) -> str:
    """The same, cut to `STORE_NAME_CHARACTERS_MAX`. Names of our own making are short, so a cut one was never ours."""
    return _clean(text)[:STORE_NAME_CHARACTERS_MAX]


def require_name(text: str, what: str) -> str:
    """`text`, where it can be part of a key as it is; `Invalid` names `what` where it can not."""
    if not text or text != clean_name(text):
        raise Invalid(f"{what} has 1 to {STORE_NAME_CHARACTERS_MAX} characters, NUL and lone surrogates not among them")
    return text


def clean_time(moment: datetime) -> datetime:
    """`moment` in UTC, between 1970 and 9000; without a zone it is taken for UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    # Compared before it is converted: a moment of the year 1 may have no UTC form that Python can hold.
    return min(max(aware, _TIME_MIN), _TIME_MAX).astimezone(UTC)


def json_of(value: object) -> str:
    """`value` as JSON that every database takes: a NUL is escaped in it anyway; half characters become question marks."""
    try:
        return msgspec.json.encode(value).decode()
    except UnicodeEncodeError:
        return _clean(json.dumps(msgspec.to_builtins(value), ensure_ascii=False))


def _clean(text: str) -> str:
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
