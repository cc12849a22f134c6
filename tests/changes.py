"""The changes of a list as they are written down, to be compared with what the code tells of them."""

from collections.abc import Sequence

from sqlalchemy import select

from suppression.models import changes
from suppression.records import Change
from suppression.store.base import StoreBase
from suppression.store.rows import change_of


def changes_of(store: StoreBase, after_seq: int = 0, limit: int = 1_000) -> Sequence[Change]:
    """Those after that number, oldest first."""
    asked = select(changes).where(changes.c.seq > after_seq).order_by(changes.c.seq).limit(limit)
    with store._engine.connect() as connection:
        return [change_of(row) for row in connection.execute(asked)]
