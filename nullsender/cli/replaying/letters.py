"""Dead letters once more, through today's readers and rules.

A message goes through the intake again, a record goes back to its topic. Both keep their ids, so replaying twice, or something
that had been dealt with after all, changes nothing. A message that still can not be read stays a dead letter.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ingest.intake import Intake
from nullsender.cli.dead_letters import chosen, open_letters, read_letters
from nullsender.cli.replaying.reading import ALWAYS, Span
from nullsender.events import DeadLetter
from nullsender.log import Log, Record, Topic, wait_until_durable


class Attempt(NamedTuple):
    """What replaying one letter would publish; nothing where it still can not be dealt with."""

    records: Sequence[Record]
    words: str


def replay_letters(log: Log, ids: Iterable[str], *, intake: Intake, dry_run: bool, span: Span = ALWAYS) -> bool:
    """Replay the letters whose ids begin so, or every one, of those that died in `span`; whether none of them is left.

    Says what came of each.
    """
    letters = open_letters(log)
    named = [chosen(letters, beginning) for beginning in ids] or letters.values()
    wanted = [facts for facts in named if facts.dead_at in span]
    none_left = True
    with log.producer() as producer:
        for letter in read_letters(log, wanted):
            done = attempt(letter, intake)
            if done.records and not dry_run:
                wait_until_durable(producer.publish(done.records))
                # Struck off only now, for a batch may land in part. Whoever dies in between replays it again, to no effect.
                wait_until_durable(producer.publish([Record(Topic.DEAD_LETTERS, letter.id.encode(), b"")]))
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
