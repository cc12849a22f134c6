"""What is not kept for ever leaves a bounded part at a time. `suppression/privacy/retention.py` says what is kept how long.

Reports are found by an index. Entries that ended are found by a sweep through the changes, oldest first, over and over: most
changes have to stay, and whether one may go is known only when its entry has ended. Plain addresses, the words of acts and the
sources of unsubscribes have sweeps of their own (`store/retention.py`).
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any

from sqlalchemy import Connection, Select, TextClause, delete, func, insert, or_, select, text, tuple_, update

from nullsender.limits import OUTCOME_BODIES_KEPT_DAYS, PROVISIONAL_COUNTS_KEPT_DAYS
from suppression.audit.chain import RETENTION, UNSEALED, Act
from suppression.models import (
    changed_nothing,
    changes,
    entries,
    has_idle_words,
    held_reports,
    incident_reports,
    is_set_aside,
    meta,
    outcomes,
    provisional_counts,
    unsubscribes,
)
from suppression.privacy.retention import DataKind, Kept
from suppression.store import retention
from suppression.store.audit import unseal
from suppression.store.soft_age import forget_soft
from suppression.store.turn import Turn

_ACTOR = "clock"  # as the history names it
_SWEPT = "history_swept_to"  # in `meta`: the number of the change that the sweep has come to

#: Of these there is more where as much was found as was looked for; the others are swept.
_FOUND_BY_INDEX = (DataKind.REPORT_WORDS, DataKind.REPORTS, DataKind.STRIKES, DataKind.DELIVERIES)

#: Reports that leave when they are old; the others leave with the entry that they had a part in.
_LEAVES_BY_ITSELF = (changed_nothing, is_set_aside)

_KEY = outcomes.c.report_id, outcomes.c.proven
_LOOKED_AT = [changes.c[name] for name in ("seq", "at", "tenant", "address_hash", "entry_id", "report_id")]


def forget(turn: Turn, kept: Kept, limit: int) -> int:
    """Do a part of it, at most `limit` rows of a kind; how many there were of the kind that had most.

    Where that is `limit` there may be more; the sweeps, which never end, do not count.
    """
    connection, history = turn.connection, timedelta(days=kept.history_days)
    soft = forget_soft(connection, turn.now, limit)
    names = retention.drop_names(turn, kept, soft.struck, limit)
    gone = _sweep(connection, turn.now - history, limit)
    acts = retention.old_acts(turn, kept, limit)
    removed = {
        DataKind.SOURCES: _drop_counts(connection, turn.now - timedelta(days=PROVISIONAL_COUNTS_KEPT_DAYS)),
        DataKind.ENDED_ENTRIES: len(gone),
        DataKind.AUDIT_WORDS: len(acts) + retention.empty_incidents(turn, kept),
        DataKind.UNHEEDED: retention.drop_unheeded(turn, kept, limit),
        DataKind.PLAIN_ADDRESSES: names,
        DataKind.UNSUBSCRIBE_SOURCES: retention.empty_sources(turn, kept, limit),
        DataKind.REPORT_WORDS: _erase_words(connection, turn.now - timedelta(days=OUTCOME_BODIES_KEPT_DAYS), limit),
        DataKind.REPORTS: max(_drop_reports(connection, these, turn.now - history, limit) for these in _LEAVES_BY_ITSELF),
        DataKind.STRIKES: len(soft.struck),
        DataKind.DELIVERIES: soft.deliveries,
    }
    retention.note(turn, removed)
    unsealed = unseal(connection, {*gone, *acts})
    if unsealed:
        turn.tell(Act(kind=RETENTION, actor=_ACTOR, reason="its time was over", body={UNSEALED: unsealed}))
    return max(removed[kind] for kind in _FOUND_BY_INDEX)


def _drop_counts(connection: Connection, before: datetime) -> int:
    return connection.execute(delete(provisional_counts).where(provisional_counts.c.hour < before)).rowcount


def _erase_words(connection: Connection, before: datetime, limit: int) -> int:
    oldest = _oldest(has_idle_words, before, limit)
    return connection.execute(update(outcomes).where(tuple_(*_KEY).in_(oldest)).values(body=None)).rowcount


def _drop_reports(connection: Connection, these: TextClause, before: datetime, limit: int) -> int:
    gone = [tuple(row) for row in connection.execute(_oldest(these, before, limit))]
    for table in (held_reports, incident_reports, outcomes) if gone else ():
        connection.execute(delete(table).where(tuple_(table.c.report_id, table.c.proven).in_(gone)))
    return len(gone)


def _oldest(these: TextClause, before: datetime, limit: int) -> Select[Any]:
    received_at = outcomes.c.received_at
    return select(*_KEY).where(these, received_at < before).order_by(received_at).limit(limit)


def _sweep(connection: Connection, before: datetime, limit: int) -> Sequence[int]:
    """Look at the next `limit` changes that are older than that, and drop what they say of entries that ended before.

    The numbers of the changes that were dropped.
    """
    came_to = connection.execute(select(meta.c.value).where(meta.c.name == _SWEPT)).scalar()
    following = select(*_LOOKED_AT).where(changes.c.seq > int(came_to or 0)).order_by(changes.c.seq).limit(limit)
    page = list(takewhile(lambda change: change.at < before, connection.execute(following)))
    gone = _drop_ended(connection, page, before) if page else []
    swept_to = str(page[-1].seq if len(page) == limit else 0)  # at the end it starts over
    if came_to is None:
        connection.execute(insert(meta).values(name=_SWEPT, value=swept_to))
    elif came_to != swept_to:
        connection.execute(update(meta).where(meta.c.name == _SWEPT).values(value=swept_to))
    return gone


def _drop_ended(connection: Connection, page: Sequence[Any], before: datetime) -> Sequence[int]:
    kept = _kept(connection, page, before)
    # The newest change of all stays: by it a follower knows that this is the past that it knows.
    newest = connection.execute(select(func.max(changes.c.seq))).scalar()
    gone = [change for change in page if change.entry_id not in kept and change.seq != newest]
    if not gone:
        return []
    ids = sorted({change.entry_id for change in gone})
    tenants = sorted({change.tenant for change in gone})
    hashes = sorted({change.address_hash for change in gone})
    numbers = [change.seq for change in gone]
    connection.execute(delete(changes).where(changes.c.seq.in_(numbers)))
    # Reports by the entry: no change names one of which a replay found that it had a part in it. Those that changed nothing
    # leave by themselves, for there may be very many.
    row = outcomes.c
    theirs = row.tenant.in_(tenants) & row.address_hash.in_(hashes) & row.entry_id.in_(ids)
    connection.execute(delete(outcomes).where(theirs, text(f"NOT ({changed_nothing.text})")))
    asked = unsubscribes.c
    of_entry = asked.tenant.in_(tenants) & asked.address_hash.in_(hashes) & asked.entry_id.in_(ids)
    connection.execute(delete(unsubscribes).where(of_entry))
    connection.execute(delete(entries).where(entries.c.tenant.in_(tenants), entries.c.id.in_(ids)))
    return numbers


def _kept(connection: Connection, page: Sequence[Any], before: datetime) -> set[int]:
    """Those entries that the page speaks of that stand, or have changed since `before`."""
    ids = sorted({change.entry_id for change in page})
    tenants = sorted({change.tenant for change in page})
    hashes = sorted({change.address_hash for change in page})
    standing = select(entries.c.id).where(
        entries.c.tenant.in_(tenants), entries.c.id.in_(ids), or_(entries.c.ended_at.is_(None), entries.c.ended_at >= before)
    )
    row = changes.c
    changed = select(row.entry_id).where(
        row.tenant.in_(tenants), row.address_hash.in_(hashes), row.entry_id.in_(ids), row.at >= before
    )
    return {*connection.execute(standing).scalars(), *connection.execute(changed).scalars()}
