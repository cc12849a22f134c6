"""Words that name a person where no key says whom they are about: what was typed as the reason of an act, a job, an incident.

They are looked for by the address itself. The database finds what may hold it, and a pattern tells `ada@example.com` from
`inada@example.com.au`.
"""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Column, ColumnElement, Connection, Table, func, or_, select, update

from suppression.audit.chain import ERASES, GENESIS
from suppression.models import audit, incidents, is_an_act, jobs
from suppression.store.erased import ERASED
from suppression.store.text import json_of

#: Columns with words of people, which go whole; and columns with JSON or sentences of ours, out of which only the name goes.
_WORDS: dict[Table, Sequence[str]] = {jobs: ("reason",), incidents: ("reason", "undone_because")}
_AMONG_OTHERS: dict[Table, Sequence[str]] = {jobs: ("request", "result", "trouble"), incidents: ("marks",)}
_AROUND = r"[^\s@<>()\[\],;:\"\\]"  # what an address goes on with


class Naming(NamedTuple):
    """Who is looked for. `tenant` None: with all tenants."""

    name: str  # the canonical address
    subjects: Sequence[str]  # what the trail calls the person
    tenant: str | None

    def pattern(self) -> re.Pattern[str]:
        """Finds the address, as it is or as JSON writes it, and none that only contains it."""
        spellings = "|".join(map(re.escape, sorted({self.name, _in_json(self.name)})))
        return re.compile(rf"(?<!{_AROUND})(?:{spellings})(?!\.?[\w-])", re.IGNORECASE)


class Found(NamedTuple):
    """Numbers of acts, and where to go on; None: nowhere."""

    numbers: Sequence[int]
    next_: int | None


def acts_naming(connection: Connection, naming: Naming, after: int, limit: int) -> Found:
    """The next acts about the person, or that name the person, that have words still; erasures keep theirs, which count."""
    row, pattern = audit.c, naming.pattern()
    asked = select(row.seq, row.subject, row.body).where(is_an_act, row.salt.is_not(None), row.seq > after)
    asked = asked.where(row.kind.not_in([*ERASES, GENESIS]), or_(row.subject.in_(naming.subjects), _may_name(row.body, naming)))
    rows = connection.execute(_of_tenant(asked, audit, naming).order_by(row.seq).limit(limit)).all()
    numbers = [one.seq for one in rows if one.subject in naming.subjects or pattern.search(one.body or "")]
    return Found(numbers, rows[-1].seq if len(rows) == limit else None)


def blot_out(connection: Connection, naming: Naming) -> int:
    """Take the name, and what people typed around it, out of jobs and incidents; how many those were."""
    pattern, changed = naming.pattern(), 0
    for table, words in _WORDS.items():
        names = (*words, *_AMONG_OTHERS[table])
        may = or_(*(_may_name(table.c[name], naming) for name in names))
        for row in connection.execute(_of_tenant(select(table).where(may), table, naming)).all():
            held = {name: row._mapping[name] for name in names if row._mapping[name] is not None}
            blotted = {
                name: ERASED if name in words else pattern.sub(ERASED, text)
                for name, text in held.items()
                if pattern.search(text)
            }
            if blotted:
                connection.execute(update(table).where(table.c.id == row.id).values(blotted))
                changed += 1
    return changed


def _may_name(column: Column[Any], naming: Naming) -> ColumnElement[bool]:
    spellings = {naming.name, _in_json(naming.name)}
    return or_(*(func.lower(column).contains(one, autoescape=True) for one in sorted(spellings)))


def _of_tenant(asked: Any, table: Table, naming: Naming) -> Any:
    return asked if naming.tenant is None else asked.where(table.c.tenant == naming.tenant)


def _in_json(name: str) -> str:
    return json_of(name)[1:-1]
