"""Bringing the schema up to date: Alembic, one process at a time, while others serve.

On SQLite all steps are one transaction. On PostgreSQL each is one, so that an index can be built without one; a step that fails
leaves the schema as it was before that step, and the next run goes on there. A step waits only briefly for a lock and comes
again: whoever stands in a queue for a table has everybody else's traffic behind it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, func, select, text
from sqlalchemy.exc import DBAPIError

import migrations
from nullsender.errors import Misconfigured, Transient
from nullsender.limits import (
    MIGRATION_LOCK_SECONDS_MAX,
    MIGRATION_PAUSE_SECONDS,
    MIGRATION_TRIES_MAX,
    MIGRATION_TURN_SECONDS_MAX,
)
from suppression.engine import reading, wait_as_long_as_it_takes, writing
from suppression.models import SCHEMA_REVISION
from suppression.schema import KNOWN_FINGERPRINT, revision_of, serves, too_new
from suppression.store.bulk import is_postgresql
from suppression.trouble import Unreachable, trouble_typed, waited_in_vain_for_a_lock

_ADVISORY_LOCK = 0x6E73  # "ns": any number that nobody else in this database uses


class Found(NamedTuple):
    """What there is in a database before anything is done to it."""

    is_newer: bool  # a newer version has migrated it, and it serves this one too
    is_begun: bool  # there is a list that belongs to some address key


def look(engine: Engine) -> Found:
    """What there is; nothing is done. `Misconfigured` as `upgrade` says."""
    try:
        with reading(engine) as connection:
            found = revision_of(connection)
            if found is None:
                return Found(is_newer=False, is_begun=False)
            is_newer = found > SCHEMA_REVISION
            if is_newer and not serves(connection, found, SCHEMA_REVISION):
                raise too_new(found)
            return Found(is_newer, is_begun=connection.execute(KNOWN_FINGERPRINT).scalar() is not None)
    except Unreachable as away:
        raise Misconfigured(str(away)) from away


def upgrade(engine: Engine, revision: str = "head") -> str | None:
    """Bring the schema up to `revision` and say which one it has then; does nothing where it has it already.

    A newer schema that serves this version's processes too is left as it is. `Misconfigured` where it does not, or where no
    database answers; `Transient` where others hold the tables for too long.
    """
    try:
        return _run(engine, revision, command.upgrade)
    except Unreachable as away:  # this is the first that anybody asks of a database
        raise Misconfigured(str(away)) from away


def downgrade(engine: Engine, revision: str) -> str | None:
    """Take the schema back to `revision` (`base`: no tables at all). What only newer tables hold is lost."""
    return _run(engine, revision, command.downgrade)


def _run(engine: Engine, revision: str, steps: Callable[[Config, str], None]) -> str | None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__path__[0])))
    scripts = ScriptDirectory.from_config(config)
    known = {script.revision for script in scripts.walk_revisions()}
    with _migrating(engine) as connection:
        found = revision_of(connection)
        if found is not None and found not in known:
            if steps is command.upgrade and serves(connection, found, scripts.get_current_head() or ""):
                return found
            raise too_new(found)
        config.attributes["connection"] = connection
        if is_postgresql(connection):
            connection.commit()
            _come_again(connection, lambda: steps(config, revision))
        else:
            steps(config, revision)
        return revision_of(connection)


@contextmanager
def _migrating(engine: Engine) -> Iterator[Connection]:
    """A connection that may migrate, and nobody else's may meanwhile."""
    if engine.dialect.name == "sqlite":
        with writing(engine) as connection:
            yield connection
        return
    with trouble_typed(), engine.connect() as connection:
        connection.execute(text("SET statement_timeout = 0"))  # building an index of a big list takes its time
        wait_as_long_as_it_takes(connection)
        connection.execute(text(f"SET lock_timeout = '{MIGRATION_LOCK_SECONDS_MAX}s'"))
        try:
            _take_turn(connection)
            yield connection
        finally:
            connection.invalidate()  # with it goes what was set here, and the lock, however this ended


def _take_turn(connection: Connection) -> None:
    """Wait for the lock among migrations, but in no transaction: whoever builds an index waits for every open one to end."""
    for _ in range(MIGRATION_TURN_SECONDS_MAX // MIGRATION_PAUSE_SECONDS):
        taken = connection.execute(select(func.pg_try_advisory_lock(_ADVISORY_LOCK))).scalar()
        connection.commit()
        if taken:
            return
        _pause(connection)
    raise Transient("another process migrates the store, and is not ready yet")


def _pause(connection: Connection) -> None:
    connection.execute(select(func.pg_sleep(MIGRATION_PAUSE_SECONDS)))
    connection.commit()


def _come_again(connection: Connection, steps: Callable[[], None]) -> None:
    """Run the steps; those that could not get a lock again a little later."""
    for tried in range(1, MIGRATION_TRIES_MAX + 1):
        try:
            return steps()
        except DBAPIError as error:
            if tried == MIGRATION_TRIES_MAX or not waited_in_vain_for_a_lock(error):
                raise
            connection.rollback()
            _pause(connection)
    return None
