"""Faults on Kafka and PostgreSQL, with two processes of each stage: whatever dies, stands still or fills, the ledger adds up.

The broker is our own, on a disk that can be filled, and all its clients reach it through a proxy that can lose what it
acknowledges.
"""

from collections.abc import Iterator
from contextlib import ExitStack

import psycopg
import pytest
from confluent_kafka.admin import AdminClient

from nullsender.limits import KAFKA_SESSION_SECONDS
from nullsender.log import Topic
from tests.faults.chaos import kill_roles
from tests.faults.disk import Disk, mounted_disk
from tests.faults.proxy import KafkaProduced, Proxy
from tests.faults.servers import own_kafka, own_postgres
from tests.faults.world import World
from tests.missing import give_up
from tests.servers.kafka import Kafka
from tests.servers.postgres import Postgres
from tests.waiting import wait_for

pytestmark = pytest.mark.xdist_group("faults-kafka")

ROLES = ("mx", "classify-1", "classify-2", "suppress-1", "suppress-2", "follow", "api")
PREFIX = "faults."
ANSWER_SECONDS_MAX = 10.0
SETTINGS = {
    "NULLSENDER_LOG_KIND": "kafka",
    "NULLSENDER_KAFKA_TOPIC_PREFIX": PREFIX,
    "NULLSENDER_KAFKA_PARTITIONS": "4",
    "NULLSENDER_KAFKA_REPLICATION": "1",
    "NULLSENDER_KAFKA_MIN_INSYNC": "1",
    "NULLSENDER_UP_CLASSIFY": "2",
    "NULLSENDER_UP_SUPPRESS": "2",
}


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Disk | None]:
    with mounted_disk(tmp_path_factory.mktemp("disk"), gibibytes=4) as disk:
        yield disk


@pytest.fixture(scope="module")
def proxy() -> Iterator[Proxy]:
    with Proxy(KafkaProduced) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def kafka(proxy: Proxy, disk: Disk | None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    with own_kafka(disk.folder if disk else tmp_path_factory.mktemp("kafka"), proxy) as kafka:
        yield kafka


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with own_postgres({}) as (server, _):
        yield server


@pytest.fixture(scope="module")
def world(kafka: Kafka, proxy: Proxy, postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    settings = SETTINGS | {
        "NULLSENDER_KAFKA_SERVERS": f"127.0.0.1:{proxy.address[1]}",
        "NULLSENDER_STORE_URL": postgres.url(postgres.create_database()),
    }
    with World(tmp_path_factory.mktemp("world") / "data", name="three", settings=settings) as world:
        yield world


def test_roles_on_kafka_that_are_killed_at_any_moment_lose_and_double_nothing(world: World) -> None:
    with world.traffic() as traffic:
        kill_roles(world.system, ROLES, world.chance, traffic)
    world.system.wait_until_ready()

    world.settle()


def test_a_produce_whose_answer_is_lost_is_one_report(world: World, proxy: Proxy) -> None:
    with world.traffic():
        proxy.lose(10)
        wait_for(lambda: proxy.lost == 10, what="ten answers to be lost", seconds=60)

    world.settle()


@pytest.mark.parametrize("fault", ["stop", "kill"])
def test_a_broker_that_restarts_costs_nobody_a_message(world: World, kafka: Kafka, fault: str) -> None:
    with world.traffic() as traffic:
        traffic.wait_for_more(10)
        getattr(kafka, fault)()
        kafka.start()
        traffic.wait_for_more(10)
    world.system.wait_until_ready()

    world.settle()


def test_while_the_broker_is_frozen_mail_stays_with_its_sender(world: World, kafka: Kafka) -> None:
    with world.traffic() as traffic:
        traffic.wait_for_more(10)
        deferred = world.ledger.heard("451")
        kafka.freeze()
        try:
            world.system.wait_until_unready("log")
            wait_for(lambda: world.ledger.heard("451") > deferred, what="mail to be deferred", seconds=30)
        finally:
            kafka.thaw()
        traffic.wait_for_more(10)
    world.system.wait_until_ready()

    world.settle()


def test_while_the_brokers_disk_is_full_mail_stays_with_its_sender(world: World, kafka: Kafka, disk: Disk | None) -> None:
    if disk is None:
        give_up("only root can mount a disk")
    with ExitStack() as full, world.traffic() as traffic:
        traffic.wait_for_more(10)
        deferred = world.ledger.heard("451")
        disk.fill()
        full.callback(disk.relieve)
        wait_for(lambda: world.ledger.heard("451") > deferred, what="mail to be deferred", seconds=30)
        full.close()
        kafka.stop()  # a broker gives a log folder up that it could not write to: it takes a restart
        kafka.start()
        traffic.wait_for_more(10)
    world.system.wait_until_ready()

    world.settle()


def test_a_member_that_wakes_after_it_was_thrown_out_doubles_nothing(world: World, kafka: Kafka, postgres: Postgres) -> None:
    """It is frozen in the middle of a batch, the other takes its partitions over, and its transaction commits all the same."""
    admin = AdminClient({"bootstrap.servers": kafka.servers})
    wait_for(lambda: members(admin) == 2, what="both to be members")
    with world.traffic() as traffic, psycopg.connect(postgres.url("test_1")) as other:
        other.execute("SELECT last FROM numbering FOR UPDATE")
        traffic.wait_for_more(20)
        wait_for(lambda: waiting_for_the_pen(postgres) >= 2, what="both to have a batch in hand")
        world.system.freeze("suppress-1")
        try:
            wait_for(lambda: members(admin) == 1, what="one to be thrown out", seconds=KAFKA_SESSION_SECONDS * 3)
        finally:
            world.system.thaw("suppress-1")
        other.rollback()
    world.system.wait_until_ready()

    world.settle()


def members(admin: AdminClient) -> int:
    """How many processes share the outcomes of bounces."""
    group = f"{PREFIX}suppress.{Topic.OUTCOMES}"
    return len(admin.describe_consumer_groups([group])[group].result(ANSWER_SECONDS_MAX).members)


def waiting_for_the_pen(postgres: Postgres) -> int:
    """How many transactions wait for their turn to write."""
    with psycopg.connect(postgres.url("test_1")) as connection:
        row = connection.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'").fetchone()
    return int(row[0]) if row else 0
