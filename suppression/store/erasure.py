"""Erasing a person: the plain address and every word goes; the keyed hash stays, so that the person is not mailed again.

It is done turn by turn, a bounded part in each, for anybody can send very many reports about somebody. First of all it is
written down that the person is erased, so that nothing new is kept meanwhile. Every turn says in the audit trail how many
contents it took from it. To erase somebody twice, or somebody who is not known at all, is as good.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from typing import NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Connection, Table, delete, insert, or_, select, update

from nullsender.address import canonical
from nullsender.errors import Invalid
from nullsender.limits import ERASURE_TURN_ROWS_MAX
from suppression.audit.chain import ERASURE, UNSEALED, Act
from suppression.engine import reading
from suppression.exports.signing import Document, DocumentSigner
from suppression.models import (
    addresses,
    changes,
    deliveries,
    entries,
    erased,
    incident_reports,
    outcomes,
    prehashed,
    strikes,
    unsubscribes,
)
from suppression.privacy.certificate import Certificate
from suppression.privacy.retention import leaving_later
from suppression.records import Entry
from suppression.store.audit import unseal
from suppression.store.erased import ERASED, EVERY_TENANT, erased_of
from suppression.store.incident_reports import decode_said
from suppression.store.known import tenants_with
from suppression.store.naming import Naming, acts_naming, blot_out
from suppression.store.rows import Person, one_of
from suppression.store.text import clean_words, json_of, require_name
from suppression.store.turn import Turn
from suppression.store.turns import StoreTurns

_ACTOR = "erasure"  # who takes words from the trail, as it names them

_ENTRY = msgspec.json.Decoder(Entry)
_KNOWING = (entries, outcomes, changes, strikes, deliveries, unsubscribes)  # the tables that know people by their hash
_SOURCES = ("ip", "user_agent", "message", "token")


class _Part(NamedTuple):
    """What a turn removed, how far it has come in the changes, and whether there may be more."""

    removed: Counter[str]
    came_to: int
    is_last: bool


class StoreErasure(StoreTurns):
    """Erasures. `Transient` where the store can not be asked; then calling again goes on."""

    def erase(self, address: str, *, tenant: str | None, reason: str, actor: str) -> Certificate:
        """Erase a person from the list of one tenant, or of all (None); what was done.

        `Invalid` where `address` is no address, or the reason is missing or names it: the reason stays.
        """
        name = canonical(address)
        if not reason.strip():
            raise Invalid("an erasure needs a reason: it stands in its certificate")
        if name in reason.lower():
            raise Invalid("say the reason without the address: the reason stays, and the address must not")
        if tenant is not None:
            require_name(tenant, "the tenant")
        keys = self._hashes_of(name)
        of_tenant, subject = tenant or EVERY_TENANT, keys[0].hex()
        people = [Person(of_tenant, key) for key in keys]
        self._turn(lambda turn: _note(turn, people))
        with reading(self._engine) as connection:
            known = {key: [tenant] if tenant else tenants_with(connection, key, _KNOWING) for key in keys}
        removed: Counter[str] = Counter()
        for key, tenants in known.items():
            for one in tenants:
                removed += self._erase_from(Person(one, key))
        removed += self._erase_naming(Naming(name, [key.hex() for key in keys], tenant))
        told = Act(kind=ERASURE, tenant=tenant, actor=actor, reason=clean_words(reason), subject=subject)
        lists = sorted({one for tenants in known.values() for one in tenants})
        number = self._turn(lambda turn: _end(turn, told, people, lists, removed))
        return Certificate(
            id=f"erasure-{number}",
            at=self._clock.now(),
            subject=subject,
            tenants=lists,
            actor=clean_words(actor),
            reason=told.reason,
            removed=removed,
            leaves_later=leaving_later(self.kept),
        )

    def signed(self, certificate: Certificate) -> Document:
        """The certificate as JSON that anybody can check who has our public key."""
        return DocumentSigner(self._hasher.key).signed(certificate.document())

    def _erase_from(self, person: Person) -> Counter[str]:
        """Take all words from what one list tells of a person."""
        removed, came_to = Counter[str](), -1
        while True:
            part = self._turn(lambda turn, after=came_to: _erase_part(turn, person, after))  # type: ignore[misc]
            removed, came_to = removed + part.removed, part.came_to
            if part.is_last:
                return removed

    def _erase_naming(self, naming: Naming) -> Counter[str]:
        """Take the words of acts that are about a person or name one, and the name out of jobs and incidents."""
        removed, came_to = Counter[str](), -1
        while True:
            took, next_ = self._turn(lambda turn, after=came_to: _erase_acts(turn, naming, after))  # type: ignore[misc]
            removed["audit"] += took
            if next_ is None:
                removed["jobs"] = self._turn(lambda turn: blot_out(turn.connection, naming))
                return removed
            came_to = next_


def _erase_acts(turn: Turn, naming: Naming, after: int) -> tuple[int, int | None]:
    """A bounded part of them; how many, and where to go on."""
    found = acts_naming(turn.connection, naming, after, ERASURE_TURN_ROWS_MAX)
    return _tell_unsealed(turn, found.numbers, naming.tenant, naming.subjects[0]), found.next_


def _tell_unsealed(turn: Turn, numbers: Collection[int], tenant: str | None, subject: str) -> int:
    """Let go of these contents of the trail, and say there how many they were."""
    unsealed = unseal(turn.connection, numbers)
    if unsealed:
        turn.tell(Act(kind=ERASURE, tenant=tenant, actor=_ACTOR, reason=ERASED, subject=subject, body={UNSEALED: unsealed}))
    return unsealed


def _end(turn: Turn, told: Act, people: Sequence[Person], tenants: Sequence[str], removed: Counter[str]) -> int:
    """Take what stands for the address itself; the number of the act that tells all, `removed` too."""
    removed["addresses"] = 0
    for person in people:
        if person.tenant == EVERY_TENANT or not _others_know(turn.connection, person):
            for table in (addresses, prehashed):
                gone = delete(table).where(table.c.address_hash == person.address_hash)
                removed["addresses"] += turn.connection.execute(gone).rowcount
    body = {UNSEALED: 0, "tenants": [*tenants], "removed": dict(removed)}
    return turn.tell(msgspec.structs.replace(told, body=body))


def _others_know(connection: Connection, person: Person) -> bool:
    """Whether a tenant needs the plain address still; it is not shown any more to those who had it erased."""
    known = {Person(one, person.address_hash) for one in tenants_with(connection, person.address_hash, (entries, strikes))}
    return known > erased_of(connection, known)


def _erase_part(turn: Turn, person: Person, after: int) -> _Part:
    """A bounded part of it; the contents that it takes from the audit trail are told there at once."""
    connection, removed = turn.connection, _drop_rest(turn.connection, person)
    removed["outcomes"] = _empty_reports(connection, person)
    numbers = _empty_changes(connection, person, after)
    removed["changes"] = sum(numbers.values())
    _tell_unsealed(turn, numbers, person.tenant, person.address_hash.hex())
    is_last = max(removed["outcomes"], len(numbers)) < ERASURE_TURN_ROWS_MAX
    return _Part(removed, max(numbers, default=after), is_last)


def _note(turn: Turn, people: Sequence[Person]) -> None:
    row = erased.c
    for tenant, address_hash in people:
        same = (row.address_hash == address_hash) & (row.tenant == tenant)
        if not turn.connection.execute(update(erased).where(same).values(at=turn.now)).rowcount:
            turn.connection.execute(insert(erased).values(address_hash=address_hash, tenant=tenant, at=turn.now))


def _is(table: Table, person: Person) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return table.c.tenant == person.tenant, table.c.address_hash == person.address_hash


def _empty_reports(connection: Connection, person: Person) -> int:
    key = outcomes.c.report_id, outcomes.c.proven
    full = select(*key).where(*_is(outcomes, person), outcomes.c.body.is_not(None)).limit(ERASURE_TURN_ROWS_MAX)
    reports = connection.execute(full).scalars().all()
    for these in one_of(connection, outcomes.c.report_id, reports):
        connection.execute(update(outcomes).where(these, *_is(outcomes, person)).values(body=None, why=ERASED))
    for these in one_of(connection, incident_reports.c.report_id, reports):
        _empty_readings(connection, these & (incident_reports.c.address_hash == person.address_hash))
    return len(reports)


def _empty_readings(connection: Connection, chosen: ColumnElement[bool]) -> None:
    """Take the words from what reports were read as before an incident."""
    row = incident_reports.c
    for found in connection.execute(select(incident_reports).where(chosen)).all():
        readings = {name: found._mapping[name] for name in ("own", "read_as") if found._mapping[name] is not None}
        wordless = {name: json_of(msgspec.structs.replace(decode_said(said), why=ERASED)) for name, said in readings.items()}
        same = (row.report_id == found.report_id) & (row.proven == found.proven) & (row.incident_id == found.incident_id)
        connection.execute(update(incident_reports).where(same).values(wordless))


def _empty_changes(connection: Connection, person: Person, after: int) -> dict[int, bool]:
    """Take the words from the next changes; their numbers, each with whether there were any."""
    asked = select(changes).where(*_is(changes, person), changes.c.seq > after).order_by(changes.c.seq)
    rows = connection.execute(asked.limit(ERASURE_TURN_ROWS_MAX)).all()
    had_words: dict[int, bool] = {}
    for row in rows:
        values: dict[str, str | None] = {
            "reason": _wordless(_ENTRY.decode(row.after)).reason,
            "consent": row.consent and ERASED,
            "before": row.before and json_of(_wordless(_ENTRY.decode(row.before))),
            "after": json_of(_wordless(_ENTRY.decode(row.after))),
        }
        had_words[row.seq] = any(row._mapping[name] != value for name, value in values.items())
        if had_words[row.seq]:
            connection.execute(update(changes).where(changes.c.seq == row.seq).values(values))
    return had_words


def _wordless(entry: Entry) -> Entry:
    """The entry with the rules' word for its reason; what people typed is gone."""
    return msgspec.structs.replace(entry, reason=entry.category or ERASED)


def _drop_rest(connection: Connection, person: Person) -> Counter[str]:
    """Words of entries, counts of soft bounces, deliveries, and from where somebody unsubscribed: a few rows of each."""
    removed: Counter[str] = Counter()
    for row in connection.execute(select(entries).where(*_is(entries, person))).all():
        wordless = row.category or ERASED
        same = (entries.c.id == row.id) & (entries.c.tenant == row.tenant)
        removed["entries"] += row.reason != wordless
        connection.execute(update(entries).where(same).values(reason=wordless))
    sources = or_(*(unsubscribes.c[name].is_not(None) for name in _SOURCES))
    emptied = update(unsubscribes).where(*_is(unsubscribes, person), sources).values(dict.fromkeys(_SOURCES))
    removed["unsubscribes"] += connection.execute(emptied).rowcount
    for table in (strikes, deliveries):
        removed[table.name] += connection.execute(delete(table).where(*_is(table, person))).rowcount
    return removed
