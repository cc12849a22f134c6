"""The rows of `unsubscribes` that a turn writes: one for each change that heeds a person's word, and for each word in vain.

They are written in the turn that makes the entry, so that there is no unsubscribe without its evidence. `effective_at` is the
time of that turn: the first lookup behind its commit is refused.
"""

from datetime import datetime
from functools import cache

from sqlalchemy import Connection, select, update

from suppression.models import unsubscribes
from suppression.records import Entry
from suppression.store.bulk import Columns, insert_rows
from suppression.store.rows import Key, Person, one_of
from suppression.store.text import clean_name, clean_time, clean_words
from suppression.unsubscribes.asking import Asking
from suppression.unsubscribes.deadlines import Deadlines


class Asked:
    """What people asked, as far as one turn hears of it."""

    def __init__(self, deadlines: Deadlines, now: datetime) -> None:
        self._now = now
        self._rows: list[Columns] = []
        self._heeded: set[Person] = set()
        self._limit = cache(deadlines.limit)  # thousands of one import came at the same moment

    def heeded(self, seq: int, key: Key, entry: Entry, asking: Asking) -> None:
        """The entry stops mail for this word, by the change `seq`. What the person had asked in vain before is heeded too."""
        self._heeded.add(key.person)
        self._rows.append(
            self._row(seq, key.person, asking) | {"entry_id": entry.id, "scope": key.scope, "effective_at": self._now}
        )

    def in_vain(self, seq: int, person: Person, asking: Asking, why_not: str) -> None:
        """Nothing is stopped for this word, and a person should know why."""
        self._rows.append(self._row(seq, person, asking) | {"why_not": why_not})

    def save(self, connection: Connection) -> None:
        """Write them."""
        row = unsubscribes.c
        for tenant in sorted({person.tenant for person in self._heeded}):
            hashes = [person.address_hash for person in self._heeded if person.tenant == tenant]
            for theirs in one_of(connection, row.address_hash, hashes):
                waiting = (row.tenant == tenant) & theirs & row.effective_at.is_(None)
                connection.execute(update(unsubscribes).where(waiting).values(effective_at=self._now))
        insert_rows(connection, unsubscribes, self._rows)

    def _row(self, seq: int, person: Person, asking: Asking) -> Columns:
        received_at = clean_time(asking.received_at) if asking.received_at else self._now
        limit = self._limit(person.tenant, received_at)
        return {
            "seq": seq,
            "tenant": person.tenant,
            "address_hash": person.address_hash,
            "entry_id": None,
            "scope": None,
            "channel": asking.channel.value,
            "received_at": received_at,
            "effective_at": None,
            "why_not": None,
            "jurisdiction": limit.jurisdiction.value,
            "limit_at": limit.at,
            "first_refused_at": None,
            "dismissed_at": None,
            "verified": asking.verified,
            "report_id": asking.report_id and clean_name(asking.report_id),
            "token": asking.token and clean_name(asking.token),
            "message": asking.message and clean_name(asking.message),
            "ip": asking.ip and clean_name(asking.ip),
            "user_agent": asking.user_agent and clean_words(asking.user_agent),
        }


def is_new(connection: Connection, entry: Entry, person: Person, asking: Asking) -> bool:
    """Whether nobody has shown this token for the entry yet; without a token a word that changes nothing is none."""
    row = unsubscribes.c
    theirs = (row.tenant == person.tenant) & (row.address_hash == person.address_hash) & (row.entry_id == entry.id)
    asked = select(row.seq).where(theirs, row.token == asking.token).limit(1)
    return asking.token is not None and connection.execute(asked).first() is None
