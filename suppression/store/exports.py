"""What an export reads: rows page by page, all as of one moment, with whatever is written meanwhile.

That moment is the *cut*: the last number that had been given when the export began. Rows come in the order of their numbers, up
to the cut. Entries change, though; what was changed after the cut is taken from the feed (`store/meanwhile.py`). So nothing is
locked for as long as an export takes, and one that was interrupted goes on with the same moment.

Rows come as text, numbers and flags, which the database makes: making them of objects takes several times as long.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, Text, func, select, tuple_, type_coerce

from nullsender.address import domain_of
from suppression.audit.chain import Act
from suppression.audit.verifying import Link
from suppression.engine import reading
from suppression.exports.columns import COLUMNS, Column, Kind, Row, place_of
from suppression.exports.request import ExportRequest, What
from suppression.models import addresses, audit, changes, entries, is_an_act, numbering, prehashed, unsubscribes
from suppression.store.bulk import is_postgresql
from suppression.store.erased import name_of
from suppression.store.meanwhile import Meanwhile, Place, Stood
from suppression.store.rows import is_live
from suppression.store.turns import StoreTurns


class Cut(msgspec.Struct, frozen=True, kw_only=True):
    """The moment as of which an export is: the last number then, and the end of the audit trail."""

    position: int
    at: datetime
    audit_head: str | None  # as `nullsender audit head` prints it


class Read(NamedTuple):
    """Some rows. `last` is where to go on; None: that was all."""

    rows: Sequence[Row]
    last: Place | None


#: Before all rows.
START = Place("", 0)
_TABLES = {What.ENTRIES: entries, What.UNSUBSCRIBES: unsubscribes, What.CHANGES: changes}
_NUMBERS = {What.ENTRIES: entries.c.id, What.UNSUBSCRIBES: unsubscribes.c.seq, What.CHANGES: changes.c.seq}
_NUMBER_NAMES = {What.ENTRIES: "entry", What.UNSUBSCRIBES: "number", What.CHANGES: "number"}
_TIMES = {What.ENTRIES: entries.c.since, What.UNSUBSCRIBES: unsubscribes.c.received_at, What.CHANGES: changes.c.at}
#: Columns that the table calls otherwise.
_SOURCES: Mapping[What, Mapping[str, ColumnElement[Any]]] = {
    What.ENTRIES: {"expires": entries.c.expires_at, "ended": entries.c.ended_at, "entry": entries.c.id},
    What.UNSUBSCRIBES: {
        "in_time": unsubscribes.c.effective_at <= unsubscribes.c.limit_at,
        "report": unsubscribes.c.report_id,
        "entry": unsubscribes.c.entry_id,
        "number": unsubscribes.c.seq,
    },
    What.CHANGES: {"report": changes.c.report_id, "entry": changes.c.entry_id, "number": changes.c.seq},
}


class StoreExports(StoreTurns):
    """The list as exports read it. `Transient` where it can not be read."""

    def cut(self) -> Cut:
        """Now, as a position."""
        newest = select(audit.c.seq, audit.c.chain).order_by(audit.c.seq.desc()).limit(1)
        with reading(self._engine) as connection:
            # Whatever has a number up to this one can be seen from now on: numbers become visible in their order.
            position = connection.execute(select(numbering.c.last)).scalar_one()
            head = connection.execute(newest.where(audit.c.seq <= position)).one_or_none()
        link = None if head is None else str(Link(head.seq, head.chain))
        return Cut(position=position, at=self._clock.now(), audit_head=link)

    def count(self, request: ExportRequest, cut: Cut) -> int:
        """About how many rows there are: those that change meanwhile may make it a few more or less."""
        with reading(self._engine) as connection:
            count: int = connection.execute(self._filtered(select(func.count()), request, cut)).scalar_one()
        return count

    def rows(self, request: ExportRequest, cut: Cut, meanwhile: Meanwhile, after: Place, limit: int) -> Read:
        """The next rows, in the order of their numbers, as they stood at the cut: about `limit`.

        `Invalid` where more was changed since the cut than can be kept in mind.
        """
        with reading(self._engine) as connection:
            asked = self._filtered(select(*_columns(connection, request.what)), request, cut)
            found: list[Row] = connection.execute(_behind(asked, request, after).limit(limit)).all()  # type: ignore[assignment]
            last = _place(request.what, found[-1]) if len(found) == limit else None
            if request.what is not What.ENTRIES:
                return Read(found, last)
            # Read after the rows, so that it holds whatever was changed before these were read.
            meanwhile.read(connection)
            if not meanwhile.changed:
                return Read(found, last)
            stood = meanwhile.rows_between(connection, after, last)
        kept = [row for row in found if _place(request.what, row) not in meanwhile.changed]
        kept += [one.row for one in stood if self._asks_for(request, cut, one)]
        return Read(sorted(kept, key=lambda row: _place(request.what, row)), last)

    def has_noted(self, act: Act) -> bool:
        """Whether an act of that kind was written down already, about the same subject."""
        told = select(audit.c.seq).where(audit.c.kind == act.kind, audit.c.subject == act.subject, is_an_act)
        with reading(self._engine) as connection:
            return connection.execute(told.limit(1)).first() is not None

    def _filtered(self, asked: Select[Any], request: ExportRequest, cut: Cut) -> Select[Any]:
        table, time, scopes = _TABLES[request.what], _TIMES[request.what], request.scopes(self.policy)
        named = table.outerjoin(addresses, name_of(table))
        asked = asked.select_from(named.outerjoin(prehashed, table.c.address_hash == prehashed.c.address_hash))
        asked = asked.where(_NUMBERS[request.what] <= cut.position)
        if request.tenant is not None:
            asked = asked.where(table.c.tenant == request.tenant)
        if request.begins is not None:
            asked = asked.where(time >= request.begins)
        if request.ends is not None:
            asked = asked.where(time < request.ends)
        if request.cause is not None and request.what is not What.UNSUBSCRIBES:
            asked = asked.where(table.c.cause == request.cause.value)
        if scopes is not None:
            asked = asked.where(table.c.scope.in_(scopes))
        if request.domain is not None:
            asked = asked.where(addresses.c.domain == request.domain)
        if request.what is What.ENTRIES and not request.ended:
            asked = asked.where(is_live(cut.at))
        return asked

    def _asks_for(self, request: ExportRequest, cut: Cut, stood: Stood) -> bool:
        """What `_filtered` says in SQL, of an entry as it stood."""
        entry, scopes = stood.entry, request.scopes(self.policy)
        return (
            request.tenant in (None, entry.tenant)
            and (request.begins is None or entry.since >= request.begins)
            and (request.ends is None or entry.since < request.ends)
            and request.cause in (None, entry.cause)
            and (scopes is None or entry.scope in scopes)
            and (request.domain is None or (stood.address is not None and domain_of(stood.address) == request.domain))
            and (request.ended or entry.is_live(cut.at))
        )


def _behind(asked: Select[Any], request: ExportRequest, after: Place) -> Select[Any]:
    """What comes behind a place, in order. Only entries are in an order of tenants: the index of the others has none."""
    number = _NUMBERS[request.what]
    if request.tenant is None and request.what is What.ENTRIES:
        return asked.where(tuple_(entries.c.tenant, number) > tuple_(*after)).order_by(entries.c.tenant, number)
    return asked.where(number > after.number).order_by(number)


def _place(what: What, row: Row) -> Place:
    tenant, number = row[0], row[place_of(what, _NUMBER_NAMES[what])]
    assert isinstance(tenant, str)
    assert isinstance(number, int)
    return Place(tenant, number)


def _columns(connection: Connection, what: What) -> Iterator[ColumnElement[Any]]:
    table, sources = _TABLES[what], _SOURCES[what]
    for column in COLUMNS[what]:
        if column.name == "address":
            yield addresses.c.address
        elif column.name == "known_as":
            yield prehashed.c.name
        else:
            value = sources[column.name] if column.name in sources else table.c[column.name]
            yield _written(connection, column, value).label(column.name)


def _written(connection: Connection, column: Column, value: ColumnElement[Any]) -> ColumnElement[Any]:
    """The value as an export has it."""
    match column.kind:
        case Kind.MOMENT if is_postgresql(connection):
            return func.to_char(func.timezone("UTC", value), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
        case Kind.MOMENT:
            return func.replace(type_coerce(value, Text), " ", "T") + "Z"
        case Kind.HASH:
            return func.encode(value, "hex") if is_postgresql(connection) else func.lower(func.hex(value))
        case _:
            return value
