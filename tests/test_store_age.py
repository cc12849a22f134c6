"""What is not kept for ever leaves in small steps; what an entry that stands rests on stays as long as the entry."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine, func, select

from nullsender import limits
from nullsender.clock import FakeClock
from nullsender.events import Proof
from nullsender.limits import HISTORY_KEPT_DAYS, OUTCOME_BODIES_KEPT_DAYS
from suppression.engine import reading
from suppression.models import changes, entries, outcomes
from suppression.policy import Did, PolicySettings
from suppression.records import Told
from suppression.store.store import Store
from tests.changes import changes_of
from tests.outcomes import START, an_outcome
from tests.store_contract import ADA, BEN, actions, did, lift, put, stops, tell
from tests.store_fixtures import BOTH_DATABASES, store_on

both_databases = pytest.mark.parametrize("database", BOTH_DATABASES)

ALL = 1_000


def forget_all(store: Store, clock: FakeClock, limit: int = ALL) -> list[int]:
    """Do the chore until there is no more of it; what it said each time."""
    said = [store.forget(clock.now(), limit)]
    while said[-1] == limit:
        said.append(store.forget(clock.now(), limit))
    return said


def reports_of(store: Store, address: str = ADA) -> set[str]:
    """The reports on an address that are known still."""
    items = store.history("default", address, cursor=None, limit=ALL).items
    return {item.report_id for item in items if isinstance(item, Told)}


def counts(engine: Engine) -> tuple[int, ...]:
    """How many outcomes, changes and entries there are."""
    with reading(engine) as connection:
        asked = (select(func.count()).select_from(table) for table in (outcomes, changes, entries))
        return tuple(connection.execute(question).scalar_one() for question in asked)


@both_databases
def test_reports_that_changed_nothing_leave_when_they_are_old_in_small_steps(
    store: Store, engine: Engine, clock: FakeClock
) -> None:
    capped = store_on(engine, clock, PolicySettings(provisional_per_source_and_hour_max=0))
    tell(store, an_outcome("made"), an_outcome("kept"), an_outcome("counted", "soft"), an_outcome("recorded", "none"))
    tell(capped, an_outcome("capped", "complaint", proof=Proof.NONE))
    tell(store, an_outcome("younger", "none", days=1))
    clock.advance(days=HISTORY_KEPT_DAYS)
    assert forget_all(store, clock) == [5]  # their words
    assert reports_of(store) == {"made", "kept", "counted", "recorded", "capped", "younger"}
    clock.advance(seconds=1)

    assert forget_all(store, clock, 3) == [3, 1]

    assert reports_of(store) == {"made", "younger"}


@both_databases
def test_what_an_entry_that_stands_rests_on_stays_as_long_as_the_entry(store: Store, clock: FakeClock) -> None:
    tell(store, an_outcome("weak", proof=Proof.NONE))
    tell(store, an_outcome("strong", days=1))
    clock.advance(days=10 * HISTORY_KEPT_DAYS)

    for _ in range(5):
        forget_all(store, clock)

    assert actions(store) == [Did.ADDED, Did.HARDENED]
    assert reports_of(store) == {"weak", "strong"}
    assert did(store, an_outcome("strong")) == [Did.REPEATED]
    told = store.history("default", ADA, cursor=None, limit=ALL).items[-1]
    assert isinstance(told, Told)
    assert told.outcome is not None


@both_databases
@pytest.mark.parametrize("limit", [1, 2, ALL])
def test_everything_of_an_entry_that_ended_long_ago_leaves(store: Store, engine: Engine, clock: FakeClock, limit: int) -> None:
    tell(store, an_outcome("old"))
    put(store, ADA, expires=START + timedelta(days=1))
    clock.advance(days=2)
    lift(store, cause="hard")
    store.expire(clock.now(), ALL)
    tell(store, an_outcome("of another", recipient=BEN))
    clock.advance(days=HISTORY_KEPT_DAYS)
    for _ in range(8):
        forget_all(store, clock, limit)
    assert counts(engine) == (2, 5, 3)
    clock.advance(seconds=1)

    for _ in range(8):
        forget_all(store, clock, limit)

    assert counts(engine) == (1, 1, 1)
    assert store.history("default", ADA, cursor=None, limit=ALL).items == []
    assert stops(store, BEN) == "hard"
    assert did(store, an_outcome("new", days=HISTORY_KEPT_DAYS + 3)) == [Did.ADDED]


@both_databases
def test_an_entry_that_ended_lately_keeps_its_whole_past(store: Store, clock: FakeClock) -> None:
    tell(store, an_outcome("made"))
    clock.advance(days=2 * HISTORY_KEPT_DAYS)
    lift(store)
    clock.advance(days=HISTORY_KEPT_DAYS)

    for _ in range(3):
        forget_all(store, clock)

    assert actions(store) == [Did.ADDED, Did.LIFTED]
    assert reports_of(store) == {"made"}


@both_databases
def test_of_an_entry_that_stands_again_only_the_period_before_leaves(store: Store, clock: FakeClock) -> None:
    tell(store, an_outcome("first"))
    clock.advance(days=1)
    lift(store)
    tell(store, an_outcome("second", days=2))
    clock.advance(days=HISTORY_KEPT_DAYS + 2)

    for _ in range(3):
        forget_all(store, clock)

    assert actions(store) == [Did.ADDED]
    assert reports_of(store) == {"second"}
    assert stops(store) == "hard"


@both_databases
def test_the_newest_change_stays_for_the_follower(store: Store, clock: FakeClock) -> None:
    put(store)
    lift(store)
    head = store.feed_head()
    clock.advance(days=2 * HISTORY_KEPT_DAYS)

    for _ in range(3):
        forget_all(store, clock)

    assert [change.seq for change in changes_of(store, 0, ALL)] == [head]


@both_databases
def test_how_long_it_is_kept_is_a_setting(engine: Engine, clock: FakeClock) -> None:
    store = store_on(engine, clock, history_days=limits.HISTORY_KEPT_DAYS_MIN)
    tell(store, an_outcome("1", "none"))
    clock.advance(days=limits.HISTORY_KEPT_DAYS_MIN + 1)

    forget_all(store, clock)

    assert counts(engine) == (0, 0, 0)


def test_what_may_come_again_and_would_act_is_known_that_long() -> None:
    assert limits.HISTORY_KEPT_DAYS > limits.UNSUBSCRIBE_DAYS
    comes_again_after = (limits.TOKEN_DAYS, limits.RETURN_PATH_DAYS, limits.LOG_REPORT_DAYS, limits.LOG_DEAD_LETTER_DAYS)
    assert max(*comes_again_after, limits.SOFT_WINDOW_DAYS, OUTCOME_BODIES_KEPT_DAYS) < limits.HISTORY_KEPT_DAYS_MIN
