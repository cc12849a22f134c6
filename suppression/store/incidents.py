"""Incidents in the store: tried out, made, shown, undone.

To make one is one row and one act: from then on it holds for what comes. A job goes through the reports that are there already,
some people at a time, and goes on where it was when its process dies. To undo one is the same again, the other way round.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import msgspec
from sqlalchemy import Select, func, insert, select, update

from nullsender.errors import Invalid
from nullsender.limits import INCIDENT_PAGE_PEOPLE, INCIDENT_PEOPLE_A_TURN, INCIDENTS_HOLDING_MAX
from suppression.audit.chain import Act
from suppression.engine import reading
from suppression.incidents.effects import Effect, Summary
from suppression.incidents.incident import Incident, IncidentKind, Marks, require_sense
from suppression.jobs.job import OPEN, Job, JobState
from suppression.jobs.worker import Work
from suppression.models import incidents
from suppression.records import Page
from suppression.store.aside import incident_of, matcher_of
from suppression.store.incident_work import (
    Decide,
    Making,
    Undoing,
    count_members,
    count_people,
    members_of,
    names_of,
    people_of,
)
from suppression.store.jobs import StoreJobs
from suppression.store.text import clean_words, json_of, require_name
from suppression.store.turn import Turn
from suppression.store.turns import StoreTurns

#: The kinds of jobs.
MAKE, UNDO, PREVIEW = "incident", "incident-undo", "incident-preview"

_NEWEST = 2**62  # the number of an incident that is only tried out: it would be the newest


class IncidentRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a job is to do. A preview names no incident, for there is none."""

    incident: int | None = None
    kind: IncidentKind | None = None
    marks: Marks | None = None


class _Progress(msgspec.Struct, kw_only=True):
    """How far a job has come."""

    after: bytes = b""  # the hash of the person whom it came to
    people: int = 0  # whom it has looked at
    summary: Summary = msgspec.field(default_factory=Summary)


class StoreIncidents(StoreTurns):
    """Incidents of all tenants. `Transient` where the store can not be asked."""

    def make(self, tenant: str, kind: IncidentKind, marks: Marks, *, reason: str, actor: str) -> Incident:
        """Let an incident hold, now for all that comes, and by its job for all that came. `Invalid` where it can not be."""
        require_name(tenant, "the tenant")
        words = reason_of(reason)
        matcher_of(require_sense(marks, kind, self._clock.now()))

        def make(turn: Turn) -> Incident:
            row = incidents.c
            holding = select(func.count()).select_from(incidents).where(row.tenant == tenant, row.undone_at.is_(None))
            if turn.connection.execute(holding).scalar_one() >= INCIDENTS_HOLDING_MAX:
                raise Invalid(f"{INCIDENTS_HOLDING_MAX} incidents hold already: undo one, or lift what it released by hand")
            said = msgspec.to_builtins(marks)
            number = turn.tell(
                Act(kind="incident-made", tenant=tenant, actor=actor, reason=words, body={"kind": kind.value, "marks": said})
            )
            job = self._place(turn, MAKE, tenant, IncidentRequest(incident=number), reason=words, requested_by=actor)
            made = {"id": number, "tenant": tenant, "kind": kind.value, "marks": json_of(marks), "reason": words}
            turn.connection.execute(
                insert(incidents).values(made | {"made_at": turn.now, "made_by": clean_words(actor), "job": job})
            )
            return incident_of(turn.connection.execute(select(incidents).where(row.id == number)).one())

        return self._turn(make)

    def undo(self, tenant: str, incident_id: int, *, reason: str, actor: str) -> Incident | None:
        """Let it hold no more; what it did is taken back by a job. None: the tenant has no such incident.

        One that was undone already stays as it is, unless its job was cancelled or broke: then another does the rest.
        """
        words = reason_of(reason)

        def undo(turn: Turn) -> Incident | None:
            this = incidents.c.tenant == tenant, incidents.c.id == incident_id
            found = turn.connection.execute(select(incidents).where(*this)).one_or_none()
            if found is None or (found.undone_at is not None and self._goes_on(found.job)):
                return None if found is None else incident_of(found)
            turn.tell(Act(kind="incident-undone", tenant=tenant, actor=actor, reason=words, subject=str(incident_id)))
            request = IncidentRequest(incident=incident_id)
            job = self._place(turn, UNDO, tenant, request, reason=words, requested_by=actor)
            undone = {"undone_at": turn.now, "undone_by": clean_words(actor), "undone_because": words, "job": job}
            turn.connection.execute(update(incidents).where(*this).values(undone))
            return incident_of(turn.connection.execute(select(incidents).where(*this)).one())

        return self._turn(undo)

    def _goes_on(self, job_id: str) -> bool:
        job = StoreJobs.beside(self).job(None, job_id)
        return job is None or job.state in OPEN or job.state is JobState.COMPLETE

    def incident(self, tenant: str | None, incident_id: int) -> Incident | None:
        """The incident of that number, where it is one of `tenant` (None: of any)."""
        with reading(self._engine) as connection:
            found = connection.execute(select(incidents).where(incidents.c.id == incident_id)).one_or_none()
        return None if found is None or tenant not in (None, found.tenant) else incident_of(found)

    def list_incidents(self, tenant: str, *, cursor: int | None, limit: int) -> Page[Incident]:
        """The incidents of a tenant, the newest first, `limit` a page."""
        asked = select(incidents).where(incidents.c.tenant == tenant)
        if cursor is not None:
            asked = asked.where(incidents.c.id < cursor)
        with reading(self._engine) as connection:
            rows = connection.execute(asked.order_by(incidents.c.id.desc()).limit(limit + 1)).all()
        found = [incident_of(row) for row in rows[:limit]]
        return Page(found, found[-1].id if len(rows) > limit else None)

    # --- trying out ---

    def tried(self, tenant: str, kind: IncidentKind, marks: Marks) -> Incident:
        """An incident that nobody has made, to be previewed. `Invalid` where it can not be."""
        now = self._clock.now()
        matcher_of(require_sense(marks, kind, now))
        return Incident(
            id=_NEWEST, tenant=tenant, kind=kind, marks=marks, reason="a preview", made_at=now, made_by="", job=None
        )

    def count(self, incident: Incident) -> int:
        """How many people it may concern."""
        with reading(self._engine) as connection:
            return count_people(connection, incident)

    def preview(self, incident: Incident, decide: Decide) -> Iterator[tuple[int, Summary, Sequence[Effect]]]:
        """What it would do, some people at a time: how many, their sums, each of their entries. Nothing is written."""
        for hashes in self._pages(lambda after, limit: people_of(incident, after, limit), b""):
            with reading(self._engine) as connection:
                turn = Turn(connection, last=0, now=self._clock.now(), deadlines=self._deadlines)
                yield len(hashes), *self._go_through(turn, incident, hashes, decide)

    def submit_preview(self, tenant: str, kind: IncidentKind, marks: Marks, *, actor: str) -> str:
        """Let a job find out what an incident would do; the job's id. `Invalid` where it can not be."""
        self.tried(tenant, kind, marks)
        request = json_of(IncidentRequest(kind=kind, marks=marks))
        return StoreJobs.beside(self).submit(PREVIEW, tenant, request, reason="a preview", requested_by=actor).id

    def previewed(self, job: Job) -> tuple[Summary, list[Effect]] | None:
        """What a job of `submit_preview` found, and the first entries with their addresses; None until it is complete."""
        if job.result is None:
            return None
        summary = msgspec.json.decode(job.result, type=Summary)
        with reading(self._engine) as connection:
            return summary, names_of(connection, summary.entries)

    # --- the jobs ---

    def run(self, work: Work, decide: Decide) -> Summary:
        """Do one of the three jobs as far as it goes; the sums."""
        request = msgspec.json.decode(work.job.request, type=IncidentRequest)
        if request.incident is None:
            return self._run_preview(work, request, decide)
        incident, undoing = self.incident(None, request.incident), work.job.kind == UNDO
        assert incident is not None, "incidents stay"
        progress = msgspec.json.decode(work.job.cursor, type=_Progress) if work.job.cursor else _Progress()
        with reading(self._engine) as connection:
            total = count_members(connection, incident.id) if undoing else count_people(connection, incident)
        pages = partial(members_of, incident.id) if undoing else partial(people_of, incident)
        total += progress.people if undoing else 0
        for hashes in self._pages(pages, progress.after):
            part = self._turn(partial(self._take_turn, incident.id, hashes, decide, undoing), patient=True)
            if part is None:
                break  # it was undone meanwhile: what it did is another job's to take back
            progress.summary.merge(part)
            progress.after, progress.people = hashes[-1], progress.people + len(hashes)
            cursor = msgspec.json.encode(progress).decode()
            work.checkpoint(cursor, done=progress.people, total=max(total, progress.people))
        return progress.summary

    def _run_preview(self, work: Work, request: IncidentRequest, decide: Decide) -> Summary:
        assert request.kind is not None, "a preview says what it is to try"
        assert request.marks is not None, "and on what"
        incident, summary, done = self.tried(work.job.tenant, request.kind, request.marks), Summary(), 0
        total = self.count(incident)
        for looked_at, part, _ in self.preview(incident, decide):
            summary.merge(part)
            done += looked_at
            work.checkpoint("", done=done, total=max(total, done))  # one that is broken off begins anew
        return summary

    def _take_turn(
        self, incident_id: int, hashes: Sequence[bytes], decide: Decide, undoing: bool, turn: Turn
    ) -> Summary | None:
        found = turn.connection.execute(select(incidents).where(incidents.c.id == incident_id)).one()
        if undoing != (found.undone_at is not None):
            return None
        return self._go_through(turn, incident_of(found), hashes, decide)[0]

    def _go_through(
        self, turn: Turn, incident: Incident, hashes: Sequence[bytes], decide: Decide
    ) -> tuple[Summary, Sequence[Effect]]:
        summary = Summary()
        if incident.holds:
            making = Making(turn, incident, summary, policy=self.policy, hasher=self._hasher, decide=decide)
            effects = making.go_through(hashes)
        else:
            effects = Undoing(turn, incident, summary, policy=self.policy).go_through(hashes)
        named = names_of(turn.connection, effects)
        summary.add(named)
        return summary, named

    def _pages(self, asked: Callable[[bytes, int], Select[Any]], after: bytes) -> Iterator[Sequence[bytes]]:
        """The hashes that `asked` asks for, in their order, so many at a time as one turn takes."""
        while True:
            with reading(self._engine) as connection:
                hashes = connection.execute(asked(after, INCIDENT_PAGE_PEOPLE)).scalars().all()
            for start in range(0, len(hashes), INCIDENT_PEOPLE_A_TURN):
                yield hashes[start : start + INCIDENT_PEOPLE_A_TURN]
            if len(hashes) < INCIDENT_PAGE_PEOPLE:
                return
            after = hashes[-1]

    def _place(self, turn: Turn, kind: str, tenant: str, request: msgspec.Struct, *, reason: str, requested_by: str) -> str:
        jobs = StoreJobs.beside(self)
        return jobs.place(turn, kind, tenant, json_of(request), reason=reason, requested_by=requested_by).id


def reason_of(text: str) -> str:
    """The reason, as it is kept; `Invalid` where there is none."""
    if not text.strip():
        raise Invalid("an incident needs a reason: it stands in the history of everybody whom it concerns")
    return clean_words(text.strip())
