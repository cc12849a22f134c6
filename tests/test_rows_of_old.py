"""Rows that an older version wrote are read as what they meant then: nothing fills the columns that came since."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace
from sqlalchemy import Engine, select

from nullsender.clock import FakeClock
from nullsender.events import Rejudgement
from suppression.engine import reading
from suppression.migrate import downgrade, upgrade
from suppression.models import entries, outcomes, strikes
from suppression.policy import Cause, Did
from suppression.records import Told
from suppression.store.soft_age import forget_soft
from suppression.store.store import Store
from tests.outcomes import an_outcome
from tests.store_contract import ADA, BEN, did, lift, live, stops, tell
from tests.store_fixtures import BOTH_DATABASES, store_on
from tests.test_incidents import NOTHING, make, undo

pytestmark = pytest.mark.parametrize("database", BOTH_DATABASES)

Aged = Callable[[], Store]


@pytest.fixture
def aged(engine: Engine, clock: FakeClock) -> Aged:
    """Makes of what the store has what the version before this one left, and opens it again."""

    def age() -> Store:
        downgrade(engine, "0003")
        upgrade(engine)
        with reading(engine) as connection:
            assert set(connection.execute(select(outcomes.c.scope)).scalars()) <= {None}
            assert set(connection.execute(select(entries.c.lifted_at)).scalars()) <= {None}
        return store_on(engine, clock)

    return age


def test_an_incident_takes_them_back_and_its_undoing_brings_them_again(store: Store, aged: Aged) -> None:
    soft = [an_outcome(f"soft {number}", "soft", recipient=BEN, stream="news", days=-number) for number in range(5)]
    tell(store, an_outcome("hard", stream="news"), *soft, an_outcome("unsubscribe", "unsubscribe", stream="news"))
    before = {address: live(store, address) for address in (ADA, BEN)}
    assert before[BEN] == {("news", Cause.SOFT, False)}

    store = aged()
    incident = make(store, rule="a rule of the tests")
    assert (live(store, ADA), live(store, BEN)) == ({("news", Cause.UNSUBSCRIBE, False)}, set())
    undo(store, incident)

    assert {address: live(store, address) for address in (ADA, BEN)} == before


def test_one_that_is_read_anew_releases_what_it_made(store: Store, aged: Aged) -> None:
    wrong = an_outcome("1", "unsubscribe", stream="news")
    tell(store, wrong)

    replay = Rejudgement(replay_id="r", reason="a test", release_protected=True)

    assert did(aged(), replace(wrong, decision=NOTHING, rejudged=replay)) == [Did.RELEASED]


def test_a_lift_overrules_what_came_before_it(store: Store, aged: Aged, clock: FakeClock) -> None:
    tell(store, an_outcome("1"))
    clock.advance(days=1)
    lift(store)

    store = aged()

    assert did(store, an_outcome("late, but from before the lift", days=0.5)) == [Did.KEPT]
    assert did(store, an_outcome("from after it", days=2)) == [Did.ADDED]
    assert did(store, an_outcome("late again", days=0.5)) == [Did.KEPT]


@pytest.mark.parametrize("stream", [None, "news"])
def test_what_counted_towards_an_entry_is_part_of_its_story(store: Store, aged: Aged, stream: str | None) -> None:
    tell(store, *(an_outcome(f"soft {number}", "soft", stream=stream, days=number) for number in range(5)))
    assert stops(store, stream=stream) is Cause.SOFT

    store = aged()
    (entry,) = store.entries_of("default", ADA)
    story = store.story("default", entry.id, cursor=None, limit=100)

    assert story is not None
    assert sum(isinstance(item, Told) for item in story.page.items) == 5


def test_strikes_age_from_the_day_of_the_upgrade(store: Store, aged: Aged, engine: Engine) -> None:
    tell(store, an_outcome("1", "soft"))
    aged()

    with reading(engine) as connection:
        upgraded = connection.execute(select(strikes.c.newest_at)).scalar_one()
        assert forget_soft(connection, upgraded, 10).struck == []
    with reading(engine) as connection:
        assert len(forget_soft(connection, upgraded.replace(year=upgraded.year + 5), 10).struck) == 1
