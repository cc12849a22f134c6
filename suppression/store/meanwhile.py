"""Entries that change while an export reads them, as they stood at its cut.

The feed has of each change how the entry stood before. Of the first change after the cut that is how it stood at the cut, also
where the entry has another number by now, for it ended and began again.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec
from sqlalchemy import Column, Connection, select

from nullsender.errors import Invalid
from nullsender.limits import EXPORT_MEANWHILE_MAX
from suppression.exports.columns import COLUMNS, Row, Value
from suppression.exports.request import What
from suppression.models import addresses, changes, prehashed
from suppression.records import Entry
from suppression.store.erased import erased_of
from suppression.store.rows import Person, one_of


class Place(NamedTuple):
    """Where a row stands among all: whose, and its number."""

    tenant: str
    number: int


class Stood(NamedTuple):
    """An entry as it stood, and as a row of an export."""

    entry: Entry
    address: str | None  # None where it was erased
    row: Row


class _Was(NamedTuple):
    """The same as it is kept in mind."""

    address_hash: bytes
    before: str  # JSON


class _Numbered(msgspec.Struct):
    """Of an entry no more than its number."""

    id: int


_NUMBERED = msgspec.json.Decoder(_Numbered)
_ENTRY = msgspec.json.Decoder(Entry)
_AT_ONCE = 1_000


class Meanwhile:
    """The entries that were changed after the position `cut`."""

    def __init__(self, cut: int) -> None:
        self.changed: dict[Place, _Was] = {}
        self._cut = cut
        self._read_up_to = cut

    def read(self, connection: Connection) -> None:
        """Read what was changed since the last time. `Invalid` where that is too much in all."""
        row = changes.c
        asked = select(row.seq, row.tenant, row.address_hash, row.before).where(row.seq > self._read_up_to)
        for seq, tenant, address_hash, before in connection.execute(asked.order_by(row.seq)).yield_per(_AT_ONCE):
            self._read_up_to = seq
            if before is None:
                continue  # at the cut it was not there
            place = Place(tenant, _NUMBERED.decode(before).id)
            if place.number <= self._cut and place not in self.changed:
                self._keep(place, _Was(address_hash, before))

    def _keep(self, place: Place, was: _Was) -> None:
        if len(self.changed) == EXPORT_MEANWHILE_MAX:
            raise Invalid(
                f"more than {EXPORT_MEANWHILE_MAX} entries were changed while this export was under way, too many to show all "
                "as of one moment: ask again when less is changed, or for a part of the list"
            )
        self.changed[place] = was

    def rows_between(self, connection: Connection, after: Place, last: Place | None) -> Sequence[Stood]:
        """Those that stood behind `after` and up to `last` (None: to the end), in no particular order."""
        there = [
            (Person(place.tenant, was.address_hash), _ENTRY.decode(was.before))
            for place, was in self.changed.items()
            if place > after and (last is None or place <= last)
        ]
        people = {person for person, _ in there}
        names = _names_of(connection, people)
        known_as = _found(connection, prehashed.c.address_hash, prehashed.c.name, people)
        return [
            Stood(entry, names.get(person), _row_of(person, entry, names.get(person), known_as.get(person.address_hash)))
            for person, entry in there
        ]


def _names_of(connection: Connection, people: set[Person]) -> dict[Person, str]:
    """The plain addresses of those of `people` who were not erased."""
    known = _found(connection, addresses.c.address_hash, addresses.c.address, people)
    named = {person for person in people if person.address_hash in known}
    return {person: known[person.address_hash] for person in named - erased_of(connection, named)}


def _found(connection: Connection, key: Column[bytes], value: Column[str], people: set[Person]) -> dict[bytes, str]:
    """What a table has for the hashes of these people."""
    return {
        address_hash: found
        for these in one_of(connection, key, {person.address_hash for person in people})
        for address_hash, found in connection.execute(select(key, value).where(these))
    }


def _row_of(person: Person, entry: Entry, address: str | None, known_as: str | None) -> Row:
    values: dict[str, Value] = {
        "tenant": person.tenant,
        "address": address,
        "address_hash": person.address_hash.hex(),
        "known_as": known_as,
        "scope": entry.scope,
        "cause": entry.cause.value,
        "category": entry.category,
        "provisional": entry.provisional,
        "since": _moment(entry.since),
        "expires": _moment(entry.expires),
        "ended": _moment(entry.ended),
        "ended_by": entry.ended_by and entry.ended_by.value,
        "reason": entry.reason,
        "created_by": entry.created_by,
        "rule": entry.rule,
        "evidence": entry.evidence,
        "entry": entry.id,
    }
    return [values[column.name] for column in COLUMNS[What.ENTRIES]]


def _moment(moment: datetime | None) -> str | None:
    """As the databases write it for exports."""
    return None if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
