"""`nullsender dead-letters`: what could not be dealt with, each with its reason and its bytes.

A dead letter stays on its topic until it ages out. One that was replayed is struck off by a record of its id without content.
The topic may hold gigabytes, so what is kept of a letter are a few facts; its bytes are read again when they are wanted.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from nullsender.cli import parts
from nullsender.errors import Invalid
from nullsender.events import DeadLetter, decode
from nullsender.log import Log, Partition, StoredRecord, Topic


class Facts(NamedTuple):
    """What a list shows of a dead letter, and where on the log the whole of it lies."""

    id: str
    dead_at: datetime
    stage: str
    reason: str
    attempts: int
    content_bytes: int
    ip: str
    partition: Partition
    offset: int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to show."""
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="one line each, oldest first")
    listing.add_argument("--json", action="store_true", help="one JSON object a line, without the content")
    listing.set_defaults(action=_list)
    show = actions.add_parser("show", help="write the bytes of one to standard output, as they came")
    show.add_argument("id", help="its id, or the beginning of it")
    show.set_defaults(action=_show)
    count = actions.add_parser("count", help="how many there are")
    count.set_defaults(action=_count)


def run(arguments: argparse.Namespace) -> int:
    """Show it."""
    with parts.open_log(parts.settings_of(arguments)) as log:
        arguments.action(log, arguments)
    return 0


def open_letters(log: Log) -> Mapping[str, Facts]:
    """Every dead letter that was not replayed, by id."""
    letters: dict[str, Facts] = {}
    for record in log.read(Topic.DEAD_LETTERS):
        if record.value:
            facts = _facts(record)
            letters[facts.id] = facts
        else:
            letters.pop(record.key.decode(), None)
    return letters


def _facts(record: StoredRecord) -> Facts:
    letter = decode(DeadLetter, record.value)
    return Facts(
        id=letter.id,
        dead_at=letter.dead_at,
        stage=letter.stage,
        reason=letter.reason,
        attempts=letter.attempts,
        content_bytes=len(letter.content),
        ip=letter.source.ip,
        partition=record.partition,
        offset=record.offset,
    )


def read_letters(log: Log, wanted: Iterable[Facts]) -> Iterator[DeadLetter]:
    """The `wanted` ones with their bytes, one after the other in the order of the log; one that has aged out is left out."""
    places = {(facts.partition, facts.offset) for facts in wanted}
    for record in log.read(Topic.DEAD_LETTERS):
        if (record.partition, record.offset) in places:
            yield decode(DeadLetter, record.value)


def chosen(letters: Mapping[str, Facts], beginning: str) -> Facts:
    """The letter whose id begins so; `Invalid` where that is none or more than one."""
    found = [facts for letter_id, facts in letters.items() if letter_id.startswith(beginning)]
    if len(found) != 1:
        raise Invalid(f"{len(found)} dead letters have an id that begins with {beginning!r}: `nullsender dead-letters list`")
    return found[0]


def _list(log: Log, arguments: argparse.Namespace) -> None:
    for letter in sorted(open_letters(log).values(), key=lambda facts: facts.dead_at):
        if arguments.json:
            facts = {
                "id": letter.id,
                "at": letter.dead_at.isoformat(),
                "stage": letter.stage,
                "reason": letter.reason,
                "attempts": letter.attempts,
                "bytes": letter.content_bytes,
                "source": letter.ip,
            }
            print(json.dumps(facts))
        else:
            size = letter.content_bytes
            print(f"{letter.id}  {letter.dead_at:%Y-%m-%d %H:%M:%S}  {letter.stage:9} {size} bytes  {letter.reason}")


def _show(log: Log, arguments: argparse.Namespace) -> None:
    for letter in read_letters(log, [chosen(open_letters(log), arguments.id)]):
        sys.stdout.buffer.write(letter.content)


def _count(log: Log, _arguments: argparse.Namespace) -> None:
    print(len(open_letters(log)))
