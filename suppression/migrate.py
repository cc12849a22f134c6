"""Bringing the schema up to date: Alembic, one process at a time, all or nothing.

A migration is one transaction on either database, so one that fails leaves the schema as it was. On PostgreSQL it waits a
bounded time for its turn among migrations and for every lock that it needs, so that it never stands in a queue with everybody
else's traffic behind it.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, func, select, text

import migrations
from nullsender.errors import Misconfigured
from nullsender.limits import MIGRATION_TURN_SECONDS_MAX
from suppression.engine import writing

_ADVISORY_LOCK = 0x6E73  # "ns": any number that nobody else in this database uses


def upgrade(engine: Engine, revision: str = "head") -> str | None:
    """Bring the schema up to `revision` and say which one it has then; does nothing where it has it already.

    `Misconfigured` where the schema is newer than this process; `Transient` where others hold the tables for too long.
    """
    return _run(engine, revision, down=False)


def downgrade(engine: Engine, revision: str) -> str | None:
    """Take the schema back to `revision` (`base`: no tables at all). What only newer tables hold is lost."""
    return _run(engine, revision, down=True)


def _run(engine: Engine, revision: str, *, down: bool) -> str | None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__path__[0])))
    with writing(engine) as connection:
        _take_turn(connection)
        _refuse_the_future(connection, ScriptDirectory.from_config(config))
        config.attributes["connection"] = connection
        (command.downgrade if down else command.upgrade)(config, revision)
        return MigrationContext.configure(connection).get_current_revision()


def _take_turn(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":  # SQLite's BEGIN IMMEDIATE has done the same
        connection.execute(text(f"SET LOCAL lock_timeout = '{MIGRATION_TURN_SECONDS_MAX}s'"))
        connection.execute(text("SET LOCAL statement_timeout = 0"))  # building an index of a big list takes its time
        connection.execute(select(func.pg_advisory_xact_lock(_ADVISORY_LOCK)))


def _refuse_the_future(connection: Connection, scripts: ScriptDirectory) -> None:
    found = MigrationContext.configure(connection).get_current_revision()
    known = {script.revision for script in scripts.walk_revisions()}
    if found is not None and found not in known:
        raise Misconfigured(f"the store's schema {found} is from a newer version of this system: upgrade this process first")
