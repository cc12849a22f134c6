"""Which reports an incident concerns, and what each was read as before any did."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, and_, delete, select

from suppression.incidents.incident import Held, Said
from suppression.models import incident_reports, incidents
from suppression.store.bulk import Columns, insert_rows
from suppression.store.histories import Row, scope_of
from suppression.store.rows import one_of
from suppression.store.settle import ReportKey

decode_said = msgspec.json.Decoder(Said).decode


class Concerned(NamedTuple):
    """A report that belongs to incidents."""

    own: Said  # what it was read as before any did
    holding: Sequence[Held]  # those that were not undone


def concerned(connection: Connection, report_ids: Collection[str]) -> Mapping[ReportKey, Concerned]:
    """Those of these reports that belong to incidents; an undone one is among them until its work is done."""
    row = incident_reports.c
    asked = select(incident_reports, incidents.c.undone_at).join(incidents, incidents.c.id == row.incident_id)
    known: dict[ReportKey, Concerned] = {}
    for these in one_of(connection, row.report_id, report_ids):
        for found in connection.execute(asked.where(these)):
            key = (found.report_id, found.proven)
            before = known.get(key) or Concerned(decode_said(found.own), ())
            held = Held(found.incident_id, found.read_as and decode_said(found.read_as))
            known[key] = before if found.undone_at else before._replace(holding=(*before.holding, held))
    return known


def said_by(row: Row, held: str | None = None) -> Said:
    """What a report's row says of itself; `held`: the key of the breaker that holds it."""
    return Said(
        outcome=row["outcome"],
        category=row["category"],
        rule=row["rule"],
        scope=scope_of(row),
        did=row["did"],
        why=row["why"],
        held=held,
    )


def membership(incident_id: int, row: Row, own: Said, read_as: Said | None) -> Columns:
    """The row that says so."""
    return {
        "report_id": row["report_id"],
        "proven": row["proven"],
        "incident_id": incident_id,
        "address_hash": row["address_hash"],
        "own": msgspec.json.encode(own).decode(),
        "read_as": read_as and msgspec.json.encode(read_as).decode(),
    }


def insert_memberships(connection: Connection, rows: Sequence[Columns]) -> None:
    """Write them; the caller has looked that none of them is there."""
    insert_rows(connection, incident_reports, rows)


def forget_memberships(connection: Connection, keys: Iterable[ReportKey], incident_id: int | None = None) -> None:
    """These reports are the incident's no more; without one, no incident's. With and without proof go together."""
    row = incident_reports.c
    for these in one_of(connection, row.report_id, (report_id for report_id, _ in keys)):
        chosen = these if incident_id is None else and_(these, row.incident_id == incident_id)
        connection.execute(delete(incident_reports).where(chosen))
