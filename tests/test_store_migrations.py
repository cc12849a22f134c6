"""Bringing the schema up to date, and back."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, inspect, text
from sqlalchemy.exc import DBAPIError

from nullsender.clock import FakeClock
from nullsender.errors import Misconfigured
from suppression.engine import reading, writing
from suppression.migrate import downgrade, upgrade
from suppression.models import SCHEMA_REVISION, metadata
from tests.outcomes import an_outcome
from tests.store_contract import ADA, put, stops, tell
from tests.store_fixtures import BOTH_DATABASES, opened, store_on

pytestmark = pytest.mark.parametrize("database", BOTH_DATABASES)


@pytest.fixture
def empty(empty_url: str) -> Iterator[Engine]:
    """A database without a table."""
    with opened(empty_url) as engine:
        yield engine


def tables(engine: Engine) -> set[str]:
    """The tables that there are."""
    with reading(engine) as connection:
        return set(inspect(connection).get_table_names())


def test_the_migrations_make_what_the_models_say(empty: Engine) -> None:
    upgrade(empty)

    with reading(empty) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_the_models_name_the_newest_revision(empty: Engine) -> None:
    assert upgrade(empty) == SCHEMA_REVISION


def test_a_second_time_changes_nothing(empty: Engine, clock: FakeClock) -> None:
    upgrade(empty)
    put(store_on(empty, clock))

    assert upgrade(empty) == SCHEMA_REVISION
    assert stops(store_on(empty, clock)) == "manual"


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


def test_a_migration_that_fails_leaves_the_schema_as_it_was(empty: Engine) -> None:
    with writing(empty) as connection:
        connection.execute(text("CREATE TABLE meta (in_the_way INTEGER)"))

    with pytest.raises(DBAPIError):
        upgrade(empty)

    assert tables(empty) == {"meta"}


def test_several_may_migrate_at_once(empty_url: str) -> None:
    def migrate(_: int) -> str | None:
        with opened(empty_url) as engine:
            return upgrade(engine)

    with ThreadPoolExecutor(4) as threads:
        revisions = list(threads.map(migrate, range(4)))

    assert revisions == [SCHEMA_REVISION] * 4


def test_a_schema_from_the_future_is_refused(empty: Engine, clock: FakeClock) -> None:
    upgrade(empty)
    with writing(empty) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    with pytest.raises(Misconfigured, match="newer"):
        upgrade(empty)
    with pytest.raises(Misconfigured, match="9999"):
        store_on(empty, clock)


def test_a_store_without_tables_says_what_to_do(empty: Engine, clock: FakeClock) -> None:
    with pytest.raises(Misconfigured, match="nullsender migrate"):
        store_on(empty, clock)
