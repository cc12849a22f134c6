"""`nullsender rules unknown`: replies that no rule knows, counted by template, the most frequent first.

They are found among the reports that the log keeps, by having the rules decide them again: so there is nothing more to be kept
or shared between machines, and what a new rule knows is gone from here at once (docs/decisions/0014-own-rules.md).
"""

import argparse
import json
import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TypedDict

from classifiers.outcome import Category
from classifiers.rules import NO_RULE, Rules
from classifiers.templates import constant_words, example_of, template_of
from nullsender.cli import parts
from nullsender.cli.explaining.marks import shown
from nullsender.cli.replaying.reading import Decides, Span
from nullsender.cli.replaying.topic import Progress
from nullsender.errors import Invalid
from nullsender.events import Report, decode
from nullsender.limits import RULE_TEXT_CHARACTERS_MAX, SHOWN_CHARACTERS_MAX, TEMPLATES_COUNTED_MAX
from nullsender.log import Log, Topic

#: Where a rule goes when the settings name no file of one's own.
_FILE = "own"
_SPECIAL = re.compile(r"[.^$*+?{}\[\]\\|()]")


class Candidate(TypedDict):
    """Replies of one template: how many reports, when the first and the last came, and the words of one."""

    template: str
    reports: int
    first: datetime
    last: datetime
    example: str


def run(arguments: argparse.Namespace) -> int:
    """Show them, or write a rule for one."""
    settings = parts.settings_of(arguments)
    own: Path | None = arguments.rules or settings.classify.rules
    unknown = Unknown(Rules.load(own=own), Span(arguments.since, arguments.until))
    with parts.open_log_to_look(settings) as log:
        unknown.read(log, Progress(parts.CLOCK))
    candidates = unknown.candidates()
    if arguments.as_rule is not None:
        if not 1 <= arguments.as_rule <= len(candidates):
            raise Invalid(f"there are {len(candidates)} templates: --as-rule takes the number of one")
        print(rule_for(candidates[arguments.as_rule - 1], own.stem if own and own.is_file() else _FILE))
    elif arguments.json:
        for candidate in candidates[: arguments.limit]:
            print(json.dumps(candidate, default=datetime.isoformat))
    else:
        print("\n".join(page_of(unknown, candidates, arguments.limit)))
    return 0


class Unknown:
    """Counts the reports of a span that no rule decides. Its size is bounded, whatever strangers write."""

    def __init__(self, rules: Decides, span: Span, *, templates_max: int = TEMPLATES_COUNTED_MAX) -> None:
        self.reports = 0
        self.wordless = 0
        self.let_go = 0  # reports whose template was too rare to be kept
        self._rules = rules
        self._span = span
        self._templates_max = templates_max
        self._by_template: dict[str, Candidate] = {}

    def read(self, log: Log, progress: Progress) -> None:
        """Count those on the log; a record that can not be read is passed over, for `classify` has set it aside."""
        for number, record in enumerate(log.read(Topic.BOUNCES, since=self._span.appended_since()), 1):
            progress.show(number)
            try:
                self.take(decode(Report, record.value))
            except Invalid:
                continue

    def take(self, report: Report) -> None:
        """Count one, if it is of the span and unknown."""
        if report.received_at not in self._span:
            return
        self.reports += 1
        if self._rules.decide(report).rule != NO_RULE:
            return
        template = template_of(report.diagnostic or "", report.recipient)
        if template:
            self._count(template, report)
        else:
            self.wordless += 1

    def candidates(self) -> Sequence[Candidate]:
        """What was counted, the most frequent first."""
        return sorted(self._by_template.values(), key=lambda it: (-it["reports"], it["template"]))

    def _count(self, template: str, report: Report) -> None:
        at = report.received_at
        if known := self._by_template.get(template):
            known["reports"] += 1
            known["first"], known["last"] = min(known["first"], at), max(known["last"], at)
            return
        if len(self._by_template) >= self._templates_max:
            self._let_rare_ones_go()
        example = (report.diagnostic or "")[:SHOWN_CHARACTERS_MAX]
        self._by_template[template] = Candidate(template=template, reports=1, first=at, last=at, example=example)

    def _let_rare_ones_go(self) -> None:
        kept = self.candidates()[: self._templates_max // 2]
        self.let_go += sum(it["reports"] for it in self._by_template.values()) - sum(it["reports"] for it in kept)
        self._by_template = {candidate["template"]: candidate for candidate in kept}


def page_of(unknown: Unknown, candidates: Sequence[Candidate], limit: int) -> Iterator[str]:
    """The lines for a person: how much is unknown, the first `limit` templates, and what to do about them."""
    found = sum(candidate["reports"] for candidate in candidates) + unknown.let_go
    yield f"{unknown.reports:,} reports, {found:,} of them in words that no rule knows, {unknown.wordless:,} without any words"
    for number, candidate in enumerate(candidates[:limit], 1):
        yield ""
        first, last = (f"{candidate[moment]:%Y-%m-%d %H:%M}" for moment in ("first", "last"))
        yield f"{number:3}. {candidate['reports']:,} from {first} to {last}"
        yield f"     {shown(candidate['template'])}"
        yield f"     such as: {shown(candidate['example'])}"
    if len(candidates) > limit:
        yield f"\n{len(candidates) - limit:,} more templates: --limit shows them"
    if unknown.let_go:
        yield f"\n{unknown.let_go:,} reports were of templates too rare to be kept: name a shorter span with --since"
    if candidates:
        yield "\n`nullsender rules unknown --as-rule 1` writes a rule for the first"


def rule_for(candidate: Candidate, file: str) -> str:
    """A rule that knows the template, for the operator to complete; `Invalid` where all replies of it have no words in common.

    Its example names nobody, for files of rules are passed on.
    """
    words = constant_words(candidate["template"])
    if len(words) > RULE_TEXT_CHARACTERS_MAX:
        words = words[:RULE_TEXT_CHARACTERS_MAX].rpartition(" ")[0] or words[:RULE_TEXT_CHARACTERS_MAX]
    if not words:
        raise Invalid("replies of this template have no words in common that a rule could look for")
    name = "-".join(re.findall(r"[a-z0-9]+", words)[:4]) or "unnamed"
    pattern = _SPECIAL.sub(r"\\\g<0>", words)
    return "\n".join(
        (
            "[[rule]]",
            f"# {candidate['reports']:,} reports from {candidate['first']:%Y-%m-%d} to {candidate['last']:%Y-%m-%d}.",
            f'name = "{file}.{name}"',
            f'category = "{Category.UNKNOWN}"  # put the reason here: docs/categories.md has them',
            f"texts = [{_toml(pattern)}]",
            f"examples = [{_toml(example_of(candidate['template']))}]",
        )
    )


def _toml(text: str) -> str:
    """`text` as a string of TOML: as it is in single quotes where it may stand there, else escaped as in JSON."""
    return f"'{text}'" if "'" not in text and text.isprintable() else json.dumps(text)
