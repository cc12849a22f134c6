"""The audit trail as it is read: its newest link, whether it holds, and what stands in it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

import msgspec
from sqlalchemy import Column, Connection, Engine, Row, Select, Table, select

from nullsender.address import canonical
from nullsender.limits import AUDIT_PAGE_ROWS
from suppression.audit.chain import CHANGE, Head
from suppression.audit.verifying import AuditRow, Breach, Link, Verdict, Verifier
from suppression.engine import reading
from suppression.models import audit, changes, numbering
from suppression.records import Page
from suppression.store.base import StoreBase
from suppression.store.list_proof import first_difference, put_in_behind

_HEAD = [audit.c[name] for name in Head._fields]
_SEALED = [audit.c[name] for name in AuditRow._fields[1:]]


class AuditFilters(msgspec.Struct, frozen=True, kw_only=True):
    """Which rows of the trail; None: any."""

    kind: str | None = None
    tenant: str | None = None
    actor: str | None = None
    subject: str | None = None
    since: datetime | None = None  # this moment included
    until: datetime | None = None  # this moment not


class Audited(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the trail, with its words where they were not erased."""

    seq: int
    at: datetime
    kind: str
    tenant: str | None
    actor: str | None
    subject: str | None  # of a change the keyed hash of the address, in hexadecimal digits
    words: Mapping[str, Any] | None
    chain: str  # hexadecimal digits


class StoreAudit(StoreBase):
    """The questions; `Transient` where they can not be asked."""

    def audit_head(self) -> Link | None:
        """The newest link; None where the trail has not begun. Noted elsewhere, it proves later that nothing was cut off."""
        asked = select(audit.c.seq, audit.c.chain).order_by(audit.c.seq.desc()).limit(1)
        with reading(self._engine) as connection:
            row = connection.execute(asked).first()
        return row and Link(row.seq, row.chain)

    def subject_of(self, address: str) -> str:
        """What the trail calls the person with that address. `Invalid` where it is no address."""
        return self._hasher.hash(canonical(address)).hex()

    def verify_audit(
        self, noted: Link | None = None, *, told: Callable[[int, int], object] = lambda _done, _all: None
    ) -> Verdict:
        """Whether the whole trail holds, and the list is as it says. It keeps one page in memory at a time.

        Rows that are added meanwhile count too.

        `told` hears now and then which number was reached, and which is the last.
        """
        verifier, strangers = Verifier(noted), list[int]()
        reached = _numbering(self._engine)
        while True:
            breach = self._verify_up_to(reached[0], verifier, strangers, told)
            if breach is not None:
                return verifier.broken(breach)
            before, reached = reached, _numbering(self._engine)
            # An erasure may have emptied rows behind us; then its own row stands further on than we looked.
            if not verifier.owes or reached == before:
                verdict = verifier.end(strangers, before[1])
                breach = verdict.breach or put_in_behind(self._engine) or first_difference(self._engine)
                return verdict._replace(breach=breach)

    def _verify_up_to(
        self, last: int, verifier: Verifier, strangers: list[int], told: Callable[[int, int], object]
    ) -> Breach | None:
        while verifier.last.seq < last:
            told(verifier.last.seq, last)
            with reading(self._engine) as connection:
                rows, changed = _page(connection, verifier.last.seq, last)
            for row in rows:
                breach = verifier.take(row, changed.pop(row.head.seq, None))
                if breach is not None:
                    return breach
            strangers += islice(sorted(changed), 1)
            if len(rows) < AUDIT_PAGE_ROWS:
                break
        told(last, last)
        return None

    def list_audit(self, filters: AuditFilters, *, cursor: int | None, limit: int) -> Page[Audited]:
        """The rows that `filters` choose, newest first."""
        items: list[Audited] = []
        with reading(self._engine) as connection:
            for asked, item_of in _questions(filters):
                older = asked if cursor is None else asked.where(audit.c.seq < cursor)
                items += map(item_of, connection.execute(older.order_by(audit.c.seq.desc()).limit(limit + 1)))
        items.sort(key=lambda item: item.seq, reverse=True)
        return Page(items[:limit], items[limit - 1].seq if len(items) > limit else None)


def _numbering(engine: Engine) -> tuple[int, bytes | None]:
    with reading(engine) as connection:
        last, link = connection.execute(select(numbering.c.last, numbering.c.link)).one()
    return last, link


def _page(connection: Connection, after: int, last: int) -> tuple[Sequence[AuditRow], dict[int, Mapping[str, Any]]]:
    """The next rows of the trail, and by their numbers the changes that lie between them."""
    chosen = select(*_HEAD, *_SEALED).where(audit.c.seq > after, audit.c.seq <= last).order_by(audit.c.seq)
    rows = [_audit_row(row) for row in connection.execute(chosen.limit(AUDIT_PAGE_ROWS))]
    if not rows and after < 0:
        return [], {}  # what is from before the trail is not its business
    begin = rows[0].head.seq if after < 0 else after
    end = rows[-1].head.seq if len(rows) == AUDIT_PAGE_ROWS else last
    between = select(changes).where(changes.c.seq > begin, changes.c.seq <= end)
    return rows, {row.seq: {**row._mapping} for row in connection.execute(between)}


def _audit_row(row: Row[Any]) -> AuditRow:
    heads = len(Head._fields)
    return AuditRow(Head(*row[:heads]), *row[heads:])


def _questions(filters: AuditFilters) -> Iterator[tuple[Select[Any], Callable[[Row[Any]], Audited]]]:
    """The acts, and the changes with their rows, as far as either can be what is asked for."""
    kind = filters.kind
    if kind != CHANGE:
        acts = select(audit).where(audit.c.kind != CHANGE if kind is None else audit.c.kind == kind)
        yield _filtered(acts, audit, audit.c.subject, filters.subject, filters), _act_of
    address_hash = _hash_in(filters.subject)
    if kind in (None, CHANGE) and (filters.subject is None or address_hash is not None):
        both = (
            select(audit.c.chain, changes).join_from(audit, changes, audit.c.seq == changes.c.seq).where(audit.c.kind == CHANGE)
        )
        yield _filtered(both, changes, changes.c.address_hash, address_hash, filters), _change_of


def _filtered(asked: Select[Any], table: Table, about: Column[Any], subject: object, filters: AuditFilters) -> Select[Any]:
    for column, wanted in ((table.c.tenant, filters.tenant), (table.c.actor, filters.actor), (about, subject)):
        if wanted is not None:
            asked = asked.where(column == wanted)
    if filters.since is not None:
        asked = asked.where(audit.c.at >= filters.since)
    return asked if filters.until is None else asked.where(audit.c.at < filters.until)


def _hash_in(subject: str | None) -> bytes | None:
    try:
        return None if subject is None else bytes.fromhex(subject)
    except ValueError:
        return None


def _act_of(row: Row[Any]) -> Audited:
    return Audited(
        seq=row.seq,
        at=row.at,
        kind=row.kind,
        tenant=row.tenant,
        actor=row.actor,
        subject=row.subject,
        words=row.body and msgspec.json.decode(row.body),
        chain=row.chain.hex(),
    )


def _change_of(row: Row[Any]) -> Audited:
    words = {"reason": row.reason, "action": row.action, "cause": row.cause, "scope": row.scope, "entry": row.entry_id}
    more = {"consent": row.consent, "report": row.report_id}
    return Audited(
        seq=row.seq,
        at=row.at,
        kind=CHANGE,
        tenant=row.tenant,
        actor=row.actor,
        subject=row.address_hash.hex(),
        words=words | {name: value for name, value in more.items() if value is not None},
        chain=row.chain.hex(),
    )
