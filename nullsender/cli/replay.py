"""`nullsender replay`: what was recorded once more, through today's readers and rules.

Without a topic these are the dead letters (`replaying/letters.py`). With `--topic` it is what a topic holds: reports are
decided by today's rules, raw messages are read by today's readers first, and what is read otherwise than the list knows it goes
through the log as a re-judgement (`replaying/topic.py`). `--dry-run` only says what would change. Running it again changes
nothing more.
"""

import argparse
import logging
import secrets
import sys
from contextlib import ExitStack

from classifiers.rules import Rules
from ingest.intake import Intake
from nullsender.cli import EXIT_FAILED, parts, store_parts
from nullsender.cli.moments import moment
from nullsender.cli.replaying.against import Judge, KnownByLog
from nullsender.cli.replaying.letters import replay_letters
from nullsender.cli.replaying.reading import READ_AGAIN, Rereader, Span
from nullsender.cli.replaying.summary import Summary
from nullsender.cli.replaying.topic import DryRun, Publishing, Replay, Sink
from nullsender.config import Settings
from nullsender.errors import Invalid, Transient
from nullsender.events import Rejudgement
from nullsender.limits import REPLAY_DIFFERENCES_MAX
from nullsender.log import Log, Topic
from nullsender.signing.keys import SigningKeys

_TOPICS_HELP = f"re-read this topic: {', '.join(READ_AGAIN)} (default: the dead letters)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to replay, and whether really."""
    parser.add_argument("ids", nargs="*", metavar="ID", help="ids of dead letters, or beginnings of ids (default: all of them)")
    parser.add_argument("--topic", type=Topic, choices=list(Topic), metavar="TOPIC", help=_TOPICS_HELP)
    parser.add_argument("--from", dest="since", type=moment, metavar="TIME", help="only what was received then or later (UTC)")
    parser.add_argument("--to", dest="until", type=moment, metavar="TIME", help="only what was received before then (UTC)")
    parser.add_argument("--dry-run", action="store_true", help="only say what would happen")
    parser.add_argument("--reason", help="why, for the history; a replay of a topic needs it")
    parser.add_argument("--json", action="store_true", help="one JSON object a line for each report that is read otherwise")
    parser.add_argument(
        "--limit",
        type=int,
        default=REPLAY_DIFFERENCES_MAX,
        metavar="N",
        help="stop after so many reports that are read otherwise (default: %(default)s)",
    )
    parser.add_argument(
        "--release-protected",
        action="store_true",
        help="let complaints and unsubscribes go that are not read as such any more",
    )


def run(arguments: argparse.Namespace) -> int:
    """Replay and say what came of it; 1 when a dead letter is one still, or the limit was reached."""
    settings, span = parts.settings_of(arguments), Span(arguments.since, arguments.until)
    topic = arguments.topic or Topic.DEAD_LETTERS
    _require_sense(arguments, topic)
    logging.getLogger("mx").setLevel(logging.CRITICAL)  # what a reader makes of a message is told by us
    with parts.open_log(settings) as log:
        if topic is Topic.DEAD_LETTERS:
            none_left = replay_letters(log, arguments.ids, span=span, intake=_intake(settings), dry_run=arguments.dry_run)
            return 0 if none_left else EXIT_FAILED
        return 0 if _replay_topic(log, topic, span, settings, arguments) else EXIT_FAILED


def _replay_topic(log: Log, topic: Topic, span: Span, settings: Settings, arguments: argparse.Namespace) -> bool:
    rejudged = Rejudgement(
        replay_id=secrets.token_hex(4),
        reason=(arguments.reason or "a dry run").strip(),
        release_protected=arguments.release_protected,
    )
    rules = Rules.load(own=settings.classify.rules)
    judge = _judge(log, span, settings, dry_run=arguments.dry_run)
    rereader = Rereader(rules, _intake(settings), span, rejudged, clock=parts.CLOCK)
    summary = Summary(as_json=arguments.json)
    with ExitStack() as open_things:
        sink: Sink = open_things.enter_context(
            DryRun(judge, summary) if arguments.dry_run else Publishing(log.producer(), summary)
        )
        replay = Replay(rereader, judge, sink, summary, limit=arguments.limit, clock=parts.CLOCK)
        try:
            to_the_end = replay.run(log, topic)
        except KeyboardInterrupt:
            print(f"nullsender: stopped {replay.where()}; running it again is harmless", file=sys.stderr)
            raise
        finally:
            summary.show(sys.stdout if not arguments.json else sys.stderr, title=f"replay {rejudged.replay_id}")
    if not to_the_end:
        print(f"nullsender: stopped {replay.where()}: --limit {arguments.limit} is reached", file=sys.stderr)
    return to_the_end


def _judge(log: Log, span: Span, settings: Settings, *, dry_run: bool) -> Judge:
    """What knows how reports were read before: the store, or, where only a dry run is wanted and it is away, the log."""
    try:
        return store_parts.open_store(settings)
    except Transient as trouble:
        if not dry_run:
            raise
        print(f"nullsender: {trouble}; compared with the outcomes on the log, without the list", file=sys.stderr)
        return KnownByLog(log, span)


def _require_sense(arguments: argparse.Namespace, topic: Topic) -> None:
    if topic is Topic.DEAD_LETTERS:
        return
    if topic not in READ_AGAIN:
        raise Invalid(
            f"{topic} holds what was decided, not what it was decided of: replay {', '.join(READ_AGAIN)}. "
            "What the list has not dealt with yet, `suppress` reads by itself"
        )
    if arguments.ids:
        raise Invalid("ids are those of dead letters: leave out --topic, or the ids")
    if not arguments.dry_run and not (arguments.reason or "").strip():
        raise Invalid("say why with --reason: it stands in the history of every entry that changes")


def _intake(settings: Settings) -> Intake:
    keys = SigningKeys(parts.keys_of(settings).signing_keys)
    return Intake(keys=keys, trusted_sources=settings.mx.trusted_sources)
