"""How many addresses a key may ask about in a second, and from which networks it may be used.

Processes made for 0002 go on and make keys without bounds. They do not know of the bounds of others either: until the last of
them is gone, a key with bounds is not held to them.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None
serves = "0002"


def upgrade() -> None:
    """One step up."""
    op.add_column("api_keys", sa.Column("rate", sa.Integer))
    op.add_column("api_keys", sa.Column("networks", sa.Text))


def downgrade() -> None:
    """The same step down."""
    op.drop_column("api_keys", "networks")
    op.drop_column("api_keys", "rate")
