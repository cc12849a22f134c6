"""What the list needs to act rightly for years: policy, audit, incidents, unsubscribes, exports and imports, privacy.

New words in columns that processes read strictly come with it, so it serves none that were made for an older schema.
"""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

from migrations import build_index, drop_index, keep_writers_out

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None
serves = "0004"

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TIME = sa.DateTime(timezone=True)
_SET_ASIDE = sa.text("did IN ('held', 'released')")


def upgrade() -> None:
    """One step up."""
    build_index("outcomes_of_span", "outcomes", ["received_at"])  # first: it ends the step's transaction, and can be done again
    build_index("outcomes_set_aside", "outcomes", ["received_at"], where=_SET_ASIDE)
    keep_writers_out()
    _policy()
    _audit()
    _incidents()
    _unsubscribes()
    _jobs()
    _imports()


def downgrade() -> None:
    """The same step down."""
    drop_index("outcomes_set_aside", "outcomes")  # first, as above
    drop_index("outcomes_of_span", "outcomes")
    keep_writers_out()
    op.drop_table("prehashed")
    _without_incidents()
    _without_jobs()
    _without_unsubscribes()
    _without_audit()
    _without_policy()


def _policy() -> None:
    """Soft bounces and deliveries, and which scope each report asked for.

    Rows that are there are left as they are: who reads them knows what they meant (`scope_of` in store/histories.py, and
    `Entry.standing`).
    """
    op.add_column("outcomes", sa.Column("scope", sa.Text))
    op.add_column("outcomes", sa.Column("send", sa.Text))
    op.add_column("entries", sa.Column("lifted_at", _TIME))
    _strikes()
    op.create_table(
        "deliveries",
        sa.Column("tenant", sa.Text(), primary_key=True),
        sa.Column("address_hash", sa.LargeBinary(), primary_key=True),
        sa.Column("stream", sa.Text(), primary_key=True),
        sa.Column("mailing_list", sa.Text(), primary_key=True),
        sa.Column("delivered_at", _TIME, primary_key=True),
        sqlite_with_rowid=False,
    )
    op.create_index("deliveries_to_drop", "deliveries", ["delivered_at"])


def _strikes() -> None:
    """Deliveries between the strikes; those that are kept age from today, which is the column's default for ever."""
    op.add_column("strikes", sa.Column("delivered", sa.Text))
    op.add_column("strikes", sa.Column("before", sa.Text))
    zone = "+00" if op.get_context().dialect.name == "postgresql" else ""  # SQLite keeps none
    today = sa.text(f"'{datetime.now(UTC):%Y-%m-%d %H:%M:%S.%f}{zone}'")
    op.add_column("strikes", sa.Column("newest_at", _TIME, nullable=False, server_default=today))
    op.create_index("strikes_to_drop", "strikes", ["newest_at"])


def _without_policy() -> None:
    op.drop_table("deliveries")
    op.drop_index("strikes_to_drop", "strikes")
    for table, column in (
        ("strikes", "newest_at"),
        ("strikes", "before"),
        ("strikes", "delivered"),
        ("entries", "lifted_at"),
        ("outcomes", "send"),
        ("outcomes", "scope"),
    ):
        op.drop_column(table, column)


def _audit() -> None:
    """The chain of all that was done."""
    op.add_column("numbering", sa.Column("link", sa.LargeBinary))
    op.add_column("outcomes", sa.Column("policy", sa.Text))
    op.add_column("changes", sa.Column("policy", sa.Text))
    op.create_table(
        "audit",
        sa.Column("seq", _NUMBER, primary_key=True, autoincrement=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text()),
        sa.Column("actor", sa.Text()),
        sa.Column("subject", sa.Text()),
        sa.Column("body", sa.Text()),
        sa.Column("salt", sa.LargeBinary()),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("chain", sa.LargeBinary(), nullable=False),
    )
    acts = sa.text("kind <> 'change'")
    op.create_index("audit_acts", "audit", ["kind", "seq"], sqlite_where=acts, postgresql_where=acts)
    op.create_index("audit_of_subject", "audit", ["subject", "seq"], sqlite_where=acts, postgresql_where=acts)
    op.create_table(
        "erased",
        sa.Column("address_hash", sa.LargeBinary(), primary_key=True),
        sa.Column("tenant", sa.Text(), primary_key=True),
        sa.Column("at", _TIME, nullable=False),
    )


def _without_audit() -> None:
    op.drop_table("erased")
    op.drop_table("audit")
    op.drop_column("changes", "policy")
    op.drop_column("outcomes", "policy")
    op.drop_column("numbering", "link")


def _incidents() -> None:
    """Incidents, and what is held for review."""
    op.create_table(
        "incidents",
        sa.Column("id", _NUMBER, primary_key=True, autoincrement=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("marks", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("made_at", _TIME, nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("job", sa.Text()),
        sa.Column("undone_at", _TIME),
        sa.Column("undone_by", sa.Text()),
        sa.Column("undone_because", sa.Text()),
    )
    op.create_table(
        "incident_reports",
        sa.Column("report_id", sa.Text(), primary_key=True),
        sa.Column("proven", sa.Boolean(), primary_key=True),
        sa.Column("incident_id", _NUMBER, primary_key=True, autoincrement=False),
        sa.Column("address_hash", sa.LargeBinary(), nullable=False),
        sa.Column("own", sa.Text(), nullable=False),
        sa.Column("read_as", sa.Text()),
    )
    op.create_index("incident_reports_of", "incident_reports", ["incident_id", "address_hash"])
    op.create_table(
        "held_reports",
        sa.Column("report_id", sa.Text(), primary_key=True),
        sa.Column("proven", sa.Boolean(), primary_key=True),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("address_hash", sa.LargeBinary(), nullable=False),
        sa.Column("held_at", _TIME, nullable=False),
    )
    op.create_index("held_reports_of", "held_reports", ["tenant", "key", "address_hash"])
    op.create_table(
        "breaker",
        sa.Column("tenant", sa.Text(), primary_key=True),
        sa.Column("key", sa.Text(), primary_key=True),
        sa.Column("tally", sa.Text(), nullable=False),
        sa.Column("open_since", _TIME),
        sa.Column("counted_at", _TIME, nullable=False),
    )


def _without_incidents() -> None:
    for table in ("breaker", "held_reports", "incident_reports", "incidents"):
        op.drop_table(table)


def _unsubscribes() -> None:
    """Deadlines, and the proof of each unsubscribe."""
    op.create_table(
        "unsubscribes",
        sa.Column("seq", _NUMBER, primary_key=True, autoincrement=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("address_hash", sa.LargeBinary(), nullable=False),
        sa.Column("entry_id", _NUMBER),
        sa.Column("scope", sa.Text()),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("received_at", _TIME, nullable=False),
        sa.Column("effective_at", _TIME),
        sa.Column("why_not", sa.Text()),
        sa.Column("jurisdiction", sa.Text(), nullable=False),
        sa.Column("limit_at", _TIME, nullable=False),
        sa.Column("first_refused_at", _TIME),
        sa.Column("dismissed_at", _TIME),
        sa.Column("verified", sa.Text(), nullable=False),
        sa.Column("report_id", sa.Text()),
        sa.Column("token", sa.Text()),
        sa.Column("message", sa.Text()),
        sa.Column("ip", sa.Text()),
        sa.Column("user_agent", sa.Text()),
    )
    op.create_index("unsubscribes_of_address", "unsubscribes", ["tenant", "address_hash", "seq"])
    op.create_index("unsubscribes_of_tenant", "unsubscribes", ["tenant", "seq"])
    waits = sa.text("effective_at IS NULL AND dismissed_at IS NULL")
    op.create_index("unsubscribes_waiting", "unsubscribes", ["received_at"], sqlite_where=waits, postgresql_where=waits)


def _without_unsubscribes() -> None:
    op.drop_table("unsubscribes")


def _jobs() -> None:
    """Exports, imports and other long work."""
    op.create_table(
        "jobs",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("due_at", _TIME, nullable=False),
        sa.Column("started_at", _TIME),
        sa.Column("finished_at", _TIME),
        sa.Column("cursor", sa.Text()),
        sa.Column("done", _NUMBER, nullable=False),
        sa.Column("total", _NUMBER),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("lease", sa.Text()),
        sa.Column("lease_until", _TIME),
        sa.Column("result", sa.Text()),
        sa.Column("trouble", sa.Text()),
    )
    op.create_index("jobs_of_tenant", "jobs", ["tenant", "created_at", "id"])
    is_open = sa.text("state IN ('waiting', 'working')")
    op.create_index("jobs_open", "jobs", ["created_at", "id"], sqlite_where=is_open, postgresql_where=is_open)
    op.create_table("duties", sa.Column("name", sa.Text(), primary_key=True), sa.Column("due_at", _TIME, nullable=False))


def _without_jobs() -> None:
    op.drop_table("duties")
    op.drop_table("jobs")


def _imports() -> None:
    """Hashed lists of others."""
    op.create_table(
        "prehashed",
        sa.Column("address_hash", sa.LargeBinary(), primary_key=True),
        sa.Column("name", sa.Text(), nullable=False),
    )
