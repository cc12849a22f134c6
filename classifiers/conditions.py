"""When a rule holds: the rule made ready, and what may speak against it although one of its texts or codes is there.

`Rules` finds the candidates; a `Condition` says of each whether it holds, and if not why. Deciding takes the first that holds,
explaining asks all of them, so both come from the same few lines.
"""

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from functools import lru_cache

import msgspec

from classifiers.providers import Providers, texts_of
from classifiers.reply import Reply
from classifiers.rulebook import Rule, Signs
from classifiers.texts import Hits, Texts
from nullsender.limits import STATUSES_REMEMBERED_MAX


class Objection(StrEnum):
    """Why a rule whose text or code stands in the reply does not hold all the same."""

    TEXT = "text"  # one of its `unless` stands there too
    STATUS = "status"
    REPLY_CODE = "reply-code"
    PHASE = "phase"
    PROVIDER = "provider"


# Looking a member up in its enumeration takes longer than a condition does.
_TEXT, _STATUS, _REPLY_CODE, _PHASE, _PROVIDER = Objection


class Case(msgspec.Struct):
    """One reply before the rules, with what was found in it and what is known of who gave it."""

    reply: Reply
    hits: Hits
    named: str | None = None  # the provider, where the caller knows it
    hosts: tuple[str, ...] = ()  # of which any may tell the provider
    server: str | None = None  # that gave the reply, where the report tells it
    told: set[str] | None = None  # the providers that these tell, once somebody asked

    def providers(self, known: Providers) -> set[str]:
        """The providers that the caller, the hosts and the addresses in the reply tell."""
        if self.told is None:
            self.told = known.of_hosts((*self.hosts, *self.reply.domains()))
            if self.named:
                self.told.add(self.named)
        return self.told


class SignNumbers:
    """Under which numbers the texts that tell a phase or a provider are found, and who the providers are."""

    @staticmethod
    def texts(signs: Signs) -> Iterator[str]:
        """All these texts, which are to be compiled with those of the rules."""
        for patterns in signs.phases.values():
            yield from patterns
        for provider in signs.providers.values():
            yield from texts_of(provider)

    def __init__(self, signs: Signs, texts: Texts) -> None:
        self.providers = Providers(signs.providers)
        self._phases = {phase: texts.numbers(patterns) for phase, patterns in signs.phases.items()}
        self._providers = {name: texts.numbers(texts_of(provider)) for name, provider in signs.providers.items()}
        self._numbers = texts.numbers(self.texts(signs))

    def in_case(self, case: Case) -> bool:
        """Whether anything tells a phase or a provider."""
        return not self._numbers.isdisjoint(case.hits) or bool(case.providers(self.providers))

    def of_phases(self, phases: Iterable[str]) -> frozenset[int]:
        """The texts of these phases."""
        return _joined(self._phases, phases)

    def of_providers(self, providers: Iterable[str]) -> frozenset[int]:
        """The texts of these providers."""
        return _joined(self._providers, providers)


class Condition:
    """One rule, ready to be asked. `for_sure` means that it asks for nothing but the one thing found."""

    def __init__(self, rule: Rule, texts: Texts, signs: SignNumbers) -> None:
        self.rule = rule
        self.hard = rule.hard
        self.texts = texts.numbers(rule.texts)
        asked = (rule.texts, rule.unless, rule.statuses, rule.reply_codes, rule.phases, rule.providers)
        self.for_sure = sum(map(bool, asked)) == 1
        self._unless = texts.numbers(rule.unless)
        self.asks_for_a_sign = bool(rule.phases or rule.providers)
        self._statuses = rule.statuses
        self._reply_codes = rule.reply_codes
        self._providers = rule.providers
        self._phases = signs.of_phases(rule.phases) if rule.phases else None
        self._provider_texts = signs.of_providers(rule.providers)
        self._known = signs.providers

    def objection(self, case: Case) -> Objection | None:
        """What speaks against the rule in this case; None where it holds."""
        if self._statuses and self._statuses.isdisjoint(status_keys(case.reply.status)):
            return _STATUS
        if self._reply_codes and case.reply.reply_code not in self._reply_codes:
            return _REPLY_CODE
        found = case.hits.keys()
        if self._unless and not found.isdisjoint(self._unless):
            return _TEXT
        if self._phases is not None and found.isdisjoint(self._phases):
            return _PHASE
        if self._providers and found.isdisjoint(self._provider_texts):
            return _PROVIDER if self._providers.isdisjoint(case.providers(self._known)) else None
        return None

    def hit(self, case: Case) -> int | None:
        """The number of the text for the rule that ends first; None where its code alone made it a candidate."""
        for number in case.hits:
            if number in self.texts:
                return number
        return None

    def hit_against(self, case: Case) -> int | None:
        """The number of the text that speaks against the rule."""
        return next((number for number in case.hits if number in self._unless), None)


def _joined(numbers: Mapping[str, frozenset[int]], names: Iterable[str]) -> frozenset[int]:
    return frozenset(number for name in names for number in numbers[name])


@lru_cache(maxsize=STATUSES_REMEMBERED_MAX)
def status_keys(status: str | None) -> tuple[str, ...]:
    """The forms under which a rule may name this status, most exact first."""
    if status is None:
        return ()
    kind, subject, detail = status.split(".")
    if int(subject) == 0:
        return (f"{kind}.x.x",)
    return (
        f"{kind}.{subject}.{detail}", f"x.{subject}.{detail}", f"{kind}.{subject}.x", f"x.{subject}.x", f"{kind}.x.x",
    )  # fmt: skip
