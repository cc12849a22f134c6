"""Decides what a report means: hard, soft, complaint, unsubscribe or none, why, and by which rule.

One pass over the reply finds every text that a rule may ask for (texts.py); the first rule in the stated order (rulebook.py)
that holds decides. Three guards stand behind the rules, so that none of them can cut off a good customer by itself: only a
category that can be hard is hard; what the report or the reply calls temporary never is; and neither is an answer to the
connection or to MAIL FROM.
"""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from classifiers.blocklists import NAMING_CATEGORIES, listing_in
from classifiers.by_code import RulesByCode
from classifiers.conditions import Case, Condition, Objection, SignNumbers
from classifiers.feedback import FEEDBACK
from classifiers.outcome import MEANINGS, Category
from classifiers.own_rules import with_own_rules
from classifiers.reply import Reply, fold, is_status, read_reply
from classifiers.rule_texts import compiled
from classifiers.rulebook import RULES_FOLDER, Example, Rule, Rulebook, read_rulebook
from classifiers.weighing import Candidate, Doubt, Weighing
from nullsender.address import domain_of
from nullsender.errors import Misconfigured
from nullsender.events import Action, Decision, Fault, Kind, Report, Result
from nullsender.limits import STATUSES_REMEMBERED_MAX

#: What a decision names where no rule knew the reply.
NO_RULE = "none"

#: Actions after which the mail is there.
ARRIVED = (Action.DELIVERED, Action.RELAYED, Action.EXPANDED)
# Looking a member up in its enumeration takes longer than all else that a comparison does.
_BOUNCE, _DELAYED, _FAILED = Kind.BOUNCE, Action.DELAYED, Action.FAILED
_BEFORE_THE_RECIPIENT = ("connect", "sender")


class _Comes(NamedTuple):
    """What a rule comes to, all but the words ready; soft by whether the failure is permanent."""

    hard: Decision
    soft: Mapping[bool | None, Decision]
    may_name_a_list: bool


class Rules:
    """The rules, compiled. Deciding is pure, and any number of threads may do it at once."""

    def __init__(self, book: Rulebook) -> None:
        """Compile `book` and prove it on its own examples; `Misconfigured` where a text or an example fails."""
        self.version = book.version
        self._texts = compiled(book)
        signs = SignNumbers(book.signs, self._texts)
        self._signs = signs
        self._providers = signs.providers
        self._early = signs.of_phases(name for name in _BEFORE_THE_RECIPIENT if name in book.signs.phases)
        self._conditions = tuple(Condition(rule, self._texts, signs) for rule in book.rules)
        self._comes = tuple(self._comes_to(rule) for rule in book.rules)
        self._places = self._places_by_text()
        self._textless = lru_cache(STATUSES_REMEMBERED_MAX)(RulesByCode(book.rules).places)
        for place, rule in enumerate(book.rules):
            for example in rule.replies:
                self._require_decides(place, example, book)

    @classmethod
    def load(cls, folder: Path = RULES_FOLDER, *, own: Path | None = None) -> "Rules":
        """The rules that lie in `folder`, and before them the operator's `own`; `Misconfigured` names what is wrong where."""
        ours = read_rulebook(folder)
        return cls(ours if own is None else with_own_rules(ours, own))

    def decide(self, report: Report) -> Decision:
        """What `report` means. Every report gets a decision, and the same report always the same one."""
        if report.kind is _BOUNCE and report.action not in ARRIVED:
            case = self._case_of(report)
            return self._decision(case, self._first(case), report.status, report.action)
        match report.kind:
            case Kind.BOUNCE:
                return self._settled(Result.NONE, Category.DELIVERED, f"action.{report.action}")
            case Kind.COMPLAINT:
                kind = (report.feedback_type or "abuse").strip().lower()
                outcome, category = FEEDBACK.get(kind, FEEDBACK["other"])
                return self._settled(outcome, category, f"feedback.{kind if kind in FEEDBACK else 'other'}")
            case Kind.UNSUBSCRIBE:
                return self._settled(Result.UNSUBSCRIBE, Category.UNSUBSCRIBE, "kind.unsubscribe")
            case Kind.AUTO_REPLY:
                return self._settled(Result.NONE, Category.AUTO_REPLY, "kind.auto-reply")
            case Kind.OTHER:
                return self._settled(Result.NONE, Category.NOTHING_REPORTED, "kind.other")

    def decide_reply(
        self, text: str, status: str | None = None, reply_code: int | None = None, provider: str | None = None
    ) -> Decision:
        """What one SMTP reply means for the recipient it was given for.

        `provider` is a name of rules/signs.toml (any case; unknown names are ignored), `status` and `reply_code` what is
        known beside the text.
        """
        case = self._case_of_reply(text, status, reply_code, provider)
        return self._decision(case, self._first(case), status)

    def weigh(self, report: Report) -> Weighing:
        """The decision on `report` with every rule that was near: for a person who asks why, and why not otherwise."""
        if report.kind is not Kind.BOUNCE or report.action in ARRIVED:
            return Weighing(self.decide(report), None, (), (), None)
        return self._weigh(self._case_of(report), report.status, report.action)

    def weigh_reply(
        self, text: str, status: str | None = None, reply_code: int | None = None, provider: str | None = None
    ) -> Weighing:
        """The decision on one SMTP reply, as `decide_reply` makes it, with every rule that was near."""
        return self._weigh(self._case_of_reply(text, status, reply_code, provider), status)

    def _weigh(self, case: Case, status: str | None, action: Action | None = None) -> Weighing:
        places = list(dict.fromkeys(self._candidates(case)))
        first = self._first(case)
        decision = self._decision(case, first, status, action)
        if first is None:
            return Weighing(decision, None, tuple(self._candidate(case, place) for place in places), (), None)
        before, behind = places[: places.index(first)], places[places.index(first) + 1 :]
        doubt = self._doubt(case, decision.permanent) if self._conditions[first].hard else None
        return Weighing(
            decision=decision,
            rule=self._conditions[first].rule,
            passed_over=tuple(self._candidate(case, place) for place in before),
            behind=tuple(other for place in behind if not (other := self._candidate(case, place)).objection),
            doubt=doubt,
        )

    def _case_of(self, report: Report) -> Case:
        reply = read_reply(report.diagnostic, report.status, report.reply_code)
        hosts = (report.remote_mta or report.reporting_mta or "", domain_of(report.recipient or ""))
        return Case(reply, self._texts.scan(reply.folded), None, hosts, report.remote_mta)

    def _case_of_reply(self, text: str, status: str | None, reply_code: int | None, provider: str | None) -> Case:
        reply = read_reply(text, status, reply_code)
        return Case(reply, self._texts.scan(reply.folded), self._providers.called(provider) if provider else None)

    def _candidates(self, case: Case) -> list[int]:
        """The places of all rules of which a text or a code is there, in the stated order; some stand there twice."""
        reply, by_text = case.reply, self._places
        places = list(self._textless(reply.status, reply.reply_code))
        for number in case.hits:
            places += by_text[number]
        places.sort()
        return places

    def _first(self, case: Case) -> int | None:
        """The place of the first rule that holds. Rules that ask for a sign are not asked where there is none: most replies."""
        conditions = self._conditions
        signed = None
        for place in self._candidates(case):
            condition = conditions[place]
            if condition.for_sure:
                return place
            if condition.asks_for_a_sign:
                if signed is None:
                    signed = self._signs.in_case(case)
                if not signed:
                    continue
            if condition.objection(case) is None:
                return place
        return None

    def _candidate(self, case: Case, place: int) -> Candidate:
        condition = self._conditions[place]
        objection = condition.objection(case)
        against = condition.hit_against(case) if objection is Objection.TEXT else None
        return Candidate(
            rule=condition.rule,
            words=self._words(case, condition.hit(case)),
            objection=objection,
            words_against=None if against is None else self._words(case, against),
        )

    def _decision(self, case: Case, place: int | None, status: str | None, action: Action | None = None) -> Decision:
        """What the rule at `place` comes to, or none; `status` is the report's own."""
        condition = None if place is None else self._conditions[place]
        permanent = False if action is _DELAYED else _permanent(condition, case.reply, status, action)
        if condition is None or place is None:
            outcome = Result.NONE if action is _DELAYED else Result.SOFT
            return self._settled(outcome, Category.UNKNOWN, NO_RULE, permanent=permanent)
        comes = self._comes[place]
        hard = condition.hard and self._doubt(case, permanent) is None  # what is only delayed is not permanent
        decision = replace(comes.hard if hard else comes.soft[permanent], words=self._words(case, condition.hit(case)))
        if action is _DELAYED:
            decision = replace(decision, outcome=Result.NONE)
        return replace(decision, **listing_in(case.reply.text, case.server)._asdict()) if comes.may_name_a_list else decision

    def _doubt(self, case: Case, permanent: bool | None) -> Doubt | None:
        """What speaks against hard, whichever rule holds."""
        status, reply_code = case.reply.status, case.reply.reply_code
        if (status is not None and status[0] == "4") or (reply_code is not None and 400 <= reply_code < 500):
            return Doubt.TEMPORARY
        if not permanent:
            return Doubt.NOT_PERMANENT
        return None if self._early.isdisjoint(case.hits) else Doubt.TOO_EARLY

    def _words(self, case: Case, number: int | None) -> str | None:
        """The words of one hit as the server wrote them, where that can be told; without a hit the code."""
        reply = case.reply
        if number is None:
            return reply.status or (str(reply.reply_code) if reply.reply_code else None)
        start, end = self._texts.span(reply.folded, number, case.hits[number])
        if len(reply.folded) == len(reply.text) and reply.text.isascii():
            return reply.text[start:end].strip()  # nothing was taken out: each byte is one character of the text
        return _as_written(reply, start, end)

    def _comes_to(self, rule: Rule) -> _Comes:
        category, name = rule.category, rule.name
        assert not rule.hard or MEANINGS[category].fault is Fault.RECIPIENT, "only the recipient's fault is hard (G7)"
        hard = self._settled(Result.HARD, category, name, permanent=True)
        soft = {permanent: replace(hard, outcome=Result.SOFT, permanent=permanent) for permanent in (True, False, None)}
        return _Comes(hard, soft, category in NAMING_CATEGORIES)

    def _settled(self, outcome: Result, category: Category, rule: str, *, permanent: bool | None = None) -> Decision:
        fault = MEANINGS[category].fault
        return Decision(
            outcome=outcome, permanent=permanent, fault=fault, category=category, rule=rule, rules_version=self.version
        )

    def _places_by_text(self) -> tuple[tuple[int, ...], ...]:
        """For each number of a text the places of the rules that it speaks for."""
        places: list[list[int]] = [[] for _ in range(len(self._texts))]
        for place, condition in enumerate(self._conditions):
            for number in condition.texts:
                places[number].append(place)
        return tuple(map(tuple, places))

    def _require_decides(self, place: int, example: Example, book: Rulebook) -> None:
        rule = book.rules[place]
        case = self._case_of_reply(example.text or "", example.status, example.reply_code, example.provider)
        first = self._first(case)
        decides = NO_RULE if first is None else book.rules[first].name
        if decides not in book.own:
            self._decision(case, first, example.status)  # whose words are then found without delay when it comes to mail
        ours_overruled = decides in book.own and rule.name not in book.own  # which is what theirs are for
        if first != place and not ours_overruled:
            why = self._why_not(case, place)
            because = f": {why}" if why else ", which stands before it"
            raise Misconfigured(f"{book.where(rule)}: its example {example.text!r} is decided by {decides}{because}")

    def _why_not(self, case: Case, place: int) -> str | None:
        """Why the rule at `place` does not hold in this case; None where it does."""
        candidate = self._candidate(case, place)
        if candidate.rule.texts and self._conditions[place].hit(case) is None:
            return "none of the rule's texts stands in it"
        if candidate.objection is Objection.TEXT:
            return f"{candidate.words_against!r} speaks against the rule (`unless`)"
        return f"the rule asks for another {candidate.objection}" if candidate.objection else None


def _permanent(condition: Condition | None, reply: Reply, status: str | None, action: Action | None) -> bool | None:
    """Whether this delivery has failed for good: as the report says, else as the reply says, else as its words say."""
    if condition is not None and condition.rule.permanent is not None:
        return condition.rule.permanent
    telling = status if status is not None and is_status(status) else reply.status
    if telling is not None:
        return telling[0] == "5"
    if reply.reply_code is not None:
        return reply.reply_code // 100 == 5
    return True if action is _FAILED or (condition is not None and condition.hard) else None


def _as_written(reply: Reply, start: int, end: int) -> str:
    """What stands from byte `start` to byte `end` of the folded reply, as the server wrote it where that can be told."""
    words = reply.folded[start:end].decode("utf-8", "replace").strip()
    written = reply.text[start:end].strip()
    if fold(written) == words:
        return written
    found = reply.text.lower().find(words)
    return reply.text[found : found + len(words)] if found >= 0 else words
