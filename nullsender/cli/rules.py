"""`nullsender rules`: which rules there are, what other rules would change, and what no rule knows.

`list` and `show` tell the rules in the order in which they are tried, an operator's own (`classify.rules`) before ours. `test`
tries rules on the reports that the log keeps (`ruling/trial.py`), `unknown` shows the candidates for new ones
(`ruling/unknown.py`). Nothing is written by any of them.
"""

import argparse
import difflib
from collections.abc import Iterator
from pathlib import Path

from classifiers.own_rules import with_own_rules
from classifiers.rulebook import Place, Rule, Rulebook, read_rulebook
from nullsender.cli import parts
from nullsender.cli.moments import moment
from nullsender.cli.ruling import trial
from nullsender.cli.ruling import unknown as candidates
from nullsender.errors import Invalid
from nullsender.limits import REPLAY_DIFFERENCES_MAX, TEMPLATES_SHOWN


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to show, or to try."""
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="every rule, in the order in which they are tried")
    listing.set_defaults(action=_list)
    show = actions.add_parser("show", help="one rule as its file has it, with its reason and examples")
    show.add_argument("name", metavar="NAME", help="its name, as outcomes and histories carry it")
    show.set_defaults(action=_show)
    test = actions.add_parser("test", help="what rules would change: on the reports of the log, or on a file of replies")
    test.add_argument("--file", type=Path, metavar="FILE", help="replies as `nullsender reply --json` takes them, not the log")
    test.add_argument("--json", action="store_true", help="one JSON object a line for each report that is decided otherwise")
    test.add_argument("--limit", type=int, default=REPLAY_DIFFERENCES_MAX, metavar="N", help="stop after so many (%(default)s)")
    test.set_defaults(action=trial.run)
    unknown = actions.add_parser("unknown", help="replies that no rule knows, by template, the most frequent first")
    unknown.add_argument("--json", action="store_true", help="one JSON object a line for each template")
    unknown.add_argument("--limit", type=int, default=TEMPLATES_SHOWN, metavar="N", help="show so many (%(default)s)")
    unknown.add_argument("--as-rule", type=int, metavar="N", help="write a rule for the N-th of them, ready to be completed")
    unknown.set_defaults(action=candidates.run)
    for action in (listing, show, test, unknown):
        action.add_argument("--rules", type=Path, metavar="PATH", help="own rules instead of those of classify.rules")
    for action in (test, unknown):
        action.add_argument("--since", "--from", type=moment, metavar="TIME", help="only what was received then or later (UTC)")
        action.add_argument("--until", "--to", type=moment, metavar="TIME", help="only what was received before then (UTC)")


def run(arguments: argparse.Namespace) -> int:
    """Do it; the exit code."""
    return int(arguments.action(arguments))


def _book(arguments: argparse.Namespace) -> Rulebook:
    own = arguments.rules or parts.settings_of(arguments).classify.rules
    return read_rulebook() if own is None else with_own_rules(read_rulebook(), own)


def _list(arguments: argparse.Namespace) -> int:
    book = _book(arguments)
    width = max(len(rule.name) for rule in book.rules)
    for rule in book.rules:
        print(f"{rule.name:{width}}  {_hardness(rule)}  {rule.category:22}  {_owner(rule, book)}")
    for off in book.without:
        print(f"{off.rule:{width}}  off   {off.reason}")
    return 0


def _show(arguments: argparse.Namespace) -> int:
    book = _book(arguments)
    place = book.places.get(arguments.name)
    if place is None:
        near = difflib.get_close_matches(arguments.name, book.places, cutoff=0.0, n=1)
        raise Invalid(f"no rule is called {arguments.name!r}; the nearest is {near[0]} (`nullsender rules list`)")
    numbered = next(((number, rule) for number, rule in enumerate(book.rules, 1) if rule.name == arguments.name), None)
    if numbered is None:
        reason = next(off.reason for off in book.without if off.rule == arguments.name)
        print(f"# switched off: {reason}")
    else:
        number, rule = numbered
        print(f"# {_hardness(rule).strip()}, {_owner(rule, book)}, tried as number {number} of {len(book.rules)}")
    print(f"# {place.file}, line {place.line}" if place.line else f"# {place.file}")
    print("\n".join(_block(place)))
    return 0


def _hardness(rule: Rule) -> str:
    return "hard" if rule.hard else "soft"


def _owner(rule: Rule, book: Rulebook) -> str:
    return book.places[rule.name].file.name if rule.name in book.own else "ours"


def _block(place: Place) -> Iterator[str]:
    """The rule as it stands in its file, for the comments are the reason; nothing where its line is not known."""
    lines = place.file.read_text().splitlines()[place.line - 1 :] if place.line else []
    ends = (number for number, line in enumerate(lines) if number and line.lstrip().startswith("["))
    block = lines[: next(ends, len(lines))]
    while block and (not block[-1].strip() or block[-1].startswith("#")):
        block.pop()  # what stands before the next rule is that one's
    yield from block
