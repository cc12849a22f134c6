"""The follower: the table has everything that the list has, however it came to be and whatever happened to either."""

import os
import threading
from collections.abc import Generator
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.index import follower as follower_module
from api.index import writing
from api.index.follower import Follower, follow
from api.index.table import NOTHING, USED_AT, Table, identity_of, open_table, table_path
from api.index.writing import create
from api.view import View
from nullsender import limits
from nullsender.clock import SystemClock
from nullsender.errors import Misconfigured, Transient
from nullsender.limits import TABLE_REOPEN_SECONDS, TABLE_SLOTS_MIN
from suppression.store.standing import Standing
from tests.api_world import HASHER, World, checked, opened_store
from tests.waiting import wait_for
from tests.world_fixtures import shared_world as shared_world
from tests.world_fixtures import world as world

_numbers = count()


def table_of(world: World) -> Table:
    table = open_table(table_path(world.index_folder), identity=identity_of(world.store.key_fingerprint))
    assert table is not None
    return table


def holds(world: World, address: str, tenant: str = "default") -> bool:
    return is_on(table_of(world), address, tenant)


def is_on(table: Table, address: str, tenant: str = "default") -> bool:
    return table.value_of(tenant, ("*",), HASHER.hash(address), lambda: 0.0) != NOTHING


def test_the_first_start_builds_the_table_from_the_list(world: World) -> None:
    world.suppress("old@example.com")

    world.catch_up()

    assert holds(world, "old@example.com")
    assert not holds(world, "other@example.com")
    assert not holds(world, "old@example.com", tenant="another")


def test_a_full_build_reads_every_page_of_the_list(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "TABLE_BUILD_ROWS", 3)
    addresses = [f"user{n}@example.com" for n in range(10)]
    for address in addresses:
        world.suppress(address)

    world.catch_up()

    assert all(holds(world, address) for address in addresses)


def test_a_table_is_not_fresh_before_the_feed_was_read_to_its_end(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.catch_up()
    world.clock.advance(seconds=60)
    monkeypatch.setattr(follower_module, "FOLLOW_BATCH_MAX", 2)
    for n in range(3):
        world.suppress(f"user{n}@example.com")

    assert world.follower.step() is False
    assert world.reader().fresh() is None
    assert world.follower.step() is True
    assert world.reader().fresh() is not None


def test_what_is_added_while_the_table_is_built_is_in_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    standing = world.store.standing

    def standing_then_a_change(rows: int) -> Generator[Standing]:
        yield from standing(rows)
        world.suppress("late@example.com")

    world.suppress("early@example.com")
    monkeypatch.setattr(world.store, "standing", standing_then_a_change)

    world.catch_up()

    assert holds(world, "late@example.com")


def test_a_restarted_follower_goes_on_where_the_last_one_was(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.suppress("first@example.com")
    world.catch_up()
    world.suppress("second@example.com")
    monkeypatch.setattr(world.store, "standing", lambda _: pytest.fail("a table that can be believed is not built anew"))

    world.follower = Follower(world.store, world.index_folder, world.clock)
    world.catch_up()

    assert holds(world, "first@example.com")
    assert holds(world, "second@example.com")


@pytest.mark.parametrize("content", [b"", b"garbage", b"\0" * 600_000])
def test_a_damaged_table_is_built_anew(world: World, content: bytes) -> None:
    world.suppress("user@example.com")
    table_path(world.index_folder).write_bytes(content)

    world.catch_up()

    assert holds(world, "user@example.com")


def test_a_table_that_is_cut_short_under_its_follower_is_built_anew(world: World) -> None:
    world.suppress("user@example.com")
    world.catch_up()
    path = table_path(world.index_folder)
    os.truncate(path, path.stat().st_size - 1)
    assert open_table(path, identity=identity_of(world.store.key_fingerprint)) is None

    world.catch_up()

    assert holds(world, "user@example.com")


def test_a_table_of_another_boot_is_built_anew(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.suppress("user@example.com")
    # Such as it may be after a power cut: the header reached the disk, the slots did not.
    with monkeypatch.context() as patched:
        patched.setattr(writing, "this_boot", lambda: b"another boot ...")
        lossy = create(table_path(world.index_folder), identity=identity_of(world.store.key_fingerprint), slots=TABLE_SLOTS_MIN)
    lossy.header[USED_AT] = 1
    lossy.move_to(world.store.feed_head(), 1)

    world.catch_up()

    assert holds(world, "user@example.com")


@pytest.mark.parametrize("later", [0, 1, 5])
def test_a_store_that_was_put_back_makes_the_follower_build_anew(world: World, tmp_path: Path, later: int) -> None:
    """However far the store has come since: a number may stand for another change than the one the table knows."""
    world.suppress("first@example.com")
    backup = backup_of(tmp_path)
    world.suppress("lost@example.com")
    world.catch_up()
    before = table_of(world)
    put_back(backup, tmp_path)
    world.clock.advance(seconds=60)
    with opened_store(tmp_path, world.clock) as restored:
        addresses = [f"user{n}@example.com" for n in range(later)]
        for address in addresses:
            restored.add("default", address, scope="*", cause="hard", reason="a test", expires=None, actor="test")

        world.follower = Follower(restored, world.index_folder, world.clock)
        world.catch_up()

    assert before.superseded
    assert all(holds(world, address) for address in ["first@example.com", *addresses])
    assert not holds(world, "lost@example.com")


@pytest.mark.parametrize("later", [0, 1, 3, 5])
def test_a_store_that_lost_changes_is_noticed_by_the_next_poll_although_no_question_failed(
    world: World, tmp_path: Path, later: int
) -> None:
    """A failover between two polls: the pool connects anew by itself, and numbers are given a second time."""
    world.suppress("first@example.com")
    backup = backup_of(tmp_path)
    for n in range(3):
        world.suppress(f"lost{n}@example.com")
    world.catch_up()
    lookup, before = world.lookup(), table_of(world)
    assert lookup.is_fresh()
    world.reconnect()
    put_back(backup, tmp_path)
    world.clock.advance(seconds=0.1)
    again = [f"new{n}@example.com" for n in range(later)]
    for address in again:
        world.suppress(address)

    assert world.follower.step() is False
    assert before.superseded
    assert not lookup.is_fresh()
    world.catch_up()
    world.clock.advance(seconds=TABLE_REOPEN_SECONDS)

    assert lookup.is_fresh()
    assert not any(checked(lookup, View("default", None), address).allowed for address in ["first@example.com", *again])


def test_a_store_that_was_emptied_is_noticed(world: World, tmp_path: Path) -> None:
    backup = backup_of(tmp_path)
    world.suppress("lost@example.com")
    world.catch_up()
    world.reconnect()
    put_back(backup, tmp_path)

    world.catch_up()

    assert not holds(world, "lost@example.com")


def backup_of(folder: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in folder.glob("list.sqlite*")}


def put_back(backup: dict[Path, bytes], folder: Path) -> None:
    for file in folder.glob("list.sqlite*"):
        file.unlink()
    for file, content in backup.items():
        file.write_bytes(content)


def test_a_store_in_trouble_leaves_the_table_to_grow_stale_and_recovers(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.catch_up()
    reader = world.reader()
    with monkeypatch.context() as patched:
        patched.setattr(world.store, "since", in_trouble)
        world.clock.advance(seconds=5)
        with pytest.raises(Transient):
            world.follower.step()

    assert reader.fresh() is None
    world.suppress("user@example.com")
    world.catch_up()
    world.clock.advance(seconds=0.1)
    assert reader.fresh() is not None
    assert holds(world, "user@example.com")


def in_trouble(*_arguments: object) -> object:
    raise Transient("no database")


def test_readers_move_to_the_bigger_table_when_one_is_full(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "TABLE_SLOTS_MIN", 16)
    addresses = [f"user{n}@example.com" for n in range(15)]
    world.suppress(addresses[0])
    world.catch_up()
    reader = world.reader()
    small = reader.fresh()
    assert small is not None

    for address in addresses:
        world.suppress(address)
    world.catch_up()

    large = reader.fresh()
    assert large is not None
    assert small.superseded
    assert large.slots > small.slots
    assert all(is_on(large, address) for address in addresses)


@settings(deadline=None)
@given(steps=st.lists(st.tuples(st.sampled_from(["add", "lift", "catch up", "restart"]), st.integers(0, 3)), max_size=12))
def test_whoever_is_on_the_list_is_in_the_table(shared_world: World, steps: list[tuple[str, int]]) -> None:
    world, tenant = shared_world, f"tenant{next(_numbers)}"
    addresses = [f"user{number}@example.com" for number in range(4)]
    for action, number in steps:
        match action:
            case "add":
                world.suppress(addresses[number], tenant=tenant)
            case "lift":
                world.store.lift(tenant, addresses[number], scope=None, cause=None, reason="x", consent="yes", actor="test")
            case "catch up":
                world.catch_up()
            case "restart":
                world.follower = Follower(world.store, world.index_folder, world.clock)
    world.catch_up()

    on_the_list = world.store.check(tenant, None, addresses)

    assert all(holds(world, addresses[index], tenant) for index in on_the_list)


@pytest.mark.parametrize("noted", [False, True])
def test_a_wrong_clock_while_the_table_is_built_hides_no_entry(world: World, noted: bool) -> None:
    """It is a month ahead at the boot and put right a moment later; meanwhile expiries may have been noted."""
    until = world.clock.now() + timedelta(days=7)
    world.store.add("default", "user@example.com", scope="*", cause="soft", reason="x", expires=until, actor="test")
    world.clock.advance(days=30)
    if noted:
        world.store.expire(world.clock.now(), 100)
    world.catch_up()
    world.clock.advance(days=-30)
    if noted:
        world.suppress("user@example.com", cause="soft")
    world.catch_up()

    assert world.store.check("default", None, ["user@example.com"])
    assert holds(world, "user@example.com")


def test_only_one_follower_of_a_machine_writes_and_the_next_one_takes_over(world: World) -> None:
    clock = SystemClock()
    stop_first, stop_second = threading.Event(), threading.Event()
    arguments = (world.store, world.index_folder, clock)
    first = threading.Thread(target=follow, args=(*arguments, stop_first.is_set))
    second = threading.Thread(target=follow, args=(*arguments, stop_second.is_set))
    path = table_path(world.index_folder)
    try:
        first.start()
        wait_for(path.exists, what="the first follower's table")
        second.start()
        stop_first.set()
        first.join()
        path.unlink()

        wait_for(path.exists, what="the second follower's table")
    finally:
        stop_first.set()
        stop_second.set()
        second.join()


def test_a_follower_that_never_had_its_turn_stops_when_told(world: World) -> None:
    clock = SystemClock()
    stop = threading.Event()
    first = threading.Thread(target=follow, args=(world.store, world.index_folder, clock, stop.is_set))
    first.start()
    try:
        wait_for(table_path(world.index_folder).exists, what="the first follower's table")

        follow(world.store, world.index_folder, clock, lambda: True)
    finally:
        stop.set()
        first.join()


def test_a_folder_that_can_not_be_made_is_the_operators_to_mend(world: World, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(Misconfigured, match="folder"):
        follow(world.store, tmp_path / "file" / "index", world.clock, lambda: True)
