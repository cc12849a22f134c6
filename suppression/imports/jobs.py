"""Imports as jobs: what was sent to the API is taken by the role `jobs`, each in a folder of its own.

FOLDER/ID/list           the file as it was sent; it leaves when the import has ended
FOLDER/ID/refused.csv    the rows that were not taken
"""

import shutil
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from nullsender.address import AddressHasher
from nullsender.clock import Clock
from nullsender.errors import Invalid
from nullsender.limits import IMPORT_UPLOAD_SECONDS_MAX
from suppression.imports.options import Options
from suppression.imports.report import Report
from suppression.imports.running import REFUSED, Brief, Importer, Place
from suppression.jobs.broom import Broom
from suppression.jobs.job import OPEN, Job
from suppression.jobs.worker import Work
from suppression.store.imports import StoreImports
from suppression.store.jobs import StoreJobs

KIND: Final = "import"
LIST: Final = "list"


class ImportRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for; the file lies in the job's folder."""

    name: str
    options: Options
    dry_run: bool = False


def request_of(job: Job) -> ImportRequest:
    """What was asked for."""
    return msgspec.json.decode(job.request, type=ImportRequest)


def report_of(job: Job) -> Report | None:
    """What came of it, or has come of it so far; None: its file is being read, or can not be."""
    if job.result is not None:
        return msgspec.json.decode(job.result, type=Report)
    return None if job.cursor is None else msgspec.json.decode(job.cursor, type=Place).report


def refused_file(folder: Path, job: Job) -> Path:
    """Where the rows lie that were not taken."""
    return folder / job.id / REFUSED


def submit(jobs: StoreJobs, tenant: str, request: ImportRequest, *, job_id: str, reason: str, requested_by: str) -> Job:
    """Let the file be imported that lies in the job's folder. `Invalid` where too many wait already."""
    text = msgspec.json.encode(request).decode()
    return jobs.submit(KIND, tenant, text, reason=reason, requested_by=requested_by, job_id=job_id)


class ImportRunner:
    """Takes what was sent."""

    def __init__(self, folder: Path, store: StoreImports, hasher: AddressHasher, clock: Clock) -> None:
        self._folder = folder
        self._store = store
        self._hasher = hasher
        self._clock = clock

    def __call__(self, work: Work) -> Report:
        """Take one, or go on with it."""
        job, request = work.job, request_of(work.job)
        folder = self._folder / job.id
        if not (folder / LIST).is_file():
            raise Invalid(
                "the file is not on this machine: the roles `jobs` and `api` have to share the folder `imports.folder`"
            )
        brief = Brief(
            id=job.id,
            tenant=job.tenant,
            actor=job.requested_by,
            reason=job.reason,
            name=request.name,
            options=request.options,
            dry_run=request.dry_run,
        )
        importer = Importer(self._store, self._hasher, self._clock, brief, folder / LIST, folder)
        rows = importer.read(lambda _bytes: work.breathe())
        start = None if job.cursor is None else msgspec.json.decode(job.cursor, type=Place)
        for place in importer.take(start, lambda _rows: work.breathe()):
            report = place.report
            work.checkpoint(msgspec.json.encode(place).decode(), done=report.rows, total=rows + importer.refused)
        importer.end(report)
        return report


class ImportsBroom(Broom):
    """Removes what imports leave: files once they are read, refused rows after their time, uploads that never became jobs."""

    def _tidy(self, folder: Path, job: Job | None, now: datetime) -> None:
        if job is None:
            if now.timestamp() - folder.stat().st_mtime > IMPORT_UPLOAD_SECONDS_MAX:
                shutil.rmtree(folder, ignore_errors=True)
        elif job.state not in OPEN and job.finished is not None:
            _remove_all_but_refused(folder)
            if job.finished + self._kept <= now:
                shutil.rmtree(folder, ignore_errors=True)


def _remove_all_but_refused(folder: Path) -> None:
    for path in folder.iterdir():
        if path.name != REFUSED:
            path.unlink(missing_ok=True)
