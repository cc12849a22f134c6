"""How people unsubscribed, and since when they are heeded: the evidence is read here. `asked.py` writes it."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, select, update

from nullsender.address import canonical
from nullsender.errors import Invalid
from suppression.audit.chain import Act
from suppression.engine import reading
from suppression.models import addresses, prehashed, unsubscribes, waits_for_effect
from suppression.records import Page
from suppression.store.erased import name_of
from suppression.store.rows import Person, one_of
from suppression.store.text import clean_words
from suppression.store.turn import Turn
from suppression.store.turns import StoreTurns
from suppression.unsubscribes.asking import Channel
from suppression.unsubscribes.deadlines import Deadlines, Jurisdiction
from suppression.unsubscribes.evidence import Unsubscribe

_WITH_ADDRESS = (
    select(unsubscribes, addresses.c.address, prehashed.c.name)
    .join_from(unsubscribes, addresses, name_of(unsubscribes), isouter=True)
    .join(prehashed, prehashed.c.address_hash == unsubscribes.c.address_hash, isouter=True)
)


class StoreUnsubscribes(StoreTurns):
    """The evidence of all tenants. `Transient` where the store can not be asked."""

    @property
    def deadlines(self) -> Deadlines:
        """The limits that hold for each tenant."""
        return self._deadlines

    def unsubscribes(
        self, tenant: str, *, address: str | None = None, waiting: bool = False, cursor: int | None, limit: int
    ) -> Page[Unsubscribe]:
        """The unsubscribes of a tenant, newest first, `limit` a page.

        Only those of one address, and only those that stop no mail yet (`waiting`), where so asked. `Invalid` where `address`
        is none.
        """
        row = unsubscribes.c
        asked = _WITH_ADDRESS.where(row.tenant == tenant)
        if address is not None:
            asked = asked.where(row.address_hash.in_(self._hashes_of(canonical(address))))
        if waiting:
            asked = asked.where(waits_for_effect)
        if cursor is not None:
            asked = asked.where(row.seq < cursor)
        found = self._read(asked.order_by(row.seq.desc()).limit(limit + 1))
        return Page(found[:limit], found[limit - 1].seq if len(found) > limit else None)

    def waiting(self, since: datetime, limit: int) -> Sequence[Unsubscribe]:
        """At most `limit` unsubscribes of all tenants that came in since then and stop no mail yet, the oldest first."""
        row = unsubscribes.c
        asked = _WITH_ADDRESS.where(waits_for_effect, row.received_at >= since)
        return self._read(asked.order_by(row.received_at).limit(limit))

    def dismiss(self, tenant: str | None, seq: int, *, reason: str, actor: str) -> None:
        """A person has looked at an unsubscribe that stops no mail, and none is to be stopped: no alarm is raised for it.

        `tenant` None: whosever it is. `Invalid` where it stops mail, was dismissed already, or is not there.
        """
        row = unsubscribes.c
        if not reason.strip():
            raise Invalid("a dismissal needs a reason: it stands in the audit trail")
        theirs = (row.seq == seq) & ((row.tenant == tenant) if tenant is not None else True)

        def dismiss(turn: Turn) -> None:
            found = turn.connection.execute(select(row.tenant, row.address_hash).where(theirs, waits_for_effect)).first()
            if found is None:
                raise Invalid(f"no unsubscribe {seq} waits: `deadlines --at-risk` lists those that stop no mail yet")
            turn.connection.execute(update(unsubscribes).where(row.seq == seq).values(dismissed_at=turn.now))
            subject = found.address_hash.hex()
            words = {"reason": clean_words(reason), "actor": clean_words(actor)}
            turn.tell(Act(kind="unsubscribe-dismissed", tenant=found.tenant, subject=subject, body={"number": seq}, **words))

        self._turn(dismiss)

    def note_refused(self, refused: Mapping[Person, datetime]) -> None:
        """Write down of these people that a lookup was first refused then, where that is not written yet."""

        def note(connection: Connection) -> None:
            for person in sorted(self._unnoted(connection, refused)):
                connection.execute(_NOTING, {"of_tenant": person.tenant, "of_hash": person.address_hash, "at": refused[person]})

        with reading(self._engine) as connection:
            if not self._unnoted(connection, refused):
                return  # most are known, and whoever only reads holds nobody up
        self._write(note, patient=True)

    def _unnoted(self, connection: Connection, people: Collection[Person]) -> set[Person]:
        row = unsubscribes.c
        found: set[Person] = set()
        for tenant in sorted({person.tenant for person in people}):
            hashes = [person.address_hash for person in people if person.tenant == tenant]
            for theirs in one_of(connection, row.address_hash, hashes):
                asked = select(row.address_hash).where(row.tenant == tenant, theirs, *_NOT_NOTED)
                found.update(Person(tenant, address_hash) for address_hash in connection.execute(asked).scalars())
        return found

    def _read(self, asked: Select[Any]) -> Sequence[Unsubscribe]:
        with reading(self._engine) as connection:
            return [_unsubscribe_of(row) for row in connection.execute(asked)]


_NOT_NOTED = (unsubscribes.c.effective_at.is_not(None), unsubscribes.c.first_refused_at.is_(None))
_NOTING = (
    update(unsubscribes)
    .where(
        unsubscribes.c.tenant == bindparam("of_tenant"),
        unsubscribes.c.address_hash == bindparam("of_hash"),
        unsubscribes.c.effective_at <= bindparam("at"),
        *_NOT_NOTED,
    )
    .values(first_refused_at=bindparam("at"))
)


def _unsubscribe_of(row: Row[Any]) -> Unsubscribe:
    return Unsubscribe(
        seq=row.seq,
        tenant=row.tenant,
        address=row.address,
        known_as=row.name,
        scope=row.scope,
        channel=Channel(row.channel),
        verified=row.verified,
        received=row.received_at,
        effective=row.effective_at,
        why_not=row.why_not,
        jurisdiction=Jurisdiction(row.jurisdiction),
        limit_at=row.limit_at,
        first_refused=row.first_refused_at,
        dismissed=row.dismissed_at,
        entry=row.entry_id,
        report=row.report_id,
        token=row.token,
        message=row.message,
        ip=row.ip,
        user_agent=row.user_agent,
    )
