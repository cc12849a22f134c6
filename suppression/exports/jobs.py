"""Exports as jobs: the role `jobs` makes what the API was asked for, each in a folder, and removes it when its time is over.

FOLDER/ID/ID.csv                  the file
FOLDER/ID/ID.csv.manifest.json    its manifest
"""

import shutil
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from nullsender.clock import Clock
from suppression.audit.chain import Act
from suppression.exports.manifest import FileFacts, filters_of
from suppression.exports.request import ExportRequest, checked
from suppression.exports.running import Export, Files, Order
from suppression.exports.signing import Document, DocumentSigner
from suppression.jobs.broom import Broom
from suppression.jobs.job import OPEN, Job, JobState
from suppression.jobs.worker import Work
from suppression.store.exports import StoreExports
from suppression.store.jobs import StoreJobs, new_id

KIND = "export"


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """What came of an export."""

    file: FileFacts
    rows: int


def request_of(job: Job) -> ExportRequest:
    """What was asked for."""
    return msgspec.json.decode(job.request, type=ExportRequest)


def made_of(job: Job) -> Made | None:
    """What came of it; None: nothing yet, or nothing at all."""
    return None if job.result is None else msgspec.json.decode(job.result, type=Made)


def files_of(folder: Path, job: Job) -> Files:
    """Where it lies."""
    return Files(folder / job.id / f"{job.id}{request_of(job).suffix}")


def asked_for(order: Order) -> Act:
    """What the audit trail says when an export is asked for."""
    return _act("export-requested", order, {})


def done(order: Order, manifest: Document) -> Act:
    """And when it is complete."""
    told = {name: manifest[name] for name in ("as_of", "counts", "file")}
    return _act("export", order, told)


def _act(kind: str, order: Order, told: dict[str, Any]) -> Act:
    request = order.request
    body = {"recipient": request.recipient, "what": request.what, "format": request.format, "filters": filters_of(request)}
    return Act(
        kind=kind,
        actor=order.requested_by,
        reason=request.purpose,
        tenant=request.tenant,
        subject=order.id,
        body=msgspec.to_builtins(body | told),
    )


def submit(jobs: StoreJobs, request: ExportRequest, *, requested_by: str, now: datetime) -> Job:
    """Ask for an export; the job as it waits. `Invalid` where the request makes no sense, or too many wait already."""
    request = checked(request, now)
    assert request.tenant is not None, "a key belongs to one tenant, or names one"
    order = Order(id=new_id(), request=request, requested_by=requested_by, requested=now)
    return jobs.submit(
        KIND,
        request.tenant,
        msgspec.json.encode(request).decode(),
        reason=request.purpose,
        requested_by=requested_by,
        job_id=order.id,
        acts=[asked_for(order)],
    )


class ExportRunner:
    """Makes the exports that were asked for."""

    def __init__(self, folder: Path, store: StoreExports, signer: DocumentSigner, clock: Clock) -> None:
        self._folder = folder
        self._store = store
        self._signer = signer
        self._clock = clock

    def __call__(self, work: Work) -> Made:
        """Make one, or go on with it."""
        job = work.job
        order = Order(id=job.id, request=request_of(job), requested_by=job.requested_by, requested=job.created)
        files = files_of(self._folder, job)
        files.target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        export = Export(order, files, store=self._store, signer=self._signer, clock=self._clock)
        manifest = export.run(job.cursor, work)
        work.tell(done(order, manifest))
        return Made(file=msgspec.convert(manifest["file"], FileFacts), rows=manifest["counts"]["rows"])


def remove(folder: Path, jobs: StoreJobs, job: Job) -> None:
    """Cancel an export, or remove what it made: first its state says so, then the files go.

    A worker that still writes there stops at its next step, and the duty removes what it left.
    """
    jobs.cancel(job.tenant, job.id)
    if job.state is JobState.COMPLETE:
        jobs.expire_job(job)
    shutil.rmtree(folder / job.id, ignore_errors=True)


class ExportsBroom(Broom):
    """Removes the files of exports whose time is over, and what is left of those that did not become complete."""

    def _tidy(self, folder: Path, job: Job | None, now: datetime) -> None:
        if job is None:
            shutil.rmtree(folder, ignore_errors=True)
        elif job.state not in OPEN and self._is_over(job, now):
            remove(self._folder, self._jobs, job)

    def _is_over(self, job: Job, now: datetime) -> bool:
        kept = self._kept if job.state is JobState.COMPLETE else timedelta(0)
        return job.finished is not None and job.finished + kept <= now
