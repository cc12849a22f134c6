"""Examples of our rules that an operator's rules decide now: a rule that takes many is wider than it was meant."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from classifiers.rulebook import Example, Rule, Rulebook
from classifiers.rules import Rules
from nullsender.events import Decision


class Taken(NamedTuple):
    """One of our rules, and which of its examples the operator's decide now, and how."""

    rule: Rule
    examples: Sequence[tuple[Example, Decision]]

    def sentence(self) -> str:
        """Who takes how many, with the first of them."""
        example, now = self.examples[0]
        how_many = f"{len(self.examples)} of {len(self.rule.examples)} examples of {self.rule.name} ({self.rule.category})"
        return f"{now.rule} ({now.outcome} {now.category}) takes {how_many}, such as {words_of(example)}"


def taken_examples(book: Rulebook, rules: Rules) -> Iterator[Taken]:
    """Those of `book`, which `rules` were made of, in the order of our rules."""
    for rule in book.rules:
        if rule.name not in book.own:
            decided = ((example, decide(rules, example)) for example in rule.replies)
            taken = [(example, decision) for example, decision in decided if decision.rule in book.own]
            if taken:
                yield Taken(rule, taken)


def decide(rules: Rules, example: Example) -> Decision:
    """What `rules` make of a reply with what is known beside it."""
    return rules.decide_reply(example.text or "", example.status, example.reply_code, example.provider)


def words_of(example: Example) -> str:
    """The reply for a person, with what is known beside it."""
    known = (example.text, example.status, example.reply_code, example.provider)
    return " ".join(str(it) for it in known if it is not None)
