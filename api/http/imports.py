"""/v1/imports: the list of another system, sent as it is, and taken by the role `jobs`.

The file goes to disk while it comes, so its size costs no memory. Where its sending ends midway nothing is left of it.
"""

import shutil
import threading
from http import HTTPStatus
from pathlib import Path
from typing import Annotated

import anyio
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.requests import ClientDisconnect

from api.http.auth import MayRead, MayWrite
from api.http.exports import pieces
from api.http.import_shapes import ImportQuery, ImportReply, ImportsReply
from api.http.job_shapes import JobId, JobsQuery
from api.http.jobs import found
from api.http.parts import Parts, UsedParts
from api.http.problems import POSSIBLE_WITH_KEYS, Problem, ProblemKind, documented
from nullsender.errors import Transient
from nullsender.limits import IMPORT_UPLOAD_BYTES_MAX, IMPORT_UPLOADS_MAX
from suppression.imports.jobs import KIND, LIST, refused_file, submit
from suppression.jobs.job import OPEN, Job
from suppression.store.jobs import new_id

routes = APIRouter(tags=["long work"])

_PLACES = threading.BoundedSemaphore(IMPORT_UPLOADS_MAX)
_BODY = {
    "required": True,
    "content": {
        "application/octet-stream": {
            "schema": {"type": "string", "format": "binary", "description": "The list, as the other system exports it."},
        },
    },
}


@routes.post(
    "/v1/imports",
    operation_id="import",
    status_code=HTTPStatus.ACCEPTED,
    response_description="The import as it waits; `GET` of what `Location` names tells how far it is.",
    responses=documented(*POSSIBLE_WITH_KEYS, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    openapi_extra={"requestBody": _BODY},
)
async def import_list(
    query: Annotated[ImportQuery, Query()], request: Request, caller: MayWrite, parts: UsedParts, response: Response
) -> ImportReply:
    """Send the list of another system. It is taken in the background, and nobody is ever taken off the list by it.

    CSV, JSON, JSON lines, plain text or Parquet, also packed with gzip or as a ZIP; what it is shows by its shape.
    """
    if not _PLACES.acquire(blocking=False):
        raise Transient(f"{IMPORT_UPLOADS_MAX} lists are being sent already")
    job_id = new_id()
    folder = parts.imports_folder / job_id
    try:
        await _receive(request, folder)
        asked, reason = query.request(), query.reason
        job = await parts.threads.run(
            submit, parts.jobs, caller.tenant, asked, job_id=job_id, reason=reason, requested_by=caller.key_id
        )
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    finally:
        _PLACES.release()
    response.headers["Location"] = f"/v1/imports/{job.id}"
    return ImportReply.of(job)


async def _receive(request: Request, folder: Path) -> None:
    """Write the body into the folder's file."""
    await anyio.Path(folder).mkdir(mode=0o700, parents=True)
    received_bytes = 0
    async with await anyio.open_file(folder / LIST, "wb") as file:
        try:
            async for piece in request.stream():
                received_bytes += len(piece)
                if received_bytes > IMPORT_UPLOAD_BYTES_MAX:
                    detail = f"A list may have {IMPORT_UPLOAD_BYTES_MAX} bytes: pack it with gzip, or send it in parts."
                    raise Problem(ProblemKind.BODY_TOO_LARGE, detail)
                await file.write(piece)
        except ClientDisconnect as gone:
            raise Transient("the list did not come to its end") from gone
    if not received_bytes:
        raise Problem(ProblemKind.INVALID_REQUEST, "The body is empty: send the list in it.")


@routes.get(
    "/v1/imports",
    operation_id="list_imports",
    response_description="One page of the imports.",
    responses=documented(*POSSIBLE_WITH_KEYS),
)
async def list_imports(query: Annotated[JobsQuery, Query()], caller: MayRead, parts: UsedParts) -> ImportsReply:
    """The imports of your tenant, newest first, a page at a time."""
    page = await parts.threads.run(parts.jobs.list_jobs, caller.tenant, KIND, cursor=query.cursor, limit=query.limit)
    return ImportsReply(imports=[ImportReply.of(job) for job in page.items], next=page.cursor)


@routes.get(
    "/v1/imports/{job_id}",
    operation_id="show_import",
    response_description="The import.",
    responses=documented(*POSSIBLE_WITH_KEYS, HTTPStatus.NOT_FOUND),
)
async def show_import(job_id: JobId, caller: MayRead, parts: UsedParts) -> ImportReply:
    """Where an import stands, how far it has come, and what has come of its rows."""
    return ImportReply.of(await _found(parts, caller.tenant, job_id))


@routes.delete(
    "/v1/imports/{job_id}",
    operation_id="cancel_import",
    response_description="The import as it is now.",
    responses=documented(*POSSIBLE_WITH_KEYS, HTTPStatus.NOT_FOUND),
)
async def cancel_import(job_id: JobId, caller: MayWrite, parts: UsedParts) -> ImportReply:
    """Let no more rows be taken. What was taken stays on the list; an import that has ended stays as it is."""
    await _found(parts, caller.tenant, job_id)
    return ImportReply.of(found(await parts.threads.run(parts.jobs.cancel, caller.tenant, job_id), KIND))


@routes.get(
    "/v1/imports/{job_id}/refused",
    operation_id="refused",
    response_class=StreamingResponse,
    response_description="The refused rows as CSV: line, reason, and the address as it stood there.",
    responses={
        200: {"content": {"text/csv": {}}},
        **documented(*POSSIBLE_WITH_KEYS, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.GONE),
    },
)
async def refused(job_id: JobId, caller: MayRead, parts: UsedParts) -> Response:
    """Every row that was not taken, and why; for some days after the import has ended."""
    job = await _found(parts, caller.tenant, job_id)
    if job.state in OPEN:
        raise Problem(ProblemKind.NOT_COMPLETE, f"The import is {job.state}: come again when it is `complete`.")
    path = refused_file(parts.imports_folder, job)
    try:
        opened = await anyio.open_file(path, "rb")
        size_bytes = (await anyio.Path(path).stat()).st_size
    except OSError:
        raise Problem(ProblemKind.GONE, "The refused rows are not kept any more, or lie on another machine.") from None
    headers = {"Content-Length": str(size_bytes), "Content-Disposition": f'attachment; filename="{job.id}.refused.csv"'}
    return StreamingResponse(pieces(opened, 0, size_bytes), HTTPStatus.OK, headers, "text/csv; charset=utf-8; header=present")


async def _found(parts: Parts, tenant: str, job_id: str) -> Job:
    return found(await parts.threads.run(parts.jobs.job, tenant, job_id), KIND)
