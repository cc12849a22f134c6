"""`nullsender index`: what it shows, that a rebuilt table is a new one, and that a wrong table is found out."""

import argparse
import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from api.index import rebuilding
from api.index.follower import Follower, aside_path, follow, request_path
from api.index.rebuilding import Made, rebuild
from api.index.table import Table, identity_of, open_table, table_path
from api.index.verifying import compare
from api.index.writing import Batch, WritableTable, taken_over
from nullsender import limits
from nullsender.cli import main, parts, store_parts
from nullsender.cli.indexing.progress import Progress
from nullsender.clock import FakeClock, SystemClock
from nullsender.errors import Misconfigured, Transient
from suppression.store.store import Store
from tests.api_world import World
from tests.waiting import wait_for
from tests.world_fixtures import world as world


def identity(store: Store) -> bytes:
    return identity_of(store.key_fingerprint)


def table_of(world: World) -> Table:
    table = open_table(table_path(world.index_folder), identity=identity(world.store))
    assert table is not None
    return table


def writer_of(world: World) -> WritableTable:
    table = taken_over(table_path(world.index_folder), identity=identity(world.store))
    assert table is not None
    return table


# --- rebuild ---


def test_a_rebuild_without_a_follower_makes_a_new_table_with_what_came_meanwhile(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "TABLE_BUILD_ROWS", 2)
    for n in range(5):
        world.suppress(f"user{n}@example.com")
    world.catch_up()
    before = table_of(world)
    seen: list[Made] = []

    def progress(made: Made) -> None:
        seen.append(made)
        world.suppress(f"late{len(seen)}@example.com")

    table = rebuild(world.store, world.index_folder, world.clock, progress)

    assert before.superseded
    assert any(made.wanted == 5 and made.entries for made in seen)
    assert table.standing == world.store.count_standing() > 5
    assert world.lookup().is_fresh()
    assert not request_path(world.index_folder).exists()
    assert not aside_path(world.index_folder).exists()


def test_a_rebuild_where_there_is_no_table_makes_the_first_one(world: World) -> None:
    world.suppress("user@example.com")

    assert rebuild(world.store, world.index_folder, world.clock, lambda _: None).standing == 1


def test_a_rebuild_is_done_by_the_follower_that_is_at_work(world: World) -> None:
    clock, stop = SystemClock(), threading.Event()
    thread = threading.Thread(target=follow, args=(world.store, world.index_folder, clock, stop.is_set))
    thread.start()
    try:
        wait_for(table_path(world.index_folder).exists, what="the follower's table")
        before = table_path(world.index_folder).stat().st_ino

        rebuild(world.store, world.index_folder, clock, lambda _: None)

        assert table_path(world.index_folder).stat().st_ino != before
    finally:
        stop.set()
        thread.join()


def test_a_rebuild_that_can_not_be_done_says_so_and_the_table_stays(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.suppress("user@example.com")
    world.catch_up()

    def no_room(*_arguments: object, **_named: object) -> object:
        raise Transient("no space left on device")

    monkeypatch.setattr("api.index.building.create", no_room)

    with pytest.raises(Transient, match="follow"):
        rebuild(world.store, world.index_folder, world.clock, lambda _: None)

    assert table_of(world).standing == 1
    assert not request_path(world.index_folder).exists()


def test_a_rebuild_that_is_interrupted_leaves_no_request_behind(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_arguments: object) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(Follower, "step", interrupted)

    with pytest.raises(KeyboardInterrupt):
        rebuild(world.store, world.index_folder, world.clock, lambda _: None)

    assert not request_path(world.index_folder).exists()


def test_a_folder_that_can_not_be_written_is_the_operators_to_mend(world: World, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(Misconfigured, match="folder"):
        rebuilding.rebuild(world.store, tmp_path / "file" / "index", world.clock, lambda _: None)


# --- verify ---


def compared(world: World) -> tuple[int, int, int]:
    found = compare(world.store, table_of(world), world.index_folder, lambda _done, _wanted: None)
    return found.missing, found.extra, found.other


def test_a_table_that_has_everything_does_not_differ(world: World) -> None:
    for n in range(10):
        world.suppress(f"user{n}@example.com", scope="news" if n % 2 else "*", tenant="acme" if n % 3 else "default")
    world.catch_up()
    world.store.lift("default", "user0@example.com", scope=None, cause=None, reason="x", consent=None, actor="test")
    world.catch_up()

    assert compared(world) == (0, 0, 0)
    assert [path.name for path in world.index_folder.iterdir()] == ["table"]


def test_what_differs_is_counted_by_kind(world: World) -> None:
    for n in range(4):
        world.suppress(f"user{n}@example.com")
    world.catch_up()
    table = writer_of(world)
    slots = [place for place in range(table.slots) if table.words[2 * place]]
    table.words[2 * slots[0] + 1] &= ~0b111  # ended
    table.words[2 * slots[1] + 1] |= 1 << 40  # ends
    table.put(Batch(np.array([4711], np.uint64), np.array([0b11], np.uint64), np.zeros(1, np.bool_)))

    assert compared(world) == (1, 1, 1)


def test_what_changes_meanwhile_is_no_difference(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.suppress("first@example.com")
    world.catch_up()
    world.suppress("not-yet-in-the-table@example.com")
    count_standing = world.store.count_standing

    def then_a_change() -> int:
        counted = count_standing()
        world.suppress("second@example.com", scope="news")
        world.store.lift("default", "first@example.com", scope=None, cause=None, reason="x", consent=None, actor="test")
        return counted

    monkeypatch.setattr(world.store, "count_standing", then_a_change)

    found = compare(world.store, table_of(world), world.index_folder, lambda _done, _wanted: None)

    assert not found.differences
    assert found.changed_meanwhile == 3


def test_entries_of_scopes_without_a_number_are_no_difference(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "TABLE_SCOPES_MAX", 1)
    for scope in "abcd":
        world.suppress("user@example.com", scope=scope)
    world.catch_up()
    world.store.lift("default", "user@example.com", scope="d", cause=None, reason="x", consent=None, actor="test")
    world.catch_up()

    assert compared(world) == (0, 0, 0)


# --- the command ---


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with one entry on its list."""
    folder = tmp_path / "data"
    assert main(["migrate", "--data", str(folder)]) == 0
    assert main(["index", "rebuild", "--json", "--data", str(folder)]) == 0
    return folder


def asked(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    capsys.readouterr()
    code = main(["index", *words])
    return code, capsys.readouterr().out


def test_the_command_shows_rebuilds_and_verifies(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, shown = asked(capsys, "show", "--json", "--data", str(data))
    assert (code, json.loads(shown)["entries"], json.loads(shown)["is_followed"]) == (0, 0, False)

    code, words = asked(capsys, "show", "--data", str(data))
    assert (code, "65,536" in words) == (0, True)

    code, verified = asked(capsys, "verify", "--json", "--data", str(data))
    assert (code, json.loads(verified)["differences"]) == (0, [])

    file = data / "index" / "table"
    store = store_parts.open_store(parts.settings_of(_arguments(data)))
    table = taken_over(file, identity=identity(store))
    assert table is not None
    table.put(Batch(np.array([4711], np.uint64), np.array([0b11], np.uint64), np.zeros(1, np.bool_)))
    code, words = asked(capsys, "verify", "--data", str(data))
    assert code == 1
    assert f"{4711:016x}" in words
    assert "rebuild" in words

    code, words = asked(capsys, "rebuild", "--data", str(data))
    assert code == 0
    assert asked(capsys, "verify", "--data", str(data))[0] == 0


def _arguments(data: Path) -> Any:
    return argparse.Namespace(data=str(data), config=None)


def test_the_command_says_what_to_do_where_there_is_no_table(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (data / "index" / "table").unlink()

    assert main(["index", "show", "--data", str(data)]) == 1
    assert "nullsender follow" in capsys.readouterr().err


def test_progress_is_a_line_now_and_then_where_nobody_sees_a_bar(capsys: pytest.CaptureFixture[str]) -> None:
    clock = FakeClock()
    progress = Progress("reading the list", clock)
    progress.set(1, 2000)
    clock.advance(seconds=limits.PROGRESS_LINE_SECONDS)
    progress.set(1000, 2000)
    progress.close()

    assert capsys.readouterr().err == "reading the list: 1,000 of 2,000 entries\n"
