"""`nullsender jobs`: long work that was asked for (exports, imports, …), and the duties that come round every minute.

As many processes as are wanted, on any machine; each does one job at a time. What they do stands in `working/`.
"""

import argparse
import logging
import threading
from collections.abc import Callable, Sequence

from nullsender.cli import parts, store_parts
from nullsender.cli.running import role
from nullsender.cli.working.duties import duties_of
from nullsender.cli.working.runners import runners_of
from nullsender.clock import SteadyTime
from nullsender.errors import Transient
from nullsender.limits import DUTY_POLL_SECONDS, JOBS_POLL_SECONDS
from suppression.jobs.worker import Duty, Worker, do_duties
from suppression.store.jobs import StoreJobs

_log = logging.getLogger("jobs")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Nothing of its own."""
    role.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Work jobs off until told to stop; one that is under way then goes on in another process, or at the next start."""
    with role.running("jobs", arguments) as ours:
        store = store_parts.open_store(ours.settings)
        jobs, stop = StoreJobs.beside(store), ours.heart.pulse("the worker")
        worker = Worker(jobs, runners_of(ours.settings, store), clock=parts.CLOCK, stop=stop)
        duties = duties_of(ours.settings, store)
        threading.Thread(target=_keep_duties, args=(jobs, duties, ours.stop), daemon=True, name="duties").start()
        while not stop():
            if not _step(worker):
                parts.CLOCK.sleep(JOBS_POLL_SECONDS)
    return 0


def _step(worker: Worker) -> bool:
    """Do a job, if there is one; False: there is nothing to be done now."""
    try:
        return worker.step()
    except Transient as trouble:
        _log.warning("the store can not be asked for jobs", extra={"facts": {"trouble": trouble}})
        return False


def _keep_duties(jobs: StoreJobs, duties: Sequence[Duty], stop: Callable[[], bool]) -> None:
    """See again and again whether a duty is due, but not while the clock can not be believed."""
    time = SteadyTime(parts.CLOCK)
    while not stop():
        now = time.now()
        if now is not None:
            do_duties(jobs, duties, now)
        parts.CLOCK.sleep(DUTY_POLL_SECONDS)
