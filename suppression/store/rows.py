"""Between rows and values: what the reading and the writing half of the store both need."""

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from functools import cache
from itertools import islice
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import (
    ARRAY,
    BindParameter,
    Column,
    ColumnElement,
    Connection,
    LargeBinary,
    Row,
    Select,
    Table,
    and_,
    any_,
    bindparam,
    func,
    literal,
    literal_column,
    or_,
    select,
    true,
)
from sqlalchemy.types import UserDefinedType

from nullsender.events import Outcome, Proof, decode
from nullsender.limits import STORE_IN_MAX
from suppression.models import entries, numbering
from suppression.policy import Cause, Did
from suppression.records import Change, Entry, Reading, Told
from suppression.store.bulk import Columns, is_postgresql


class Person(NamedTuple):
    """Whose entries: one address of one tenant."""

    tenant: str
    address_hash: bytes


class Key(NamedTuple):
    """What there is at most one entry of."""

    person: Person
    scope: str
    cause: Cause


def one_of(connection: Connection, column: Column[Any], values: Iterable[Any]) -> Iterator[ColumnElement[bool]]:
    """Conditions that together choose the rows that have one of `values`; none where there are none."""
    for part in parts_of(values):
        # One array is one parameter, so that PostgreSQL sees the same statement however many values there are.
        yield column == any_(literal(part, array_for(column))) if is_postgresql(connection) else column.in_(part)


class _Bytes(UserDefinedType[bytes]):
    """BYTEA without SQLAlchemy's wrapping of each value, which takes longer than the rest of a question."""

    cache_ok = True

    def get_col_spec(self, **_rest: Any) -> str:
        """Its name in SQL."""
        return "BYTEA"


def array_for(column: Column[Any]) -> ARRAY[Any]:
    """The type of an array of values of `column`."""
    return ARRAY(_Bytes() if isinstance(column.type, LargeBinary) else column.type)


def parts_of(values: Iterable[Any]) -> Iterator[list[Any]]:
    """The values, each once and in key order, in parts that fit the databases' bound on parameters."""
    rest = iter(sorted(set(values)))
    while part := list(islice(rest, STORE_IN_MAX)):
        yield part


def about(
    connection: Connection, table: Table, people: Collection[Person], columns: tuple[str, ...] = ()
) -> Iterator[Row[Any]]:
    """The rows of `table` that are about `people`: these columns of them, or all."""
    question = _about(connection.dialect.name, table, columns)
    for tenant in sorted({person.tenant for person in people}):
        for hashes in parts_of(person.address_hash for person in people if person.tenant == tenant):
            yield from connection.execute(question, {"tenant": tenant, "hashes": hashes})


@cache  # SQLAlchemy's building of it costs more than the database's answer about a few people
def _about(database: str, table: Table, columns: tuple[str, ...]) -> Select[Any]:
    return rows_about(database, table, table.c.tenant == bindparam("tenant"), columns=columns)


def rows_about(database: str, table: Table, *conditions: ColumnElement[bool], columns: tuple[str, ...] = ()) -> Select[Any]:
    """The question for the rows of `table` that have one of the addresses in the parameter `hashes` and meet the conditions.

    Of them it reads these columns, or all.
    """
    column = table.c.address_hash
    rows = select(*(table.c[name] for name in columns)) if columns else select(table)
    if database == "sqlite":
        return rows.where(*conditions, column.in_(bindparam("hashes", expanding=True)))
    # Hash by hash, behind a fence (OFFSET 0). Left alone, PostgreSQL reads the whole tenant while it has no statistics yet, or
    # where one tenant is much larger than the others.
    array = bindparam("hashes", type_=array_for(column))
    asked = func.unnest(array).table_valued("hash", name="asked").render_derived()
    found = rows.where(*conditions, column == asked.c.hash).offset(literal_column("0")).lateral("found")
    return select(found).select_from(asked).join(found, true())


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
        lifted=row.lifted_at,
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
        "lifted_at": entry.lifted,
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
        policy=row.policy,
    )


def told_of(row: Row[Any]) -> Told:
    """The report of a row of `outcomes`."""
    return Told(
        seq=row.seq,
        report_id=row.report_id,
        received_at=row.received_at,
        reading=Reading(row.outcome, row.category, row.rule),
        proof=Proof(row.proof),
        proven=row.proven,
        stream=row.stream,
        outcome=row.body and decode(Outcome, row.body),
        did=Did(row.did),
        why=row.why,
        entry_id=row.entry_id,
        policy=row.policy,
    )


def take_pen(connection: Connection) -> int:
    """Wait for the turn to write, which lasts until the transaction ends; the last number that was given."""
    last: int = connection.execute(select(numbering.c.last).with_for_update()).scalar_one()
    return last
