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

from classifiers.rules import Rules, Weighing
from nullsender.cli import EXIT_FAILED, parts
from nullsender.cli.explain import look_of, standard_input
from nullsender.cli.explain_objects import decided
from nullsender.cli.explain_page import Page
from nullsender.cli.explain_ties import Ties
from nullsender.cli.explain_why import Weighed
from nullsender.events import Decision, Kind, Outcome, Report


class _ReplyLine(msgspec.Struct, frozen=True):
    """One line on the standard input of `nullsender reply`."""

    text: str
    status: str | None = None
    reply_code: int | str | None = None
    provider: str | None = None


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

    Without a `page` the same object comes back with outcome, permanent, fault, category and rule; a line that is no such
    object comes back with `error`. Exit code 0, or 1 if there was one of these.
    """
    code = 0
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            reply = _reply_line(line, bare_words=page is not None)
        except (ValueError, msgspec.MsgspecError) as error:
            code = EXIT_FAILED
            complaint = f"line {number} is no reply: {error}"
            print(json.dumps({"error": complaint}) if page is None else complaint, file=out)
            continue
        decision = rules.decide_reply(reply.text, reply.status, _code(reply.reply_code), reply.provider)
        if page is None:
            given = {key: value for key, value in msgspec.to_builtins(reply).items() if value is not None}
            print(json.dumps(given | decided(decision)), file=out)
        else:
            print("\n".join(page.reply(_weighed(reply, decision, rules, now))), file=out)
    return code


def _reply_line(line: bytes, *, bare_words: bool) -> _ReplyLine:
    """The reply on one line; `ValueError` or msgspec's own error says what is wrong with it."""
    if bare_words and not line.lstrip().startswith(b"{"):
        return _ReplyLine(text=line.decode("utf-8", "replace").strip())
    reply = msgspec.json.decode(line, type=_ReplyLine)
    _code(reply.reply_code)
    return reply


def _code(reply_code: int | str | None) -> int | None:
    """The reply code as a number; some write it as text."""
    if reply_code in (None, ""):
        return None
    if not str(reply_code).strip().isdecimal():
        raise ValueError(f"its reply_code {reply_code!r} is not a number")
    return int(reply_code)


def _weighed(reply: _ReplyLine, decision: Decision, rules: Rules, now: datetime) -> Weighed:
    """The reply as the report that a bounce with these words would make; such a report does not name the provider."""
    report = Report(
        id="reply",
        message_id="reply",
        received_at=now,
        kind=Kind.BOUNCE,
        format="smtp",
        status=reply.status,
        reply_code=_code(reply.reply_code),
        diagnostic=reply.text,
    )
    weighing = rules.weigh(report)
    if weighing.decision.rule != decision.rule:
        weighing = Weighing(decision, None, (), (), None)
    return Weighed(Outcome(report=report, decision=decision, decided_at=now), weighing)
