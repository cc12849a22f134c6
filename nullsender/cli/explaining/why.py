"""Why a report means what it means: what was said, how the codes were weighed, which rule decided and which did not.

Each is a row of a page: a word in front and a text behind it. The same for a report of a message and for a bare SMTP reply.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from classifiers.conditions import Objection
from classifiers.outcome import MEANINGS, Category
from classifiers.reply import read_reply
from classifiers.rulebook import Rule
from classifiers.rules import NO_RULE
from classifiers.weighing import Candidate, Doubt, Weighing
from nullsender.cli.explaining.marks import Marked, marked, shown
from nullsender.events import Action, Decision, Kind, Outcome, Report, Result
from nullsender.limits import CANDIDATES_SHOWN, RULE_WORDS_SHOWN_MAX

_DOUBTS = {
    Doubt.NOT_PERMANENT: "nothing says that the delivery has failed for good, and doubt is soft",
    Doubt.TEMPORARY: "a code of class 4 calls it temporary, and doubt is soft",
    Doubt.TOO_EARLY: "it was said before the recipient was named, so it can not be about the recipient",
}
assert _DOUBTS.keys() == set(Doubt)


class Row(NamedTuple):
    """One thing that a page says."""

    label: str
    text: Marked


class Weighed(NamedTuple):
    """An outcome, and what else could have decided it."""

    outcome: Outcome
    weighing: Weighing


def row(label: str, text: str) -> Row:
    """A row without a mark in it."""
    return Row(label, marked(text, None))


def verdict(outcome: Outcome) -> str:
    """What it comes to, in one word."""
    return "late" if outcome.report.action is Action.DELAYED else outcome.decision.outcome.value


def headline(outcome: Outcome) -> str:
    """What it comes to, in one sentence, which begins with the verdict."""
    word, category = verdict(outcome), Category(outcome.decision.category)
    so_far = "; nothing has failed so far" if outcome.report.action is Action.DELAYED else ""
    return f"{word}{f', {category}' if word != category.value else ''}{so_far}. {MEANINGS[category].line}"


def reasons(weighed: Weighed, *, verbose: bool) -> Iterator[Row]:
    """What was said, the codes, the rule, and the rules that were near."""
    (report, decision), weighing = (weighed.outcome.report, weighed.outcome.decision), weighed.weighing
    if report.kind is Kind.BOUNCE:
        yield _said(report, decision)
        yield row("codes", _codes(report, decision, weighing.rule))
    yield row("rule", _rule(report, decision, weighing.rule))
    if verbose and weighing.rule:
        yield row("reason", f"nullsender rules show {decision.rule}")
    if decision.blocklist or decision.ip:
        yield _listed(decision)
    doubt = _why_not_hard(decision, weighing)
    if doubt:
        yield row("not hard", doubt)
    passed_over = [it for it in weighing.passed_over if verbose or _is_a_question(it, decision)]
    yield from _several("not", [_why_not(candidate) for candidate in passed_over], verbose=verbose)
    behind = [it for it in weighing.behind if verbose or _is_a_question(it, decision)]
    yield from _several("behind", [_would_say(candidate) for candidate in behind], verbose=verbose)


def _said(report: Report, decision: Decision) -> Row:
    if not report.diagnostic:
        return row("said", "nothing: the report gives no reason in words")
    host = f"{shown(report.remote_mta)}: " if report.remote_mta else ""
    return Row("said", marked(report.diagnostic, decision.words).behind(host))


def _listed(decision: Decision) -> Row:
    """Which list refused us, or who thinks badly of us, and which address of ours is meant."""
    ours = decision.ip or "an address or domain of ours"
    if decision.category == Category.BLOCKLISTED:
        return row("listed", f"{ours} on {decision.blocklist or 'a list that is not named'}")
    return row("bad name", f"{ours} with {decision.blocklist or 'somebody who is not named'}")


def _codes(report: Report, decision: Decision, rule: Rule | None) -> str:
    """The status of the field and of the words, the reply code, and what they make of this delivery."""
    reply = read_reply(report.diagnostic, report.status, report.reply_code)
    said = [reply.status] if reply.status else []
    if report.status and reply.status and reply.status != report.status:
        said = [f"{report.status} in the report, but {reply.status} in the words says more and counts"]
    if reply.reply_code:
        contradicts = reply.status is not None and int(reply.status[0]) != reply.reply_code // 100
        said.append(f"reply {reply.reply_code}{' contradicts it' if contradicts else ''}")
    if said or not decision.permanent:
        return f"{', '.join(said) or 'no code'}: {_permanence(report, decision)}"
    by_words = report.action is not Action.FAILED or (rule and rule.permanent is not None)
    return f"no code, but {'the words say so' if by_words else 'the report calls it failed'}: {_permanence(report, decision)}"


def _permanence(report: Report, decision: Decision) -> str:
    if report.action is Action.DELAYED:
        return "it is only delayed, so the same mail may arrive"
    if decision.permanent is None:
        return "nobody says whether the same mail may arrive later"
    return "this delivery has failed for good" if decision.permanent else "the same mail may arrive later"


def _rule(report: Report, decision: Decision, rule: Rule | None) -> str:
    """The rule that decided, and by what: its words, and the code, the phase and the provider where it asks for them too."""
    if decision.rule == NO_RULE:
        return "none: no rule knows these words and codes"
    by = [f'"{decision.words}"'] if decision.words else []
    if rule and rule.texts:
        reply = read_reply(report.diagnostic, report.status, report.reply_code)
        by += [f"status {reply.status}"] if rule.statuses else []
        by += [f"reply {reply.reply_code}"] if rule.reply_codes else []
    if rule:
        by += [f"phase {_one_of(rule.phases)}"] if rule.phases else []
        by += [f"provider {_one_of(rule.providers)}"] if rule.providers else []
    return f"{decision.rule}{', by ' if by else ''}{' and '.join(by)}"


def _is_a_question(candidate: Candidate, decision: Decision) -> bool:
    """Whether a person would ask for that rule: it says something else, of any provider, and of this step of the session."""
    says_another = candidate.rule.category != decision.category
    return says_another and not candidate.rule.providers and candidate.objection is not Objection.PHASE


def _asks_for(rule: Rule) -> str:
    """What a rule wants beside its words."""
    wanted = {
        "status": rule.statuses,
        "reply": frozenset(map(str, rule.reply_codes)),
        "phase": rule.phases,
        "provider": rule.providers,
    }
    return ", ".join(f"{name} {_one_of(values)}" for name, values in wanted.items() if values)


def _why_not_hard(decision: Decision, weighing: Weighing) -> str | None:
    """What kept a failure soft whose category can be hard."""
    if decision.outcome is not Result.SOFT or weighing.rule is None or not MEANINGS[weighing.rule.category].hard:
        return None
    if weighing.rule.soft:
        return "the rule takes these words for a doubt, and doubt is soft"
    return _DOUBTS[weighing.doubt] if weighing.doubt else None


def _why_not(candidate: Candidate) -> str:
    """Why a rule that was tried first does not hold."""
    if candidate.objection is Objection.TEXT:
        return f'{_named(candidate)}: "{_short(candidate.words_against)}" speaks against it'
    return f"{_named(candidate)}: it asks for {_asks_for(candidate.rule)}"


def _would_say(candidate: Candidate) -> str:
    return f"{_named(candidate)} would say {candidate.rule.category}"


def _one_of(values: Iterable[str]) -> str:
    return " or ".join(sorted(values))


def _named(candidate: Candidate) -> str:
    return candidate.rule.name + (f' ("{_short(candidate.words)}")' if candidate.words else "")


def _short(words: str | None) -> str:
    return shown(words or "", RULE_WORDS_SHOWN_MAX)


def _several(label: str, sentences: Sequence[str], *, verbose: bool) -> Iterator[Row]:
    """A row for each; where not everything is asked for the first, and how many more there are."""
    few = sentences if verbose else sentences[:CANDIDATES_SHOWN]
    for number, sentence in enumerate(few, 1):
        more = f" (+{len(sentences) - number})" if number == len(few) < len(sentences) else ""
        yield row(label, sentence + more)
