"""Working off jobs: take one, run it, write down how it ended; beside that, the duties that come round every minute.

To let jobs of a new kind be done, write a runner and name it in `nullsender/cli/working/runners.py`:

    def run(work: Work) -> msgspec.Struct:                     # the result, which the job shows as JSON
        request = msgspec.json.decode(work.job.request, type=MyRequest)
        for part in parts(after=work.job.cursor):               # None at the first start
            ...                                                 # do it so that doing it twice is doing it once
            work.checkpoint(part.cursor, done=part.rows, total=all_rows)
        return MyResult(...)

`work.checkpoint` writes down how far the job has come: a crash goes on from there. It also renews the lease, as `work.breathe`
does alone, so one of the two is called every few seconds. Both raise `Interrupted` or `Taken`, which a runner lets through. A
runner that raises `Invalid` or `Misconfigured` breaks its job, with that sentence as the trouble; `Transient` lets it wait and
come again. What it tells (`work.tell(act)`) stands in the audit trail once the job is complete.

A duty is `Duty(name, work)`, named in `nullsender/cli/working/duties.py`; `work(now)` is called about once a minute by one of
all processes. Now and then two may do it at once, or twice: it does what is due and nothing else.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol

import msgspec

from nullsender import telemetry
from nullsender.clock import Clock
from nullsender.errors import Invalid, Misconfigured, Transient
from nullsender.limits import DUTY_SECONDS, JOB_BREATH_SECONDS, JOB_TRIES_MAX
from suppression.audit.chain import Act
from suppression.jobs.job import Interrupted, Job, Taken

_log = logging.getLogger("jobs")


class Duty(NamedTuple):
    """What is to be done every minute, by one of all processes."""

    name: str
    work: Callable[[datetime], object]


class JobStore(Protocol):
    """What working needs of the store (`suppression/store/jobs.py`)."""

    def take(self, kinds: Sequence[str]) -> Job | None:
        """The job that has waited longest, now ours."""

    def renew(self, job: Job) -> bool:
        """Keep it for another lease; False: it is not ours any more."""

    def checkpoint(self, job: Job, cursor: str, *, done: int, total: int | None) -> bool:
        """The same, and write down how far it has come."""

    def finish(self, job: Job, result: str, acts: Sequence[Act]) -> bool:
        """It is complete, and the audit trail says what was done."""

    def break_off(self, job: Job, trouble: str) -> bool:
        """It can not be done."""

    def put_back(self, job: Job, *, trouble: str | None) -> bool:
        """It waits again: a while where there is trouble, and not at all where there is none."""

    def claim_duty(self, name: str, every_seconds: float) -> bool:
        """Whether it is due, and ours to do."""


class Work:
    """A job in hand."""

    def __init__(self, job: Job, store: JobStore, clock: Clock, stop: Callable[[], bool]) -> None:
        self.job = job
        self._store = store
        self._clock = clock
        self._stop = stop
        self._breathed_at_seconds = clock.monotonic_seconds()
        self.acts: list[Act] = []

    def tell(self, act: Act) -> None:
        """Write an act into the audit trail, in the transaction in which the job becomes complete."""
        self.acts.append(act)

    def checkpoint(self, cursor: str, *, done: int, total: int | None = None) -> None:
        """All up to `cursor` is done and on disk: whoever takes the job next goes on there."""
        self._require(self._store.checkpoint(self.job, cursor, done=done, total=total))

    def breathe(self) -> None:
        """Say that the work goes on; costs nothing when it is called often."""
        if self._stop():
            raise Interrupted
        if self._clock.monotonic_seconds() - self._breathed_at_seconds >= JOB_BREATH_SECONDS:
            self._require(self._store.renew(self.job))

    def _require(self, ours: bool) -> None:
        if not ours:
            raise Taken
        self._breathed_at_seconds = self._clock.monotonic_seconds()
        if self._stop():
            raise Interrupted


#: Does the jobs of one kind.
Runner = Callable[[Work], msgspec.Struct]


class Worker:
    """Does jobs of the kinds that it has runners for, one after the other."""

    def __init__(self, store: JobStore, runners: Mapping[str, Runner], *, clock: Clock, stop: Callable[[], bool]) -> None:
        self._store = store
        self._runners = runners
        self._clock = clock
        self._stop = stop

    def step(self) -> bool:
        """Do one job as far as it goes; False: there was none. `Transient`: the store can not be asked."""
        job = self._store.take(tuple(self._runners))
        if job is None:
            return False
        _log.info("a job begins", extra={"facts": _facts(job, cursor=job.cursor, tries=job.tries)})
        ended = "taken" if job.tries <= JOB_TRIES_MAX else self._give_up(job)
        if ended == "taken":
            ended = self._run(job)
        telemetry.JOBS.labels(job.kind, ended).inc()
        return True

    def _give_up(self, job: Job) -> str:
        trouble = f"it was begun {job.tries} times without coming any further: the log of `jobs` says how each time ended"
        return self._break(job, job.trouble or trouble)

    def _run(self, job: Job) -> str:
        work = Work(job, self._store, self._clock, self._stop)
        try:
            result = self._runners[job.kind](work)
            if not self._store.finish(job, msgspec.json.encode(result).decode(), work.acts):
                raise Taken
        except Interrupted:
            self._store.put_back(job, trouble=None)
            return "interrupted"
        except Taken:
            _log.info("a job was cancelled, or is another's now", extra={"facts": _facts(job)})
            return "cancelled"
        except Invalid as invalid:
            return self._break(job, str(invalid), logging.WARNING)  # whoever asked is told: it is no trouble of ours
        except Misconfigured as error:
            return self._break(job, str(error))
        except (Transient, OSError) as trouble:  # a full disk is no reason to forget the job
            _log.warning("a job will be tried again", extra={"facts": _facts(job, trouble=trouble)})
            self._store.put_back(job, trouble=str(trouble))
            return "tried-again"
        except Exception:
            _log.exception("our own code failed on a job", extra={"facts": _facts(job)})
            return self._break(job, "a bug of ours; it is logged")
        _log.info("a job is complete", extra={"facts": _facts(job)})
        return "complete"

    def _break(self, job: Job, trouble: str, level: int = logging.ERROR) -> str:
        _log.log(level, "a job is broken", extra={"facts": _facts(job, trouble=trouble)})
        self._store.break_off(job, trouble)
        return "broken"


def do_duties(store: JobStore, duties: Sequence[Duty], now: datetime) -> None:
    """Do each duty that is due; one that fails leaves the others alone and comes round again."""
    for duty in duties:
        try:
            if store.claim_duty(duty.name, DUTY_SECONDS):
                duty.work(now)
        except Transient as trouble:
            _log.warning("a duty will be done later", extra={"facts": {"duty": duty.name, "trouble": trouble}})
        except Exception:
            _log.exception("a duty failed", extra={"facts": {"duty": duty.name}})


def _facts(job: Job, **more: Any) -> dict[str, Any]:
    return {"job": job.id, "kind": job.kind, "tenant": job.tenant, **more}
