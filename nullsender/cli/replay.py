"""`nullsender replay`: dead letters once more, through today's readers and rules.

A message goes through the intake again, a record goes back to its topic. Both keep their ids, so replaying twice, or something
that had been dealt with after all, changes nothing. A message that still can not be read stays a dead letter.
"""

import argparse
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ingest.intake import Intake
from ingest.signing.keys import SigningKeys
from nullsender.cli import parts
from nullsender.cli.dead_letters import chosen, open_letters, read_letters
from nullsender.config import Settings
from nullsender.events import DeadLetter
from nullsender.log import Log, Record, Topic, wait_until_durable


class Attempt(NamedTuple):
    """What replaying one letter would publish; nothing where it still can not be dealt with."""

    records: Sequence[Record]
    words: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which ones, and whether really."""
    parser.add_argument("ids", nargs="*", metavar="ID", help="ids, or beginnings of ids (default: every dead letter)")
    parser.add_argument("--dry-run", action="store_true", help="only say what would happen")


def run(arguments: argparse.Namespace) -> int:
    """Replay and say what came of each; 1 when one of them is a dead letter still."""
    settings = parts.settings_of(arguments)
    intake = _intake(settings)
    with parts.open_log(settings) as log:
        return 0 if replay(log, arguments.ids, intake=intake, dry_run=arguments.dry_run) else 1


def replay(log: Log, ids: Iterable[str], *, intake: Intake, dry_run: bool) -> bool:
    """Replay the letters whose ids begin so, or every one, and say what came of each; whether none is left."""
    letters = open_letters(log)
    wanted = [chosen(letters, beginning) for beginning in ids] or letters.values()
    none_left = True
    with log.producer() as producer:
        for letter in read_letters(log, wanted):
            done = attempt(letter, intake)
            if done.records and not dry_run:
                # Struck off in the same breath: whoever dies in between replays it again, and that changes nothing.
                struck_off = Record(Topic.DEAD_LETTERS, letter.id.encode(), b"")
                wait_until_durable(producer.publish([*done.records, struck_off]))
            print(f"{letter.id}  {done.words}")
            none_left = none_left and bool(done.records)
    return none_left


def attempt(letter: DeadLetter, intake: Intake) -> Attempt:
    """What becomes of `letter` today."""
    if letter.stage == "ingest":
        taken = intake.take(letter.content, letter.source, letter.dead_at)
        if any(record.topic is Topic.DEAD_LETTERS for record in taken.records):
            return Attempt((), f"still a dead letter: {letter.reason}")
        return Attempt(taken.records, f"read as {taken.kind}, {taken.reports} reports")
    topic = Topic(letter.topic)
    return Attempt([Record(topic, letter.key, letter.content)], f"back on {topic}")


def _intake(settings: Settings) -> Intake:
    keys = SigningKeys(parts.keys_of(settings).signing_keys)
    return Intake(keys=keys, trusted_sources=settings.mx.trusted_sources)
