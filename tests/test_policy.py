"""The policy: what a report or an operator does to one entry."""

from datetime import timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as some

from nullsender.events import Fault, Outcome, Proof, Result
from suppression.policy import (
    PROTECTED,
    REACH,
    TRANSITIONS,
    Cause,
    Claim,
    Did,
    Move,
    Policy,
    PolicySettings,
    Standing,
    State,
    Word,
    claim_of,
    decide,
    source_of,
    state_of,
)
from tests.outcomes import START, an_outcome

POLICY = PolicySettings()

moments = some.integers(0, 60).map(lambda days: START + timedelta(days=days))
ends = some.none() | moments


@some.composite
def standings(draw: some.DrawFn) -> Standing:
    """Any entry that there can be."""
    since = draw(moments)
    ended_by = draw(some.sampled_from([None, Did.LIFTED, Did.EXPIRED]))
    expires = draw(moments) if ended_by is Did.EXPIRED else draw(ends)
    return Standing(
        since=since,
        expires=expires,
        provisional=expires is not None and draw(some.booleans()),
        ended=(ended := None if ended_by is None else draw(moments)),
        ended_by=ended_by,
        lifted=ended if ended_by is Did.LIFTED else draw(some.none() | moments.filter(lambda moment: moment <= since)),
    )


@some.composite
def claims(draw: some.DrawFn) -> Claim:
    """Any claim that there can be."""
    at, proven = draw(moments), draw(some.booleans())
    expires = draw(ends) if proven else at + timedelta(days=POLICY.provisional_days)
    return Claim(cause=draw(some.sampled_from(Cause)), scope="*", at=at, proven=proven, expires=expires)


def claim(outcome: Outcome, policy: PolicySettings = POLICY) -> Claim:
    """The claim that an outcome makes; it has to make one."""
    found = claim_of(outcome, outcome.report.received_at, Policy(policy))
    assert isinstance(found, Claim), found
    return found


def refusal(outcome: Outcome, policy: PolicySettings = POLICY) -> str:
    """Why an outcome makes no claim; it may make none."""
    found = claim_of(outcome, outcome.report.received_at, Policy(policy))
    assert isinstance(found, str), found
    return found


# --- what an outcome asks for ---


@pytest.mark.parametrize(
    ("result", "stream", "scope"),
    [
        ("hard", "news", "*"),
        ("complaint", "news", "*-transactional"),
        ("unsubscribe", "news", "news"),
        ("unsubscribe", None, "*"),
        ("soft", "news", "news"),
        ("soft", None, "*"),
    ],
)
def test_a_cause_reaches_everything_or_its_own_stream(result: str, stream: str | None, scope: str) -> None:
    found = claim(an_outcome("1", result, stream=stream))

    assert (found.cause, found.scope) == (result, scope)


def test_an_outcome_none_asks_for_nothing() -> None:
    assert "none" in refusal(an_outcome("1", "none"))


@pytest.mark.parametrize("fault", [Fault.SENDER, Fault.PATH, None])
@pytest.mark.parametrize("result", ["hard", "soft"])
def test_only_the_recipients_own_fault_ever_counts(result: str, fault: Fault | None) -> None:
    whose = f"the fault is the {fault}'s" if fault else "nobody knows whose fault it is"
    assert refusal(an_outcome("1", result, fault=fault)) == whose


def test_a_withheld_report_asks_for_nothing_and_says_why() -> None:
    assert "somebody else" in refusal(an_outcome("1", "hard", withheld="it is about somebody else"))


@pytest.mark.parametrize("proof", [proof for proof in Proof if proof is not Proof.NONE])
def test_any_proof_is_enough_for_a_claim_in_full(proof: Proof) -> None:
    found = claim(an_outcome("1", "hard", proof=proof))

    assert found.proven
    assert found.expires is None


def test_an_unproven_report_asks_for_a_week() -> None:
    found = claim(an_outcome("1", "hard", proof=Proof.NONE))

    assert not found.proven
    assert found.expires == START + timedelta(days=7)


def test_an_operator_may_have_unproven_reports_ignored() -> None:
    assert "nothing ties" in refusal(an_outcome("1", "hard", proof=Proof.NONE), PolicySettings(unproven="ignore"))


def test_an_operator_may_believe_unproven_reports() -> None:
    found = claim(an_outcome("1", "hard", proof=Proof.NONE), PolicySettings(unproven="full"))

    assert found.proven
    assert found.expires is None


def test_every_result_has_its_reach() -> None:
    assert REACH.keys() == set(Result)


# --- what a claim does ---


def test_the_table_says_what_happens_in_every_state() -> None:
    assert TRANSITIONS.keys() == set(product(State, Cause, Word))


def test_an_unproven_claim_never_strengthens_what_stands() -> None:
    assert Move.STRENGTHEN not in {move for (_, _, word), move in TRANSITIONS.items() if word is Word.UNPROVEN}


def test_only_consent_ends_what_a_person_asked_for() -> None:
    protected = {move for (_, cause, word), move in TRANSITIONS.items() if cause in PROTECTED and word is Word.LIFT}

    assert protected == {Move.KEEP, Move.REFUSE}


def test_a_delivery_touches_no_entry_but_a_soft_one() -> None:
    ended = {cause for (_, cause, word), move in TRANSITIONS.items() if word is Word.DELIVERY and move is not Move.KEEP}

    assert ended == {Cause.SOFT}


@given(standings(), claims())
def test_nothing_weakens_an_entry_that_stands(standing: Standing, claim: Claim) -> None:
    if state_of(standing, claim.at) in (State.EXPIRED, State.LIFTED, State.OVERRULED):
        return

    _, after = decide(standing, claim)

    assert after is not None
    assert after.since == standing.since
    assert standing.provisional or not after.provisional
    assert after.expires is None or (standing.expires is not None and after.expires >= standing.expires)
    assert after.ended is None


@given(some.none() | standings(), claims())
def test_a_claim_that_comes_again_changes_nothing(standing: Standing | None, claim: Claim) -> None:
    _, after = decide(standing, claim)
    if state_of(after, claim.at) is State.EXPIRED:
        return  # it asked for something that was over by then

    assert decide(after, claim) == (Did.KEPT, after)


@given(some.none() | standings(), claims())
def test_what_is_kept_stands_as_it_did_and_anything_else_does_not(standing: Standing | None, claim: Claim) -> None:
    did, after = decide(standing, claim)

    if did is Did.KEPT:
        assert after == standing
    elif did is not Did.ADDED:
        assert after != standing


@given(standings(), claims())
def test_a_proven_claim_for_good_always_ends_in_an_entry_for_good_unless_it_was_overruled(
    standing: Standing, claim: Claim
) -> None:
    if not claim.proven or claim.expires is not None or state_of(standing, claim.at) is State.OVERRULED:
        return

    _, after = decide(standing, claim)

    assert state_of(after, claim.at) is State.SUPPRESSED


def test_an_unproven_entry_that_is_proven_later_becomes_full() -> None:
    _, provisional = decide(None, claim(an_outcome("1", proof=Proof.NONE)))

    did, full = decide(provisional, claim(an_outcome("2", days=3)))

    assert did is Did.HARDENED
    assert full == Standing(since=START, expires=None, provisional=False)


def test_a_hard_report_after_the_end_begins_a_new_period() -> None:
    expired = Standing(since=START, expires=START + timedelta(days=1), provisional=False)

    did, again = decide(expired, claim(an_outcome("1", days=2)))

    assert did is Did.ADDED
    assert again is not None
    assert again.since == START + timedelta(days=2)


@pytest.mark.parametrize(("came", "did"), [(-1, Did.KEPT), (0, Did.ADDED), (1, Did.ADDED)])
def test_a_report_that_came_before_the_lift_was_part_of_what_was_judged(came: float, did: Did) -> None:
    stood = Standing(since=START, expires=None, provisional=False)
    lifted = stood.end(START + timedelta(days=5), Did.LIFTED)

    assert decide(lifted, claim(an_outcome("1", days=5 + came)))[0] is did


def test_a_later_end_renews_an_entry_and_an_earlier_one_does_not() -> None:
    standing = Standing(since=START, expires=START + timedelta(days=5), provisional=False)

    def until(days: float) -> Claim:
        return Claim(cause=Cause.MANUAL, scope="*", at=START, proven=True, expires=START + timedelta(days=days))

    assert decide(standing, until(9))[0] is Did.RENEWED
    assert decide(standing, until(4)) == (Did.KEPT, standing)


# --- whose cap ---


@pytest.mark.parametrize(
    ("ip", "source"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("", "unknown"),
        ("nonsense", "unknown"),
    ],
)
def test_a_source_is_an_address_or_what_one_host_is_given(ip: str, source: str) -> None:
    assert source_of(ip) == source
