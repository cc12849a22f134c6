"""The circuit breaker: a flood of new hard entries is held, looked at, released or rejected."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace
from prometheus_client import REGISTRY
from sqlalchemy import Engine

from nullsender.cli.working.review_clock import ReviewClock
from nullsender.clock import FakeClock
from nullsender.errors import Invalid
from nullsender.events import Outcome, Proof, Rejudgement
from suppression.incidents.breaker import ALL, BreakerSettings, Day, Tally, is_trusted, keys_of, rolled, tripped_by
from suppression.incidents.incident import IncidentKind, Marks
from suppression.jobs.worker import Worker
from suppression.policy import Cause, Did
from suppression.store.held_reports import RELEASE, StoreReview
from suppression.store.incidents import MAKE, UNDO
from suppression.store.jobs import StoreJobs
from suppression.store.store import Store
from tests.outcomes import START
from tests.store_contract import did, live, stops, tell
from tests.store_fixtures import BOTH_DATABASES, store_on
from tests.test_incidents import from_mta, reads_nothing

SETTINGS = BreakerSettings(hour_min=5, times=3)
TODAY = START.toordinal()


def tally(usual: int, *, wanted: int = 0, days: int = 5) -> Tally:
    """A key whose busiest hour was the same on each of the last days, and that has asked for so many in this one."""
    return Tally(hour=START, wanted=wanted, made=wanted, days=tuple(Day(TODAY - n, usual) for n in range(days, 0, -1)))


def trips(key: Tally, everything: Tally, settings: BreakerSettings = SETTINGS) -> bool:
    """Whether the next entry of the key is held."""
    tallies = {"rule x": key, ALL: everything}
    return not is_trusted(tallies.values(), START) and tripped_by(tallies, settings) is not None


def test_a_key_that_makes_far_more_than_its_usual_share_is_tripped() -> None:
    assert trips(tally(2, wanted=50), tally(10, wanted=58))


@pytest.mark.parametrize(
    ("key", "everything"),
    [
        (tally(0, wanted=4), tally(10, wanted=4)),  # so few that nobody has to look
        (tally(20, wanted=50), tally(30, wanted=60)),  # no more than some times its usual
        (tally(2, wanted=50), tally(10, wanted=250)),  # a larger campaign: everything has grown
        (tally(0, wanted=50, days=2), tally(10, wanted=50, days=2)),  # nobody knows yet what is usual
        (tally(10, wanted=500), tally(10, wanted=500)),  # it is all that there is: it has no share to speak of
        (replace(tally(2, wanted=50), trusted_until=START + timedelta(hours=1)), tally(10, wanted=58)),  # somebody has looked
    ],
)
def test_a_key_is_left_alone(key: Tally, everything: Tally) -> None:
    assert not trips(key, everything)


def test_an_open_key_holds_until_an_hour_was_calm() -> None:
    opened = replace(tally(2, wanted=50), open_since=START)
    everything = tally(10, wanted=50)

    hour = timedelta(hours=1)
    next_hour = rolled(opened, START + hour, SETTINGS)
    assert next_hour.open_since is not None
    assert trips(next_hour, rolled(everything, START + hour, SETTINGS))
    assert rolled(next_hour, START + 2 * hour, SETTINGS).open_since is None


def test_what_was_held_is_not_usual() -> None:
    held, made = tally(2), tally(2)
    held.count(held=True)
    made.count(held=False)

    tomorrow = START + timedelta(days=1)
    assert rolled(held, tomorrow, SETTINGS).days[-1] != Day(TODAY, 1)
    assert rolled(made, tomorrow, SETTINGS).days[-1] == Day(TODAY, 1)


def test_an_hour_is_remembered_for_four_weeks_by_the_busiest_of_its_day() -> None:
    busy = replace(tally(0, days=0), made=7)
    later = replace(rolled(busy, START + timedelta(hours=1), SETTINGS), made=3)

    assert rolled(later, START + timedelta(hours=2), SETTINGS).days == (Day(TODAY, 7),)
    assert rolled(later, START + timedelta(days=40), SETTINGS).days == ()


def test_the_keys_of_a_report_come_with_the_most_telling_first() -> None:
    assert keys_of(from_mta("1")) == [
        "rule a rule of the tests",
        "provider example.net",
        "source 192.0.2.1",
        "category mailbox-unknown",
    ]


# --- in the store ---


def flood(count: int, *, start: int = 0, **given: Any) -> Sequence[Outcome]:
    """Hard reports about so many people, all from one provider."""
    return [from_mta(f"flood {n}", recipient=f"p{n}@example.com", **given) for n in range(start, start + count)]


def usual_days(store: Store, clock: FakeClock, days: int = 4) -> None:
    """A few entries a day of many rules and providers, so that there is a usual share."""
    for day in range(days):
        for n in range(3):
            outcome = from_mta(
                f"usual {day} {n}", recipient=f"u{day}-{n}@example.org", mta=f"mx.p{n}.example", ip=f"192.0.2.{n}"
            )
            decision = replace(outcome.decision, rule=f"rule {n}", category=f"category {n}")
            tell(store, replace(outcome, decision=decision))
        clock.advance(days=1)


@pytest.fixture
def held_store(engine: Engine, clock: FakeClock) -> Store:
    """A list with a usual share, and a breaker that trips soon."""
    policy = store_on(engine, clock)
    store = Store(
        engine, hasher=policy._hasher, clock=clock, policy=policy.policy, breaker=BreakerSettings(hour_min=5, times=3)
    )
    usual_days(store, clock)
    return store


def work_off(store: Store) -> None:
    """Do every job that waits."""
    review = StoreReview.beside(store)
    runners = {
        **{kind: lambda work: review.run(work, reads_nothing) for kind in (MAKE, UNDO)},
        RELEASE: review.run_release,
    }
    worker = Worker(StoreJobs.beside(store), runners, clock=FakeClock(), stop=lambda: False)
    while worker.step():
        pass


on_both = pytest.mark.parametrize("database", BOTH_DATABASES)
on_one = pytest.mark.parametrize("database", ["sqlite"])


@on_both
def test_a_flood_is_held_from_where_it_is_too_much_and_released_as_it_would_have_been(held_store: Store) -> None:
    store, review = held_store, StoreReview.beside(held_store)

    assert did(store, *flood(12)) == [Did.ADDED] * 5 + [Did.HELD] * 7
    assert stops(store, "p11@example.com") is None
    (held,) = review.held("default")
    assert (held.key, held.held, held.open_since is not None) == ("rule a rule of the tests", 7, True)

    review.release("default", [held.key], reason="a real one", actor="olga")
    work_off(store)

    (entry,) = store.entries_of("default", "p11@example.com")
    assert (entry.cause, entry.since, entry.address) == (Cause.HARD, START, "p11@example.com")
    assert review.held("default") == []
    assert did(store, *flood(3, start=20)) == [Did.ADDED] * 3


@on_both
def test_what_is_rejected_is_an_incident_that_can_be_undone(held_store: Store) -> None:
    store, review = held_store, StoreReview.beside(held_store)
    tell(store, *flood(12))
    (held,) = review.held("default")

    incident = review.reject("default", held.key, IncidentKind.SENDER_FAULT, reason="our key", actor="olga")
    work_off(store)
    (held,) = review.held("default")
    assert held.held == 0
    assert stops(store, "p11@example.com") is None

    review.undo("default", incident.id, reason="it was not", actor="olga")
    work_off(store)
    (held,) = review.held("default")
    assert (held.key, held.held) == ("rule a rule of the tests", 7)


@on_one
def test_complaints_unsubscribes_and_what_is_not_proven_are_never_held(held_store: Store) -> None:
    tell(held_store, *flood(12))

    assert did(held_store, from_mta("c", "complaint"), from_mta("u", "unsubscribe")) == [Did.ADDED] * 2
    assert did(held_store, *flood(2, start=30, proof=Proof.NONE)) == [Did.ADDED] * 2


@on_both
def test_unproven_copies_that_come_first_do_not_disarm_it(held_store: Store) -> None:
    reports = flood(12)
    copies = [replace(one, report=replace(one.report, proof=Proof.NONE)) for one in reports]
    review = StoreReview.beside(held_store)

    assert did(held_store, *copies) == [Did.ADDED] * 12
    assert did(held_store, *reports) == [Did.HARDENED] * 5 + [Did.HELD] * 7
    assert live(held_store, "p11@example.com") == {("*", Cause.HARD, True)}

    (held,) = review.held("default")
    review.release("default", [held.key], reason="a real one", actor="olga")
    work_off(held_store)
    assert live(held_store, "p11@example.com") == {("*", Cause.HARD, False)}


@on_one
def test_an_incident_takes_what_is_held_as_well(held_store: Store) -> None:
    review = StoreReview.beside(held_store)
    tell(held_store, *flood(12))

    incident = review.make("default", IncidentKind.SENDER_FAULT, Marks(provider="example.net"), reason="x", actor="olga")
    work_off(held_store)
    assert [one.held for one in review.held("default")] == [0]
    assert live(held_store, "p0@example.com") == set()

    review.undo("default", incident.id, reason="x", actor="olga")
    work_off(held_store)
    assert [one.held for one in review.held("default")] == [7]
    assert stops(held_store, "p0@example.com") is Cause.HARD


@on_one
def test_a_replay_leaves_what_is_held(held_store: Store) -> None:
    outcomes = flood(12)
    tell(held_store, *outcomes)

    again = Rejudgement(replay_id="r", reason="a test")
    assert did(held_store, *(replace(outcome, rejudged=again) for outcome in outcomes[-3:])) == [Did.REPEATED] * 3
    assert stops(held_store, "p11@example.com") is None


@on_one
def test_a_store_with_the_breaker_off_holds_nothing(engine: Engine, clock: FakeClock) -> None:
    store = store_on(engine, clock)
    usual_days(store, clock)
    off = Store.beside(store)
    off._breaker = BreakerSettings(enabled=False, hour_min=1, times=2)

    assert did(off, *flood(50)) == [Did.ADDED] * 50


@on_one
def test_what_waits_for_days_is_said_louder(held_store: Store, clock: FakeClock, caplog: pytest.LogCaptureFixture) -> None:
    tell(held_store, *flood(12))
    watch = ReviewClock(StoreReview.beside(held_store), review_days=7)

    watch.look(clock.now())
    assert REGISTRY.get_sample_value("nullsender_held_reports") == 7
    assert REGISTRY.get_sample_value("nullsender_breaker_open", {"by": "rule"}) == 1
    caplog.clear()
    watch.look(clock.now())
    assert not caplog.records
    clock.advance(days=8)
    watch.look(clock.now())

    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert REGISTRY.get_sample_value("nullsender_breaker_open", {"by": "rule"}) == 0
    assert REGISTRY.get_sample_value("nullsender_held_reports") == 7


@on_one
def test_a_key_that_holds_nothing_can_not_be_released(store: Store) -> None:
    with pytest.raises(Invalid, match="nothing is held by rule x"):
        StoreReview.beside(store).release("default", ["rule x"], reason="x", actor="olga")
