"""An index by which reports that changed nothing are found when they are old, and vacuuming in time with it.

By default PostgreSQL waits until a fifth of a table is dead: 20 million rows of 100 million.

The words `released`, `amended` and `confirmed` came with this revision, and processes made for 0001 can not read them: it
serves none of those.
"""

import sqlalchemy as sa
from alembic import op

from migrations import build_index, drop_index

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None
serves = "0002"

_CHANGED_NOTHING = sa.text("did IN ('kept', 'counted', 'capped', 'recorded')")
_VACUUM = {"autovacuum_vacuum_scale_factor": 0.02, "autovacuum_analyze_scale_factor": 0.02}
_AGEING = ("outcomes", "changes", "entries")


def upgrade() -> None:
    """One step up."""
    if op.get_context().dialect.name == "postgresql":
        values = ", ".join(f"{name} = {value}" for name, value in _VACUUM.items())
        for table in _AGEING:
            op.execute(f"ALTER TABLE {table} SET ({values})")
    build_index("outcomes_to_drop", "outcomes", ["received_at"], where=_CHANGED_NOTHING)


def downgrade() -> None:
    """The same step down."""
    if op.get_context().dialect.name == "postgresql":
        for table in _AGEING:
            op.execute(f"ALTER TABLE {table} RESET ({', '.join(_VACUUM)})")
    drop_index("outcomes_to_drop", "outcomes")
