"""What Alembic runs: the steps on the connection that `suppression/migrate.py` gives.

To write a new step, bring a scratch database up to date and compare:
`alembic -x url=sqlite:///scratch.sqlite revision --autogenerate -m "what it is for"`.
"""

from alembic import context
from sqlalchemy import Connection

from suppression.engine import open_engine, writing
from suppression.models import metadata


def run(connection: Connection) -> None:
    """Run the steps in the transaction that `connection` is in."""
    context.configure(connection=connection, target_metadata=metadata)
    with context.begin_transaction():
        context.run_migrations()


given: Connection | None = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    with writing(open_engine(context.get_x_argument(as_dictionary=True)["url"])) as own:
        run(own)
