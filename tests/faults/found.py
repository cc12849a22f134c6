"""What the system has at one moment: outcomes and list from SQL, dead letters from the log, and what still waits on the log."""

from collections import Counter

from sqlalchemy import Engine, select

from nullsender.cli.dead_letters import open_letters, read_letters
from nullsender.cli.parts import READERS
from nullsender.events import Outcome, decode
from nullsender.log import Log
from suppression.engine import reading
from suppression.models import addresses, changes, entries, outcomes
from suppression.policy import Cause
from tests.faults.ledger import Found, FoundEntry, FoundLetter, FoundOutcome


def find(engine: Engine, log: Log) -> Found:
    """Everything that there is. The two are not read at one moment: whoever asks waits until nothing moves."""
    return Found(_outcomes(engine), _letters(log), _entries(engine))


def waiting(log: Log) -> int:
    """Records that some stage has not dealt with. Along the flow, so that 0 is said only when nothing is on its way."""
    return sum(sum(log.group_lag(group, [topic]).values()) for group in ("classify", "suppress") for topic in READERS[group])


def _outcomes(engine: Engine) -> list[FoundOutcome]:
    with reading(engine) as connection:
        bodies = connection.execute(select(outcomes.c.body)).scalars().all()
    told = [decode(Outcome, body.encode()) for body in bodies]
    return [FoundOutcome(one.report.recipient or "", one.decision.outcome, one.report.message_id) for one in told]


def _letters(log: Log) -> list[FoundLetter]:
    letters = {letter.id: letter for letter in read_letters(log, open_letters(log).values())}
    return [FoundLetter(letter.id, letter.reason, letter.content) for letter in letters.values()]


def _entries(engine: Engine) -> list[FoundEntry]:
    standing = select(entries, addresses.c.address).join_from(
        entries, addresses, entries.c.address_hash == addresses.c.address_hash
    )
    with reading(engine) as connection:
        made = Counter(connection.execute(select(changes.c.entry_id)).scalars())
        return [
            FoundEntry(row.address, Cause(row.cause), row.scope, row.provisional, made[row.id])
            for row in connection.execute(standing)
        ]
