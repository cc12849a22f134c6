"""A decision with all that stood beside it: for a person who asks why, and why not otherwise.

`Rules.weigh` makes it from the same steps as the decision itself.
"""

from enum import StrEnum
from typing import NamedTuple

from classifiers.conditions import Objection
from classifiers.rulebook import Rule
from nullsender.events import Decision


class Doubt(StrEnum):
    """Why a rule that says hard comes to soft: a wrong soft costs a retry, a wrong hard a customer."""

    NOT_PERMANENT = "not-permanent"  # nothing says that the delivery has failed for good
    TEMPORARY = "temporary"  # a code of class 4: "user unknown, try again"
    TOO_EARLY = "too-early"  # said before the recipient was named, so it can not be about the recipient


class Candidate(NamedTuple):
    """A rule whose text or code stands in the reply: what stands there, and what speaks against the rule."""

    rule: Rule
    words: str | None  # the words or the code that made it a candidate
    objection: Objection | None  # None for a rule that holds
    words_against: str | None  # for `Objection.TEXT`: the words that speak against it


class Weighing(NamedTuple):
    """A decision with what else could have decided it. Without a candidate no rule was asked or none was near."""

    decision: Decision
    rule: Rule | None  # that decided
    passed_over: tuple[Candidate, ...]  # in the order in which they were tried, before the rule that decided
    behind: tuple[Candidate, ...]  # that would have held too, had the deciding rule not stood before them
    doubt: Doubt | None  # why the deciding rule, which can be hard, is soft here
