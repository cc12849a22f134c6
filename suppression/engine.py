"""How the database is opened: PostgreSQL or SQLite, by the URL alone.

What differs between the two stands here and in `migrate.py`; the rest of the store says the same SQL to both. On either, a
transaction sees what was committed before its turn to write, waits a bounded time for that turn, and is on disk when the commit
returns.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pysqlite3.dbapi2 as sqlite
from psycopg.types.array import ListBinaryDumper
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as NoFreeConnection

from nullsender.errors import Misconfigured, Transient
from nullsender.limits import (
    STORE_CONNECT_SECONDS_MAX,
    STORE_CONNECTIONS_MAX,
    STORE_IDLE_SECONDS_MAX,
    STORE_STATEMENT_SECONDS_MAX,
    STORE_TURN_SECONDS_MAX,
    STORE_WAL_BYTES_MAX,
)

_POOL: dict[str, Any] = {"pool_size": STORE_CONNECTIONS_MAX, "max_overflow": 0, "pool_timeout": STORE_TURN_SECONDS_MAX}

# What is wrong with the database and not with what we said to it: busy, full, unreadable, damaged. Nothing was committed then,
# and once somebody has mended it, trying again works. That holds for a failed fsync too: SQLite writes the pages again.
_SQLITE_MAY_PASS = frozenset(
    {
        sqlite.SQLITE_BUSY,
        sqlite.SQLITE_CANTOPEN,
        sqlite.SQLITE_CORRUPT,
        sqlite.SQLITE_FULL,
        sqlite.SQLITE_IOERR,
        sqlite.SQLITE_LOCKED,
        sqlite.SQLITE_NOTADB,
        sqlite.SQLITE_PERM,
        sqlite.SQLITE_PROTOCOL,
        sqlite.SQLITE_READONLY,
    }
)
# The same of PostgreSQL by class of SQLSTATE; psycopg's OperationalError holds the rest of it: no connection, shutting down, no
# space, deadlock (40P01), serialization (40001), time-outs.
_POSTGRESQL_MAY_PASS = frozenset(
    {
        "25",  # after a failover we may talk to a standby (25006), or our idle transaction was ended (25P03)
        "XX",  # damaged
    }
)


def open_engine(url: str) -> Engine:
    """An engine for `url`, `sqlite:///FILE` or `postgresql://…`; connects to nothing yet.

    Every process opens its own. `Misconfigured` where the URL is neither, or the file can not be made.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise Misconfigured("store.url is not a database URL such as postgresql://user:password@host/name") from error
    match parsed.get_backend_name():
        case "sqlite":
            return _open_sqlite(parsed)
        case "postgresql" | "postgres":
            return _open_postgresql(parsed)
        case other:
            raise Misconfigured(f"store.url names the database {other!r}; the list is kept in postgresql or sqlite")


def _open_sqlite(url: URL) -> Engine:
    if not url.database or url.database.startswith((":memory:", "file:")):
        raise Misconfigured("store.url has to name a file, as in sqlite:////var/lib/nullsender/list.sqlite")
    _make_private(Path(url.database))
    engine = create_engine(
        url.set(drivername="sqlite+pysqlite"),
        module=sqlite,
        connect_args={"timeout": STORE_TURN_SECONDS_MAX},
        hide_parameters=True,  # they are addresses, and errors are logged
        **_POOL,
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _make_private(file: Path) -> None:
    """The list names people: nobody else may read the file, nor the ones that SQLite puts beside it with the same mode."""
    try:
        file.touch(mode=0o600)
    except OSError as error:
        raise Misconfigured(f"store.url names {file}, which can not be written: {error.strerror}") from error


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves, see below
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")  # a commit is on disk; NORMAL may lose the last ones with the power
    connection.execute(f"PRAGMA journal_size_limit={STORE_WAL_BYTES_MAX}")


def _begin_sqlite(connection: Connection) -> None:
    # A reading transaction that starts to write fails at once if somebody else wrote meanwhile, whatever the time-out: whoever
    # is going to write says so at the beginning, and waits there.
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _open_postgresql(url: URL) -> Engine:
    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        connect_args={"connect_timeout": STORE_CONNECT_SECONDS_MAX},
        # A turn has to see what was committed while it waited; a stricter level would fail there instead (40001).
        isolation_level="READ COMMITTED",
        pool_pre_ping=True,  # the first to notice that the server was restarted is nobody's request
        hide_parameters=True,  # they are addresses, and errors are logged
        **_POOL,
    )
    event.listen(engine, "connect", _prepare_postgresql)
    return engine


def _prepare_postgresql(connection: Any, _record: object) -> None:
    limits_seconds = {
        "lock_timeout": STORE_TURN_SECONDS_MAX,
        "statement_timeout": STORE_STATEMENT_SECONDS_MAX,
        "idle_in_transaction_session_timeout": STORE_IDLE_SECONDS_MAX,
    }
    # Arrays go as bytes from now on: writing them as text takes ten times as long.
    connection.adapters.register_dumper(list, ListBinaryDumper)
    with connection.cursor() as cursor:
        for name, seconds in limits_seconds.items():
            cursor.execute("SELECT set_config(%s, %s, false)", (name, f"{seconds}s"))
    connection.commit()


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A transaction that only reads. `Transient` for the database's trouble."""
    with _trouble_typed(), engine.connect() as connection, connection.begin():
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that writes: committed and on disk when the block ends, rolled back when it raises.

    `Transient` for the database's trouble. It may come from the commit itself, and then nobody knows whether it happened:
    whoever tries again must be idempotent.
    """
    with _trouble_typed(), engine.connect().execution_options(writes=True) as connection, connection.begin():
        yield connection


@contextmanager
def _trouble_typed() -> Iterator[None]:
    try:
        yield
    except NoFreeConnection as error:
        raise Transient(f"all {STORE_CONNECTIONS_MAX} connections to the store are busy") from error
    except DBAPIError as error:
        if error.connection_invalidated or _may_pass(error.orig):
            raise Transient(f"the store: {' '.join(str(error.orig).split())}") from error
        raise


def _may_pass(error: BaseException | None) -> bool:
    if isinstance(error, sqlite.Error):
        return (getattr(error, "sqlite_errorcode", 0) & 0xFF) in _SQLITE_MAY_PASS
    if isinstance(error, psycopg.Error):
        operational = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
        return operational or (error.sqlstate or "")[:2] in _POSTGRESQL_MAY_PASS
    return False
