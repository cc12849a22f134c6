"""Stores for tests: an empty list on the database that a test asks for, with a clock and a key of its own."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from nullsender.address import AddressHasher
from nullsender.clock import Clock, FakeClock
from nullsender.limits import HISTORY_KEPT_DAYS
from suppression.engine import opened
from suppression.migrate import upgrade
from suppression.policy import Policy, PolicySettings
from suppression.privacy.retention import Kept
from suppression.store.store import Store
from tests.missing import give_up
from tests.servers.postgres import Postgres, PostgresUnavailable, postgres_server

ADDRESS_KEY = b"the address key of the tests....."


#: Parameters that run a test on both databases; what needs PostgreSQL runs on one worker, beside one server.
BOTH_DATABASES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.xdist_group("postgresql"))]


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A running server. Skips where none can be started; in CI that is a failure."""
    try:
        with postgres_server() as server:
            yield server
    except PostgresUnavailable as reason:
        give_up(reason)


@pytest.fixture
def empty_url(database: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a database of the kind `database` without any table."""
    if database == "sqlite":
        yield f"sqlite:///{tmp_path / 'list.sqlite'}"
        return
    server: Postgres = request.getfixturevalue("postgres")
    name = server.create_database()
    yield server.url(name)
    server.drop_database(name)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with an empty list, to be copied."""
    file = tmp_path_factory.mktemp("template") / "list.sqlite"
    _migrate(f"sqlite:///{file}")
    return file


@pytest.fixture(scope="session")
def postgres_template(postgres: Postgres) -> str:
    """A PostgreSQL database with an empty list, to be copied."""
    name = postgres.create_database()
    _migrate(postgres.url(name))
    return name


@pytest.fixture
def store_url(database: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of an empty list on a database of the kind `database`."""
    if database == "sqlite":
        file = tmp_path / "list.sqlite"
        shutil.copy(request.getfixturevalue("sqlite_template"), file)
        yield f"sqlite:///{file}"
        return
    server: Postgres = request.getfixturevalue("postgres")
    name = server.create_database(request.getfixturevalue("postgres_template"))
    yield server.url(name)
    server.drop_database(name)


@pytest.fixture
def engine(store_url: str) -> Iterator[Engine]:
    """The empty list, opened."""
    with opened(store_url) as engine:
        yield engine


@pytest.fixture
def clock() -> FakeClock:
    """The time of the test."""
    return FakeClock()


@pytest.fixture
def store(engine: Engine, clock: FakeClock) -> Store:
    """An empty list with the default policy."""
    return store_on(engine, clock)


def store_on(
    engine: Engine, clock: Clock, policy: PolicySettings | None = None, *, history_days: int = HISTORY_KEPT_DAYS
) -> Store:
    """The store on `engine`, opened with the key of the tests."""
    hasher = AddressHasher(ADDRESS_KEY)
    return Store(engine, hasher=hasher, clock=clock, policy=Policy(policy), kept=Kept(history_days=history_days))


def _migrate(url: str) -> None:
    with opened(url) as engine:  # closing the last connection moves everything into SQLite's one file
        upgrade(engine)
