"""What happened: to an address, and to one entry. Every report, what came of it, and every change, newest first."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, Select, Table, and_, func, or_, select

from nullsender.address import canonical
from suppression.engine import reading
from suppression.models import addresses, changes, outcomes
from suppression.policy import EVERYWHERE, Cause, Did
from suppression.records import Change, Entry, Page, Told
from suppression.store.base import StoreBase
from suppression.store.erased import name_of
from suppression.store.rows import change_of, told_of

_TOLD: tuple[tuple[Table, Callable[[Row[Any]], Told | Change]], ...] = ((outcomes, told_of), (changes, change_of))


class Story(NamedTuple):
    """One entry as it stands, or stood when it ended, and a page of what happened to it."""

    entry: Entry
    is_live: bool
    page: Page[Told | Change]


class StoreStories(StoreBase):
    """The questions; `Transient` where they can not be asked."""

    def history(self, tenant: str, address: str, *, cursor: int | None, limit: int) -> Page[Told | Change]:
        """Every report on an address and every change of its entries, newest first. `Invalid` where it is no address."""
        hashes = self._hashes_of(canonical(address))
        with reading(self._engine) as connection:
            return _page([_about(table, tenant, *hashes) for table, _ in _TOLD], connection, cursor, limit)

    def story(self, tenant: str, entry_id: int, *, cursor: int | None, limit: int) -> Story | None:
        """One entry with what happened to it, newest first; None where there is none, or none any more.

        It has the number of the change that began it: so it is found even where a later period stands in its place today.
        """
        began = select(changes).where(changes.c.seq == entry_id, changes.c.entry_id == entry_id, changes.c.tenant == tenant)
        with reading(self._engine) as connection:
            row = connection.execute(began).first()
            if row is None:
                return None
            of_entry = _about(changes, tenant, row.address_hash).where(changes.c.entry_id == entry_id)
            after = change_of(connection.execute(of_entry.order_by(changes.c.seq.desc()).limit(1)).one()).after
            reports = _about(outcomes, tenant, row.address_hash).where(or_(*self._behind(change_of(row).after)))
            page = _page([reports, of_entry], connection, cursor, limit)
            named = select(addresses.c.address).select_from(changes).join(addresses, name_of(changes))
            name = connection.execute(named.where(changes.c.seq == entry_id)).scalar()
        return Story(msgspec.structs.replace(after, address=name), after.is_live(self._clock.now()), page)

    def _behind(self, began: Entry) -> Iterator[ColumnElement[bool]]:
        """Which reports an entry rests on: those that name it, and the soft ones that were counted until it was made."""
        row = outcomes.c
        yield row.entry_id == began.id
        if began.cause is Cause.SOFT:
            settings = self.policy.settings_of_scope(began.tenant, began.scope)
            scope = func.coalesce(row.scope, func.nullif(row.stream, ""), EVERYWHERE)  # older rows say it by their stream
            counted = and_(row.did == Did.COUNTED.value, scope == began.scope, row.seq < began.id)
            yield counted & (row.received_at >= began.since - timedelta(days=settings.soft_window_days))


def _about(table: Table, tenant: str, *hashes: bytes) -> Select[Any]:
    return select(table).where(table.c.tenant == tenant, table.c.address_hash.in_(hashes))


def _page(questions: list[Select[Any]], connection: Connection, cursor: int | None, limit: int) -> Page[Told | Change]:
    """The newest rows of both tables, one after the other."""
    items: list[Told | Change] = []
    for asked, (table, item_of) in zip(questions, _TOLD, strict=True):
        older = asked if cursor is None else asked.where(table.c.seq < cursor)
        items += [item_of(row) for row in connection.execute(older.order_by(table.c.seq.desc()).limit(limit + 1))]
    items.sort(key=lambda item: item.seq, reverse=True)
    return Page(items[:limit], items[limit - 1].seq if len(items) > limit else None)
