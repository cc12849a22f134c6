"""The first schema: the list, its history, how far consumers have come, and the keys of the API."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None
serves = "0001"

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TIME = sa.DateTime(timezone=True)
_TO_EXPIRE = sa.text("expires_at IS NOT NULL AND ended_at IS NULL")
_TO_ERASE = sa.text("body IS NOT NULL AND did IN ('kept', 'counted', 'capped', 'recorded')")
_TABLES = (
    "numbering",
    "entries",
    "addresses",
    "outcomes",
    "changes",
    "strikes",
    "provisional_counts",
    "consumer_offsets",
    "api_keys",
    "meta",
)


def upgrade() -> None:
    """Make every table; the pen has given no number yet."""
    op.create_table(
        "numbering",
        sa.Column("last", _NUMBER, nullable=False),
    )
    op.create_table(
        "entries",
        sa.Column("tenant", sa.Text(), primary_key=True),
        sa.Column("address_hash", sa.LargeBinary(), primary_key=True),
        sa.Column("scope", sa.Text(), primary_key=True),
        sa.Column("cause", sa.Text(), primary_key=True),
        sa.Column("id", _NUMBER, nullable=False),
        sa.Column("since", _TIME, nullable=False),
        sa.Column("expires_at", _TIME),
        sa.Column("provisional", sa.Boolean(), nullable=False),
        sa.Column("ended_at", _TIME),
        sa.Column("ended_by", sa.Text()),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("evidence", sa.Text()),
        sa.Column("category", sa.Text()),
        sa.Column("rule", sa.Text()),
        sa.Column("created_by", sa.Text(), nullable=False),
    )
    op.create_index("entries_newest", "entries", ["tenant", "id"], unique=True)
    op.create_index("entries_to_expire", "entries", ["expires_at"], sqlite_where=_TO_EXPIRE, postgresql_where=_TO_EXPIRE)
    op.create_table(
        "addresses",
        sa.Column("address_hash", sa.LargeBinary(), primary_key=True),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("domain", sa.Text(), nullable=False),
    )
    op.create_index("addresses_of_domain", "addresses", ["domain", "address_hash"])
    op.create_table(
        "outcomes",
        sa.Column("report_id", sa.Text(), primary_key=True),
        sa.Column("proven", sa.Boolean(), primary_key=True),
        sa.Column("seq", _NUMBER, nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("stream", sa.Text()),
        sa.Column("address_hash", sa.LargeBinary()),
        sa.Column("received_at", _TIME, nullable=False),
        sa.Column("occurred_at", _TIME),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("proof", sa.Text(), nullable=False),
        sa.Column("did", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("entry_id", _NUMBER),
        sa.Column("body", sa.Text()),
    )
    op.create_index("outcomes_of_address", "outcomes", ["tenant", "address_hash", "seq"])
    op.create_index("outcomes_to_erase", "outcomes", ["received_at"], sqlite_where=_TO_ERASE, postgresql_where=_TO_ERASE)
    op.create_table(
        "changes",
        sa.Column("seq", _NUMBER, primary_key=True, autoincrement=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("address_hash", sa.LargeBinary(), nullable=False),
        sa.Column("entry_id", _NUMBER, nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("consent", sa.Text()),
        sa.Column("report_id", sa.Text()),
        sa.Column("before", sa.Text()),
        sa.Column("after", sa.Text(), nullable=False),
    )
    op.create_index("changes_of_address", "changes", ["tenant", "address_hash", "seq"])
    op.create_table(
        "strikes",
        sa.Column("tenant", sa.Text(), primary_key=True),
        sa.Column("address_hash", sa.LargeBinary(), primary_key=True),
        sa.Column("scope", sa.Text(), primary_key=True),
        sa.Column("newest", sa.Text(), nullable=False),
    )
    op.create_table(
        "provisional_counts",
        sa.Column("hour", _TIME, primary_key=True),
        sa.Column("source", sa.Text(), primary_key=True),
        sa.Column("made", sa.Integer(), nullable=False),
    )
    op.create_table(
        "consumer_offsets",
        sa.Column("consumer_group", sa.Text(), primary_key=True),
        sa.Column("topic", sa.Text(), primary_key=True),
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("next_offset", _NUMBER, nullable=False),
        sa.Column("mark", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("sha256", sa.LargeBinary(), nullable=False, unique=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text()),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("expires_at", _TIME),
        sa.Column("revoked_at", _TIME),
    )
    op.create_table(
        "meta",
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("value", sa.Text(), nullable=False),
    )
    op.execute("INSERT INTO numbering (last) VALUES (0)")


def downgrade() -> None:
    """Drop everything."""
    for table in reversed(_TABLES):
        op.drop_table(table)
