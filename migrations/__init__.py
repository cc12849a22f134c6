"""How the schema came to be, one file a step; `suppression/migrate.py` runs them.

Each step names as `serves` the oldest revision whose processes may run beside it, which is how an upgrade rolls: docs/store.md
has the rules. What a step needs that takes long is here.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op


def keep_writers_out() -> None:
    """Wait until nobody writes, and let nobody begin to until this step is over: for one that changes several tables.

    Every writer begins with this table (`suppression/store/turn.py`). Who locked another one first would wait for a writer that
    waits for him.
    """
    if op.get_context().dialect.name == "postgresql":
        op.execute("LOCK TABLE numbering IN ACCESS EXCLUSIVE MODE")


def build_index(name: str, table: str, columns: Sequence[str], *, where: sa.TextClause | None = None) -> None:
    """An index, on PostgreSQL without holding up anybody: that can not be within the step's transaction.

    A step that builds one does nothing else that can not be done twice: when it is broken off it begins anew.
    """
    if op.get_context().dialect.name == "sqlite":
        op.create_index(name, table, columns, sqlite_where=where)
        return
    with op.get_context().autocommit_block():
        others_wait = op.get_bind().execute(sa.text("SHOW lock_timeout")).scalar_one()
        op.execute("SET lock_timeout = 0")  # it stands in nobody's way while it waits for old transactions to end
        op.drop_index(name, table, postgresql_concurrently=True, if_exists=True)  # one that was broken off is there, unusable
        op.create_index(name, table, columns, postgresql_concurrently=True, postgresql_where=where)
        op.execute(f"SET lock_timeout = '{others_wait}'")  # for the steps that follow


def drop_index(name: str, table: str) -> None:
    """The reverse."""
    if op.get_context().dialect.name == "sqlite":
        op.drop_index(name, table)
        return
    with op.get_context().autocommit_block():
        op.drop_index(name, table, postgresql_concurrently=True, if_exists=True)
