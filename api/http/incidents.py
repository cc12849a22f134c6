"""/v1/incidents: reports that were not what they seemed, taken off the list together and put back. /v1/review: what is held.

What goes through many reports is a job (`/v1/jobs`), and the role `jobs` does it.
"""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from api.http.auth import MayRead, MayWrite
from api.http.incident_shapes import (
    HeldReply,
    IncidentId,
    IncidentQuestion,
    IncidentReply,
    IncidentsQuery,
    IncidentsReply,
    PreviewQuestion,
    PreviewReply,
    RejectQuestion,
    ReleaseQuestion,
    ReviewReply,
    UndoQuestion,
)
from api.http.job_shapes import JobId, JobReply
from api.http.jobs import found
from api.http.parts import Parts, UsedParts
from api.http.problems import POSSIBLE_WITH_BODIES, POSSIBLE_WITH_KEYS, Problem, ProblemKind, documented, require_json
from suppression.incidents.incident import Incident
from suppression.store.held_reports import StoreReview
from suppression.store.incidents import PREVIEW

routes = APIRouter(tags=["incidents"])
_POSTED = documented(*POSSIBLE_WITH_KEYS, *POSSIBLE_WITH_BODIES)


@routes.post(
    "/v1/incidents/preview",
    operation_id="preview_incident",
    status_code=HTTPStatus.ACCEPTED,
    dependencies=[Depends(require_json)],
    response_description="The preview as it waits; `GET` of what `Location` names has what came of it.",
    responses=_POSTED,
)
async def preview(body: PreviewQuestion, caller: MayRead, parts: UsedParts, response: Response) -> PreviewReply:
    """Find out which entries an incident would release, change or leave, and why. Nothing is changed."""
    marks = body.marks.marks()
    job_id = await parts.threads.run(_store(parts).submit_preview, caller.tenant, body.kind, marks, actor=caller.key_id)
    response.headers["Location"] = f"/v1/incidents/previews/{job_id}"
    return PreviewReply.of(found(await parts.threads.run(parts.jobs.job, caller.tenant, job_id)), None)


@routes.get(
    "/v1/incidents/previews/{job_id}",
    operation_id="show_preview",
    response_description="The preview.",
    responses=documented(*POSSIBLE_WITH_KEYS, HTTPStatus.NOT_FOUND),
)
async def show_preview(job_id: JobId, caller: MayRead, parts: UsedParts) -> PreviewReply:
    """What an incident would do, once its job is complete."""
    job = found(await parts.threads.run(parts.jobs.job, caller.tenant, job_id), PREVIEW)
    return PreviewReply.of(job, await parts.threads.run(_store(parts).previewed, job))


@routes.post(
    "/v1/incidents",
    operation_id="make_incident",
    status_code=HTTPStatus.ACCEPTED,
    dependencies=[Depends(require_json)],
    response_description="The incident. It holds for what comes; its job goes through what came.",
    responses=_POSTED,
)
async def make(body: IncidentQuestion, caller: MayWrite, parts: UsedParts, response: Response) -> IncidentReply:
    """Mark reports as the sender's fault, or as read by a bad rule.

    It can be undone. A person's own word (complaint, unsubscribe) and an operator's are never taken back by it.
    """
    marks = body.marks.marks()
    incident = await parts.threads.run(
        _store(parts).make, caller.tenant, body.kind, marks, reason=body.reason, actor=caller.key_id
    )
    response.headers["Location"] = f"/v1/incidents/{incident.id}"
    return IncidentReply.of(incident)


@routes.get(
    "/v1/incidents",
    operation_id="list_incidents",
    response_description="One page of the incidents.",
    responses=documented(*POSSIBLE_WITH_KEYS),
)
async def list_incidents(query: Annotated[IncidentsQuery, Query()], caller: MayRead, parts: UsedParts) -> IncidentsReply:
    """The incidents of your tenant, newest first, a page at a time; undone ones too."""
    page = await parts.threads.run(_store(parts).list_incidents, caller.tenant, cursor=query.cursor, limit=query.limit)
    return IncidentsReply(incidents=[IncidentReply.of(incident) for incident in page.items], next=page.cursor)


@routes.get(
    "/v1/incidents/{incident:int}",
    operation_id="show_incident",
    response_description="The incident.",
    responses=documented(*POSSIBLE_WITH_KEYS, HTTPStatus.NOT_FOUND),
)
async def show(incident: IncidentId, caller: MayRead, parts: UsedParts) -> IncidentReply:
    """One incident; its job says how far it has come."""
    return IncidentReply.of(_there(await parts.threads.run(_store(parts).incident, caller.tenant, incident)))


@routes.post(
    "/v1/incidents/{incident:int}/undo",
    operation_id="undo_incident",
    status_code=HTTPStatus.ACCEPTED,
    dependencies=[Depends(require_json)],
    response_description="The incident. It holds no more; its job takes back what it did.",
    responses={**_POSTED, **documented(HTTPStatus.NOT_FOUND)},
)
async def undo(incident: IncidentId, body: UndoQuestion, caller: MayWrite, parts: UsedParts) -> IncidentReply:
    """Take an incident back: when its job is complete, the list is as if it had never been made."""
    undone = await parts.threads.run(_store(parts).undo, caller.tenant, incident, reason=body.reason, actor=caller.key_id)
    return IncidentReply.of(_there(undone))


@routes.get(
    "/v1/review",
    operation_id="review",
    response_description="What is held.",
    responses=documented(*POSSIBLE_WITH_KEYS),
)
async def review(caller: MayRead, parts: UsedParts) -> ReviewReply:
    """What the breaker holds, because too many new hard entries of one kind came at once. It waits until somebody decides."""
    held = await parts.threads.run(_store(parts).held, caller.tenant)
    return ReviewReply(held=[HeldReply.model_validate(one) for one in held])


@routes.post(
    "/v1/review/release",
    operation_id="release",
    status_code=HTTPStatus.ACCEPTED,
    dependencies=[Depends(require_json)],
    response_description="The job that does it.",
    responses=_POSTED,
)
async def release(body: ReleaseQuestion, caller: MayWrite, parts: UsedParts) -> JobReply:
    """Let what is held count as it would have; its keys are trusted for a day."""
    job_id = await parts.threads.run(_store(parts).release, caller.tenant, body.keys, reason=body.reason, actor=caller.key_id)
    return JobReply.of(found(await parts.threads.run(parts.jobs.job, caller.tenant, job_id)))


@routes.post(
    "/v1/review/reject",
    operation_id="reject",
    status_code=HTTPStatus.ACCEPTED,
    dependencies=[Depends(require_json)],
    response_description="The incident that is made of what was held.",
    responses=_POSTED,
)
async def reject(body: RejectQuestion, caller: MayWrite, parts: UsedParts) -> IncidentReply:
    """Make an incident of what is held by one key. It can be undone; then it is held again."""
    incident = await parts.threads.run(
        _store(parts).reject, caller.tenant, body.key, body.kind, reason=body.reason, actor=caller.key_id
    )
    return IncidentReply.of(incident)


def _store(parts: Parts) -> StoreReview:
    return StoreReview.beside(parts.store)


def _there(incident: Incident | None) -> Incident:
    if incident is None:
        raise Problem(ProblemKind.NO_SUCH_INCIDENT, "Your tenant has no such incident; `GET /v1/incidents` lists them.")
    return incident
