"""${message}."""

import sqlalchemy as sa
from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None
serves = ${repr(down_revision)}  # the oldest revision whose processes may run on this schema: docs/store.md


def upgrade() -> None:
    """One step up."""
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    """The same step down."""
    ${downgrades if downgrades else "pass"}
