"""Jobs in the store: who takes which, how far each has come, how it ended.

A job is taken by writing a lease's name and end into its row; all that its worker writes from then on holds only where that
name still stands there. So a process that was given up for dead and comes back writes nothing any more. None of this changes
the list: it needs no pen, and PostgreSQL's processes take jobs beside each other (SKIP LOCKED). Only asking for a job and
completing it are turns, because the audit trail tells of them.
"""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Delete, Row, Update, and_, case, delete, func, insert, or_, select, update

from nullsender.errors import Invalid
from nullsender.limits import JOB_LEASE_SECONDS, JOB_RETRY_SECONDS, JOBS_KEPT_DAYS, JOBS_OPEN_MAX
from suppression.audit.chain import Act
from suppression.engine import reading
from suppression.jobs.job import OPEN, Job, JobState
from suppression.models import duties, job_is_open, jobs
from suppression.store.bulk import Columns
from suppression.store.rows import take_pen
from suppression.store.text import clean_words, require_name
from suppression.store.turn import Turn
from suppression.store.turns import StoreTurns

_ID_BYTES = 12
_OPEN = sorted(state.value for state in OPEN)


class JobPage(NamedTuple):
    """One page, newest first. `cursor` asks for the next one; None: this was the last."""

    items: Sequence[Job]
    cursor: str | None


class StoreJobs(StoreTurns):
    """The jobs of all tenants. `Transient` where the store can not be asked."""

    # --- those who ask ---

    def submit(
        self,
        kind: str,
        tenant: str,
        request: str,
        *,
        reason: str,
        requested_by: str,
        job_id: str | None = None,
        acts: Sequence[Act] = (),
    ) -> Job:
        """Let a job be done, and tell the audit trail of it; the job as it waits.

        With a `job_id` that there is already, nothing is done and that job given. `Invalid` where the tenant has JOBS_OPEN_MAX
        of that kind to be done already.
        """
        row = self._new_row(kind, tenant, request, reason=reason, requested_by=requested_by, job_id=job_id)

        def submit(turn: Turn) -> Job:
            known = turn.connection.execute(select(jobs).where(jobs.c.id == row["id"])).one_or_none()
            if known is None:
                known = _placed(turn.connection, row)
                for act in acts:
                    turn.tell(act)
            return job_of(known)

        return self._turn(submit)

    def place(self, turn: Turn, kind: str, tenant: str, request: str, *, reason: str, requested_by: str) -> Job:
        """The same as part of a turn that does more; the audit trail is told by whoever takes that turn."""
        row = self._new_row(kind, tenant, request, reason=reason, requested_by=requested_by, job_id=None)
        return job_of(_placed(turn.connection, row))

    def _new_row(self, kind: str, tenant: str, request: str, *, reason: str, requested_by: str, job_id: str | None) -> Columns:
        now = self._clock.now()
        row: Columns = dict.fromkeys(column.name for column in jobs.c)
        return row | {
            "id": job_id or new_id(),
            "kind": kind,
            "tenant": require_name(tenant, "the tenant"),
            "state": JobState.WAITING.value,
            "request": request,
            "reason": clean_words(reason),
            "requested_by": clean_words(requested_by),
            "created_at": now,
            "due_at": now,
            "done": 0,
            "tries": 0,
        }

    def job(self, tenant: str | None, job_id: str) -> Job | None:
        """The job of that id, where it is one of `tenant` (None: of any)."""
        with reading(self._engine) as connection:
            found = connection.execute(select(jobs).where(jobs.c.id == job_id)).one_or_none()
        return None if found is None or tenant not in (None, found.tenant) else job_of(found)

    def list_jobs(self, tenant: str, kind: str | None, *, cursor: str | None, limit: int) -> JobPage:
        """The jobs of a tenant, the newest first, `limit` a page; `cursor` is the last one's id of the page before.

        `Invalid` where `cursor` is none of a job of that tenant.
        """
        asked = select(jobs).where(jobs.c.tenant == tenant)
        if kind is not None:
            asked = asked.where(jobs.c.kind == kind)
        with reading(self._engine) as connection:
            if cursor is not None:
                last = connection.execute(asked.where(jobs.c.id == cursor)).one_or_none()
                if last is None:
                    raise Invalid("`cursor` is the `next` of the page before")
                same_time = and_(jobs.c.created_at == last.created_at, jobs.c.id < last.id)
                asked = asked.where(or_(jobs.c.created_at < last.created_at, same_time))
            rows = connection.execute(asked.order_by(jobs.c.created_at.desc(), jobs.c.id.desc()).limit(limit + 1)).all()
        found = [job_of(row) for row in rows[:limit]]
        return JobPage(found, found[-1].id if len(rows) > limit else None)

    def cancel(self, tenant: str, job_id: str) -> Job | None:
        """Let a job be done no more; the job as it is then. One that has ended stays as it is. None: there is no such job."""

        def cancel(connection: Connection) -> Job | None:
            change = update(jobs).where(jobs.c.id == job_id, jobs.c.tenant == tenant, jobs.c.state.in_(_OPEN))
            ended = {"state": JobState.CANCELLED.value, "finished_at": self._clock.now(), "lease": None, "lease_until": None}
            connection.execute(change.values(ended))
            found = connection.execute(select(jobs).where(jobs.c.id == job_id, jobs.c.tenant == tenant)).one_or_none()
            return None if found is None else job_of(found)

        return self._write(cancel)

    def expire_job(self, job: Job) -> None:
        """What a complete job has made is removed."""
        change = update(jobs).where(jobs.c.id == job.id, jobs.c.state == JobState.COMPLETE.value)
        self._write(lambda connection: _changed_one(connection, change.values(state=JobState.EXPIRED.value)), patient=True)

    def forget_jobs(self, now: datetime) -> None:
        """Forget the jobs that ended JOBS_KEPT_DAYS ago."""
        over = jobs.c.finished_at < now - timedelta(days=JOBS_KEPT_DAYS)
        self._write(lambda connection: _changed_one(connection, delete(jobs).where(over)), patient=True)

    # --- those who work ---

    def take(self, kinds: Sequence[str]) -> Job | None:
        """The job of one of these kinds that has waited longest, or whose worker has died; it is ours for JOB_LEASE_SECONDS."""
        now, lease = self._clock.now(), new_id()
        theirs = jobs.c.kind.in_(kinds)
        waits = and_(jobs.c.state == JobState.WAITING.value, jobs.c.due_at <= now)
        orphaned = and_(jobs.c.state == JobState.WORKING.value, jobs.c.lease_until < now)
        asked = select(jobs).where(job_is_open, theirs, or_(waits, orphaned)).order_by(jobs.c.created_at, jobs.c.id).limit(1)
        with reading(self._engine) as connection:
            if connection.execute(asked).first() is None:
                return None  # an idle worker writes nothing

        def take(connection: Connection) -> Job | None:
            row = connection.execute(select(jobs).where(jobs.c.lease == lease)).one_or_none()
            if row is None:  # else a commit that we had not heard of took it
                row = connection.execute(asked.with_for_update(skip_locked=True)).one_or_none()
            if row is None:
                return None
            taken = {
                "state": JobState.WORKING.value,
                "started_at": row.started_at or now,
                "tries": row.tries + (row.lease != lease),
                "lease": lease,
                "lease_until": now + timedelta(seconds=JOB_LEASE_SECONDS),
            }
            connection.execute(update(jobs).where(jobs.c.id == row.id).values(taken))
            return job_of(connection.execute(select(jobs).where(jobs.c.id == row.id)).one())

        return self._write(take, patient=True)

    def renew(self, job: Job) -> bool:
        """Keep a job for another lease; False: it is not ours any more."""
        return self._change(job, lease_until=self._lease_until())

    def checkpoint(self, job: Job, cursor: str, *, done: int, total: int | None) -> bool:
        """The same, and write down how far it has come."""
        tries = case((jobs.c.cursor == cursor, jobs.c.tries), else_=1)
        return self._change(job, cursor=cursor, done=done, total=total, tries=tries, lease_until=self._lease_until())

    def finish(self, job: Job, result: str, acts: Sequence[Act] = ()) -> bool:
        """It is complete, and the audit trail says what was done."""

        def finish(turn: Turn) -> bool:
            ours = _changed_one(turn.connection, self._ending(job, JobState.COMPLETE, result=result, trouble=None))
            for act in acts if ours else ():
                turn.tell(act)
            return ours

        return self._turn(finish)

    def break_off(self, job: Job, trouble: str) -> bool:
        """It can not be done."""
        change = self._ending(job, JobState.BROKEN, trouble=clean_words(trouble))
        return self._write(lambda connection: _changed_one(connection, change), patient=True)

    def put_back(self, job: Job, *, trouble: str | None) -> bool:
        """It waits again: JOB_RETRY_SECONDS for each time that it was tried in vain, and not at all without trouble."""
        wait_seconds = 0 if trouble is None else JOB_RETRY_SECONDS * job.tries
        due = self._clock.now() + timedelta(seconds=wait_seconds)
        words = None if trouble is None else clean_words(trouble)
        back: dict[str, Any] = {"lease": None, "lease_until": None, "due_at": due, "trouble": words}
        if trouble is None:
            back["tries"] = 0
        return self._change(job, state=JobState.WAITING.value, **back)

    def claim_duty(self, name: str, every_seconds: float) -> bool:
        """Whether a duty is due; then it is ours, and due again after so long."""
        now = self._clock.now()
        with reading(self._engine) as connection:
            due = connection.execute(select(duties.c.due_at).where(duties.c.name == name)).scalar()
        if due is not None and due > now:
            return False

        def claim(connection: Connection) -> bool:
            take_pen(connection)  # two may claim what was never done
            found = connection.execute(select(duties.c.due_at).where(duties.c.name == name)).scalar()
            if found is not None and found > now:
                return False
            next_due = now + timedelta(seconds=every_seconds)
            if found is None:
                connection.execute(insert(duties).values(name=name, due_at=next_due))
            else:
                connection.execute(update(duties).where(duties.c.name == name).values(due_at=next_due))
            return True

        return self._write(claim, patient=True)

    def _lease_until(self) -> datetime:
        return self._clock.now() + timedelta(seconds=JOB_LEASE_SECONDS)

    def _ending(self, job: Job, state: JobState, **values: Any) -> Update:
        ended = {"state": state.value, "finished_at": self._clock.now(), "lease_until": None}
        return update(jobs).where(_held(job)).values(ended | values)

    def _change(self, job: Job, **values: Any) -> bool:
        change = update(jobs).where(_held(job)).values(values)
        return self._write(lambda connection: _changed_one(connection, change), patient=True)


def _placed(connection: Connection, row: Columns) -> Row[Any]:
    theirs = and_(jobs.c.tenant == row["tenant"], jobs.c.kind == row["kind"], jobs.c.state.in_(_OPEN))
    waiting = connection.execute(select(func.count()).select_from(jobs).where(theirs)).scalar_one()
    if waiting >= JOBS_OPEN_MAX:
        raise Invalid(f"{waiting} jobs ({row['kind']}) wait or are at work already: wait until one has ended, or cancel one")
    connection.execute(insert(jobs).values(row))
    return connection.execute(select(jobs).where(jobs.c.id == row["id"])).one()


def new_id() -> str:
    """An id that nobody guesses."""
    return secrets.token_hex(_ID_BYTES)


def job_of(row: Row[Any]) -> Job:
    """The job of a row of `jobs`."""
    return Job(
        id=row.id,
        kind=row.kind,
        tenant=row.tenant,
        state=JobState(row.state),
        request=row.request,
        reason=row.reason,
        requested_by=row.requested_by,
        created=row.created_at,
        started=row.started_at,
        finished=row.finished_at,
        cursor=row.cursor,
        done=row.done,
        total=row.total,
        tries=row.tries,
        lease=row.lease,
        result=row.result,
        trouble=row.trouble,
    )


def _held(job: Job) -> ColumnElement[bool]:
    return and_(jobs.c.id == job.id, jobs.c.lease == job.lease)


def _changed_one(connection: Connection, change: Update | Delete) -> bool:
    return connection.execute(change).rowcount == 1
