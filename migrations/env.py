"""What Alembic runs: the steps on the connection that `suppression/migrate.py` gives.

To write a new step, bring a scratch database up to date and compare:
`alembic -x url=sqlite:///scratch.sqlite revision --autogenerate -m "what it is for"`.
"""

from collections.abc import Collection, Mapping
from typing import Any

from alembic import context
from alembic.runtime.migration import MigrationContext, MigrationInfo
from sqlalchemy import Connection

from suppression.engine import open_engine, writing
from suppression.models import metadata
from suppression.schema import note_whom_it_serves


def run(connection: Connection) -> None:
    """Run the steps: in the transaction that `connection` is in, or else each in one of its own."""

    # Alembic gives all four by name.
    def note(ctx: MigrationContext, step: MigrationInfo, heads: Collection[Any], run_args: Mapping[str, Any]) -> None:  # noqa: ARG001
        """With each step, in its transaction."""
        assert ctx.connection is not None
        served = {context.script.get_revision(head).module.serves for head in heads}
        note_whom_it_serves(ctx.connection, *served)

    context.configure(
        connection=connection,
        target_metadata=metadata,
        transaction_per_migration=not connection.in_transaction(),
        on_version_apply=note,
    )
    with context.begin_transaction():
        context.run_migrations()


given: Connection | None = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    with writing(open_engine(context.get_x_argument(as_dictionary=True)["url"])) as own:
        run(own)
