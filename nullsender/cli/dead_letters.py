"""`nullsender dead-letters`: what could not be dealt with, each with its reason and its bytes.

A dead letter stays on its topic until it ages out. One that was replayed is struck off by a record of its id without content.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping

from nullsender.cli import parts
from nullsender.errors import Invalid
from nullsender.events import DeadLetter, decode
from nullsender.log import Log, Topic


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
        arguments.action(open_letters(log), arguments)
    return 0


def open_letters(log: Log) -> Mapping[str, DeadLetter]:
    """Every dead letter that was not replayed, by id."""
    letters: dict[str, DeadLetter] = {}
    for record in log.read(Topic.DEAD_LETTERS):
        if record.value:
            letter = decode(DeadLetter, record.value)
            letters[letter.id] = letter
        else:
            letters.pop(record.key.decode(), None)
    return letters


def chosen(letters: Mapping[str, DeadLetter], beginning: str) -> DeadLetter:
    """The letter whose id begins so; `Invalid` where that is none or more than one."""
    found = [letter for letter_id, letter in letters.items() if letter_id.startswith(beginning)]
    if len(found) != 1:
        raise Invalid(f"{len(found)} dead letters have an id that begins with {beginning!r}: `nullsender dead-letters list`")
    return found[0]


def _in_order(letters: Mapping[str, DeadLetter]) -> Iterator[DeadLetter]:
    return iter(sorted(letters.values(), key=lambda letter: letter.dead_at))


def _list(letters: Mapping[str, DeadLetter], arguments: argparse.Namespace) -> None:
    for letter in _in_order(letters):
        if arguments.json:
            facts = {
                "id": letter.id,
                "at": letter.dead_at.isoformat(),
                "stage": letter.stage,
                "reason": letter.reason,
                "attempts": letter.attempts,
                "bytes": len(letter.content),
                "source": letter.source.ip,
            }
            print(json.dumps(facts))
        else:
            size = len(letter.content)
            print(f"{letter.id}  {letter.dead_at:%Y-%m-%d %H:%M:%S}  {letter.stage:9} {size} bytes  {letter.reason}")


def _show(letters: Mapping[str, DeadLetter], arguments: argparse.Namespace) -> None:
    sys.stdout.buffer.write(chosen(letters, arguments.id).content)


def _count(letters: Mapping[str, DeadLetter], _arguments: argparse.Namespace) -> None:
    print(len(letters))
