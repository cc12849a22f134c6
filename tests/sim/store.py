"""The real store on a SQLite in memory: emptied in a fifth of a millisecond, and in trouble when fate says so.

The trouble comes from where it comes from in life, the database driver, so the real engine turns it into `Transient` and rolls
back.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pysqlite3.dbapi2 as sqlite
from sqlalchemy import Connection, ExceptionContext, event

from nullsender.address import AddressHasher
from suppression.engine import open_engine, reading
from suppression.migrate import upgrade
from suppression.policy import Policy, PolicySettings
from suppression.store.store import Store
from tests.sim.clock import SimulatedClock
from tests.sim.fate import Fair, Fate, Trouble
from tests.sim.log import go_on
from tests.store_fixtures import ADDRESS_KEY

# Few strikes make an entry, so that short histories get there.
POLICY = PolicySettings(soft_limit=2, soft_limits={})

Copy = Any  # a connection of the driver, which has no types, to a database in memory

_CONNECTION_BROKE = -1  # none of SQLite's own codes

_MEMORY = Path("/dev/shm")


@contextmanager
def simulated_database() -> Iterator["SimulatedDatabase"]:
    """A database for as many histories as you like, one after the other."""
    with TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None) as folder:
        database = SimulatedDatabase(Path(folder))
        try:
            yield database
        finally:
            database.engine.dispose()


class SimulatedDatabase:
    """One database and what goes wrong with it."""

    def __init__(self, folder: Path) -> None:
        self.engine = open_engine(f"sqlite:///{folder / 'list.sqlite'}")
        upgrade(self.engine)
        self._fate: Fate = Fair()
        self._dying: Callable[[], None] = go_on
        self.clock = SimulatedClock()
        self.store = Store(
            self.engine, hasher=AddressHasher(ADDRESS_KEY), clock=self.clock, policy=Policy(POLICY), chance=lambda: 0.0
        )
        self._empty = self.copy()
        self._really_commit = self.engine.dialect.do_commit
        self.engine.dialect.do_commit = self._commit  # type: ignore[assignment, method-assign]
        event.listen(self.engine, "do_execute", self._execute)
        event.listen(self.engine, "handle_error", self._look)

    def begin(self, *, fate: Fate, dying: Callable[[], None]) -> None:
        """Empty the list and put the clock back for a new history; `dying` is called before each commit."""
        self.clock.start_again()
        self.put_back(self._empty)
        self._fate, self._dying = fate, dying

    def copy(self) -> Copy:
        """All that is in it, as a backup takes it."""
        kept = sqlite.connect(":memory:")
        self._move(lambda ours: ours.backup(kept))
        return kept

    def put_back(self, copy: Copy) -> None:
        """Let it hold what the copy holds."""
        self._move(copy.backup)

    def _move(self, move: Callable[[Copy], None]) -> None:
        with self.engine.connect() as connection:
            move(connection.connection.driver_connection)

    @contextmanager
    def watched(self) -> Iterator[Connection]:
        """A transaction of nobody in the history, who only looks: nothing goes wrong in it."""
        trouble = self._fate, self._dying
        self._fate, self._dying = Fair(), go_on
        try:
            with reading(self.engine) as connection:
                yield connection
        finally:
            self._fate, self._dying = trouble

    def _execute(self, cursor: Any, statement: str, parameters: Any, context: Any) -> None:
        if self._fate.strikes(Trouble.STATEMENT_FAILS):
            raise _trouble(sqlite.SQLITE_BUSY)

    def _commit(self, connection: Any) -> None:
        try:
            self._dying()
            if self._fate.strikes(Trouble.COMMIT_FAILS):
                raise _trouble(sqlite.SQLITE_IOERR)
        except BaseException:
            connection.rollback()  # as SQLite does of itself, and for the dead the next who opens the file
            raise
        if not self._fate.strikes(Trouble.COMMIT_UNANSWERED):
            return self._really_commit(connection)
        if self._fate.chosen_for(Trouble.COMMIT_UNANSWERED).random() < 0.5:
            self._really_commit(connection)
        raise _trouble(_CONNECTION_BROKE)

    def _look(self, error: ExceptionContext) -> None:
        """A file has no connection that breaks; PostgreSQL has, and then nobody knows whether a commit was done."""
        if getattr(error.original_exception, "sqlite_errorcode", None) == _CONNECTION_BROKE:
            error.is_disconnect = True


def _trouble(code: int) -> Exception:
    error: Exception = sqlite.OperationalError("so fate will have it")
    error.sqlite_errorcode = code  # type: ignore[attr-defined]
    return error
