"""The shapes of long work: jobs of every kind, and exports."""

import json
import re
from datetime import datetime
from typing import Annotated, Any

from fastapi import Path
from pydantic import AfterValidator, Field, StrictBool, WithJsonSchema

from api.http.schemas import (
    Moment,
    Name,
    PageSize,
    Question,
    Reply,
    ScopeName,
    StreamName,
    Text,
)
from nullsender import limits
from suppression.exports.jobs import made_of, request_of
from suppression.exports.manifest import filters_of
from suppression.exports.request import ExportRequest, Format, What
from suppression.jobs.job import Job, JobState
from suppression.policy import Cause

_ID = re.compile(r"[0-9a-f]{24}")


def _id(text: str) -> str:
    if _ID.fullmatch(text) is None:
        raise ValueError("this is no job's id: one has 24 of 0-9 and a-f, as the answer to what began it says")
    return text


_KnownId = Annotated[str, AfterValidator(_id), WithJsonSchema({"type": "string", "pattern": f"^{_ID.pattern}$"})]
JobId = Annotated[_KnownId, Path(description="The job's id.", examples=["0f1e2d3c4b5a69788796a5b4"])]


class JobsQuery(Question):
    """Which page of the jobs."""

    cursor: _KnownId | None = None
    """`next` of the page before."""
    limit: PageSize = limits.API_PAGE_ITEMS_DEFAULT
    """How many jobs to a page."""


class Progress(Reply):
    """How far a job has come."""

    id: str
    """Names the job."""
    state: JobState
    """Where it stands. It ends as `complete`, `broken` or `cancelled`; `expired`: it was complete, its files are removed."""
    requested_by: str
    """Who asked for it: a key."""
    created: datetime
    """When it was asked for."""
    started: datetime | None
    """When it was begun."""
    finished: datetime | None
    """When it ended."""
    done: int
    """How many rows are done."""
    total: int | None
    """Of how many, about; null: that is not known yet."""
    trouble: str | None
    """Why it is broken, or what it waits for."""


class JobReply(Progress):
    """A job."""

    kind: str
    """What is done."""
    reason: str
    """What for, in its asker's words."""
    result: dict[str, Any] | None
    """What came of it; its kind says in which shape."""

    @classmethod
    def of(cls, job: Job) -> "JobReply":
        """As the store tells it."""
        return cls(
            **progress_of(job), kind=job.kind, reason=job.reason, result=None if job.result is None else json.loads(job.result)
        )


class JobsReply(Reply):
    """One page of a tenant's jobs, newest first."""

    jobs: list[JobReply]
    """The page."""
    next: str | None
    """The `cursor` of the next page; null: this was the last."""


class ExportFilters(Question):
    """Which rows; all filters hold together."""

    since_from: Moment | None = Field(default=None, alias="from")
    """Only what began (was received, was done) then or later."""
    since_to: Moment | None = Field(default=None, alias="to")
    """Only what began before then."""
    cause: Cause | None = None
    """Only entries, or changes of such, with this cause."""
    scope: ScopeName | None = None
    """Only of exactly this scope."""
    stream: StreamName | None = None
    """Only what stops mail of this stream, whatever its scope."""
    list: StreamName | None = None
    """Only what stops mail of this mailing list."""
    domain: Name | None = Field(default=None, examples=["example.com"])
    """Only addresses of this domain."""
    ended: StrictBool = False
    """Entries too that stop nothing any more."""


class ExportQuestion(Question):
    """What is to be exported, what for and for whom."""

    what: What = What.ENTRIES
    """`entries`: the list; `unsubscribes`: how each person asked, and since when that is heeded; `changes`: the history."""
    format: Format = Format.CSV
    """How the rows are written; `md5` and `sha256` are lists of hashes of the addresses, for partners."""
    gzip: StrictBool = False
    """Compress the file."""
    filters: ExportFilters = ExportFilters()
    """Which rows; without it, all that are in force."""
    purpose: Text = Field(examples=["yearly audit"])
    """What it is for. It is logged and stands in the manifest."""
    recipient: Text = Field(examples=["Jane Doe, auditor"])
    """Who gets it. The same."""

    def request(self, tenant: str) -> ExportRequest:
        """As exports know it."""
        filters = self.filters
        return ExportRequest(
            what=self.what,
            format=self.format,
            gzip=self.gzip,
            tenant=tenant,
            begins=filters.since_from,
            ends=filters.since_to,
            cause=filters.cause,
            scope=filters.scope,
            stream=filters.stream,
            mailing_list=filters.list,
            domain=filters.domain,
            ended=filters.ended,
            purpose=self.purpose,
            recipient=self.recipient,
        )


class FileReply(Reply):
    """A file that can be fetched."""

    name: str
    """Its name."""
    bytes: int
    """Its size."""
    sha256: str
    """Its SHA-256, in hexadecimal digits."""
    rows: int
    """How many rows, or hashes, it has."""


class ExportReply(Progress):
    """An export."""

    what: What
    """What it holds."""
    format: Format
    """How it is written."""
    gzip: bool
    """Whether it is compressed."""
    filters: dict[str, Any]
    """The filters that were set."""
    purpose: str
    """What it is for."""
    recipient: str
    """Who gets it."""
    file: FileReply | None
    """The file; null until the export is complete. `GET …/file` gives it, `GET …/manifest` its signed manifest."""

    @classmethod
    def of(cls, job: Job) -> "ExportReply":
        """As the store tells it."""
        request, made = request_of(job), made_of(job)
        return cls(
            **progress_of(job),
            what=request.what,
            format=request.format,
            gzip=request.gzip,
            filters=dict(filters_of(request)),
            purpose=request.purpose,
            recipient=request.recipient,
            file=None if made is None else FileReply.model_validate(made.file),
        )


class ExportsReply(Reply):
    """One page of a tenant's exports, newest first."""

    exports: list[ExportReply]
    """The page."""
    next: str | None
    """The `cursor` of the next page; null: this was the last."""


def progress_of(job: Job) -> dict[str, Any]:
    """The fields of `Progress`."""
    return {name: getattr(job, name) for name in Progress.model_fields}
