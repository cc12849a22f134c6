"""`nullsender reply`: what single SMTP replies mean, one a line.

For a person the answer is the page that `explain` shows, with `--json` the same object with the decision in it.
"""

import argparse
import json
import sys
from collections.abc import Iterable
from datetime import datetime
from typing import TextIO

import msgspec

from classifiers.rules import Rules
from nullsender.cli import EXIT_FAILED, parts
from nullsender.cli.explain import look_of, standard_input
from nullsender.cli.explaining.objects import decided, listed
from nullsender.cli.explaining.page import Page
from nullsender.cli.explaining.reply_line import read_reply_line, report_of
from nullsender.cli.explaining.ties import Ties
from nullsender.cli.explaining.why import Weighed
from nullsender.errors import Invalid
from nullsender.events import Outcome


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """For whom."""
    parser.add_argument("--json", action="store_true", help="JSON lines in and out; without it a line may be the bare reply")
    parser.add_argument("-v", "--verbose", action="store_true", help="the whole reply, and every rule that came near")


def run(arguments: argparse.Namespace) -> int:
    """Decide the replies on standard input, one a line."""
    settings = parts.settings_of(arguments)
    page = None if arguments.json else Page(look_of(sys.stdout), parts.policy_of(settings), Ties(), verbose=arguments.verbose)
    rules = Rules.load(own=settings.classify.rules)
    return reply_lines(standard_input(), rules, page, now=parts.CLOCK.now(), out=sys.stdout)


def reply_lines(lines: Iterable[bytes], rules: Rules, page: Page | None, *, now: datetime, out: TextIO) -> int:
    """Decide SMTP replies, one a line: a JSON object with `text`, `status`?, `reply_code`?, `provider`?, or bare words.

    Without a `page` the same object comes back with the decision, blocklist and ip; a line that is no such object comes back
    with `error`. Exit code 0, or 1 if there was one of these.
    """
    code = 0
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            as_written, reply = read_reply_line(line, number, bare_words=page is not None)
        except Invalid as invalid:
            code = EXIT_FAILED
            print(json.dumps({"error": invalid.reason}) if page is None else invalid.reason, file=out)
            continue
        weighing = rules.weigh_reply(reply.text or "", reply.status, reply.reply_code, reply.provider)
        if page is None:
            given = {key: value for key, value in msgspec.to_builtins(as_written).items() if value is not None}
            print(json.dumps(given | decided(weighing.decision) | listed(weighing.decision)), file=out)
        else:
            outcome = Outcome(report=report_of(reply, "reply", now), decision=weighing.decision, decided_at=now)
            print("\n".join(page.reply(Weighed(outcome, weighing))), file=out)
    return code
