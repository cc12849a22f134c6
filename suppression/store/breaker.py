"""The breaker within a turn: what each key has made, and which reports are held for a review (`incidents/breaker.py`).

The tallies of a batch are read in one question and written in one go, a row for each key that made an entry within four weeks.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, and_, delete, select, update

from nullsender.events import Outcome
from nullsender.limits import BREAKER_DAYS
from suppression.audit.chain import Act
from suppression.incidents.breaker import ALL, BreakerSettings, Tally, is_trusted, keys_of, rolled, tripped_by, words
from suppression.models import breaker, held_reports
from suppression.store.bulk import Columns, insert_rows
from suppression.store.held import Held
from suppression.store.histories import Row
from suppression.store.rows import one_of
from suppression.store.settle import ReportKey
from suppression.store.text import clean_name, clean_words
from suppression.store.turn import Turn

OPENED = "breaker-opened"  # the act, as the audit trail names it
_ACTOR = "breaker"
_TALLY = msgspec.json.Decoder(Tally)


class TallyKey(NamedTuple):
    """Whose tally."""

    tenant: str
    key: str


class Breaking:
    """Decides within one turn which new hard entries are held, and counts all of them."""

    def __init__(self, turn: Turn, settings: BreakerSettings) -> None:
        self.opened: list[str] = []  # in words
        self._turn = turn
        self._settings = settings
        self._names: dict[str, str] = {}  # a key as the store keeps it: cleaning one takes as long as all else with it
        self._keys: dict[str, Sequence[str]] = {}  # by report id
        self._tallies = Held(breaker, self._columns)
        self._counted: dict[str, dict[str, Tally]] = defaultdict(dict)  # this hour's, by tenant and key
        self._held: list[Columns] = []
        turn.at_end(self._save)

    def load(self, asking: Iterable[tuple[str, Outcome]]) -> None:
        """Read the tallies of the keys of these: tenants, and hard outcomes that may make entries."""
        if not self._settings.enabled:
            return
        wanted: dict[str, set[str]] = defaultdict(lambda: {ALL})
        for tenant, outcome in asking:
            keys = self._keys[outcome.report.id] = [self._name(key) for key in keys_of(outcome)]
            wanted[tenant].update(keys)
        for tenant in sorted(wanted):
            asked = select(breaker.c.key, breaker.c.tally).where(breaker.c.tenant == tenant)
            for these in one_of(self._turn.connection, breaker.c.key, wanted[tenant]):
                for key, tally in self._turn.connection.execute(asked.where(these)):
                    self._tallies.read(TallyKey(tenant, key), _TALLY.decode(tally))

    def key_holding(self, tenant: str, outcome: Outcome) -> str | None:
        """The key that holds the new entry which `outcome` asks for; None: it may be made. Either way it is counted."""
        if not self._settings.enabled:
            return None
        known = self._counted[tenant]
        tallies = {key: known.get(key) or self._tally(tenant, key) for key in (*self._keys[outcome.report.id], ALL)}
        trusted = is_trusted(tallies.values(), self._turn.now)
        holds = None if trusted else tripped_by(tallies, self._settings)
        for tally in tallies.values():
            tally.count(held=holds is not None, trusted=trusted)
        if holds is not None and tallies[holds].open_since is None:
            self._open(tenant, holds, tallies[holds], tallies[ALL])
        return holds

    def _name(self, key: str) -> str:
        known = self._names.get(key)
        if known is None:
            known = self._names[key] = clean_name(key)
        return known

    def _tally(self, tenant: str, key: str) -> Tally:
        """The tally of a key in this hour, which is written at the end."""
        tally = rolled(self._tallies.get(TallyKey(tenant, key)), self._turn.now, self._settings)
        self._tallies.put(TallyKey(tenant, key), tally)
        self._counted[tenant][key] = tally
        return tally

    def _open(self, tenant: str, key: str, tally: Tally, everything: Tally) -> None:
        tally.open_since = self._turn.now
        why = words(key, tally, everything)
        self.opened.append(f"{tenant}: {why}")
        self._turn.tell(Act(kind=OPENED, actor=_ACTOR, reason=clean_words(why), tenant=tenant, subject=key))

    def hold(self, row: Row, key: str) -> None:
        """Keep the report of a row of `outcomes` among those that wait."""
        self._held.append(held_columns(row, key, self._turn.now))

    def _save(self, connection: Connection) -> None:
        self._tallies.save(connection)
        insert_rows(connection, held_reports, self._held)

    def _columns(self, key: TallyKey, tally: Tally) -> Columns:
        text = msgspec.json.encode(tally).decode()
        return {**key._asdict(), "tally": text, "open_since": tally.open_since, "counted_at": self._turn.now}


def held_columns(row: Row, key: str, now: datetime) -> Columns:
    """The row of `held_reports` for one of `outcomes`."""
    named = {name: row[name] for name in ("report_id", "proven", "tenant", "address_hash")}
    return {**named, "key": key, "held_at": now}


def keys_holding(connection: Connection, report_ids: Iterable[str]) -> dict[ReportKey, str]:
    """Which of these reports are held, and by which key."""
    row = held_reports.c
    return {
        (report_id, proven): key
        for these in one_of(connection, row.report_id, report_ids)
        for report_id, proven, key in connection.execute(select(row.report_id, row.proven, row.key).where(these))
    }


def let_go(connection: Connection, reports: Sequence[ReportKey]) -> None:
    """These are held no more."""
    for these in one_of(connection, held_reports.c.report_id, (report_id for report_id, _ in reports)):
        connection.execute(delete(held_reports).where(these))


def trust(connection: Connection, tenant: str, key: str, now: datetime, until: datetime, settings: BreakerSettings) -> None:
    """An operator has looked: the key is closed, and makes what it likes until then."""
    this = and_(breaker.c.tenant == tenant, breaker.c.key == key)
    found = connection.execute(select(breaker.c.tally).where(this)).scalar()
    if found is not None:
        tally = msgspec.structs.replace(rolled(_TALLY.decode(found), now, settings), open_since=None, trusted_until=until)
        text = msgspec.json.encode(tally).decode()
        connection.execute(update(breaker).where(this).values(tally=text, open_since=None))


def tidy(connection: Connection, now: datetime, settings: BreakerSettings) -> None:
    """Close the keys that are calm again though nothing came of them since, and forget those that made nothing for weeks."""
    connection.execute(delete(breaker).where(breaker.c.counted_at < now - timedelta(days=BREAKER_DAYS)))
    for row in connection.execute(select(breaker).where(breaker.c.open_since.is_not(None))).all():
        tally = rolled(_TALLY.decode(row.tally), now, settings)
        if tally.open_since is None:
            this = and_(breaker.c.tenant == row.tenant, breaker.c.key == row.key)
            text = msgspec.json.encode(tally).decode()
            connection.execute(update(breaker).where(this).values(tally=text, open_since=None))
