"""A decision costs the same with thousands of rules, and no more than its length (bench/rules.py has what it takes)."""

import sys
from collections import Counter
from types import FrameType
from typing import Any

import pytest
from msgspec.structs import replace

from classifiers import reply as reading_replies
from classifiers.outcome import Category
from classifiers.reply import read_reply
from classifiers.rulebook import Provider, Rule, Rulebook, Signs
from classifiers.rules import Rules
from nullsender.events import Decision

SIGNS = Signs(phases={"content": ("after data",)}, providers={"examplebox": Provider(hosts=("examplebox.example",))})
FULL = Rule(name="a.full", category=Category.MAILBOX_FULL, texts=("mailbox full",), examples=("552 mailbox full",))
LATE = Rule(
    name="a.late",
    category=Category.POLICY,
    texts=("mailbox full",),
    phases=frozenset({"content"}),
    examples=("552 mailbox full after data",),
)
REPLY = "552 5.2.2 <kiji@example.com>: mailbox full, says example number 7"
#: Replies in which one thing that costs is piled up, each as a part that repeats.
HOSTILE = {
    "at signs": "@",
    "tokens with at signs": "a@, ",
    "addresses in one token": "<a@b>,",
    "pieces of codes": "5.1.",
    "vague codes": "5.1.0 ",
    "line heads": "550-",
    "quoted codes": ":551x ",
    "marks that change places": "\u0316\u0300",
    "ornate letters": "\ufdfa",
    "white space": " \t",
    "texts of rules": "mailbox full ",
}


def rules_beside(others: int) -> Rules:
    """Two rules that ask for the same text, and so many others that do not hold for `REPLY`."""
    more = tuple(
        Rule(
            name=f"b.{n}",
            category=Category.POLICY,
            texts=(f"word{n}x\\b",),
            statuses=statuses,
            examples=(f"550 5.7.1 word{n}x",),
        )
        for n in range(others)
        for statuses in (frozenset({"5.7.1"}) if n % 2 else frozenset(),)
    )
    return Rules(Rulebook((LATE, FULL, *more), SIGNS, "v", {}))


def calls_of(rules: Rules) -> tuple[Decision, Counter[str]]:
    """The decision on `REPLY`, and how often each function of Python was called for it."""
    calls: Counter[str] = Counter()

    def count(frame: FrameType, event: str, _argument: Any) -> None:
        if event == "call":
            calls[frame.f_code.co_qualname] += 1

    rules.decide_reply(REPLY)  # whatever is made ready by the first one is ready
    before = sys.getprofile()
    sys.setprofile(count)
    try:
        decision = rules.decide_reply(REPLY)
    finally:
        sys.setprofile(before)
    return decision, calls


def test_thousands_of_rules_take_no_step_more_than_two() -> None:
    few, calls_with_few = calls_of(rules_beside(0))
    many, calls_with_many = calls_of(rules_beside(2_000))

    assert few == many
    assert few.rule == "a.full"
    assert calls_with_many == calls_with_few
    assert calls_with_few["SignNumbers.in_case"] == 1, "the rule that stands first was near, and asks for a phase"


def test_a_rule_of_thousands_is_found() -> None:
    rules = rules_beside(2_000)

    assert rules.decide_reply("550 5.7.1 word1999x").rule == "b.1999"
    assert rules.decide_reply("550 5.1.1 word1999x").rule == "none"
    assert rules.decide_reply("550 5.1.1 word1998x").rule == "b.1998"


@pytest.mark.parametrize("part", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_reply_is_taken_apart_in_one_go(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred times as long as any that comes this far: what takes the square of the length would not end."""
    monkeypatch.setattr(reading_replies, "DIAGNOSTIC_CHARACTERS_MAX", 400_000)
    text = part * (400_000 // len(part))

    reply = read_reply(f"550 {text}")

    assert reply.reply_code == 550
    assert rules_beside(0).decide_reply(f"550 {text}").rule == ("a.full" if "full" in part else "none")


def test_a_rule_that_asks_for_a_phase_without_words_never_holds() -> None:
    book = Rulebook((replace(LATE, examples=()), FULL), replace(SIGNS, phases={"content": ()}), "v", {})

    assert Rules(book).decide_reply("552 mailbox full after data").rule == "a.full"
