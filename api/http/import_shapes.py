"""The shapes of imports."""

from typing import Annotated, Any

import msgspec
from pydantic import AfterValidator, Field, WithJsonSchema

from api.http.job_shapes import Progress, progress_of
from api.http.schemas import Name, Question, Reply, ScopeName, StreamName, Text
from suppression.imports.jobs import ImportRequest, report_of, request_of
from suppression.imports.options import Options
from suppression.imports.systems import FORMATS
from suppression.jobs.job import Job
from suppression.policy import Cause


def _format(text: str) -> str:
    if text not in FORMATS:
        raise ValueError(f"there is no format {text!r}; there are {', '.join(FORMATS)}")
    return text


_Format = Annotated[str, AfterValidator(_format), WithJsonSchema({"type": "string", "enum": list(FORMATS)})]


class ImportQuery(Question):
    """How to take a list; the body is the list."""

    reason: Text = Field(examples=["we leave Example Mail Service"])
    """Why it is imported: it stands in the history of every entry."""
    format: _Format | None = Field(default=None, examples=["ses"])
    """What it is, where its shape does not say it."""
    cause: Cause | None = None
    """Why rows are on it that do not say so; a plain list needs it."""
    scope: ScopeName | None = None
    """The scope of every row; without it the rows say it, or the policy."""
    stream: StreamName | None = None
    """The stream that rows are about which name none."""
    list: StreamName | None = None
    """The mailing list that they are about."""
    force: bool = False
    """Take rows too that were lifted here after their own date."""
    dry_run: bool = False
    """Change nothing, and report what would be done."""
    name: Name = Field(default="list", examples=["bounces.csv"])
    """The file's name, for the audit trail."""

    def request(self) -> ImportRequest:
        """As imports know it."""
        options = Options(
            format=self.format,
            cause=self.cause,
            scope=self.scope,
            stream=self.stream,
            mailing_list=self.list,
            force=self.force,
        )
        return ImportRequest(name=self.name, options=options, dry_run=self.dry_run)


class ShownRow(Reply):
    """A row that was refused."""

    line: int
    """Where it stands in the file, from 1."""
    reason: str
    """Why it was not taken."""


class ReportReply(Reply):
    """What came of the rows."""

    format: str
    """What the list was read as."""
    why: str
    """How that is known."""
    sha256: str
    """The SHA-256 of the file, in hexadecimal digits."""
    rows: int
    """How many rows there were (so far): the sum of the next four."""
    taken: int
    """New on the list."""
    merged: int
    """On the list already, and stronger now."""
    kept: int
    """As strong there already."""
    refused: int
    """Not taken. `GET …/refused` gives all of them."""
    dates_unread: int
    """How many rows have a date that nobody can read: it counts as none."""
    causes: dict[str, dict[str, int]]
    """Of each cause, how many were taken, merged and kept."""
    reasons: dict[str, int]
    """Why rows were refused, and how many."""
    shown: list[ShownRow]
    """The first rows that were refused."""


class ImportReply(Progress):
    """An import."""

    name: str
    """The file's name."""
    reason: str
    """Why it is imported."""
    dry_run: bool
    """Whether nothing is changed."""
    options: dict[str, Any]
    """How the list is taken."""
    report: ReportReply | None
    """What has come of it; null while the file is read."""

    @classmethod
    def of(cls, job: Job) -> "ImportReply":
        """As the store tells it."""
        request, report = request_of(job), report_of(job)
        return cls(
            **progress_of(job),
            name=request.name,
            reason=job.reason,
            dry_run=request.dry_run,
            options=msgspec.to_builtins(request.options),
            report=None if report is None else ReportReply.model_validate(msgspec.to_builtins(report)),
        )


class ImportsReply(Reply):
    """One page of a tenant's imports, newest first."""

    imports: list[ImportReply]
    """The page."""
    next: str | None
    """The `cursor` of the next page; null: this was the last."""
