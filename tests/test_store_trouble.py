"""What the store makes of a database that is busy, gone, or not one at all."""

import stat
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import URL, Engine, text

from nullsender.clock import FakeClock
from nullsender.errors import Misconfigured, Transient
from suppression import engine as engine_module
from suppression.engine import open_engine, opened, reading, writing
from suppression.migrate import upgrade
from suppression.policy import Cause, Did
from suppression.store.rows import take_pen
from suppression.store.store import Store
from suppression.trouble import Unreachable
from tests.missing import give_up
from tests.outcomes import an_outcome
from tests.ports import free_ports
from tests.servers.postgres import Postgres, PostgresUnavailable, postgres_server
from tests.store_contract import ADA, did, put, stops
from tests.store_fixtures import BOTH_DATABASES, store_on

both_databases = pytest.mark.parametrize("database", BOTH_DATABASES)
only_postgresql = pytest.mark.parametrize("database", BOTH_DATABASES[1:])


@pytest.fixture
def impatient(store: Store, store_url: str, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """The same list, opened by somebody who waits for a tenth of a second only."""
    monkeypatch.setattr(engine_module, "STORE_TURN_SECONDS_MAX", 0.1)
    with opened(store_url) as engine:
        yield store_on(engine, clock)


@both_databases
def test_whoever_waits_too_long_for_a_turn_has_done_nothing_and_may_try_again(impatient: Store, engine: Engine) -> None:
    with writing(engine) as connection:
        take_pen(connection)
        with pytest.raises(Transient):
            put(impatient)

    put(impatient)
    assert stops(impatient) is Cause.MANUAL


@both_databases
def test_questions_are_answered_while_somebody_writes(store: Store, impatient: Store, engine: Engine) -> None:
    put(store)

    with writing(engine) as connection:
        take_pen(connection)
        connection.execute(text("DELETE FROM entries"))

        assert stops(impatient) is Cause.MANUAL
        impatient.ready()


@only_postgresql
def test_a_write_of_many_slow_statements_ends_as_a_whole(store: Store, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of them would be in time; a stage that goes on like this looks stuck and is ended."""
    monkeypatch.setattr(engine_module, "STORE_WRITE_SECONDS_MAX", 0.5)
    done: list[int] = []

    def write_slowly() -> None:
        with writing(engine) as connection:
            for number in range(100):
                connection.execute(text("SELECT pg_sleep(0.1)"))
                done.append(number)

    with pytest.raises(Transient):
        write_slowly()
    assert 0 < len(done) < 100
    monkeypatch.undo()
    put(store)  # the next one has all its time


@only_postgresql
def test_a_connection_that_is_cut_is_trouble_that_passes(store: Store, engine: Engine) -> None:
    def lose_the_connection() -> None:
        with writing(engine) as connection:
            backend = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
            with writing(engine) as other:
                other.execute(text(f"SELECT pg_terminate_backend({backend})"))
            connection.execute(text("SELECT 1"))

    with pytest.raises(Transient):
        lose_the_connection()

    assert did(store, an_outcome("1")) == [Did.ADDED]


@only_postgresql
def test_a_transaction_that_lost_to_another_may_be_tried_again(store: Store, engine: Engine) -> None:
    def lose_to_another() -> None:
        with writing(engine) as connection:
            connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
            connection.execute(text("SELECT * FROM numbering"))
            put(store)
            connection.execute(text("UPDATE numbering SET last = 0"))

    with pytest.raises(Transient, match="serialize"):
        lose_to_another()


@only_postgresql
def test_a_server_with_a_stricter_default_makes_no_difference(store_url: str, engine: Engine, clock: FakeClock) -> None:
    with writing(engine) as connection:
        name = connection.execute(text("SELECT current_database()")).scalar_one()
        connection.execute(text(f"ALTER DATABASE \"{name}\" SET default_transaction_isolation = 'serializable'"))

    with opened(store_url) as strict, ThreadPoolExecutor(4) as threads:
        store = store_on(strict, clock)
        entries = list(threads.map(lambda number: put(store, f"{number}@example.com"), range(40)))

    assert len({entry.id for entry in entries}) == 40


@only_postgresql
def test_connections_that_were_cut_while_nobody_used_them_are_nobodys_trouble(store: Store, engine: Engine) -> None:
    put(store)
    with engine.connect() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )

    assert stops(store) is Cause.MANUAL


@pytest.fixture(scope="module")
def locked_server() -> Iterator[Postgres]:
    """A server that asks for a password."""
    try:
        with postgres_server(password="the right one") as server:
            yield server
    except PostgresUnavailable as reason:
        give_up(reason)


def refused_urls(server: Postgres) -> dict[str, str]:
    """What PostgreSQL says, and a URL that makes it say so."""
    without, stranger = (
        URL.create("postgresql", user, password, "127.0.0.1", server.port, "postgres").render_as_string(hide_password=False)
        for user, password in (("tests", None), ("nobody", server.password))
    )
    return {
        'password authentication failed for user "tests"': server.url("postgres", password="wrong"),
        "no password supplied": without,
        'password authentication failed for user "nobody"': stranger,
        'database "nowhere" does not exist': server.url("nowhere"),
    }


@pytest.mark.xdist_group("postgresql")
@pytest.mark.parametrize("door", [upgrade, lambda engine: store_on(engine, FakeClock())], ids=["migrate", "open"])
def test_what_postgresql_refuses_is_the_operators_to_change_and_said_in_a_sentence(
    locked_server: Postgres, door: Callable[[Engine], object]
) -> None:
    for words, url in refused_urls(locked_server).items():
        with opened(url) as engine, pytest.raises(Misconfigured, match=rf"127\.0\.0\.1/.*{words}.*store\.url") as raised:
            door(engine)
        assert "right one" not in str(raised.value)
        assert "\n" not in str(raised.value)


@pytest.mark.xdist_group("postgresql")
def test_a_password_that_was_right_once_is_trouble_that_passes(locked_server: Postgres) -> None:
    name = locked_server.create_database()
    locked_server.execute("CREATE ROLE changing SUPERUSER LOGIN PASSWORD 'old'")
    url = URL.create("postgresql", "changing", "old", "127.0.0.1", locked_server.port, name)
    with opened(url.render_as_string(hide_password=False)) as engine:
        upgrade(engine)
        store = store_on(engine, FakeClock())
        locked_server.execute("ALTER ROLE changing PASSWORD 'new'")
        with engine.connect(), pytest.raises(Transient, match="password authentication failed"):
            store.ready()

        locked_server.execute("ALTER ROLE changing PASSWORD 'old'")
        store.ready()


def test_where_nobody_answers_a_migration_is_a_mistake_and_everything_else_waits() -> None:
    """A role may be started again while the database is away; `migrate` and `up` are an operator's, who sees what they say."""
    url = f"postgresql://tests@127.0.0.1:{free_ports(1)[0]}/list"

    with opened(url) as engine:
        with pytest.raises(Misconfigured, match=r"no connection to PostgreSQL at 127\.0\.0\.1/list \(.*refused"):
            upgrade(engine)
        with pytest.raises(Unreachable):
            store_on(engine, FakeClock())


@both_databases
def test_our_own_mistakes_are_not_called_trouble_that_passes(store: Store, engine: Engine) -> None:
    with pytest.raises(Exception, match="nonsense") as raised, reading(engine) as connection:
        connection.execute(text("SELECT * FROM nonsense"))

    assert not isinstance(raised.value, Transient)


@both_databases
def test_errors_do_not_name_people(store: Store, engine: Engine) -> None:
    with pytest.raises(Exception, match="nonsense") as raised, writing(engine) as connection:
        connection.execute(text("INSERT INTO nonsense VALUES (:address)"), {"address": ADA})

    assert ADA not in str(raised.value)


@pytest.mark.parametrize(
    "url", ["", "nonsense", "mysql://x/y", "sqlite://", "sqlite:///:memory:", "sqlite:///file:x?mode=memory&uri=true"]
)
def test_a_url_that_can_not_hold_a_list_is_refused(url: str) -> None:
    with pytest.raises(Misconfigured, match=r"store\.url"):
        open_engine(url)


def test_a_file_that_can_not_be_made_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="can not be written"):
        open_engine(f"sqlite:///{tmp_path / 'nowhere' / 'list.sqlite'}")


@pytest.mark.parametrize("database", ["sqlite"])
def test_a_damaged_file_costs_no_record(store_url: str, clock: FakeClock) -> None:
    Path(store_url.removeprefix("sqlite:///")).write_bytes(b"this is no database any more" * 1_000)

    with opened(store_url) as engine, pytest.raises(Transient, match="not a database"):
        store_on(engine, clock)


@pytest.mark.parametrize("database", ["sqlite"])
def test_the_file_and_its_companions_are_for_their_owner_alone(empty_url: str) -> None:
    with opened(empty_url) as engine, writing(engine) as connection:
        connection.execute(text("CREATE TABLE anything (x INTEGER)"))
        modes = [stat.S_IMODE(file.stat().st_mode) for file in Path(str(engine.url.database)).parent.iterdir()]

    assert modes == [0o600] * 3


@pytest.mark.parametrize("database", ["sqlite"])
def test_sqlite_commits_to_disk_and_is_none_of_the_versions_that_corrupt(store: Store, engine: Engine) -> None:
    with reading(engine) as connection:
        version = connection.execute(text("SELECT sqlite_version()")).scalar_one()
        assert connection.execute(text("PRAGMA synchronous")).scalar_one() == 2  # FULL
        assert connection.execute(text("PRAGMA journal_mode")).scalar_one() == "wal"

    assert tuple(map(int, version.split("."))) >= (3, 51, 3)
