"""What an incident does, or would do, in words."""

import json
from collections.abc import Sequence

import msgspec

from nullsender.cli.explaining.marks import shown
from nullsender.wording import counted
from suppression.incidents.effects import Action, Effect, Summary, most

_DOES = {Action.RELEASE: "released", Action.CHANGE: "changed", Action.ADD: "added", Action.LEAVE: "left as they are"}
_LEFT = {
    "protected": "reports are a person's own word (complaint, unsubscribe): left as they are",
    "cannot_judge": "reports can not be judged by their words any more, for those are no longer kept: left as they are",
    "cannot_read": "reports can not be read again, for their words are no longer kept: left as they are",
    "too_many": "reports are about people of whom too much was said to go through it: left as they are",
    "read_the_same": "reports are read by today's rules as they were before",
}


def print_summary(summary: Summary, *, would: bool) -> None:
    """The sums; `would`: nothing was done."""
    reports, people = counted(summary.reports, "report"), counted(summary.people, "person", "people")
    does = "would count" if would else "counts" if summary.reports == 1 else "count"
    print(f"{reports} of {people} {does} otherwise")
    for name, words in _LEFT.items():
        if reports_left := getattr(summary, name):
            print(f"{reports_left:,} {words}")
    for action, does in _DOES.items():
        causes = {name.split()[1]: count for name, count in summary.by_action.items() if name.split()[0] == action}
        if causes:
            told = ", ".join(f"{count:,} {cause}" for cause, count in most(causes))
            print(f"entries {does}: {sum(causes.values()):,} ({told})")
    for title, counts in (("by domain", summary.by_domain), ("by rule", summary.by_rule), ("left because", summary.by_why)):
        if counts:
            print(f"{title}:")
            for name, count in most(counts):
                print(f"  {count:>9,}  {shown(name)}")


def print_effects(effects: Sequence[Effect], *, as_json: bool) -> None:
    """A line for each entry."""
    for effect in effects:
        if as_json:
            print(json.dumps(facts_of(effect)))
        else:
            who = shown(effect.address or effect.address_hash.hex())
            print(f"{effect.action:8} {effect.cause:12} {shown(effect.scope):16} {who}: {shown(effect.why)}")


def print_json(summary: Summary) -> None:
    """The sums as one JSON object."""
    facts = msgspec.to_builtins(summary)
    print(json.dumps(facts | {"entries": [facts_of(effect) for effect in summary.entries]}))


def facts_of(effect: Effect) -> dict[str, object]:
    """One entry for a program."""
    return {**msgspec.structs.asdict(effect), "action": effect.action.value, "address_hash": effect.address_hash.hex()}
