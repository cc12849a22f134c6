"""What the store holds at the end of a history, read without the store."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select

from suppression.models import changes, entries, numbering, outcomes
from suppression.policy import Did
from suppression.records import Change, Entry
from suppression.store.feed import Noted
from suppression.store.rows import Key, change_of, entry_of, key_of
from tests.sim.ledger import Known
from tests.sim.store import SimulatedDatabase


class Row(NamedTuple):
    """A report that was applied."""

    known: Known
    seq: int
    received_at: datetime
    address_hash: bytes | None
    outcome: str
    category: str
    did: Did


class Past(NamedTuple):
    """Everything."""

    reports: list[Row]
    changes: list[Change]
    entries: dict[Key, Entry]
    last: int  # the last number that was given


def past_of(database: SimulatedDatabase) -> Past:
    """What stands there now, oldest first."""
    with database.watched() as connection:
        return Past(
            [
                Row(
                    Known(row.report_id, row.proven),
                    row.seq,
                    row.received_at,
                    row.address_hash,
                    row.outcome,
                    row.category,
                    Did(row.did),
                )
                for row in connection.execute(select(outcomes).order_by(outcomes.c.seq))
            ],
            [change_of(row) for row in connection.execute(select(changes).order_by(changes.c.seq))],
            {key_of(row): entry_of(row) for row in connection.execute(select(entries))},
            connection.execute(select(numbering.c.last)).scalar_one(),
        )


def noted(changes: Sequence[Change]) -> list[Noted]:
    """What a reader of the feed notes of these changes."""
    return [Noted(it.seq, it.entry_id, it.at, it.address_hash) for it in changes]


def applied_reports(database: SimulatedDatabase) -> set[Known]:
    """Which reports are in the store."""
    with database.watched() as connection:
        return {Known(*row) for row in connection.execute(select(outcomes.c.report_id, outcomes.c.proven))}
