"""Deliveries: they reset what bounced softly before them, in whatever order all of it is told, and touch nothing else."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine, func, select

from nullsender.clock import FakeClock
from nullsender.events import Outcome, Proof
from nullsender.limits import DELIVERIES_PER_TURN_MAX, STRIKES_KEPT_DAYS
from suppression.models import deliveries, strikes
from suppression.policy import Cause, Did, PolicySettings
from suppression.records import ConsentRequired
from suppression.store.deliveries import Delivered, Delivery, StoreDeliveries
from suppression.store.policy_seen import StorePolicy
from suppression.store.store import Store
from tests.outcomes import START, an_outcome
from tests.store_contract import ADA, did, tell
from tests.store_fixtures import BOTH_DATABASES, store_on

pytestmark = pytest.mark.parametrize("database", BOTH_DATABASES)

FEW = PolicySettings(soft_limit=2, soft_limits={})
DAYS = 3  # within what is remembered of deliveries


def softs(*days: float, stream: str | None = None) -> list[Outcome]:
    """Soft bounces on these days."""
    return [an_outcome(f"{day} {stream}", "soft", days=day, stream=stream) for day in days]


def deliver(store: Store, *days: float | None, stream: str | None = None, tenant: str = "default") -> Delivered:
    """Tell of deliveries to ADA on these days (None: now)."""
    times = [None if day is None else START + timedelta(days=day) for day in days]
    items = [Delivery(ADA, at, stream) for at in times]
    return StoreDeliveries.beside(store).deliver(tenant, items, actor="key")


def kept(engine: Engine, table: object) -> int:
    """How many rows a table has."""
    with engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()  # type: ignore[arg-type]


@pytest.fixture
def few(engine: Engine, clock: FakeClock) -> Store:
    """A list on which two soft bounces make an entry."""
    return store_on(engine, clock, FEW)


def test_a_delivery_between_two_bounces_resets_them_whichever_is_told_first(few: Store, clock: FakeClock) -> None:
    clock.advance(days=DAYS)

    deliver(few, 1.5)
    assert did(few, *softs(1, 2)) == [Did.COUNTED, Did.COUNTED]
    assert did(few, *softs(2.5)) == [Did.ADDED]


def test_a_delivery_that_is_told_again_does_nothing_more(few: Store, clock: FakeClock) -> None:
    clock.advance(days=DAYS)
    tell(few, *softs(1))

    assert deliver(few, 2, 2) == Delivered(reset=1, changed=0)
    assert deliver(few, 2) == Delivered(reset=0, changed=0)


def test_a_delivery_leaves_every_entry_but_one_that_it_shows_to_rest_on_no_run(few: Store, clock: FakeClock) -> None:
    clock.advance(days=DAYS)
    tell(few, an_outcome("h"), an_outcome("c", "complaint"), an_outcome("u", "unsubscribe"), *softs(2.5, 2.9))
    few.add("default", ADA, scope="*", cause="manual", reason="asked", expires=None, actor="ops")
    before = few.entries_of("default", ADA)

    assert deliver(few, None).changed == 0
    assert few.entries_of("default", ADA) == before
    assert deliver(few, 2.7).changed == 1
    assert few.entries_of("default", ADA) == [entry for entry in before if entry.cause is not Cause.SOFT]


def test_a_delivery_ends_a_soft_entry_where_the_policy_says_so(engine: Engine, clock: FakeClock) -> None:
    store = store_on(engine, clock, PolicySettings(soft_limit=2, soft_limits={}, delivery_ends_soft=True))
    clock.advance(days=DAYS)
    tell(store, *softs(2.5, 2.9))

    assert deliver(store, None).changed == 1
    assert store.entries_of("default", ADA) == []


def test_a_delivery_speaks_for_its_stream_and_for_what_is_wider(few: Store, clock: FakeClock) -> None:
    clock.advance(days=DAYS)
    tell(few, *softs(2, stream="news"), *softs(2))

    assert deliver(few, 2.5, stream="receipts").reset == 1  # what is counted on all mail
    assert deliver(few, 2.5, tenant="other").reset == 0
    assert deliver(few, 2.6, stream="news").reset == 1


def test_many_deliveries_are_several_turns_and_what_lies_ahead_is_now(few: Store, engine: Engine, clock: FakeClock) -> None:
    items = [Delivery(f"{number}@example.com") for number in range(DELIVERIES_PER_TURN_MAX + 1)]
    StoreDeliveries.beside(few).deliver("default", [*items, Delivery(ADA, START + timedelta(days=999))], actor="key")

    with engine.connect() as connection:
        assert set(connection.execute(select(deliveries.c.delivered_at)).scalars()) == {clock.now()}
    assert kept(engine, deliveries) == DELIVERIES_PER_TURN_MAX + 2


def test_deliveries_and_strikes_are_forgotten_in_time(few: Store, engine: Engine, clock: FakeClock) -> None:
    tell(few, *softs(0))
    deliver(few, 0)

    clock.advance(days=DAYS + 0.1)
    few.forget(clock.now(), 100)
    assert (kept(engine, deliveries), kept(engine, strikes)) == (0, 1)
    clock.advance(days=STRIKES_KEPT_DAYS)
    few.forget(clock.now(), 100)
    assert kept(engine, strikes) == 0


def test_a_report_that_is_told_of_after_a_lift_and_bounced_before_it_counts_for_nothing(few: Store, clock: FakeClock) -> None:
    clock.advance(days=1)
    tell(few, *softs(0.5, 0.6))
    few.lift("default", ADA, scope=None, cause=None, reason="mended", consent=None, actor="ops")
    clock.advance(days=1)

    assert did(few, *softs(0.7, 0.8)) == [Did.COUNTED, Did.COUNTED]
    assert did(few, *softs(1.7, 1.8)) == [Did.COUNTED, Did.ADDED]


def test_a_lift_holds_against_a_late_report_though_the_address_stands_on_the_list_again(few: Store, clock: FakeClock) -> None:
    tell(few, an_outcome("1"))
    clock.advance(days=5)
    few.lift("default", ADA, scope=None, cause=None, reason="mended", consent=None, actor="ops")
    clock.advance(days=2)
    tell(few, an_outcome("2", days=7, proof=Proof.NONE))

    assert did(few, an_outcome("late", days=4)) == [Did.KEPT]
    assert [entry.provisional for entry in few.entries_of("default", ADA)] == [True]


@pytest.mark.parametrize("scope", ["*", "*-transactional", "news", "list:weekly"])
@pytest.mark.parametrize("cause", ["complaint", "unsubscribe"])
def test_what_a_person_asked_for_is_lifted_with_consent_only_on_every_scope(few: Store, scope: str, cause: str) -> None:
    few.add("default", ADA, scope=scope, cause=cause, reason="asked", expires=None, actor="ops")
    lift = {"scope": scope, "cause": None, "reason": "mended", "actor": "ops"}

    with pytest.raises(ConsentRequired):
        few.lift("default", ADA, consent=" ", **lift)  # type: ignore[arg-type]
    assert len(few.lift("default", ADA, consent="signed up again", **lift)) == 1  # type: ignore[arg-type]


def test_no_narrower_entry_or_lift_takes_anything_from_a_wider_entry(few: Store) -> None:
    few.add("default", ADA, scope="*", cause="hard", reason="gone", expires=None, actor="ops")
    few.add("default", ADA, scope="news", cause="hard", reason="gone", expires=None, actor="ops")
    few.lift("default", ADA, scope="news", cause=None, reason="mended", consent=None, actor="ops")

    assert 0 in few.check("default", "news", [ADA], mailing_list="weekly")


def test_a_change_of_policy_stands_in_the_trail_once(engine: Engine, clock: FakeClock, few: Store) -> None:
    assert StorePolicy.beside(few).note_policy("suppress")
    assert not StorePolicy.beside(few).note_policy("suppress")
    assert StorePolicy.beside(few).other_policy() is None
    assert StorePolicy.beside(store_on(engine, clock)).note_policy("suppress")
    assert StorePolicy.beside(few).other_policy() == store_on(engine, clock).policy.version
