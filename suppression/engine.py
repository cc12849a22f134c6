"""How the database is opened: PostgreSQL or SQLite, by the URL alone.

What differs between the two stands here and in `migrate.py`; the rest of the store says the same SQL to both. On either, a
transaction sees what was committed before its turn to write, waits a bounded time for that turn, and is on disk when the commit
returns.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pysqlite3.dbapi2 as sqlite
from psycopg.abc import RV, PQGen
from psycopg.pq import TransactionStatus
from psycopg.types.array import ListBinaryDumper
from sqlalchemy import URL, Connection, Dialect, Engine, create_engine, event, func, make_url, select
from sqlalchemy.exc import ArgumentError

from nullsender.errors import Misconfigured
from nullsender.limits import (
    STORE_ANSWER_SECONDS_MAX,
    STORE_CONNECT_SECONDS_MAX,
    STORE_CONNECTIONS_MAX,
    STORE_IDLE_SECONDS_MAX,
    STORE_SILENCE_SECONDS_MAX,
    STORE_STATEMENT_SECONDS_MAX,
    STORE_TURN_SECONDS_MAX,
    STORE_WAL_BYTES_MAX,
    STORE_WRITE_SECONDS_MAX,
)
from suppression.trouble import commit_typed, refused, trouble_typed

# How often a wait for the server looks at the clock and at signals; psycopg's own.
_LOOK_EVERY_SECONDS = 0.1

_LOOK_MILLISECONDS = 5
_ASIDE_LOCK = 0x6E74  # any number that nobody else in this database uses; migrate.py has the one before


def open_engine(url: str, *, connections: int = STORE_CONNECTIONS_MAX) -> Engine:
    """An engine for `url`, `sqlite:///FILE` or `postgresql://…`, with up to so many connections; connects to nothing yet.

    Every process opens its own. `Misconfigured` where the URL is neither, or the file can not be made.
    """
    pool = {"pool_size": connections, "max_overflow": 0, "pool_timeout": STORE_TURN_SECONDS_MAX}
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise Misconfigured("store.url is not a database URL such as postgresql://user:password@host/name") from error
    match parsed.get_backend_name():
        case "sqlite":
            return _open_sqlite(parsed, pool)
        case "postgresql" | "postgres":
            return _open_postgresql(parsed, pool)
        case other:
            raise Misconfigured(f"store.url names the database {other!r}; the list is kept in postgresql or sqlite")


@contextmanager
def opened(url: str) -> Iterator[Engine]:
    """The engine of `open_engine` for `url`, closed afterwards."""
    engine = open_engine(url)
    try:
        yield engine
    finally:
        engine.dispose()


def _open_sqlite(url: URL, pool: dict[str, Any]) -> Engine:
    if not url.database or url.database.startswith((":memory:", "file:")):
        raise Misconfigured("store.url has to name a file, as in sqlite:////var/lib/nullsender/list.sqlite")
    _make_private(Path(url.database))
    engine = create_engine(
        url.set(drivername="sqlite+pysqlite"),
        module=sqlite,
        connect_args={"timeout": STORE_TURN_SECONDS_MAX},
        hide_parameters=True,  # they are addresses, and errors are logged
        **pool,
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
    options = connection.get_execution_options()
    if options.get("writes") and not options.get("patient"):
        _begin_soon(connection)
    else:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get("writes") else "BEGIN")


def _begin_soon(connection: Connection) -> None:
    """Look every few milliseconds whether it is our turn.

    SQLite's own waiting sleeps up to 0.1 s between two looks, and a process with a backlog is back at the pen sooner.
    """
    driver: Any = connection.connection.driver_connection
    driver.execute(f"PRAGMA busy_timeout={_LOOK_MILLISECONDS}")
    try:
        for _ in range(int(STORE_TURN_SECONDS_MAX * 1000) // _LOOK_MILLISECONDS):
            try:
                driver.execute("BEGIN IMMEDIATE")
                return
            except sqlite.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite.SQLITE_BUSY:
                    break
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # what it raises has SQLAlchemy's type
    finally:
        driver.execute(f"PRAGMA busy_timeout={int(STORE_TURN_SECONDS_MAX * 1000)}")


def _open_postgresql(url: URL, pool: dict[str, Any]) -> Engine:
    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        connect_args={
            "connect_timeout": STORE_CONNECT_SECONDS_MAX,
            # A machine that vanished without a word is noticed; a question to one that is there may take as long as it may.
            "keepalives_idle": STORE_SILENCE_SECONDS_MAX,
            "tcp_user_timeout": STORE_SILENCE_SECONDS_MAX * 1000,
        },
        # A turn has to see what was committed while it waited; a stricter level would fail there instead (40001).
        isolation_level="READ COMMITTED",
        pool_pre_ping=True,  # the first to notice that the server was restarted is nobody's request
        hide_parameters=True,  # they are addresses, and errors are logged
        **pool,
    )
    event.listen(engine, "do_connect", _connecting(f"{url.host or url.query.get('host', 'this machine')}/{url.database}"))
    event.listen(engine, "connect", _prepare_postgresql)
    return engine


def _connecting(place: str) -> Callable[..., Any]:
    """How a connection is made: one that can not be had is told in a sentence."""
    known_good = False

    def connect(_dialect: Dialect, _record: object, arguments: Sequence[Any], keywords: dict[str, Any]) -> Any:
        nonlocal known_good
        try:
            connection = _Connection.connect(*arguments, **keywords)
        except psycopg.OperationalError as error:
            raise refused(error, place, known_good=known_good) from error
        known_good = True
        return connection

    return connect


class _Connection(psycopg.Connection[Any]):
    """One that waits for a bounded time.

    A server that stands still as a whole (stopped, out of memory, its disk gone) keeps none of the time-outs that it was told,
    and its machine goes on acknowledging what we send.
    """

    answer_seconds_max: float | None = STORE_ANSWER_SECONDS_MAX  # None: as long as it takes
    write_ends_seconds: float | None = None  # on the monotonic clock, while a write is under way

    def wait(self, gen: PQGen[RV], interval: float = _LOOK_EVERY_SECONDS, timeout: float | None = None) -> RV:
        """As psycopg says; a connection whose answer did not come in time is closed, for it may come later."""
        if timeout is None:
            timeout = self.answer_seconds_max
            if self.write_ends_seconds is not None:
                left_seconds = max(self.write_ends_seconds - time.monotonic(), interval)
                timeout = left_seconds if timeout is None else min(timeout, left_seconds)
        try:
            return super().wait(gen, interval, timeout)
        except psycopg.OperationalError:
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                self.pgconn.finish()
            raise


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


def wait_as_long_as_it_takes(connection: Connection) -> None:
    """For what honestly takes long, such as building an index: no bound on the server's answer from here on."""
    ours: Any = connection.connection.driver_connection
    ours.answer_seconds_max = None


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """For questions only. `Transient` for the database's trouble."""
    with trouble_typed(), engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            # Each statement sees what is committed then, within a transaction too: so two round trips are saved.
            connection.execution_options(isolation_level="AUTOCOMMIT")
        yield connection


@contextmanager
def writing(engine: Engine, *, patient: bool = False) -> Iterator[Connection]:
    """A transaction that writes: committed and on disk when the block ends, rolled back when it raises.

    Of those that are `patient`, in all processes, one at most stands in PostgreSQL's queue for the turn; the others wait aside.
    `Transient` for the database's trouble: `Conflict` and `UnknownCommit` are such.
    """
    with (
        trouble_typed(),
        engine.connect() as connection,
        connection.execution_options(writes=True, patient=patient).begin() as transaction,
        _bounded(connection),
    ):
        if patient and engine.dialect.name == "postgresql":
            connection.execute(select(func.pg_advisory_xact_lock(_ASIDE_LOCK)))
        yield connection
        with commit_typed():
            transaction.commit()


@contextmanager
def _bounded(connection: Connection) -> Iterator[None]:
    """A write as a whole ends within STORE_WRITE_SECONDS_MAX, however many statements it has."""
    ours: Any = connection.connection.driver_connection
    if not isinstance(ours, _Connection):
        yield  # SQLite is in our own process: it waits for its turn, and then it works
        return
    ours.write_ends_seconds = time.monotonic() + STORE_WRITE_SECONDS_MAX
    try:
        yield
    finally:
        ours.write_ends_seconds = None
