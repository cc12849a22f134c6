"""A job done here, or watched while `nullsender jobs` does it: whoever takes it first. Stopping us leaves it to the other."""

import sys
import threading
from collections.abc import Mapping
from typing import Never

from tqdm import tqdm

from nullsender.cli import parts
from nullsender.errors import Invalid, Transient
from nullsender.limits import JOB_WATCH_SECONDS
from suppression.jobs.job import OPEN, Job, JobState
from suppression.jobs.worker import Runner, Worker
from suppression.store.jobs import StoreJobs
from suppression.store.store import Store


def done_here(store: Store, job_id: str, runners: Mapping[str, Runner], *, what: str) -> Job:
    """The job when it has ended, with a bar of its progress meanwhile. `Invalid` where it could not be done."""
    jobs, stop = StoreJobs.beside(store), threading.Event()
    worker = Worker(jobs, runners, clock=parts.CLOCK, stop=stop.is_set)
    thread = threading.Thread(target=_work, args=(worker, stop), name="the job")
    thread.start()
    try:
        with tqdm(desc=what, unit=" people", file=sys.stderr, disable=None) as bar:
            job = _watch(jobs, job_id, bar)
    finally:
        stop.set()
        thread.join()
    if job.state is not JobState.COMPLETE:
        raise Invalid(f"the job {job.id} is {job.state}: {job.trouble or 'nobody said why'}")
    return job


def _work(worker: Worker, stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            if worker.step():
                continue
        except Transient:
            pass  # whoever watches hears of it as well
        stop.wait(JOB_WATCH_SECONDS)


def _watch(jobs: StoreJobs, job_id: str, bar: "tqdm[Never]") -> Job:
    while True:
        job = jobs.job(None, job_id)
        assert job is not None, "it was placed just now, and jobs are kept"
        bar.total = job.total
        bar.update(job.done - bar.n)
        if job.state not in OPEN:
            return job
        parts.CLOCK.sleep(JOB_WATCH_SECONDS)
