"""Decides what a report means: hard, soft, complaint, unsubscribe or none, why, and by which rule.

One pass over the reply finds every text that a rule may ask for (texts.py); the first rule in the stated order (rulebook.py)
that holds decides. Three guards stand behind the rules, so that none of them can cut off a good customer by itself: only a
category that can be hard is hard; what the report or the reply calls temporary never is; and neither is an answer to the
connection or to MAIL FROM.
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from classifiers.outcome import MEANINGS, Category
from classifiers.own_rules import with_own_rules
from classifiers.reply import Reply, is_status, read_reply
from classifiers.rulebook import RULES_FOLDER, Example, Provider, Rule, Rulebook, read_rulebook
from classifiers.texts import Texts
from nullsender.address import domain_of
from nullsender.errors import Misconfigured
from nullsender.events import Action, Decision, Fault, Kind, Report, Result
from nullsender.limits import STATUSES_REMEMBERED_MAX

#: RFC 5965 7.3 and RFC 6430, RFC 6591: what each feedback type is to us. One that is not known is taken for a complaint.
FEEDBACK: Mapping[str, tuple[Result, Category]] = {
    "abuse": (Result.COMPLAINT, Category.COMPLAINT),
    "fraud": (Result.COMPLAINT, Category.COMPLAINT),  # a recipient said so, so that recipient wants no more
    "virus": (Result.COMPLAINT, Category.COMPLAINT),
    "other": (Result.COMPLAINT, Category.COMPLAINT),
    "opt-out": (Result.UNSUBSCRIBE, Category.UNSUBSCRIBE),
    "opt-out-list": (Result.UNSUBSCRIBE, Category.UNSUBSCRIBE),
    "not-spam": (Result.NONE, Category.FEEDBACK_ONLY),
    "auth-failure": (Result.NONE, Category.FEEDBACK_ONLY),
    "dmarc": (Result.NONE, Category.FEEDBACK_ONLY),
}

#: Actions after which the mail is there.
ARRIVED = (Action.DELIVERED, Action.RELAYED, Action.EXPANDED)
# Reports write "mx.example.com [192.0.2.1]" and "mx.example.com (192.0.2.1)".
_AFTER_THE_HOST = re.compile(r"[\s\[(]")
_BEFORE_THE_RECIPIENT = frozenset({"connect", "sender"})


class _Verdict(NamedTuple):
    """The rule that held (None where none did), in which phases of the dialog the reply was given, and what decided."""

    rule: Rule | None
    phases: set[str]
    words: str | None


class Rules:
    """The rules, compiled. Deciding is pure, and any number of threads may do it at once."""

    def __init__(self, book: Rulebook) -> None:
        """Compile `book` and prove it on its own examples; `Misconfigured` where a text or an example fails."""
        self.version = book.version
        self._rules = book.rules
        self._own = book.own
        self._hosts, self._provider_names = _provider_index(book.signs.providers)
        self._texts = Texts(book)
        self._by_status: dict[str, tuple[int, ...]] = {}
        self._by_code: dict[int | None, tuple[int, ...]] = {}
        for place, rule in enumerate(self._rules):
            if rule.texts:
                continue
            for status in rule.statuses:
                self._by_status[status] = (*self._by_status.get(status, ()), place)
            for code in rule.reply_codes if not rule.statuses else ():
                self._by_code[code] = (*self._by_code.get(code, ()), place)
        for rule in self._rules:
            for example in rule.examples:
                self._require_decides(rule, Example(text=example) if isinstance(example, str) else example)

    @classmethod
    def load(cls, folder: Path = RULES_FOLDER, *, own: Path | None = None) -> "Rules":
        """The rules that lie in `folder`, and before them the operator's `own`; `Misconfigured` names what is wrong where."""
        ours = read_rulebook(folder)
        return cls(ours if own is None else with_own_rules(ours, own))

    def decide(self, report: Report) -> Decision:
        """What `report` means. Every report gets a decision, and the same report always the same one."""
        match report.kind:
            case Kind.BOUNCE:
                return self._decide_bounce(report)
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
        reply = read_reply(text, status, reply_code)
        named = self._provider_names.get((provider or "").lower())
        verdict = self._judge(reply, named, ())
        return self._decision(verdict, reply, permanent=_permanent(verdict, reply, None, status))

    def _decide_bounce(self, report: Report) -> Decision:
        if report.action in ARRIVED:
            return self._settled(Result.NONE, Category.DELIVERED, f"action.{report.action}")
        reply = read_reply(report.diagnostic, report.status, report.reply_code)
        hosts = (report.remote_mta or report.reporting_mta or "", domain_of(report.recipient or ""))
        verdict = self._judge(reply, None, hosts)
        if report.action is Action.DELAYED:
            return self._decision(verdict, reply, permanent=False, outcome=Result.NONE)
        return self._decision(verdict, reply, permanent=_permanent(verdict, reply, report.action, report.status))

    def _judge(self, reply: Reply, named: str | None, hosts: tuple[str, ...]) -> _Verdict:
        """The first rule that holds for `reply`, given by the provider `named` or by one of `hosts`."""
        folded = reply.folded.encode("utf-8", "replace")
        found = self._texts.scan(folded)
        keys = _status_keys(reply.status)
        places = found.rules.keys() | self._textless(keys, reply.reply_code)
        providers: set[str] | None = None
        for place in sorted(places - found.against):
            rule = self._rules[place]
            if rule.providers and providers is None:
                providers = found.providers | self._providers(named, (*hosts, *reply.domains()))
            if (
                (not rule.statuses or not rule.statuses.isdisjoint(keys))
                and (not rule.reply_codes or reply.reply_code in rule.reply_codes)
                and (not rule.phases or not rule.phases.isdisjoint(found.phases))
                and (not rule.providers or not rule.providers.isdisjoint(providers or ()))
            ):
                hit = found.rules.get(place)
                words = _as_written(self._texts.words(folded, hit), reply) if hit else _code_words(reply)
                return _Verdict(rule, found.phases, words)
        return _Verdict(None, found.phases, None)

    def _textless(self, keys: Iterable[str], reply_code: int | None) -> set[int]:
        places = set(self._by_code.get(reply_code, ()))
        for key in keys:
            places.update(self._by_status.get(key, ()))
        return places

    def _providers(self, named: str | None, hosts: Iterable[str]) -> set[str]:
        found = {named} if named else set()
        for host in hosts:
            name = _AFTER_THE_HOST.split(host.lower(), 1)[0].rstrip(".")
            while name and name not in self._hosts:
                name = name.partition(".")[2]
            if name:
                found.add(self._hosts[name])
        return found

    def _decision(self, verdict: _Verdict, reply: Reply, *, permanent: bool | None, outcome: Result | None = None) -> Decision:
        rule = verdict.rule
        if rule is None:
            return self._settled(outcome or Result.SOFT, Category.UNKNOWN, "none", permanent=permanent)
        doubtful = not permanent or _is_temporary(reply) or not _BEFORE_THE_RECIPIENT.isdisjoint(verdict.phases)
        hard = rule.hard and not doubtful
        meaning = MEANINGS[rule.category]
        assert not hard or meaning.fault is Fault.RECIPIENT, "only the recipient's fault is hard (G7)"
        return Decision(
            outcome=outcome or (Result.HARD if hard else Result.SOFT),
            permanent=permanent,
            fault=meaning.fault,
            category=rule.category,
            rule=rule.name,
            words=verdict.words,
            rules_version=self.version,
        )

    def _settled(self, outcome: Result, category: Category, rule: str, *, permanent: bool | None = None) -> Decision:
        fault = MEANINGS[category].fault
        return Decision(
            outcome=outcome, permanent=permanent, fault=fault, category=category, rule=rule, rules_version=self.version
        )

    def _require_decides(self, rule: Rule, example: Example) -> None:
        decision = self.decide_reply(example.text or "", example.status, example.reply_code, example.provider)
        ours_overruled = decision.rule in self._own and rule.name not in self._own  # which is what theirs are for
        if decision.rule != rule.name and not ours_overruled:
            raise Misconfigured(
                f"rule {rule.name}: its example {example.text!r} is decided by {decision.rule}; "
                f"the rule does not fit its example, or the other stands before it"
            )


def _provider_index(providers: Mapping[str, Provider]) -> tuple[dict[str, str], dict[str, str]]:
    """Which provider a host name's end means, and which a name means."""
    hosts = {host: name for name, provider in providers.items() for host in provider.hosts}
    names = {called: name for name, provider in providers.items() for called in (name, *provider.also_called)}
    return hosts, names


@lru_cache(maxsize=STATUSES_REMEMBERED_MAX)
def _status_keys(status: str | None) -> tuple[str, ...]:
    """The forms under which a rule may name this status, most exact first."""
    if status is None:
        return ()
    kind, subject, detail = status.split(".")
    if int(subject) == 0:
        return (f"{kind}.x.x",)
    return (
        f"{kind}.{subject}.{detail}", f"x.{subject}.{detail}", f"{kind}.{subject}.x", f"x.{subject}.x", f"{kind}.x.x",
    )  # fmt: skip


def _as_written(words: str, reply: Reply) -> str:
    """`words` of the folded reply as the server wrote them, where that can be told."""
    start = reply.text.lower().find(words)
    return reply.text[start : start + len(words)] if start >= 0 else words


def _code_words(reply: Reply) -> str | None:
    return reply.status or (str(reply.reply_code) if reply.reply_code else None)


def _is_temporary(reply: Reply) -> bool:
    """Whether either code is of class 4: "user unknown, try again" is a doubt, and doubt is soft."""
    return (reply.status or "").startswith("4") or (reply.reply_code or 0) // 100 == 4


def _permanent(verdict: _Verdict, reply: Reply, action: Action | None, status: str | None) -> bool | None:
    """Whether this delivery has failed for good: as the report says, else as the reply says, else as its words say."""
    rule = verdict.rule
    if rule is not None and rule.permanent is not None:
        return rule.permanent
    if status is not None and is_status(status):
        return status.startswith("5")
    if reply.status is not None:
        return reply.status.startswith("5")
    if reply.reply_code is not None:
        return reply.reply_code // 100 == 5
    if rule is not None and rule.hard:
        return True
    return True if action is Action.FAILED else None
