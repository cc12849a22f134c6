"""Between rows and values: what the reading and the writing half of the store both need."""

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import BindParameter, Column, ColumnElement, Connection, Row, Table, and_, or_, select

from nullsender.limits import STORE_IN_MAX
from suppression.models import entries, numbering
from suppression.policy import Cause, Did
from suppression.records import Change, Entry
from suppression.store_held import Columns


class Person(NamedTuple):
    """Whose entries: one address of one tenant."""

    tenant: str
    address_hash: bytes


class Key(NamedTuple):
    """What there is at most one entry of."""

    person: Person
    scope: str
    cause: Cause


def one_of(column: Column[Any], values: Iterable[Any]) -> Iterator[ColumnElement[bool]]:
    """`column IN (values)`, in as many conditions as `parts_of` gives."""
    return (column.in_(part) for part in parts_of(values))


def parts_of(values: Iterable[Any]) -> Iterator[list[Any]]:
    """The values, each once and in key order, in parts that fit the databases' bound on parameters."""
    rest = iter(sorted(set(values)))
    while part := list(islice(rest, STORE_IN_MAX)):
        yield part


def about(table: Table, people: Collection[Person]) -> Iterator[ColumnElement[bool]]:
    """Conditions that together choose the rows of `table` that are about `people`."""
    for tenant in sorted({person.tenant for person in people}):
        hashes = (person.address_hash for person in people if person.tenant == tenant)
        for these in one_of(table.c.address_hash, hashes):
            yield and_(table.c.tenant == tenant, these)


def is_live(now: datetime | BindParameter[datetime]) -> ColumnElement[bool]:
    """Neither lifted nor expired."""
    return and_(entries.c.ended_at.is_(None), or_(entries.c.expires_at.is_(None), entries.c.expires_at > now))


def entry_of(row: Row[Any], address: str | None = None) -> Entry:
    """The entry of a row of `entries`."""
    return Entry(
        id=row.id,
        tenant=row.tenant,
        scope=row.scope,
        address=address,
        cause=Cause(row.cause),
        since=row.since,
        expires=row.expires_at,
        provisional=row.provisional,
        reason=row.reason,
        evidence=row.evidence,
        category=row.category,
        rule=row.rule,
        created_by=row.created_by,
        ended=row.ended_at,
        ended_by=row.ended_by and Did(row.ended_by),
    )


def key_of(row: Row[Any]) -> Key:
    """The key of a row of `entries`."""
    return Key(Person(row.tenant, row.address_hash), row.scope, Cause(row.cause))


def entry_columns(key: Key, entry: Entry) -> Columns:
    """The row of `entries` for an entry."""
    return {
        "tenant": key.person.tenant,
        "address_hash": key.person.address_hash,
        "scope": key.scope,
        "cause": key.cause.value,
        "id": entry.id,
        "since": entry.since,
        "expires_at": entry.expires,
        "provisional": entry.provisional,
        "ended_at": entry.ended,
        "ended_by": entry.ended_by and entry.ended_by.value,
        "reason": entry.reason,
        "evidence": entry.evidence,
        "category": entry.category,
        "rule": entry.rule,
        "created_by": entry.created_by,
    }


_ENTRY = msgspec.json.Decoder(Entry)


def change_of(row: Row[Any]) -> Change:
    """The change of a row of `changes`."""
    return Change(
        seq=row.seq,
        at=row.at,
        tenant=row.tenant,
        address_hash=row.address_hash,
        entry_id=row.entry_id,
        action=Did(row.action),
        cause=Cause(row.cause),
        scope=row.scope,
        actor=row.actor,
        reason=row.reason,
        consent=row.consent,
        report_id=row.report_id,
        before=row.before and _ENTRY.decode(row.before),
        after=_ENTRY.decode(row.after),
    )


def take_pen(connection: Connection) -> int:
    """Wait for the turn to write, which lasts until the transaction ends; the last number that was given."""
    last: int = connection.execute(select(numbering.c.last).with_for_update()).scalar_one()
    return last
