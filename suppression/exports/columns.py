"""The columns of an export, in their order. Pure; `suppression/store/exports.py` has what each is read from."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import cache
from typing import NamedTuple

from suppression.exports.request import What


class Kind(StrEnum):
    """What a column holds. Each of them can be empty."""

    TEXT = "text"
    HASH = "hash"  # the keyed hash by which the list knows an address: 32 hexadecimal digits
    MOMENT = "moment"  # RFC 3339, UTC, with microseconds
    NUMBER = "number"
    FLAG = "flag"  # true or false


class Column(NamedTuple):
    """One column."""

    name: str
    kind: Kind = Kind.TEXT


#: A value of each kind, as rows hold them: moments and hashes are text.
Value = str | int | bool | None
Row = Sequence[Value]

_WHOSE = (
    Column("tenant"),
    Column("address"),  # empty where it was erased, or was never known
    Column("address_hash", Kind.HASH),
    Column("known_as"),  # `md5:HEX` or `sha256:HEX`, where somebody brought it as such a hash only
)

COLUMNS: Mapping[What, Sequence[Column]] = {
    What.ENTRIES: (
        *_WHOSE,
        Column("scope"),
        Column("cause"),
        Column("category"),
        Column("provisional", Kind.FLAG),
        Column("since", Kind.MOMENT),
        Column("expires", Kind.MOMENT),
        Column("ended", Kind.MOMENT),
        Column("ended_by"),
        Column("reason"),
        Column("created_by"),
        Column("rule"),
        Column("evidence"),
        Column("entry", Kind.NUMBER),
    ),
    What.UNSUBSCRIBES: (
        *_WHOSE,
        Column("scope"),
        Column("channel"),
        Column("received_at", Kind.MOMENT),
        Column("effective_at", Kind.MOMENT),
        Column("limit_at", Kind.MOMENT),
        Column("in_time", Kind.FLAG),
        Column("jurisdiction"),
        Column("first_refused_at", Kind.MOMENT),
        Column("why_not"),
        Column("verified"),
        Column("token"),
        Column("message"),
        Column("ip"),
        Column("user_agent"),
        Column("report"),
        Column("entry", Kind.NUMBER),
        Column("number", Kind.NUMBER),
    ),
    What.CHANGES: (
        *_WHOSE,
        Column("number", Kind.NUMBER),
        Column("at", Kind.MOMENT),
        Column("action"),
        Column("scope"),
        Column("cause"),
        Column("actor"),
        Column("reason"),
        Column("consent"),
        Column("report"),
        Column("entry", Kind.NUMBER),
    ),
}


@cache
def place_of(what: What, name: str) -> int:
    """Where the column of that name stands in a row."""
    return [column.name for column in COLUMNS[what]].index(name)
