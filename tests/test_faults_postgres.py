"""Faults of PostgreSQL: stopped, killed, frozen, full, out of connections, and gone at COMMIT. The ledger adds up after each.

The system keeps its list there and its log in the data folder, so mail is taken all the while.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import psycopg
import pytest
from sqlalchemy import text

import suppression.engine
from nullsender.errors import Transient
from suppression.engine import opened, reading
from suppression.trouble import trouble_typed
from tests.faults.chaos import rounds
from tests.faults.disk import Disk
from tests.faults.proxy import PostgresCommits, Proxy
from tests.faults.servers import own_postgres
from tests.faults.world import World
from tests.missing import give_up
from tests.servers.postgres import Postgres
from tests.waiting import wait_for

pytestmark = pytest.mark.xdist_group("faults-postgresql")

CONNECTIONS_MAX = 60


@pytest.fixture(scope="module")
def server_and_disk() -> Iterator[tuple[Postgres, Disk | None]]:
    with own_postgres({"max_connections": str(CONNECTIONS_MAX)}) as both:
        yield both


@pytest.fixture(scope="module")
def server(server_and_disk: tuple[Postgres, Disk | None]) -> Postgres:
    return server_and_disk[0]


@pytest.fixture(scope="module")
def proxy(server: Postgres) -> Iterator[Proxy]:
    with Proxy(PostgresCommits, f"{server.folder}/.s.PGSQL.{server.port}") as proxy:
        yield proxy


@pytest.fixture(scope="module")
def world(server: Postgres, proxy: Proxy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    database = server.create_database()
    url = f"postgresql://tests@127.0.0.1:{proxy.address[1]}/{database}?sslmode=disable"
    data = tmp_path_factory.mktemp("world") / "data"
    with World(data, name="two", settings={"NULLSENDER_STORE_URL": url, "NULLSENDER_UP_SUPPRESS": "2"}) as world:
        yield world


@pytest.mark.parametrize("fault", ["stop", "kill", "freeze"])
def test_while_postgresql_is_gone_mail_is_taken_and_nothing_is_lost(world: World, server: Postgres, fault: str) -> None:
    end: Callable[[], None] = {"stop": server.start, "kill": server.start, "freeze": server.thaw}[fault]
    with world.traffic() as traffic:
        traffic.wait_for_more(10)
        getattr(server, fault)()
        try:
            world.system.wait_until_unready("store")
            traffic.wait_for_more(20)
        finally:
            end()
    world.system.wait_until_ready()

    world.settle()


def test_a_question_to_a_frozen_postgresql_ends(server: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suppression.engine, "STORE_ANSWER_SECONDS_MAX", 1)
    with opened(server.url("postgres")) as engine, reading(engine) as connection:
        connection.execute(text("SELECT 1"))
        server.freeze()
        try:
            with pytest.raises(Transient), trouble_typed():
                connection.execute(text("SELECT 1"))
        finally:
            server.thaw()


def test_a_commit_whose_answer_is_lost_is_one_report(world: World, proxy: Proxy) -> None:
    with world.traffic():
        proxy.lose(10)
        wait_for(lambda: proxy.lost == 10, what="ten answers to be lost", seconds=60)
    world.system.wait_until_ready()

    world.settle()


def test_backends_that_are_killed_at_any_moment_lose_and_double_nothing(world: World, server: Postgres) -> None:
    with world.traffic() as traffic:
        for _ in rounds():
            for _ in range(10):
                server.terminate_backends("test_1")
                traffic.wait_for_more(1)
                time.sleep(world.chance.uniform(0, 0.1))
    world.system.wait_until_ready()

    world.settle()


def test_while_all_connections_are_taken_nothing_is_lost(world: World, server: Postgres) -> None:
    with ExitStack() as taken, world.traffic() as traffic:
        traffic.wait_for_more(10)
        take_all_connections(server, taken, "test_1")
        world.system.wait_until_unready("store")
        traffic.wait_for_more(20)
        taken.close()
    world.system.wait_until_ready()

    world.settle()


def take_all_connections(server: Postgres, taken: ExitStack, database: str) -> None:
    """Until there are none, for whoever uses `database` and for everybody else."""

    def take() -> psycopg.Connection[tuple[object, ...]]:
        place = f"host={server.folder} port={server.port} user=tests dbname=postgres"
        connection = psycopg.connect(place, autocommit=True)
        taken.callback(connection.close)
        return connection

    first = take()
    for _ in range(3):  # of what we free, a role that comes back at once may get some
        first.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [database])
        for _ in range(CONNECTIONS_MAX + 1):
            with contextlib.suppress(psycopg.OperationalError):
                take()


def test_while_postgresql_has_no_room_mail_is_taken_and_nothing_is_lost(
    world: World, server_and_disk: tuple[Postgres, Disk | None]
) -> None:
    server, disk = server_and_disk
    if disk is None:
        give_up("only root can mount a disk")
    with world.traffic() as traffic:
        traffic.wait_for_more(10)
        disk.fill()
        try:
            wait_for(lambda: "No space left" in world.system.said(), what="the role to say so")
            traffic.wait_for_more(20)
        finally:
            disk.relieve()
        server.stop()
        server.start()
    world.system.wait_until_ready()

    world.settle()
