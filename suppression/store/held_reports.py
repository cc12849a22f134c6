"""What the breaker holds for a review, and what a person makes of it.

A release lets the reports count as they would have, from when each had come, and trusts their key for a day. A rejection is an
incident over them (`store/incidents.py`), and can be undone like any other. Nothing is ever applied or dropped by itself.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, delete, func, select

from nullsender.errors import Invalid
from nullsender.limits import BREAKER_KEYS_SHOWN_MAX, BREAKER_TRUSTED_HOURS, INCIDENT_PEOPLE_A_TURN
from suppression.audit.chain import Act
from suppression.engine import reading
from suppression.incidents.incident import Incident, IncidentKind, Marks
from suppression.jobs.worker import Work
from suppression.models import breaker, held_reports, incident_reports, incidents
from suppression.policy import Did
from suppression.store import breaker as breaking
from suppression.store.aside import Recount, Recounting, too_many_said
from suppression.store.histories import REVIEW_ACTOR, person_of
from suppression.store.incident_reports import said_by
from suppression.store.incidents import StoreIncidents, reason_of
from suppression.store.settle import report_key_of
from suppression.store.turn import Turn

#: The kind of the job that releases.
RELEASE = "review-release"


class HeldKey(msgspec.Struct, frozen=True, kw_only=True):
    """What one key of the breaker holds."""

    tenant: str
    key: str
    held: int  # reports
    oldest: datetime | None  # when the first of them was held; None: it holds nothing
    open_since: datetime | None  # None: what comes now is made


class ReleaseRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a release is about: what these keys held by then."""

    keys: tuple[str, ...]
    until: datetime


class StoreReview(StoreIncidents):
    """Held reports of all tenants. `Transient` where the store can not be asked."""

    def held(self, tenant: str | None) -> Sequence[HeldKey]:
        """What is held for a tenant (None: of every one), and every key that is open; the longest held first."""
        row = held_reports.c
        sums = select(row.tenant, row.key, func.count(), func.min(row.held_at)).group_by(row.tenant, row.key)
        opened = select(breaker.c.tenant, breaker.c.key, breaker.c.open_since).where(breaker.c.open_since.is_not(None))
        with reading(self._engine) as connection:
            since = {(of, key): at for of, key, at in connection.execute(opened)}
            held = {(of, key): (count, oldest) for of, key, count, oldest in connection.execute(sums)}
        known = [
            HeldKey(tenant=of, key=key, held=count, oldest=oldest, open_since=since.get((of, key)))
            for of, key in {*held, *since}
            if tenant in (None, of)
            for count, oldest in [held.get((of, key), (0, None))]
        ]
        return sorted(known, key=lambda one: (one.oldest is None, one.oldest or one.open_since))[:BREAKER_KEYS_SHOWN_MAX]

    def release(self, tenant: str, keys: Sequence[str], *, reason: str, actor: str) -> str:
        """Let what these keys hold count as it would have; the id of the job that does it. `Invalid`: they hold nothing."""
        words = reason_of(reason)

        def release(turn: Turn) -> str:
            self._require_held(turn.connection, tenant, keys)
            until = turn.now + timedelta(hours=BREAKER_TRUSTED_HOURS)
            for key in keys:
                breaking.trust(turn.connection, tenant, key, turn.now, until, self._breaker)
            turn.tell(Act(kind="review-released", tenant=tenant, actor=actor, reason=words, body={"keys": list(keys)}))
            request = ReleaseRequest(keys=tuple(keys), until=turn.now)
            return self._place(turn, RELEASE, tenant, request, reason=words, requested_by=actor)

        return self._turn(release)

    def reject(self, tenant: str, key: str, kind: IncidentKind, *, reason: str, actor: str) -> Incident:
        """Make an incident of what a key holds; it stays open while it goes on. `Invalid` where it holds nothing."""
        with reading(self._engine) as connection:
            self._require_held(connection, tenant, [key])
        return self.make(tenant, kind, Marks(held=key), reason=reason, actor=actor)

    def tidy(self, now: datetime) -> None:
        """Close the keys that are calm again; forget the tallies of those that made nothing for weeks, and what is history.

        An incident that is older than any report that is kept can not be undone any more.
        """

        def tidy(turn: Turn) -> None:
            breaking.tidy(turn.connection, now, self._breaker)
            old = select(incidents.c.id).where(incidents.c.made_at < now - timedelta(days=self.kept.history_days))
            turn.connection.execute(delete(incident_reports).where(incident_reports.c.incident_id.in_(old)))

        self._turn(tidy, now, patient=True)

    def _require_held(self, connection: Connection, tenant: str, keys: Sequence[str]) -> None:
        row = held_reports.c
        asked = select(row.key).distinct().where(row.tenant == tenant, row.key.in_(keys))
        held = set(connection.execute(asked).scalars())
        if missing := [key for key in keys if key not in held]:
            raise Invalid(f"nothing is held by {', '.join(missing)}: `review list` shows the keys that hold anything")

    # --- the job ---

    def run_release(self, work: Work) -> "Released":
        """Do it as far as it goes; how many reports were released."""
        request = msgspec.json.decode(work.job.request, type=ReleaseRequest)
        theirs = and_(
            held_reports.c.tenant == work.job.tenant,
            held_reports.c.key.in_(request.keys),
            held_reports.c.held_at <= request.until,
        )
        done = work.job.done
        with reading(self._engine) as connection:
            total = done + connection.execute(select(func.count()).select_from(held_reports).where(theirs)).scalar_one()
        left, words = 0, f"released from review: {work.job.reason}"
        for hashes in self._held_people(theirs, bytes.fromhex(work.job.cursor or "")):
            released, too_many = self._turn(partial(self._release_some, theirs, hashes, words), patient=True)
            done, left = done + released, left + too_many
            work.checkpoint(hashes[-1].hex(), done=done, total=max(done, total))
        return Released(released=done, too_many=left)

    def _release_some(self, theirs: ColumnElement[bool], hashes: Sequence[bytes], words: str, turn: Turn) -> tuple[int, int]:
        row = held_reports.c
        asked = select(row.report_id, row.proven).where(theirs, row.address_hash.in_(hashes))
        held = {(report_id, proven) for report_id, proven in turn.connection.execute(asked)}
        rows = [one for one in turn.recorded({report_id for report_id, _ in held}) if report_key_of(one) in held]
        people = {person for one in rows if (person := person_of(one))}
        too_many = too_many_said(turn, people)
        turn.load(people)
        recounts = [
            Recount(one, msgspec.structs.replace(said_by(one), did=Did.COUNTED.value), (), words)
            for one in rows
            if person_of(one) not in too_many
        ]
        Recounting(turn, self.policy, actor=REVIEW_ACTOR, words=words, because=words).recount(recounts)
        return len(recounts), len(rows) - len(recounts)

    def _held_people(self, theirs: ColumnElement[bool], after: bytes) -> Iterator[Sequence[bytes]]:
        row = held_reports.c
        while True:
            asked = select(row.address_hash).distinct().where(theirs, row.address_hash > after)
            with reading(self._engine) as connection:
                hashes = connection.execute(asked.order_by(row.address_hash).limit(INCIDENT_PEOPLE_A_TURN)).scalars().all()
            if not hashes:
                return
            yield hashes
            after = hashes[-1]


class Released(msgspec.Struct, frozen=True, kw_only=True):
    """What a release came to, in reports."""

    released: int
    too_many: int  # left: more was said of the person than can be gone through
