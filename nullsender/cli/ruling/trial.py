"""`nullsender rules test`: what other rules would make of the reports that the log keeps. Nothing is written.

The rules in force decide each report, the rules on trial decide it too, and where they differ the list is asked what a replay
with these rules would do: this is a dry run of `nullsender replay`, with the rules in force in the place of what was decided
then. With `--file` the replies of a file take the place of the log, and nothing is asked.
"""

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from classifiers.own_rules import with_own_rules
from classifiers.rulebook import Rulebook, read_rulebook
from classifiers.rules import Rules
from nullsender.cli import parts, store_parts
from nullsender.cli.explaining.reply_line import read_reply_line, report_of
from nullsender.cli.replaying.against import Judge, reading_of
from nullsender.cli.replaying.reading import Decides, Rereader, Span
from nullsender.cli.replaying.summary import Summary
from nullsender.cli.replaying.topic import DryRun, Replay
from nullsender.cli.ruling.taken import decide, taken_examples
from nullsender.config import Settings
from nullsender.errors import Invalid, Transient
from nullsender.events import Decision, Outcome, Rejudgement
from nullsender.log import Topic
from suppression.policy import Did
from suppression.records import Applied, Preview

_TRIAL = Rejudgement(replay_id="trial", reason="a trial of rules")


class Sides(NamedTuple):
    """The rules in force, and those on trial with the book that they were made of."""

    in_force: Rules
    on_trial: Rules
    book: Rulebook


def run(arguments: argparse.Namespace) -> int:
    """Say what would change. 0 however much that is; rules that can not be loaded are `Misconfigured`."""
    settings = parts.settings_of(arguments)
    sides = _sides(settings.classify.rules, arguments.rules)
    to = sys.stderr if arguments.json else sys.stdout
    for taken in taken_examples(sides.book, sides.on_trial):
        print(taken.sentence(), file=to)
    summary = Summary(as_json=arguments.json)
    if arguments.file:
        _try_on_replies(arguments.file, sides, summary)
    else:
        _try_on_log(settings, sides, summary, Span(arguments.since, arguments.until), arguments.limit)
    summary.show(to, title="these rules")
    return 0


def _sides(configured: Path | None, named: Path | None) -> Sides:
    """With rules that were named: those in force against these. Without: ours alone against those in force."""
    candidate = named or configured
    if candidate is None:
        raise Invalid("there are no rules of your own to test: set classify.rules, or name a file with --rules")
    ours = read_rulebook()
    book = with_own_rules(ours, candidate)
    in_force = ours if named is None or configured is None else with_own_rules(ours, configured)
    return Sides(Rules(in_force), Rules(book), book)


def _try_on_log(settings: Settings, sides: Sides, summary: Summary, span: Span, limit: int) -> None:
    rereader = Rereader(sides.on_trial, None, span, _TRIAL, clock=parts.CLOCK)
    compared, asked = Compared(sides.in_force), Compared(sides.in_force, _list_of(settings))
    with parts.open_log_to_look(settings) as log, DryRun(asked, summary) as sink:
        trial = Replay(rereader, compared, sink, summary, limit=limit, clock=parts.CLOCK)
        if not trial.run(log, Topic.BOUNCES):
            print(f"nullsender: stopped {trial.where()}: --limit {limit} is reached", file=sys.stderr)


def _list_of(settings: Settings) -> Judge | None:
    """The list, where this machine has one: whoever decides reports needs none, and to look is not to make one."""
    trouble = "there is no list here"
    if settings.sqlite_file is None or settings.sqlite_file.exists():
        try:
            return store_parts.open_store(settings)
        except Transient as transient:
            trouble = str(transient)
    print(f"nullsender: {trouble}; nothing is said of what would change on it", file=sys.stderr)
    return None


class Compared:
    """What the rules in force make of the same reports; and, where there is a list to ask, what a replay would do to it."""

    def __init__(self, in_force: Decides, the_list: Judge | None = None) -> None:
        self._in_force = in_force
        self._list = the_list

    def preview(self, outcomes: Sequence[Outcome]) -> Preview:
        """As `Judge.preview`, with the decision of the rules in force as what was decided before."""
        preview = self._list.preview(outcomes) if self._list else Preview(applied=list(map(_recorded, outcomes)), changed=())
        applied = [self._compare(outcome, would) for outcome, would in zip(outcomes, preview.applied, strict=True)]
        return Preview(applied=applied, changed=preview.changed)

    def _compare(self, outcome: Outcome, would: Applied) -> Applied:
        before = reading_of(self._in_force.decide(outcome.report))
        if before == reading_of(outcome.decision):
            return replace(would, before=None, did=Did.REPEATED)
        return replace(would, before=before)


def _recorded(outcome: Outcome) -> Applied:
    return Applied(report_id=outcome.report.id, did=Did.RECORDED, why="the list was not asked")


def _try_on_replies(file: Path, sides: Sides, summary: Summary) -> None:
    with file.open("rb") as lines:
        for outcome, before in _decided_twice(lines, sides, parts.CLOCK.now()):
            summary.records += 1
            summary.reports += 1
            if reading_of(before) != reading_of(outcome.decision):
                summary.found += 1
                summary.differs(outcome, replace(_recorded(outcome), before=reading_of(before)))


def _decided_twice(lines: Iterable[bytes], sides: Sides, now: datetime) -> Iterator[tuple[Outcome, Decision]]:
    """Each reply as the outcome that it has with the rules on trial, and what the rules in force decide."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        _, reply = read_reply_line(line, number)
        report = report_of(reply, f"line {number}", now)
        outcome = Outcome(report=report, decision=decide(sides.on_trial, reply), decided_at=now)
        yield outcome, decide(sides.in_force, reply)
