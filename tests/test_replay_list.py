"""Reports that are read otherwise: the list is what it would be had they been read so in the first place."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from msgspec.structs import replace
from sqlalchemy import Engine, select

from nullsender.clock import FakeClock
from nullsender.events import Fault, Outcome, Proof, Rejudgement, Result
from nullsender.limits import HISTORY_KEPT_DAYS, OUTCOME_BODIES_KEPT_DAYS
from suppression.engine import reading, writing
from suppression.models import outcomes
from suppression.policy import Cause, Did, PolicySettings
from suppression.records import Applied, Change, Told
from suppression.store import rejudge
from suppression.store.rows import Person, take_pen
from suppression.store.store import Store
from suppression.store.turn import Turn
from suppression.unsubscribes.deadlines import Deadlines
from tests.changes import changes_of
from tests.outcomes import START, an_outcome
from tests.outcomes_drawn import RESULTS, reports_of
from tests.store_contract import ADA, BEN, actions, did, lift, live, put, rests_on, stops, tell
from tests.store_fixtures import BOTH_DATABASES, store_on

pytestmark = pytest.mark.parametrize("database", BOTH_DATABASES)

REPLAY = Rejudgement(replay_id="r1", reason="the rule is mended")
TOLD_TO_RELEASE = replace(REPLAY, release_protected=True)


def anew(outcome: Outcome, result: str, rejudged: Rejudgement = REPLAY, *, days: float = 50, **given: object) -> Outcome:
    """The same report, read as `result` by a replay so many days later."""
    decision = replace(an_outcome("-", result).decision, rule="the mended rule", **given)
    return replace(outcome, decision=decision, rejudged=rejudged, decided_at=START + timedelta(days=days))


def judged(store: Store, *read: Outcome) -> list[Did]:
    """What reading reports anew did."""
    return did(store, *read)


def history(store: Store, address: str = ADA) -> list[Told | Change]:
    """All of an address, oldest first."""
    return list(reversed(store.history("default", address, cursor=None, limit=100).items))


# --- one report --------------------------------------------------------------------------------------------------------


def test_what_rests_on_the_report_alone_is_released_with_who_why_and_what_it_was_before(store: Store) -> None:
    wrong = an_outcome("1")
    tell(store, wrong)

    (applied,) = tell(store, anew(wrong, "none"))

    assert (applied.did, stops(store)) == (Did.RELEASED, None)
    assert applied.before == ("hard", "mailbox-unknown", "a rule of the tests")
    told, added, released = history(store)
    assert isinstance(told, Told)
    assert isinstance(added, Change)
    assert isinstance(released, Change)
    assert (released.action, released.actor, released.report_id) == (Did.RELEASED, "replay", "1")
    assert "the rule is mended" in released.reason
    assert released.after.ended_by is Did.RELEASED
    assert told.did is Did.RELEASED
    assert "before: hard (mailbox-unknown, a rule of the tests)" in told.why
    assert told.outcome is not None
    assert told.outcome.decision.outcome is Result.NONE
    assert told.outcome.rejudged is not None
    assert told.outcome.rejudged.earlier == (wrong.decision,)


def test_a_second_time_nothing_happens(store: Store) -> None:
    tell(store, an_outcome("1"))
    read = anew(an_outcome("1"), "none")

    assert judged(store, read, read) == [Did.RELEASED, Did.RELEASED]
    assert judged(store, read) == [Did.REPEATED]
    assert judged(store, anew(an_outcome("1"), "none", replace(REPLAY, replay_id="r2"), days=60)) == [Did.REPEATED]
    assert actions(store) == [Did.ADDED, Did.RELEASED]


def test_another_decision_that_is_no_replays_changes_nothing(store: Store) -> None:
    """Old and new rules run side by side during an upgrade."""
    tell(store, an_outcome("1"))

    assert judged(store, replace(anew(an_outcome("1"), "none"), rejudged=None)) == [Did.REPEATED]
    assert stops(store) is Cause.HARD


def test_a_report_that_nobody_knew_is_applied_as_new(store: Store) -> None:
    assert judged(store, anew(an_outcome("1"), "hard")) == [Did.ADDED]

    (entry,) = store.entries_of("default", ADA)
    assert "the rule is mended" in entry.reason


def test_a_report_that_comes_again_after_its_replay_changes_nothing(store: Store) -> None:
    tell(store, an_outcome("1"), anew(an_outcome("1"), "none"))

    assert did(store, an_outcome("1")) == [Did.REPEATED]
    assert stops(store) is None


def test_an_older_replay_that_comes_late_does_not_undo_a_younger_one(store: Store) -> None:
    report = an_outcome("1", "none")
    tell(store, report, anew(report, "hard", days=60))

    assert judged(store, anew(report, "none", days=50)) == [Did.REPEATED]
    assert stops(store) is Cause.HARD


def test_what_was_read_as_nothing_makes_its_entry(store: Store, engine: Engine) -> None:
    tell(store, an_outcome("1", "none"))

    assert judged(store, anew(an_outcome("1", "none"), "hard")) == [Did.ADDED]

    (entry,) = store.entries_of("default", ADA)
    assert (entry.address, entry.since, entry.evidence, entry.created_by) == (ADA, START, "1", "replay")


def test_only_its_grounds_change_where_another_rule_says_the_same(store: Store) -> None:
    tell(store, an_outcome("1"))

    assert judged(store, anew(an_outcome("1"), "hard")) == [Did.ADDED]
    (entry,) = store.entries_of("default", ADA)
    assert (entry.rule, entry.since) == ("the mended rule", START)
    assert actions(store) == [Did.ADDED, Did.AMENDED]


def test_an_entry_that_also_rests_on_another_report_stays_and_that_report_is_kept(store: Store, clock: FakeClock) -> None:
    tell(store, an_outcome("1"), an_outcome("2", days=1))

    judged(store, anew(an_outcome("1"), "none"))

    (entry,) = store.entries_of("default", ADA)
    assert (entry.evidence, entry.since) == ("2", START + timedelta(days=1))
    assert actions(store) == [Did.ADDED, Did.AMENDED]
    clock.advance(days=OUTCOME_BODIES_KEPT_DAYS + 2)
    store.forget(clock.now(), 100)
    kept = {item.report_id for item in history(store) if isinstance(item, Told) and item.outcome}
    assert "2" in kept


def test_a_fold_reads_none_of_the_words_that_anybody_can_send(store: Store, engine: Engine) -> None:
    tell(store, an_outcome("1"), an_outcome("2", days=1))

    with writing(engine) as connection:
        turn = Turn(connection, last=take_pen(connection), now=START, deadlines=Deadlines())
        person = Person(*connection.execute(select(outcomes.c.tenant, outcomes.c.address_hash)).first() or ())
        reported, changed = turn.history_of({person})

    assert {row["report_id"] for row in reported} == {"1", "2"}
    assert [row["action"] for row in changed] == [Did.ADDED]
    assert not {"body", "why", "before"} & {name for row in (*reported, *changed) for name in row}


def test_an_address_that_very_many_reports_name_is_left_as_it_is_and_says_so(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rejudge, "REPORTS_FOLDED_MAX", 3)
    tell(store, *(an_outcome(str(number), days=number) for number in range(3)))
    assert judged(store, anew(an_outcome("0"), "none")) == [Did.RECORDED]
    tell(store, an_outcome("one too many", days=4))

    (applied,) = tell(store, anew(an_outcome("1", days=1), "none"))

    assert (applied.did, applied.before is None) == (Did.REPEATED, False)
    assert "more than 3 reports name the address" in applied.why
    assert stops(store) is Cause.HARD


def test_what_would_have_ended_by_now_made_nothing(store: Store, engine: Engine, clock: FakeClock) -> None:
    """Its row leaves with those that changed nothing, for there is no entry that it could leave with."""
    tell(store, an_outcome("1", "none", proof=Proof.NONE))
    clock.advance(days=50)

    assert judged(store, anew(an_outcome("1", "none", proof=Proof.NONE), "hard")) == [Did.KEPT]

    assert actions(store) == []
    clock.advance(days=HISTORY_KEPT_DAYS)
    store.forget(clock.now(), 100)
    assert history(store) == []


def test_a_report_that_no_change_names_leaves_with_the_entry_that_it_had_a_part_in(store: Store, clock: FakeClock) -> None:
    weak = an_outcome("weak", "none", proof=Proof.NONE)
    tell(store, weak, an_outcome("strong", days=1))
    assert judged(store, anew(weak, "hard")) == [Did.ADDED]
    assert {item.report_id for item in history(store) if isinstance(item, Change)} == {"strong"}
    lift(store)
    clock.advance(days=HISTORY_KEPT_DAYS + 1)
    put(store, BEN)  # the newest change of all stays

    for _ in range(3):
        store.forget(clock.now(), 100)

    assert history(store) == []


def test_what_a_report_said_may_be_erased_and_it_is_read_anew_all_the_same(store: Store, clock: FakeClock) -> None:
    tell(store, an_outcome("1"), an_outcome("2", days=1))
    clock.advance(days=OUTCOME_BODIES_KEPT_DAYS + 2)
    store.forget(clock.now(), 100)

    judged(store, anew(an_outcome("2", days=1), "none"))
    assert stops(store) is Cause.HARD
    judged(store, anew(an_outcome("1"), "none"))
    assert stops(store) is None


def test_an_entry_that_stood_on_a_proven_and_an_unproven_report_is_provisional_without_the_first(store: Store) -> None:
    tell(store, an_outcome("weak", proof=Proof.NONE), an_outcome("strong", days=1))

    judged(store, anew(an_outcome("strong", days=1), "soft"))

    assert live(store) == {("*", Cause.HARD, True)}


def test_strikes_are_counted_anew(store: Store) -> None:
    softs = [an_outcome(str(number), "soft", days=number) for number in range(6)]
    tell(store, *softs)
    assert stops(store) is Cause.SOFT

    judged(store, anew(softs[0], "none"))
    assert stops(store) is Cause.SOFT  # the other five
    judged(store, anew(softs[3], "none"))
    assert stops(store) is None
    assert did(store, an_outcome("6", "soft", days=6)) == [Did.ADDED]


def test_hard_becomes_a_strike(store: Store) -> None:
    tell(store, an_outcome("1"), *(an_outcome(f"s{number}", "soft") for number in range(4)))

    assert judged(store, anew(an_outcome("1"), "soft")) == [
        Did.COUNTED
    ]  # the fifth, in the order in which they came, is another
    assert live(store) == {("*", Cause.SOFT, False)}


def test_a_report_that_turns_out_to_be_about_somebody_else_moves(store: Store) -> None:
    wrong = an_outcome("1")
    tell(store, wrong)

    read = anew(replace(wrong, report=replace(wrong.report, recipient=BEN)), "hard")
    assert judged(store, read) == [Did.ADDED]

    assert (stops(store, ADA), stops(store, BEN)) == (None, Cause.HARD)
    assert actions(store, ADA) == [Did.ADDED, Did.RELEASED]
    assert store.entries_of("default", BEN)[0].address == BEN


def test_a_fault_that_is_not_the_recipients_releases(store: Store) -> None:
    tell(store, an_outcome("1"))

    assert judged(store, anew(an_outcome("1"), "hard", fault=Fault.PATH)) == [Did.RELEASED]


# --- operators and people ----------------------------------------------------------------------------------------------


def test_what_an_operator_lifted_is_not_brought_back(store: Store, clock: FakeClock) -> None:
    tell(store, an_outcome("1"))
    clock.advance(days=1)
    lift(store)

    for result in ("none", "hard"):
        judged(store, anew(an_outcome("1"), result))
        assert stops(store) is None
    assert did(store, an_outcome("late, but from before the lift", days=0.5)) == [Did.KEPT]


def test_a_lift_holds_again_when_what_came_after_it_is_released(store: Store, clock: FakeClock) -> None:
    tell(store, an_outcome("1"))
    clock.advance(days=1)
    lift(store)
    tell(store, an_outcome("2", days=2))

    judged(store, anew(an_outcome("2", days=2), "none"))

    assert stops(store) is None
    assert did(store, an_outcome("late, but from before the lift", days=0.5)) == [Did.KEPT]


@pytest.mark.parametrize("first", ["the operator", "the report"])
def test_what_an_operator_asked_for_too_stays(store: Store, clock: FakeClock, first: str) -> None:
    if first == "the operator":
        put(store, cause="hard")
    tell(store, an_outcome("1", days=1))
    clock.advance(days=2)
    put(store, cause="hard", reason="seen on the phone")

    judged(store, anew(an_outcome("1", days=1), "none"))

    assert stops(store) is Cause.HARD
    (entry,) = store.entries_of("default", ADA)
    assert entry.rule is None


def test_an_operator_who_says_it_often_is_written_down_once(store: Store) -> None:
    tell(store, an_outcome("1"))

    entries = [put(store, cause="hard", reason="an import") for _ in range(3)]

    assert actions(store) == [Did.ADDED, Did.CONFIRMED]
    assert {(entry.reason, entry.evidence) for entry in entries} == {("an import", None)}


@pytest.mark.parametrize("result", ["complaint", "unsubscribe"])
def test_a_persons_own_word_is_released_only_where_the_replay_is_told_to(store: Store, result: str) -> None:
    word = an_outcome("1", result)
    tell(store, word)

    (applied,) = tell(store, anew(word, "none"))
    assert (applied.did, applied.before is None) == (Did.REPEATED, False)
    assert "a person's own word" in applied.why
    assert stops(store) == result
    assert judged(store, anew(word, "none", TOLD_TO_RELEASE)) == [Did.RELEASED]
    assert stops(store) is None


def test_a_complaint_that_stands_on_another_report_too_stays_even_where_the_replay_is_told_to_release(store: Store) -> None:
    tell(store, an_outcome("1", "complaint"), an_outcome("2", "complaint"))

    judged(store, anew(an_outcome("1", "complaint"), "none", TOLD_TO_RELEASE))

    assert stops(store) is Cause.COMPLAINT


def test_what_the_keys_of_today_do_not_prove_is_left_as_it_was(store: Store) -> None:
    tell(store, an_outcome("1"))

    (applied,) = tell(store, anew(an_outcome("1", proof=Proof.NONE), "none"))

    assert applied.did is Did.REPEATED
    assert stops(store) is Cause.HARD


def test_one_source_makes_no_more_provisional_entries_by_a_replay_than_by_its_reports(engine: Engine, clock: FakeClock) -> None:
    store = store_on(engine, clock, PolicySettings(provisional_per_source_and_hour_max=2))
    reports = [an_outcome(str(n), "none", recipient=f"{n}@example.com", proof=Proof.NONE) for n in range(4)]
    tell(store, *reports)

    read = [anew(report, "hard") for report in reports]
    assert judged(store, *read) == [Did.ADDED, Did.ADDED, Did.CAPPED, Did.CAPPED]
    assert judged(store, *read) == [Did.REPEATED] * 4
    again = [anew(report, "hard", days=60, category="mailbox-disabled") for report in reports]
    assert judged(store, *again) == [Did.ADDED, Did.ADDED, Did.CAPPED, Did.CAPPED]
    assert sum(stops(store, f"{n}@example.com") is Cause.HARD for n in range(4)) == 2


# --- any reports -------------------------------------------------------------------------------------------------------

examples = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
Standing = tuple[str, Cause, bool, datetime | None, str | None]


def standing(store: Store, tenant: str, address: str) -> set[Standing]:
    """What stands, and on what."""
    found = store.entries_of(tenant, address)
    return {(entry.scope, entry.cause, entry.provisional, entry.expires, rests_on(entry)) for entry in found}


def of_another_tenant(reports: Sequence[Outcome], tenant: str) -> list[Outcome]:
    """The same reports once more, as if nobody knew them."""
    return [
        replace(one, report=replace(one.report, tenant=tenant, id=one.report.id.replace(one.report.tenant, tenant)))
        for one in reports
    ]


@examples
@given(reports=reports_of(), data=some.data())
def test_whatever_is_read_anew_in_whatever_order_the_list_is_as_if_it_had_been_read_so_from_the_start(
    store: Store, reports: list[Outcome], data: some.DataObject
) -> None:
    tenant, other = reports[0].report.tenant, uuid.uuid4().hex
    mended: Mapping[str, Outcome] = {
        report.report.id: anew(report, data.draw(some.sampled_from(RESULTS), label="mended"), TOLD_TO_RELEASE)
        for report in reports
        if data.draw(some.booleans(), label="in the span")
    }
    arriving = data.draw(some.permutations(list(mended.values())), label="order")
    arriving += data.draw(some.lists(some.sampled_from(arriving), max_size=5), label="again") if arriving else []

    tell(store, *reports)
    untouched = {address: standing(store, tenant, address) for address in (ADA, BEN)}
    while arriving:
        size = data.draw(some.integers(1, 6), label="batch")
        tell(store, *arriving[:size])
        arriving = arriving[size:]

    from_the_start = [mended.get(report.report.id, report) for report in reports]
    tell(store, *of_another_tenant(from_the_start, other))
    for address in (ADA, BEN):
        expected = {
            (*rest, evidence and evidence.replace(other, tenant)) for *rest, evidence in standing(store, other, address)
        }
        assert standing(store, tenant, address) == expected
        if not any(one.report.recipient == address for one in mended.values()):
            assert standing(store, tenant, address) == untouched[address]


@examples
@given(reports=reports_of(), data=some.data())
def test_a_preview_says_what_is_done_then_and_does_nothing(store: Store, reports: list[Outcome], data: some.DataObject) -> None:
    tell(store, *reports)
    read = [anew(report, data.draw(some.sampled_from(RESULTS), label="mended")) for report in reports]
    before = store.feed_head(), rows(store)

    preview = store.preview(read)

    assert (store.feed_head(), rows(store)) == before
    applied = tell(store, *read)
    assert [(one.did, one.before) for one in preview.applied] == [(one.did, one.before) for one in applied]
    assert [(it.did, it.cause) for it in preview.changed] == [
        (change.action, change.cause) for change in changes_of(store, before[0])
    ]


def rows(store: Store) -> list[Applied]:
    """What every report did, as the store has it."""
    with reading(store._engine) as connection:
        asked = select(outcomes.c.report_id, outcomes.c.did, outcomes.c.why).order_by(outcomes.c.seq)
        return [Applied(report_id=row.report_id, did=Did(row.did), why=row.why) for row in connection.execute(asked)]
