"""What leaves while the rows that it belongs to stay: plain addresses, where unsubscribes came from, words of acts.

Each has a sweep that goes once through a table in the order of its numbers, as far as it is old enough, a bounded part at a
time. What was removed last is written down for people to see.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any

import msgspec
from sqlalchemy import Column, ColumnElement, Connection, Select, delete, func, insert, or_, select, update

from suppression.audit.chain import CHANGE, ERASES, GENESIS
from suppression.engine import reading
from suppression.models import (
    addresses,
    audit,
    changed_nothing,
    changes,
    deliveries,
    entries,
    has_idle_words,
    incidents,
    meta,
    outcomes,
    strikes,
    unsubscribes,
)
from suppression.policy import ENDS
from suppression.privacy.retention import DataKind, Kept, rules_of
from suppression.store.base import StoreBase
from suppression.store.erased import ERASED
from suppression.store.known import tenants_with
from suppression.store.rows import Person
from suppression.store.turn import Turn

_REMOVED = "removed_last:"  # in `meta`, before the name of a kind
_SWEPT = "swept_to:"  # the same: the number that its sweep has come to


_OLDEST: Mapping[DataKind, Select[Any]] = {
    DataKind.REPORT_WORDS: select(func.min(outcomes.c.received_at)).where(has_idle_words),
    DataKind.REPORTS: select(func.min(outcomes.c.received_at)).where(changed_nothing),
    DataKind.STRIKES: select(func.min(strikes.c.newest_at)),
    DataKind.DELIVERIES: select(func.min(deliveries.c.delivered_at)),
}


class Removed(msgspec.Struct, frozen=True):
    """When something of a kind was removed last, and how many rows."""

    at: datetime
    rows: int


class StoreRetention(StoreBase):
    """The question what leaves; `Transient` where it can not be asked."""

    def removed_last(self) -> Mapping[DataKind, Removed]:
        """Of each kind that something was ever removed of: when that was last, and how much."""
        with reading(self._engine) as connection:
            rows = connection.execute(select(meta).where(meta.c.name.startswith(_REMOVED, autoescape=True))).all()
        return {DataKind(row.name.removeprefix(_REMOVED)): msgspec.json.decode(row.value, type=Removed) for row in rows}

    def next_due(self) -> Mapping[DataKind, datetime]:
        """When the oldest of a kind leaves, where an index tells the oldest."""
        rules = rules_of(self.kept)
        due: dict[DataKind, datetime] = {}
        with reading(self._engine) as connection:
            for kind, asked in _OLDEST.items():
                oldest, days = connection.execute(asked).scalar(), rules[kind].days
                if oldest is not None and days is not None:
                    due[kind] = oldest + timedelta(days=days)
        return due


def note(turn: Turn, removed: Mapping[DataKind, int]) -> None:
    """Write down what was removed just now."""
    for kind, rows in removed.items():
        if rows:
            _keep(turn.connection, _REMOVED + kind, msgspec.json.encode(Removed(turn.now, rows)).decode())


def old_acts(turn: Turn, kept: Kept, limit: int) -> Sequence[int]:
    """The next acts of the trail whose words are too old; those that count what was erased keep theirs."""
    page = _swept(turn, DataKind.AUDIT_WORDS, select(audit), audit.c.seq, audit.c.at, kept.audit_words_days, limit)
    return [row.seq for row in page if row.salt is not None and row.kind not in {CHANGE, GENESIS, *ERASES}]


def empty_incidents(turn: Turn, kept: Kept) -> int:
    """Take what people typed from old incidents, which hold on; how many those were."""
    row, before = incidents.c, turn.now - timedelta(days=kept.audit_words_days)
    old = row.made_at < before, row.reason != ERASED
    undone = row.undone_at < before, row.undone_because != ERASED
    emptied = turn.connection.execute(update(incidents).where(*old).values(reason=ERASED)).rowcount
    return emptied + turn.connection.execute(update(incidents).where(*undone).values(undone_because=ERASED)).rowcount


def drop_unheeded(turn: Turn, kept: Kept, limit: int) -> int:
    """Drop old unsubscribes that belong to no entry, whose history they would leave with; how many those were."""
    row, days = unsubscribes.c, kept.history_days
    asked = select(row.seq, row.received_at, row.entry_id)
    page = _swept(turn, DataKind.UNHEEDED, asked, row.seq, row.received_at, days, limit)
    gone = [one.seq for one in page if one.entry_id is None]
    return turn.connection.execute(delete(unsubscribes).where(row.seq.in_(gone))).rowcount if gone else 0


def empty_sources(turn: Turn, kept: Kept, limit: int) -> int:
    """Take from old unsubscribes where they came from; how many that were."""
    row, days = unsubscribes.c, kept.unsubscribe_source_days
    page = _swept(turn, DataKind.UNSUBSCRIBE_SOURCES, select(row.seq, row.received_at), row.seq, row.received_at, days, limit)
    full = row.seq.in_([one.seq for one in page]) & or_(row.ip.is_not(None), row.user_agent.is_not(None))
    return turn.connection.execute(update(unsubscribes).where(full).values(ip=None, user_agent=None)).rowcount if page else 0


def drop_names(turn: Turn, kept: Kept, struck: Sequence[bytes], limit: int) -> int:
    """Drop the plain addresses of those whose last entry ended too long ago, or whose strikes went; how many that were.

    Somebody is looked at when an entry of theirs ended so long ago: where none stands, and none ended since, the address goes.
    """
    row, days = changes.c, min(kept.plain_address_days, kept.history_days)  # the sweep needs the changes
    ended = select(row.seq, row.at, row.action, row.address_hash)
    page = _swept(turn, DataKind.PLAIN_ADDRESSES, ended, row.seq, row.at, days, limit)
    before = turn.now - timedelta(days=days)
    needed = or_(entries.c.ended_at.is_(None), entries.c.ended_at >= before)
    gone = [
        address_hash
        for address_hash in sorted({*struck, *(one.address_hash for one in page if one.action in ENDS)})
        if not _is_needed(turn.connection, address_hash, needed)
    ]
    return turn.connection.execute(delete(addresses).where(addresses.c.address_hash.in_(gone))).rowcount if gone else 0


def _is_needed(connection: Connection, address_hash: bytes, stands: ColumnElement[bool]) -> bool:
    if tenants_with(connection, address_hash, [strikes]):
        return True
    people = (Person(tenant, address_hash) for tenant in tenants_with(connection, address_hash, [entries]))
    same = (select(entries.c.id).where(entries.c.tenant == tenant, entries.c.address_hash == hash_) for tenant, hash_ in people)
    return any(connection.execute(asked.where(stands).limit(1)).first() for asked in same)


def _swept(
    turn: Turn,
    kind: DataKind,
    asked: Select[Any],
    number: Column[Any],
    at: Column[Any],
    days: int,
    limit: int,
) -> Sequence[Any]:
    """The next rows, in the order of their numbers, that are older than that; they are not looked at again."""
    connection, before, name = turn.connection, turn.now - timedelta(days=days), _SWEPT + kind
    came_to = connection.execute(select(meta.c.value).where(meta.c.name == name)).scalar()
    following = asked.where(number > int(came_to or -1)).order_by(number).limit(limit)
    page = list(takewhile(lambda row: row._mapping[at.name] < before, connection.execute(following)))
    if page:
        _keep(connection, name, str(page[-1].seq))
    return page


def _keep(connection: Connection, name: str, value: str) -> None:
    if not connection.execute(update(meta).where(meta.c.name == name).values(value=value)).rowcount:
        connection.execute(insert(meta).values(name=name, value=value))
