"""Incidents: reports that are set aside or read again together, and taken back."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from msgspec.structs import replace

from nullsender.clock import FakeClock
from nullsender.events import Decision, Fault, Outcome, Report, Result
from nullsender.limits import JOB_LEASE_SECONDS
from suppression.incidents.effects import Summary
from suppression.incidents.incident import Incident, IncidentKind, Marks
from suppression.jobs.job import JobState
from suppression.jobs.worker import Work, Worker
from suppression.policy import Cause, Did
from suppression.store import incidents as store_incidents
from suppression.store.incidents import MAKE, PREVIEW, UNDO, StoreIncidents
from suppression.store.jobs import StoreJobs
from suppression.store.store import Store
from tests.outcomes import START, an_outcome
from tests.outcomes_drawn import reports_of
from tests.store_contract import ADA, BEN, EVE, actions, did, live, put, rests_on, stops, tell
from tests.store_fixtures import BOTH_DATABASES

pytestmark = pytest.mark.parametrize("database", BOTH_DATABASES)

SENDER, BAD_RULE = IncidentKind.SENDER_FAULT, IncidentKind.BAD_RULE
NOTHING = Decision(outcome=Result.NONE, permanent=None, fault=None, category="unknown", rule="today's rule")


def from_mta(
    report_id: str, result: str = "hard", *, mta: str = "mx.example.net", text: str = "no such user", **given: Any
) -> Outcome:
    """An outcome of a report that says who refused and in which words."""
    outcome = an_outcome(report_id, result, **given)
    return replace(outcome, report=replace(outcome.report, remote_mta=mta, diagnostic=text))


def reads_nothing(report: Report) -> Decision:
    """Rules of today by which no report asks for anything."""
    return NOTHING


def work_off(store: Store, decide: Any = reads_nothing) -> None:
    """Do every job that waits."""
    incidents, jobs = StoreIncidents.beside(store), StoreJobs.beside(store)
    runners = {kind: lambda work: incidents.run(work, decide) for kind in (MAKE, UNDO, PREVIEW)}
    worker = Worker(jobs, runners, clock=FakeClock(), stop=lambda: False)
    while worker.step():
        pass


def make(store: Store, kind: IncidentKind = SENDER, decide: Any = reads_nothing, **marks: Any) -> Incident:
    """Make an incident and go through the reports."""
    incident = StoreIncidents.beside(store).make("default", kind, Marks(**marks), reason="our key was wrong", actor="olga")
    work_off(store, decide)
    return incident


def undo(store: Store, incident: Incident) -> None:
    """Undo it, wholly."""
    StoreIncidents.beside(store).undo("default", incident.id, reason="it was not", actor="olga")
    work_off(store)


# --- any of them, in any order ---

# One list serves all examples: each has a tenant of its own.
examples = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
MARKS: tuple[dict[str, Any], ...] = (
    {"provider": "one.example"},
    {"provider": "two.example"},
    {"rule": "a rule of the tests"},
    {"category": "mailbox-full"},
    {"stream": "news"},
    {"text": "nobody"},
    {"since": START + timedelta(days=10), "until": START + timedelta(days=30)},
)
Standing = set[tuple[str, str, Cause, bool, Any, Any]]


@some.composite
def reports_and_incidents(draw: some.DrawFn) -> tuple[list[Outcome], list[tuple[IncidentKind, Marks]]]:
    """Reports with words, and incidents over some of them."""
    reports = [
        replace(
            outcome,
            report=replace(
                outcome.report,
                remote_mta=draw(some.sampled_from(["mx.one.example", "mx.two.example"])),
                diagnostic=draw(some.sampled_from(["nobody here", "full"])),
            ),
        )
        for outcome in draw(reports_of())
    ]
    kinds = some.sampled_from([SENDER, SENDER, BAD_RULE])
    chosen = draw(some.lists(some.tuples(kinds, some.sampled_from(MARKS)), min_size=1, max_size=3))
    return reports, [(kind, Marks(**marks)) for kind, marks in chosen]


def reads_some_otherwise(report: Report) -> Decision:
    """Rules of today that read some reports as nothing, and some as soft."""
    if report.diagnostic == "full":
        return replace(NOTHING, outcome=Result.SOFT, fault=Fault.RECIPIENT, category="mailbox-full")
    return NOTHING


def standing(store: Store, tenant: str) -> Standing:
    """All that stands, and on what."""
    return {
        (address, entry.scope, entry.cause, entry.provisional, entry.expires, rests_on(entry))
        for address in (ADA, BEN)
        for entry in store.entries_of(tenant, address)
    }


@examples
@given(drawn=reports_and_incidents(), data=some.data())
def test_undone_in_any_order_they_leave_the_list_as_if_they_had_never_been(
    store: Store, clock: FakeClock, drawn: tuple[list[Outcome], list[tuple[IncidentKind, Marks]]], data: some.DataObject
) -> None:
    reports, chosen = drawn
    clock.advance(days=0 if clock.now() > START else 45)  # after the last report
    tenant, incidents = reports[0].report.tenant, StoreIncidents.beside(store)
    cut = data.draw(some.integers(0, len(reports)), label="come later")
    tell(store, *reports[:cut])
    made = []
    for kind, marks in chosen:
        made.append(incidents.make(tenant, kind, marks, reason="a test", actor="olga").id)
        if data.draw(some.booleans(), label="worked off at once"):
            work_off(store, reads_some_otherwise)
    tell(store, *reports[cut:])
    work_off(store, reads_some_otherwise)
    for number in data.draw(some.permutations(made), label="undone in this order"):
        incidents.undo(tenant, number, reason="a test", actor="olga")
        if data.draw(some.booleans(), label="worked off at once"):
            work_off(store, reads_some_otherwise)
    work_off(store, reads_some_otherwise)

    untouched = [replace(one, report=replace(one.report, tenant=f"{tenant}-", id=f"{one.report.id}-")) for one in reports]
    tell(store, *untouched[:cut])
    tell(store, *untouched[cut:])
    twin = {(*one[:-1], one[-1] and f"{one[-1]}-") for one in standing(store, tenant)}
    assert twin == standing(store, f"{tenant}-")


def test_an_incident_releases_what_rests_on_its_reports_alone(store: Store) -> None:
    tell(store, from_mta("1"), from_mta("2", recipient=BEN, mta="mx.other.example"))

    make(store, provider="example.net")

    assert stops(store) is None
    assert stops(store, BEN) is Cause.HARD
    assert actions(store) == [Did.ADDED, Did.RELEASED]


def test_an_entry_that_rests_on_other_reports_too_stays(store: Store) -> None:
    tell(store, from_mta("1"), from_mta("2", mta="mx.other.example"))

    make(store, provider="example.net")

    assert stops(store) is Cause.HARD
    (entry,) = store.entries_of("default", ADA)
    assert entry.evidence == "2"


def test_undoing_an_incident_brings_every_entry_back(store: Store) -> None:
    tell(store, from_mta("1"), *(from_mta(f"s{n}", "soft", recipient=BEN, days=-n) for n in range(5)))
    before = {address: live(store, address) for address in (ADA, BEN)}

    incident = make(store, provider="example.net")
    assert live(store, ADA) == live(store, BEN) == set()
    undo(store, incident)

    assert {address: live(store, address) for address in (ADA, BEN)} == before


def test_reports_of_the_span_that_come_later_count_for_nothing_either(store: Store) -> None:
    incident = make(store, provider="example.net")

    assert did(store, from_mta("1")) == [Did.RECORDED]
    assert stops(store) is None
    undo(store, incident)
    assert [entry.address for entry in store.entries_of("default", ADA)] == [ADA]


def test_a_persons_own_word_is_never_taken_back_by_an_incident(store: Store) -> None:
    tell(store, from_mta("1", "complaint"), from_mta("2", "unsubscribe", recipient=BEN))
    tell(store, from_mta("3", "complaint", recipient=EVE))

    make(store, provider="example.net")

    assert stops(store) is Cause.COMPLAINT
    assert stops(store, BEN) is Cause.UNSUBSCRIBE
    assert did(store, from_mta("4", "complaint", recipient="new@example.com")) == [Did.ADDED]


def test_an_operators_word_holds_an_entry(store: Store) -> None:
    tell(store, from_mta("1"))
    put(store, cause="hard")

    make(store, provider="example.net")

    assert stops(store) is Cause.HARD


def test_a_bad_rule_is_mended_by_reading_its_reports_again(store: Store) -> None:
    tell(store, from_mta("1"), from_mta("2", recipient=BEN, text="mailbox full"))

    def decide(report: Report) -> Decision:
        return replace(NOTHING, outcome=Result.HARD, fault=Fault.RECIPIENT) if report.diagnostic == "mailbox full" else NOTHING

    incident = make(store, BAD_RULE, decide, rule="a rule of the tests")
    assert stops(store) is None
    assert stops(store, BEN) is Cause.HARD
    (entry,) = store.entries_of("default", BEN)
    assert entry.rule == "today's rule"
    undo(store, incident)

    assert stops(store) is Cause.HARD
    (entry,) = store.entries_of("default", BEN)
    assert entry.rule == "a rule of the tests"


# --- work that does not come to its end ---


class Died(BaseException):
    """The process ends without a word."""


PEOPLE = tuple(f"p{number}@example.com" for number in range(5))


def work_until(store: Store, turns: int, died: BaseException | None) -> None:
    """Work at jobs, so many turns of one person each; what comes then is that the process dies, or somebody cancels."""
    incidents, jobs = StoreIncidents.beside(store), StoreJobs.beside(store)

    def run(work: Work) -> Summary:
        checkpoint = work.checkpoint

        def counting(cursor: str, *, done: int, total: int | None = None) -> None:
            if done == turns and died is not None:
                raise died  # the turn is written, and where it came to is not
            if done == turns:
                jobs.cancel(work.job.tenant, work.job.id)
            checkpoint(cursor, done=done, total=total)

        work.checkpoint = counting  # type: ignore[method-assign]
        return incidents.run(work, reads_nothing)

    worker = Worker(jobs, {MAKE: run, UNDO: run}, clock=FakeClock(), stop=lambda: False)
    try:
        while worker.step():
            pass
    except Died:
        assert died is not None


@pytest.fixture
def one_a_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """A turn is about one person."""
    monkeypatch.setattr(store_incidents, "INCIDENT_PEOPLE_A_TURN", 1)


@pytest.mark.usefixtures("one_a_turn")
def test_a_process_that_dies_at_it_leaves_nothing_undone_and_nothing_done_twice(store: Store, clock: FakeClock) -> None:
    tell(store, *(from_mta(f"r{address}", recipient=address) for address in PEOPLE))
    incidents = StoreIncidents.beside(store)
    before = [live(store, address) for address in PEOPLE]

    incident = incidents.make("default", SENDER, Marks(provider="example.net"), reason="our key", actor="olga")
    work_until(store, 3, Died())
    assert sum(bool(live(store, address)) for address in PEOPLE) == 2
    clock.advance(seconds=JOB_LEASE_SECONDS + 1)
    work_off(store)
    assert [live(store, address) for address in PEOPLE] == [set()] * 5
    assert all(actions(store, address) == [Did.ADDED, Did.RELEASED] for address in PEOPLE)

    incidents.undo("default", incident.id, reason="it was not", actor="olga")
    work_until(store, 3, Died())
    clock.advance(seconds=JOB_LEASE_SECONDS + 1)
    work_off(store)
    assert [live(store, address) for address in PEOPLE] == before


@pytest.mark.usefixtures("one_a_turn")
def test_one_that_was_cancelled_halfway_is_taken_back_wholly(store: Store) -> None:
    tell(store, *(from_mta(f"r{address}", recipient=address) for address in PEOPLE))
    incidents = StoreIncidents.beside(store)
    before = [live(store, address) for address in PEOPLE]

    incident = incidents.make("default", SENDER, Marks(provider="example.net"), reason="our key", actor="olga")
    work_until(store, 3, None)
    assert sum(bool(live(store, address)) for address in PEOPLE) == 2
    assert incident.job is not None
    job = StoreJobs.beside(store).job("default", incident.job)
    assert job is not None
    assert job.state is JobState.CANCELLED

    undo(store, incident)
    assert [live(store, address) for address in PEOPLE] == before
