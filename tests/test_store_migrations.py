"""Bringing the schema up to date, and back."""

import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, MetaData, Table, func, insert, inspect, select, text, update
from sqlalchemy.exc import DBAPIError

import migrations
from migrations import build_index
from nullsender.clock import FakeClock
from nullsender.errors import Misconfigured, Transient
from nullsender.events import Result
from nullsender.limits import MIGRATION_LOCK_SECONDS_MAX
from suppression import schema
from suppression.engine import _Connection, opened, reading, writing
from suppression.migrate import _migrating, downgrade, upgrade
from suppression.models import SCHEMA_REVISION, changes, entries, metadata, outcomes
from suppression.policy import Cause, Did
from suppression.schema import note_whom_it_serves
from suppression.store.rows import take_pen
from tests.outcomes import an_outcome
from tests.store_contract import ADA, put, stops, tell
from tests.store_fixtures import BOTH_DATABASES, store_on
from tests.waiting import wait_for

both_databases = pytest.mark.parametrize("database", BOTH_DATABASES)
only_postgresql = pytest.mark.parametrize("database", BOTH_DATABASES[1:])


@pytest.fixture
def empty(empty_url: str) -> Iterator[Engine]:
    """A database without a table."""
    with opened(empty_url) as engine:
        yield engine


def tables(engine: Engine) -> set[str]:
    """The tables that there are."""
    with reading(engine) as connection:
        return set(inspect(connection).get_table_names())


@both_databases
def test_the_migrations_make_what_the_models_say(empty: Engine) -> None:
    upgrade(empty)

    with reading(empty) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


@both_databases
def test_the_models_name_the_newest_revision(empty: Engine) -> None:
    assert upgrade(empty) == SCHEMA_REVISION


@both_databases
def test_a_second_time_changes_nothing(empty: Engine, clock: FakeClock) -> None:
    upgrade(empty)
    put(store_on(empty, clock))

    assert upgrade(empty) == SCHEMA_REVISION
    assert stops(store_on(empty, clock)) == "manual"


@both_databases
def test_down_and_up_again_works_with_data_in_it(empty: Engine, clock: FakeClock) -> None:
    upgrade(empty)
    tell(store_on(empty, clock), an_outcome("1"), *(an_outcome(f"s{number}", "soft") for number in range(5)))

    assert downgrade(empty, "base") is None
    assert tables(empty) <= {"alembic_version"}
    upgrade(empty)

    store = store_on(empty, clock)
    assert stops(store) is None
    tell(store, an_outcome("1"))
    assert stops(store, ADA) == "hard"


@both_databases
def test_a_migration_that_fails_leaves_the_schema_as_it_was(empty: Engine) -> None:
    with writing(empty) as connection:
        connection.execute(text("CREATE TABLE meta (in_the_way INTEGER)"))

    with pytest.raises(DBAPIError):
        upgrade(empty)

    assert tables(empty) == {"meta"}


@both_databases
def test_several_may_migrate_at_once(empty_url: str) -> None:
    def migrate(_: int) -> str | None:
        with opened(empty_url) as engine:
            return upgrade(engine)

    with ThreadPoolExecutor(4) as threads:
        revisions = list(threads.map(migrate, range(4)))

    assert revisions == [SCHEMA_REVISION] * 4


@only_postgresql
def test_a_step_may_take_longer_than_any_answer(empty: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """An index of a hundred million rows takes minutes."""
    monkeypatch.setattr(_Connection, "answer_seconds_max", 0.2)
    a_long_step = text("SELECT pg_sleep(0.5)")

    with pytest.raises(Transient), writing(empty) as connection:
        connection.execute(a_long_step)
    with _migrating(empty) as connection:
        connection.execute(a_long_step)


@only_postgresql
def test_after_an_index_was_built_the_steps_that_follow_wait_for_locks_as_briefly_as_before(empty: Engine) -> None:
    upgrade(empty)

    with _migrating(empty) as connection:
        before = connection.execute(text("SHOW lock_timeout")).scalar()
        connection.commit()
        context = MigrationContext.configure(connection, opts={"transaction_per_migration": True})
        with Operations.context(context), context.begin_transaction(_per_migration=True):
            build_index("another", "outcomes", ["rule"])
        after = connection.execute(text("SHOW lock_timeout")).scalar()

    assert before == after == f"{MIGRATION_LOCK_SECONDS_MAX}s"


def bring_the_future(engine: Engine, serves: str) -> None:
    """A newer version has migrated the store; processes from the revision `serves` on may use it."""
    with writing(engine) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        note_whom_it_serves(connection, serves)


@both_databases
def test_a_schema_from_the_future_is_refused_by_every_door(empty: Engine, clock: FakeClock) -> None:
    upgrade(empty)
    running = store_on(empty, clock)
    bring_the_future(empty, "9999")

    for door in (lambda: upgrade(empty), lambda: downgrade(empty, "base"), lambda: store_on(empty, clock), running.ready):
        with pytest.raises(Misconfigured, match="9999 is from a newer version"):
            door()
    assert "entries" in tables(empty)


@both_databases
def test_a_schema_from_the_future_that_serves_us_is_used_and_left_alone(empty: Engine, clock: FakeClock) -> None:
    upgrade(empty)
    put(store_on(empty, clock))
    bring_the_future(empty, SCHEMA_REVISION)

    assert upgrade(empty) == "9999"
    store = store_on(empty, clock)
    store.ready()
    assert stops(store) == "manual"
    with pytest.raises(Misconfigured, match="9999"):
        downgrade(empty, "base")


@both_databases
def test_a_schema_from_the_past_is_refused_with_what_to_do(empty: Engine, clock: FakeClock) -> None:
    upgrade(empty, "0001")

    with pytest.raises(Misconfigured, match="needs 0004: run `nullsender migrate`"):
        store_on(empty, clock)


def test_every_step_says_whom_its_schema_serves() -> None:
    scripts = list(ScriptDirectory(str(Path(migrations.__file__).parent)).walk_revisions())

    for script in scripts:
        assert re.fullmatch(r"\d{4}", script.revision)  # compared as text
        assert script.module.serves in {older.revision for older in scripts if older.revision <= script.revision}


def test_a_new_word_in_a_column_is_a_step() -> None:
    """Processes read these strictly. Who adds one adds a step that serves nobody older, and the word here: docs/store.md."""
    assert set(Did) == {
        *("added", "hardened", "renewed", "lifted", "expired", "kept", "counted", "capped", "recorded", "repeated"),
        *("released", "amended", "confirmed"),  # since 0002
        "held",  # since 0004
    }
    assert set(Cause) == {"complaint", "unsubscribe", "hard", "manual", "soft"}
    assert set(Result) == {"hard", "soft", "complaint", "unsubscribe", "none"}


@pytest.mark.usefixtures("of_the_first_version")
@both_databases
def test_processes_that_can_not_read_the_words_of_today_are_refused(empty: Engine, clock: FakeClock) -> None:
    upgrade(empty)

    with pytest.raises(Misconfigured, match=f"{SCHEMA_REVISION} is from a newer version"):
        store_on(empty, clock)


@both_databases
def test_a_store_without_tables_says_what_to_do(empty: Engine, clock: FakeClock) -> None:
    with pytest.raises(Misconfigured, match="nullsender migrate"):
        store_on(empty, clock)


@pytest.fixture
def of_the_first_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stores that are opened from now on take the first schema for theirs.

    They read today's words; processes of that version could not, and are refused at their next start.
    """
    monkeypatch.setattr(schema, "SCHEMA_REVISION", "0001")


@both_databases
def test_a_migration_runs_while_others_write_and_ask_and_so_does_the_way_back(empty_url: str, empty: Engine) -> None:
    """With the statements of the first version: what it had is there all the time, and needs nothing that it did not know."""
    upgrade(empty, "0001")
    first = MetaData()
    first.reflect(empty)
    rows, outcome_rows, change_rows = (first.tables[name] for name in ("entries", "outcomes", "changes"))
    written, asked = 0, 0
    done = threading.Event()

    def write() -> None:
        nonlocal written
        with opened(empty_url) as own:
            while not done.is_set():
                with writing(own) as connection:
                    number = take_pen(connection) + 1
                    connection.execute(update(first.tables["numbering"]).values(last=number))
                    for table in (outcome_rows, rows, change_rows):
                        connection.execute(insert(table).values(_as_the_first_version_did(table, number)))
                written += 1

    def ask() -> None:
        nonlocal asked
        with opened(empty_url) as own:
            while not done.is_set():
                seen = written
                with reading(own) as connection:
                    assert (connection.execute(select(func.count()).select_from(rows)).scalar() or 0) >= seen
                asked += 1

    def wait_for_progress() -> None:
        for one in working:
            assert not one.done(), one.exception()
        writes, questions = written, asked
        wait_for(
            lambda: any(one.done() for one in working) or (written > writes + 5 and asked > questions + 5),
            what="others to write",
        )
        for one in working:
            assert not one.done(), one.exception()

    with ThreadPoolExecutor(2) as threads:
        working = [threads.submit(write), threads.submit(ask)]
        try:
            for step, revision in ((upgrade, "head"), (downgrade, "0001"), (upgrade, "head")):
                wait_for_progress()
                assert step(empty, revision) == (SCHEMA_REVISION if revision == "head" else revision)
        finally:
            done.set()
            for one in working:
                one.result()

    with reading(empty) as connection:
        counts = [
            connection.execute(select(func.count()).select_from(table)).scalar() for table in (outcomes, entries, changes)
        ]
    assert counts == [written] * 3


def _as_the_first_version_did(table: Table, number: int) -> dict[str, object]:
    """A row with every column that has to be filled."""
    told = {"cause": "hard", "outcome": "hard", "scope": "*", "did": "added", "action": "added", "after": "{}"}
    by_type = {int: number, bytes: str(number).encode(), str: str(number), bool: False, datetime: FakeClock().now()}
    return {column.name: told.get(column.name, by_type[column.type.python_type]) for column in table.c if not column.nullable}
