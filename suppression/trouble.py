"""What a database's error means for whoever asked: may it pass, was anything done, or has the operator to change something?

Anything that is not named here is a mistake in what we said to the database, and is raised as it is.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pysqlite3.dbapi2 as sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoFreeConnection

from nullsender.errors import Misconfigured, Transient


class Conflict(Transient):
    """The transaction lost to another one and was undone: trying again at once is right."""


class UnknownCommit(Transient):
    """The connection broke while the commit was under way: it happened wholly or not at all, and nobody knows which."""


class Unreachable(Transient):
    """No database answers at the address."""


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
# space, time-outs.
_POSTGRESQL_MAY_PASS = frozenset(
    {
        "25",  # after a failover we may talk to a standby (25006), or our idle transaction was ended (25P03)
        "XX",  # damaged
    }
)
_CONFLICTS = frozenset({"40001", "40P01"})  # serialization failure, deadlock
_LOCK_NOT_AVAILABLE = "55P03"
# A server that refuses a connection gives no SQLSTATE, only words. In another language than this they are taken for trouble
# that may pass; they are shown all the same.
_REFUSALS = (
    "authentication failed",
    "no password supplied",
    "does not exist",
    "not permitted to log in",
    "no pg_hba.conf entry",
    "permission denied",
    "not accept connections",  # a database that was closed by its owner
    "certificate",
    "does not support SSL",
)


@contextmanager
def trouble_typed() -> Iterator[None]:
    """Raise the database's errors as what they mean."""
    try:
        yield
    except NoFreeConnection as error:
        raise Transient("all connections that this process may have to the store are busy") from error
    except (DBAPIError, psycopg.Error, sqlite.Error) as error:  # what was said to the driver itself raises its own
        if typed := _typed(error):
            raise typed from error
        raise


@contextmanager
def commit_typed() -> Iterator[None]:
    """The same around a commit, where a connection that breaks leaves the outcome unknown."""
    try:
        yield
    except DBAPIError as error:
        if error.connection_invalidated:
            raise UnknownCommit(f"the store's connection broke in a commit: {_words(error.orig)}") from error
        raise


def refused(error: psycopg.OperationalError, place: str, *, known_good: bool) -> Misconfigured | Transient:
    """What it means that no connection to PostgreSQL at `place` can be had.

    The operator's to change, where the server says so and these settings never worked (`known_good`) in this process.
    """
    words = _words(error).rpartition(" failed: ")[2]
    if any(said in words for said in _REFUSALS):
        sentence = f"PostgreSQL at {place} refuses the connection ({words}): put store.url right, or let it in there"
        return Transient(sentence) if known_good else Misconfigured(sentence)
    return Unreachable(f"no connection to PostgreSQL at {place} ({words}): start it, or put store.url right")


def waited_in_vain_for_a_lock(error: DBAPIError) -> bool:
    """Whether PostgreSQL gave up because somebody else held a lock for too long."""
    return isinstance(error.orig, psycopg.Error) and error.orig.sqlstate == _LOCK_NOT_AVAILABLE


def _typed(error: DBAPIError | psycopg.Error | sqlite.Error) -> Transient | None:
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, psycopg.Error) and cause.sqlstate in _CONFLICTS:
        return Conflict(f"the store: {_words(cause)}")
    lost = isinstance(error, DBAPIError) and error.connection_invalidated
    return Transient(f"the store: {_words(cause)}") if lost or _may_pass(cause) else None


def _may_pass(error: BaseException | None) -> bool:
    if isinstance(error, sqlite.Error):
        return (getattr(error, "sqlite_errorcode", 0) & 0xFF) in _SQLITE_MAY_PASS
    if isinstance(error, psycopg.Error):
        operational = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
        return operational or (error.sqlstate or "")[:2] in _POSTGRESQL_MAY_PASS
    return False


def _words(error: BaseException | None) -> str:
    return " ".join(str(error).split())
