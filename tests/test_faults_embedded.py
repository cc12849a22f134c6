"""Faults on one machine, with the embedded log and SQLite: whatever dies, fills or locks, the ledger adds up.

All of it happens to one system, one fault after the other, and after each everything since the beginning is looked at.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from nullsender.limits import EXPIRE_EVERY_SECONDS, STORE_TURN_SECONDS_MAX
from nullsender.log import Record, Topic
from tests.faults.another_time import AnotherTime
from tests.faults.chaos import kill_roles
from tests.faults.client import MAILS_PER_SECOND
from tests.faults.disk import Disk, mounted_disk
from tests.faults.mail import a_letter
from tests.faults.proxy import Proxy, SmtpReplies
from tests.faults.records import rewritten
from tests.faults.world import World
from tests.missing import give_up
from tests.waiting import wait_for

pytestmark = pytest.mark.xdist_group("faults-embedded")

DAY_SECONDS = 86_400.0
ROLES = ("mx", "classify", "suppress", "follow", "api")


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Disk | None]:
    with mounted_disk(tmp_path_factory.mktemp("disk"), gibibytes=4) as disk:
        yield disk


@pytest.fixture(scope="module")
def time(tmp_path_factory: pytest.TempPathFactory) -> AnotherTime:
    return AnotherTime(tmp_path_factory.mktemp("time"))


@pytest.fixture(scope="module")
def world(disk: Disk | None, time: AnotherTime, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = disk.folder if disk else tmp_path_factory.mktemp("world")
    with World(folder / "data", name="one", settings=time.settings) as world:
        yield world


def test_roles_that_are_killed_at_any_moment_lose_and_double_nothing(world: World) -> None:
    with world.traffic() as traffic:
        kill_roles(world.system, ROLES, world.chance, traffic)
    world.system.wait_until_ready()

    world.settle()


def test_a_250_that_is_lost_on_its_way_is_one_report(world: World) -> None:
    with Proxy(SmtpReplies, world.system.smtp) as proxy:
        proxy.lose(10)
        with world.traffic(smtp=proxy.address):
            wait_for(lambda: proxy.lost == 10, what="ten replies to be lost")

    world.settle()


def test_records_that_come_again_in_another_order_change_nothing(world: World) -> None:
    world.send(20)
    world.settle()
    topics = (Topic.BOUNCES, Topic.COMPLAINTS, Topic.UNSUBSCRIBES, Topic.OUTCOMES, Topic.URGENT_OUTCOMES)
    again = [Record(topic, record.key, record.value) for topic in topics for record in world.log.read(topic)]
    world.chance.shuffle(again)

    world.publish(*again)

    world.settle()


def test_records_of_old_and_new_versions_end_in_one_place_each(world: World, time: AnotherTime) -> None:
    old, new, future = (world.reported() for _ in range(3))
    unreadable = rewritten(future.records, version=2)

    world.publish(*rewritten(old.records, without=("version", "notes", "source", "subject")))
    world.publish(*rewritten(new.records, shoe_size=43, of={"a": ["later", "day"]}))
    world.publish(*unreadable)
    world.ledger.accept(old.mail, old.message_id)
    world.ledger.accept(new.mail, new.message_id)
    letters = [world.ledger.accept(a_letter(record.value), "") for record in unreadable]
    world.settle()

    time.upgrade_to(2)
    for role in ("classify", "suppress"):
        world.system.wait_until_started_again(role, world.system.kill(role))
    world.system.command("replay")
    for line in letters:
        world.ledger.strike(line)
    world.ledger.accept(future.mail, future.message_id)
    world.settle()


def test_while_somebody_locks_sqlite_mail_is_taken_and_nothing_is_lost(world: World) -> None:
    with closing(sqlite3.connect(world.system.data / "nullsender.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with world.traffic() as traffic:
            traffic.wait_for_more(50)
            waited = f"{STORE_TURN_SECONDS_MAX} s for the lock"
            wait_for(lambda: "database is locked" in world.system.said(), what=waited, seconds=STORE_TURN_SECONDS_MAX * 2)
            other.execute("ROLLBACK")

    world.settle()


def test_while_the_disk_is_full_mail_stays_with_its_sender(world: World, disk: Disk | None) -> None:
    if disk is None:
        give_up("only root can mount a disk")
    with ExitStack() as full, world.traffic() as traffic:
        traffic.wait_for_more(10)
        disk.fill()
        full.callback(disk.relieve)
        deferred = world.ledger.heard("451")
        wait_for(lambda: world.ledger.heard("451") > deferred + 4, what="mail to be deferred")
        world.system.wait_until_unready("disk")
        full.close()
        traffic.wait_for_more(10)
    world.system.wait_until_ready()

    world.settle()


def test_a_clock_that_jumps_forth_and_back_ends_no_entry(world: World, time: AnotherTime) -> None:
    mails_between_chores = int(1.2 * EXPIRE_EVERY_SECONDS * MAILS_PER_SECOND)
    for wrong_by_days, mails in ((10, mails_between_chores), (-0.5, 20), (0, 20)):
        time.set_clock(wrong_by_days * DAY_SECONDS)
        world.send(mails)

    world.settle()


def test_migrating_while_mail_flows_disturbs_nobody(world: World) -> None:
    with world.traffic() as traffic:
        traffic.wait_for_more(10)
        migrated = world.system.command("migrate")
        traffic.wait_for_more(10)

    assert migrated.returncode == 0, migrated.stderr
    world.settle()
