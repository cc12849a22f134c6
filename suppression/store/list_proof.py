"""Whether the list is what its history says: every entry stands as its newest change left it, and none came from nowhere.

The trail proves the changes (`suppression/audit`), and lookups read the entries: this ties the one to the other. What does not
fit at once is looked at again in a single statement, for others may write meanwhile.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Engine, Row, and_, exists, func, select

from nullsender.limits import AUDIT_PAGE_ROWS
from suppression.audit.verifying import Breach
from suppression.engine import reading
from suppression.models import audit, changes, entries, numbering
from suppression.records import Entry
from suppression.store.rows import Key, about, entry_of, key_of

_AFTER = msgspec.json.Decoder(Entry)
_OTHERWISE = "the entry is not as this change left it: the list was altered past its history"


def put_in_behind(engine: Engine) -> Breach | None:
    """The first row behind the last number that was ever given, if there is one."""
    last = select(numbering.c.last).scalar_subquery()
    with reading(engine) as connection:
        for table, what in ((changes, "change of the list"), (audit, "row of the trail")):
            seq = connection.execute(select(func.min(table.c.seq)).where(table.c.seq > last)).scalar()
            if seq is not None:
                return Breach(seq, f"this {what} has a number that was never given: it was put in past the trail")
    return None


def first_difference(engine: Engine) -> Breach | None:
    """The first change that an entry does not agree with, or an entry that no change has made; a page at a time."""
    came_to = -1
    while True:
        with reading(engine) as connection:
            asked = select(changes).where(changes.c.seq > came_to).order_by(changes.c.seq).limit(AUDIT_PAGE_ROWS)
            page = connection.execute(asked).all()
            if not page:
                return _from_nowhere(connection)
            newest = {key_of(row): row for row in page}
            found = {key_of(row): row for row in about(connection, entries, {key.person for key in newest})}
            for key, change in newest.items():
                if not _agrees(found, key, change) and (breach := _looked_at_again(connection, key, change)):
                    return breach
        came_to = page[-1].seq


def _agrees(found: Mapping[Key, Row[Any]], key: Key, change: Row[Any]) -> bool:
    """Whether the entry is as this change left it, or of a later period; if not, a later change may have made it so."""
    row = found.get(key)
    return row is not None and (row.id > change.entry_id or _facts(entry_of(row)) == _facts(_AFTER.decode(change.after)))


def _looked_at_again(connection: Connection, key: Key, change: Row[Any]) -> Breach | None:
    """The same with the newest change of that entry, in one statement; an ended entry may have left."""
    row = changes.c
    of_entry = and_(row.tenant == change.tenant, row.address_hash == change.address_hash, row.entry_id == change.entry_id)
    both = changes.outerjoin(entries, _stands_at(key))
    asked = select(changes.c.seq, changes.c.after, entries).select_from(both).where(of_entry)
    now = connection.execute(asked.order_by(row.seq.desc()).limit(1)).first()
    if now is None:
        return None  # its time was over
    after = _AFTER.decode(now.after)
    if now.id is None or now.id < change.entry_id:
        return (
            None if after.ended else Breach(now.seq, "the entry that this change made is gone: it was removed past its history")
        )
    same = now.id > change.entry_id or _facts(entry_of(now)) == _facts(after)
    return None if same else Breach(now.seq, _OTHERWISE)


def _stands_at(key: Key) -> ColumnElement[bool]:
    row, (tenant, address_hash) = entries.c, key.person
    same = row.tenant == tenant, row.address_hash == address_hash
    return and_(*same, row.scope == key.scope, row.cause == key.cause.value)


def _facts(entry: Entry) -> tuple[object, ...]:
    """What mail is stopped by; words may have been erased."""
    return entry.id, entry.scope, entry.cause, entry.since, entry.expires, entry.provisional, entry.ended


def _from_nowhere(connection: Connection) -> Breach | None:
    made = exists().where(changes.c.seq == entries.c.id, changes.c.tenant == entries.c.tenant)
    entry_id = connection.execute(select(func.min(entries.c.id)).where(~made)).scalar()
    return entry_id and Breach(entry_id, "no change has made the entry of this number: it was put on the list past its history")
