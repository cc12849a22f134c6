"""Why not the other rules: the weighing of a report agrees with its decision and says what spoke against each rule before."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifiers.conditions import Objection
from classifiers.outcome import Category
from classifiers.rulebook import Provider, Rule, Rulebook, Signs
from classifiers.rules import Rules
from classifiers.weighing import Doubt
from nullsender.events import Action, Kind, Report, Result
from tests.outcomes import a_bounce

FULL = "mailbox full"
SIGNS = Signs(
    phases={"content": ("after data",), "sender": ("after mail from",)},
    providers={"examplebox": Provider(hosts=("examplebox.example",), texts=("box says",))},
)


def rule(name: str, **fields: Any) -> Rule:
    return Rule(name=name, **({"category": Category.POLICY, "texts": (FULL,), "examples": ()} | fields))


#: One rule for each objection, in front of the two that hold for the plain text.
RULES = Rules(
    Rulebook(
        (
            rule("a.unless", unless=("not really",)),
            rule("a.status", statuses=frozenset({"5.7.1"})),
            rule("a.code", reply_codes=frozenset({571})),
            rule("a.phase", phases=frozenset({"content"})),
            rule("a.provider", providers=frozenset({"examplebox"})),
            rule("a.closed", category=Category.MAILBOX_CLOSED),
            rule("a.behind"),
        ),
        SIGNS,
        "v",
        {},
    )
)


def report(diagnostic: str | None, **fields: Any) -> Report:
    return a_bounce(diagnostic=diagnostic, **fields)


def test_each_rule_before_the_deciding_one_has_what_spoke_against_it() -> None:
    weighing = RULES.weigh(report("552 5.2.2 Mailbox FULL, not really"))

    assert [(each.rule.name, each.objection) for each in weighing.passed_over] == [
        ("a.unless", Objection.TEXT),
        ("a.status", Objection.STATUS),
        ("a.code", Objection.REPLY_CODE),
        ("a.phase", Objection.PHASE),
        ("a.provider", Objection.PROVIDER),
    ]
    assert weighing.decision.rule == "a.closed"


def test_the_words_for_and_against_a_rule_are_the_servers_own() -> None:
    first = RULES.weigh(report("552 Mailbox FULL, Not really")).passed_over[0]

    assert (first.words, first.words_against) == ("Mailbox FULL", "Not really")


def test_a_rule_that_would_have_held_too_stands_behind() -> None:
    assert [each.rule.name for each in RULES.weigh(report("552 mailbox full, not really")).behind] == ["a.behind"]


@pytest.mark.parametrize(
    ("diagnostic", "fields", "decides"),
    [
        ("552 mailbox full", {}, "a.unless"),
        ("552 5.7.1 mailbox full, not really", {}, "a.status"),
        ("571 mailbox full, not really", {}, "a.code"),
        ("552 mailbox full, not really, after data", {}, "a.phase"),
        ("552 mailbox full, not really, the box says", {}, "a.provider"),
        ("552 mailbox full, not really", {"remote_mta": "mx1.examplebox.example"}, "a.provider"),
        ("552 mailbox full, not really, for kiji@examplebox.example", {}, "a.provider"),
    ],
)
def test_a_rule_holds_once_nothing_speaks_against_it(diagnostic: str, fields: dict[str, Any], decides: str) -> None:
    assert RULES.weigh(report(diagnostic, **fields)).decision.rule == decides


@pytest.mark.parametrize(
    ("diagnostic", "doubt"),
    [
        ("552 5.2.2 mailbox full, not really", None),
        ("452 mailbox full, not really", Doubt.TEMPORARY),
        ("552 4.2.2 mailbox full, not really", Doubt.TEMPORARY),
        ("552 mailbox full, not really, after mail from", Doubt.TOO_EARLY),
        ("252 mailbox full, not really", Doubt.NOT_PERMANENT),
    ],
)
def test_the_doubt_that_makes_a_hard_rule_soft_is_named(diagnostic: str, doubt: Doubt | None) -> None:
    weighing = RULES.weigh(report(diagnostic))

    assert weighing.decision.rule == "a.closed"
    assert weighing.doubt is doubt
    assert weighing.decision.outcome is (Result.SOFT if doubt else Result.HARD)


def test_where_no_rule_holds_all_that_were_near_are_passed_over() -> None:
    rules = Rules(Rulebook((rule("a.phase", phases=frozenset({"content"})),), SIGNS, "v", {}))
    weighing = rules.weigh(report("552 mailbox full"))

    assert weighing.decision.rule == "none"
    assert [each.rule.name for each in weighing.passed_over] == ["a.phase"]


@pytest.mark.parametrize("fields", [{"kind": Kind.COMPLAINT}, {"action": Action.DELIVERED}, {"kind": Kind.OTHER}])
def test_what_no_rule_is_asked_for_has_no_candidates(fields: dict[str, Any]) -> None:
    assert RULES.weigh(report(FULL, **fields))[2:] == ((), (), None)


pieces = st.sampled_from(
    [FULL, "not really", "after data", "after mail from", "box says", "@examplebox.example", "5.7.1", "571"]
)


@given(st.lists(pieces, max_size=6).map(" ".join), st.sampled_from([None, "5.7.1", "4.2.2"]), st.sampled_from([None, 571, 452]))
def test_the_weighing_agrees_with_the_decision(text: str, status: str | None, code: int | None) -> None:
    weighed = report(text, status=status, reply_code=code)
    weighing = RULES.weigh(weighed)

    assert weighing.decision == RULES.decide(weighed)
    assert all(each.objection for each in weighing.passed_over)
    assert not any(each.objection for each in weighing.behind)
