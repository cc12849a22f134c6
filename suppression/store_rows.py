"""Between rows and values: what the reading and the writing half of the store both need."""

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec
from sqlalchemy import Column, ColumnElement, Connection, Row, Table, and_, bindparam, insert, or_, select, update

from nullsender.limits import STORE_IN_MAX
from suppression.models import entries, numbering
from suppression.policy import Cause, Did
from suppression.records import Change, Entry


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
    """`column IN (values)`, in as many conditions as the databases' bound on parameters asks for; values in key order."""
    rest = iter(sorted(set(values)))
    while part := list(islice(rest, STORE_IN_MAX)):
        yield column.in_(part)


def about(table: Table, people: Collection[Person]) -> Iterator[ColumnElement[bool]]:
    """Conditions that together choose the rows of `table` that are about `people`."""
    for tenant in sorted({person.tenant for person in people}):
        hashes = (person.address_hash for person in people if person.tenant == tenant)
        for these in one_of(table.c.address_hash, hashes):
            yield and_(table.c.tenant == tenant, these)


def is_live(now: datetime) -> ColumnElement[bool]:
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


def entry_row(key: Key, entry: Entry) -> dict[str, object]:
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


KeyType = TypeVar("KeyType")
Value = TypeVar("Value")


class Held(Generic[KeyType, Value]):
    """Rows of one table in the memory of a turn: what was read, and what is to be written."""

    def __init__(self) -> None:
        self._values: dict[KeyType, Value] = {}
        self._stored: set[KeyType] = set()
        self._changed: dict[KeyType, None] = {}  # a set that keeps its order

    def read(self, key: KeyType, value: Value) -> None:
        """The table holds this."""
        self._values[key] = value
        self._stored.add(key)

    def get(self, key: KeyType) -> Value | None:
        """What stands there now."""
        return self._values.get(key)

    def put(self, key: KeyType, value: Value) -> None:
        """Let this stand there."""
        self._values[key] = value
        self._changed[key] = None

    def items(self) -> Iterable[tuple[KeyType, Value]]:
        """Everything that is held."""
        return self._values.items()

    def to_insert(self) -> Iterator[tuple[KeyType, Value]]:
        """What the table does not hold yet."""
        return ((key, self._values[key]) for key in self._changed if key not in self._stored)

    def to_update(self) -> Iterator[tuple[KeyType, Value]]:
        """What the table holds otherwise."""
        return ((key, self._values[key]) for key in self._changed if key in self._stored)


def insert_rows(connection: Connection, table: Table, rows: list[dict[str, object]]) -> None:
    """Insert them all; each has every column."""
    if rows:
        connection.execute(insert(table), rows)


def update_rows(connection: Connection, table: Table, rows: list[dict[str, object]]) -> None:
    """Write every other column of the rows with these primary keys."""
    if not rows:
        return
    keys = {column.name for column in table.primary_key}
    chosen = and_(*(table.c[name] == bindparam(f"key_{name}") for name in sorted(keys)))
    changed: dict[str, Any] = {name: bindparam(f"new_{name}") for name in rows[0] if name not in keys}
    renamed = [{f"key_{name}" if name in keys else f"new_{name}": value for name, value in row.items()} for row in rows]
    connection.execute(update(table).where(chosen).values(changed), renamed)
