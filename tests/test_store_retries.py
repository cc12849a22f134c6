"""Connections that break before, in and after a commit, and transactions that lose to others: everything is done once."""

import contextlib
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, NamedTuple

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import Engine, event, text

from nullsender.clock import FakeClock
from nullsender.errors import Transient
from nullsender.limits import STORE_TRIES_MAX
from suppression.engine import opened, writing
from suppression.policy import Cause, Did
from suppression.store.store import Store
from suppression.trouble import UnknownCommit
from tests.faults.proxy import PostgresCommits, Proxy
from tests.outcomes import an_outcome
from tests.servers.postgres import Postgres
from tests.store_contract import ADA, actions, did, lift, live, put, stops
from tests.store_fixtures import store_on

pytestmark = [pytest.mark.parametrize("database", ["postgresql"]), pytest.mark.xdist_group("postgresql")]


class Write(NamedTuple):
    """One way to write: what has to be there before, the call with it, and whether answer and list are right afterwards."""

    prepare: Callable[[Store], Any]
    call: Callable[[Store, Any], object]
    is_right: Callable[[Store, object], bool]


def _nothing(_store: Store) -> None:
    """No preparation."""


def _key_id(store: Store) -> str:
    return store.create_key("shop", scopes=["check"], tenant=None, expires=None)[0]


WRITES = {
    "apply": Write(
        _nothing,
        lambda store, _: did(store, an_outcome("1"), an_outcome("2", "none")),
        lambda store, answer: answer == [Did.ADDED, Did.RECORDED] and actions(store) == [Did.ADDED],
    ),
    "add": Write(
        _nothing,
        lambda store, _: store.add("default", ADA, scope="*", cause="manual", reason="x", expires=None, actor="olga"),
        lambda store, answer: isinstance(answer, tuple) and answer[1] is True and actions(store) == [Did.ADDED],
    ),
    "lift": Write(
        put,
        lambda store, _: lift(store),
        lambda store, answer: isinstance(answer, list) and len(answer) == 1 and actions(store) == [Did.ADDED, Did.LIFTED],
    ),
    "expire": Write(
        lambda store: put(store, expires=FakeClock().now() + timedelta(days=1)),
        lambda store, _: store.expire(FakeClock().now() + timedelta(days=2), 10),
        lambda store, answer: answer == 1 and actions(store) == [Did.ADDED, Did.EXPIRED],
    ),
    "create a key": Write(
        _nothing,
        lambda store, _: store.create_key("shop", scopes=["check"], tenant=None, expires=None),
        lambda store, answer: isinstance(answer, tuple) and [key.id for key in store.list_keys()] == [answer[0]],
    ),
    "rotate a key": Write(
        _key_id,
        lambda store, key_id: store.rotate_key(key_id, overlap=timedelta()),
        lambda store, answer: (
            isinstance(answer, tuple) and len(store.list_keys()) == 2 and store.find_key(answer[1]) is not None
        ),
    ),
    "revoke a key": Write(
        _key_id,
        lambda store, key_id: store.revoke_key(key_id),
        lambda store, _answer: [key.revoked is not None for key in store.list_keys()] == [True],
    ),
}
every_write = pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())


@pytest.fixture
def proxy(postgres: Postgres) -> Iterator[Proxy]:
    """What stands between the store and the server."""
    with Proxy(PostgresCommits, f"{postgres.folder}/.s.PGSQL.{postgres.port}") as proxy:
        yield proxy


@pytest.fixture
def behind_proxy(engine: Engine, proxy: Proxy, clock: FakeClock) -> Iterator[Store]:
    """The list, reached by way of the proxy."""
    host, port = proxy.address
    with opened(f"postgresql://tests@{host}:{port}/{engine.url.database}?sslmode=disable") as through:
        yield store_on(through, clock)


@contextlib.contextmanager
def killed_at_commit(engine: Engine, times: int) -> Iterator[None]:
    """The next commits of `engine` meet a backend that has just been killed."""
    left = times

    def kill(connection: object) -> None:
        nonlocal left
        if left:
            left -= 1
            backend = connection.connection.driver_connection.info.backend_pid  # type: ignore[attr-defined]
            with other.begin() as own:
                own.execute(text(f"SELECT pg_terminate_backend({backend}, 5000)"))

    with opened(engine.url.render_as_string(hide_password=False)) as other:
        event.listen(engine, "commit", kill)
        yield
        event.remove(engine, "commit", kill)


@every_write
def test_a_backend_that_is_killed_at_the_commit_is_nobodys_trouble(store: Store, engine: Engine, write: Write) -> None:
    prepared = write.prepare(store)

    with killed_at_commit(engine, 1):
        answer = write.call(store, prepared)

    assert write.is_right(store, answer)


@every_write
def test_a_commit_whose_answer_is_lost_is_done_once_and_answered_as_what_it_was(
    store: Store, behind_proxy: Store, proxy: Proxy, write: Write
) -> None:
    prepared = write.prepare(store)
    proxy.lose(1)

    answer = write.call(behind_proxy, prepared)

    assert proxy.lost == 1
    assert write.is_right(store, answer)


def test_what_is_never_learned_is_said_and_asking_again_is_safe(store: Store, behind_proxy: Store, proxy: Proxy) -> None:
    proxy.lose(STORE_TRIES_MAX)
    with pytest.raises(UnknownCommit):
        put(behind_proxy)

    assert put(behind_proxy).created_by == "olga"
    assert actions(store) == [Did.ADDED]
    proxy.lose(STORE_TRIES_MAX)
    with pytest.raises(UnknownCommit):
        lift(behind_proxy)
    assert lift(behind_proxy) == []
    assert actions(store) == [Did.ADDED, Did.LIFTED]


def test_a_commit_that_came_to_nothing_does_not_pass_for_another_ones(store: Store, engine: Engine) -> None:
    """The number that its change would have had is given to somebody else's meanwhile."""

    class Between(FakeClock):
        """A clock by which the wait before the second try is used by somebody else."""

        def sleep(self, seconds: float) -> None:
            put(store, "somebody@example.com")

    with opened(engine.url.render_as_string(hide_password=False)) as ours:
        hasty = store_on(ours, Between())
        with killed_at_commit(ours, 1):
            entry = put(hasty)

    assert entry.address == ADA
    assert live(store) == {("*", Cause.MANUAL, False)}
    assert live(store, "somebody@example.com") == {("*", Cause.MANUAL, False)}


def test_a_backend_that_is_killed_before_the_commit_has_done_nothing(store: Store, engine: Engine) -> None:
    def lose_the_connection_in_a_copy() -> None:
        with writing(engine) as connection:
            backend = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
            driver = connection.connection.driver_connection
            assert driver is not None
            with driver.cursor().copy("COPY meta (name, value) FROM STDIN") as copy:
                copy.write_row(("half", "done"))
                with writing(engine) as other:
                    other.execute(text(f"SELECT pg_terminate_backend({backend}, 5000)"))

    with pytest.raises(Transient):
        lose_the_connection_in_a_copy()

    assert did(store, an_outcome("1")) == [Did.ADDED]


@pytest.mark.parametrize("code", ["40001", "40P01"])
def test_a_write_that_lost_to_another_is_done_again(store: Store, engine: Engine, code: str) -> None:
    def retries() -> float:
        return REGISTRY.get_sample_value("nullsender_store_retries_total") or 0.0

    make_writers_lose(engine, code, times=2)
    before = retries()

    assert did(store, an_outcome("1")) == [Did.ADDED]
    assert retries() - before == 2


def test_a_write_that_always_loses_is_trouble_that_passes(store: Store, engine: Engine) -> None:
    make_writers_lose(engine, "40001", times=STORE_TRIES_MAX)

    with pytest.raises(Transient):
        put(store)

    assert stops(store) is None
    assert put(store).address == ADA


def make_writers_lose(engine: Engine, code: str, times: int) -> None:
    """PostgreSQL undoes the next writers' transactions with that SQLSTATE. A sequence counts, which nothing undoes."""
    with writing(engine) as connection:
        connection.execute(text("CREATE SEQUENCE lost"))
        connection.execute(
            text(
                "CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                f"IF nextval('lost') <= {times} THEN RAISE 'lost to another' USING ERRCODE = '{code}'; END IF; "
                "RETURN NEW; END $$"
            )
        )
        connection.execute(text("CREATE TRIGGER lose BEFORE INSERT ON changes FOR EACH ROW EXECUTE FUNCTION lose()"))
