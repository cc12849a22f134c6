"""/v1/jobs: how far long work has come, whatever its kind, and cancelling it."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query

from api.http.auth import MayRead, MayWrite
from api.http.job_shapes import JobId, JobReply, JobsQuery, JobsReply
from api.http.parts import UsedParts
from api.http.problems import POSSIBLE_WITH_KEYS, Problem, ProblemKind, documented
from suppression.jobs.job import Job

routes = APIRouter(tags=["long work"])


@routes.get(
    "/v1/jobs",
    operation_id="list_jobs",
    response_description="One page of the jobs.",
    responses=documented(*POSSIBLE_WITH_KEYS),
)
async def list_jobs(query: Annotated[JobsQuery, Query()], caller: MayRead, parts: UsedParts) -> JobsReply:
    """The jobs of your tenant, newest first, a page at a time."""
    page = await parts.threads.run(parts.jobs.list_jobs, caller.tenant, None, cursor=query.cursor, limit=query.limit)
    return JobsReply(jobs=[JobReply.of(job) for job in page.items], next=page.cursor)


@routes.get(
    "/v1/jobs/{job_id}",
    operation_id="show_job",
    response_description="The job.",
    responses=documented(*POSSIBLE_WITH_KEYS, HTTPStatus.NOT_FOUND),
)
async def show_job(job_id: JobId, caller: MayRead, parts: UsedParts) -> JobReply:
    """Where a job stands and how far it has come."""
    return JobReply.of(found(await parts.threads.run(parts.jobs.job, caller.tenant, job_id)))


@routes.delete(
    "/v1/jobs/{job_id}",
    operation_id="cancel_job",
    response_description="The job as it is now.",
    responses=documented(*POSSIBLE_WITH_KEYS, HTTPStatus.NOT_FOUND),
)
async def cancel_job(job_id: JobId, caller: MayWrite, parts: UsedParts) -> JobReply:
    """Let a job be done no more. What it has done stays done; one that has ended stays as it is."""
    return JobReply.of(found(await parts.threads.run(parts.jobs.cancel, caller.tenant, job_id)))


def found(job: Job | None, kind: str | None = None) -> Job:
    """The job, where there is one (of that kind)."""
    if job is None or kind not in (None, job.kind):
        raise Problem(ProblemKind.NO_SUCH_JOB, "Your tenant has no such job, or it ended more than a year ago.")
    return job
