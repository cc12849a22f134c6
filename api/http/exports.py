"""/v1/exports: rows of the list as a file, made by the role `jobs`, with a signed manifest."""

from collections.abc import AsyncIterator
from http import HTTPStatus
from pathlib import Path
from typing import Annotated

import anyio
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse

from api.http.auth import MayExport
from api.http.job_shapes import ExportQuestion, ExportReply, ExportsReply, JobId, JobsQuery
from api.http.jobs import found
from api.http.parts import Parts, UsedParts
from api.http.problems import (
    POSSIBLE_WITH_BODIES,
    POSSIBLE_WITH_KEYS,
    Problem,
    ProblemKind,
    documented,
    require_json,
    unavailable,
)
from api.http.ranges import NotSatisfiable, Part, part_of
from nullsender.limits import API_FILE_PIECE_BYTES
from suppression.exports.jobs import KIND, Made, files_of, made_of, remove, request_of, submit
from suppression.exports.request import Format
from suppression.jobs.job import OPEN, Job, JobState

routes = APIRouter(tags=["long work"])
_GETTING = documented(*POSSIBLE_WITH_KEYS, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.GONE)
_ELSEWHERE = "The file can not be read on this machine: the roles `jobs` and `api` have to share the folder `exports.folder`."
_MEDIA_TYPES = {
    Format.CSV: "text/csv; charset=utf-8; header=present",  # RFC 4180 3
    Format.NDJSON: "application/x-ndjson",
    Format.PARQUET: "application/vnd.apache.parquet",
    Format.MD5: "text/plain; charset=us-ascii",
    Format.SHA256: "text/plain; charset=us-ascii",
}


@routes.post(
    "/v1/exports",
    operation_id="export",
    status_code=HTTPStatus.ACCEPTED,
    dependencies=[Depends(require_json)],
    response_description="The export as it waits; `GET` of what `Location` names tells how far it is.",
    responses=documented(*POSSIBLE_WITH_KEYS, *POSSIBLE_WITH_BODIES),
)
async def export(body: ExportQuestion, caller: MayExport, parts: UsedParts, response: Response) -> ExportReply:
    """Ask for an export. It shows the list as of one moment, and is made in the background."""
    request, now = body.request(caller.tenant), parts.clock.now()
    job = await parts.threads.run(submit, parts.jobs, request, requested_by=caller.key_id, now=now)
    response.headers["Location"] = f"/v1/exports/{job.id}"
    return ExportReply.of(job)


@routes.get(
    "/v1/exports",
    operation_id="list_exports",
    response_description="One page of the exports.",
    responses=documented(*POSSIBLE_WITH_KEYS),
)
async def list_exports(query: Annotated[JobsQuery, Query()], caller: MayExport, parts: UsedParts) -> ExportsReply:
    """The exports that your tenant asked for, newest first, a page at a time."""
    page = await parts.threads.run(parts.jobs.list_jobs, caller.tenant, KIND, cursor=query.cursor, limit=query.limit)
    return ExportsReply(exports=[ExportReply.of(job) for job in page.items], next=page.cursor)


@routes.get(
    "/v1/exports/{job_id}",
    operation_id="show_export",
    response_description="The export.",
    responses=documented(*POSSIBLE_WITH_KEYS, HTTPStatus.NOT_FOUND),
)
async def show_export(job_id: JobId, caller: MayExport, parts: UsedParts) -> ExportReply:
    """Where an export stands, how far it has come, and its file once it is complete."""
    return ExportReply.of(found(await parts.threads.run(parts.jobs.job, caller.tenant, job_id), KIND))


@routes.delete(
    "/v1/exports/{job_id}",
    operation_id="remove_export",
    response_description="The export as it is now.",
    responses=documented(*POSSIBLE_WITH_KEYS, HTTPStatus.NOT_FOUND),
)
async def remove_export(job_id: JobId, caller: MayExport, parts: UsedParts) -> ExportReply:
    """Cancel an export, or remove the file of one that is complete. That it was made stays in the audit trail."""
    return ExportReply.of(found(await parts.threads.run(_remove, parts, caller.tenant, job_id), KIND))


def _remove(parts: Parts, tenant: str, job_id: str) -> Job | None:
    job = found(parts.jobs.job(tenant, job_id), KIND)
    remove(parts.exports_folder, parts.jobs, job)
    return parts.jobs.job(tenant, job_id)


@routes.get(
    "/v1/exports/{job_id}/manifest",
    operation_id="manifest",
    response_description="The manifest, a JSON object.",
    responses=_GETTING,
)
async def manifest(job_id: JobId, caller: MayExport, parts: UsedParts) -> Response:
    """The signed manifest of a complete export: counts, filters, SHA-256, as of when, what for and for whom."""
    job, _ = await _complete(parts, caller.tenant, job_id)
    path = files_of(parts.exports_folder, job).manifest
    try:
        text = await anyio.Path(path).read_bytes()
    except OSError as error:
        raise unavailable(_ELSEWHERE) from error
    return Response(text, media_type="application/json", headers=_named(path))


@routes.get(
    "/v1/exports/{job_id}/file",
    operation_id="file",
    response_class=StreamingResponse,
    response_description="The file.",
    responses={
        200: {"content": {kind.partition(";")[0]: {} for kind in (*_MEDIA_TYPES.values(), "application/gzip")}},
        206: {"description": "The part that `Range` asks for."},
        **_GETTING,
        **documented(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE),
    },
)
async def file(job_id: JobId, caller: MayExport, parts: UsedParts, request: Request) -> Response:
    """The file of a complete export.

    A download that broke goes on with `Range: bytes=N-`, N being the number of bytes that are there, and `If-Range` with the
    `ETag` of the first answer.
    """
    job, made = await _complete(parts, caller.tenant, job_id)
    path, etag, size_bytes = files_of(parts.exports_folder, job).target, f'"{made.file.sha256}"', made.file.bytes
    try:
        part = part_of(request.headers.get("range"), request.headers.get("if-range"), size_bytes=size_bytes, etag=etag)
    except NotSatisfiable:
        detail = f"The file has {size_bytes} bytes: ask for a range within."
        raise Problem(ProblemKind.NO_SUCH_RANGE, detail, {"Content-Range": f"bytes */{size_bytes}"}) from None
    start, end = part or Part(0, size_bytes)
    headers = {"ETag": etag, "Accept-Ranges": "bytes", "Content-Length": str(end - start), **_named(path)}
    if part is not None:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size_bytes}"
    try:
        opened = await anyio.open_file(path, "rb")
    except OSError as error:
        raise unavailable(_ELSEWHERE) from error
    status = HTTPStatus.OK if part is None else HTTPStatus.PARTIAL_CONTENT
    return StreamingResponse(pieces(opened, start, end), status, headers, _media_type(job))


async def _complete(parts: Parts, tenant: str, job_id: str) -> tuple[Job, Made]:
    job = found(await parts.threads.run(parts.jobs.job, tenant, job_id), KIND)
    made = made_of(job)
    if job.state is JobState.COMPLETE and made is not None:
        return job, made
    if job.state in OPEN:
        raise Problem(ProblemKind.NOT_COMPLETE, f"The export is {job.state}: come again when it is `complete`.")
    raise Problem(ProblemKind.GONE, f"The export is {job.state}, so there is no file (any more): ask for it anew.")


def _media_type(job: Job) -> str:
    request = request_of(job)
    return "application/gzip" if request.gzip else _MEDIA_TYPES[request.format]


def _named(path: Path) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{path.name}"'}  # ours: an id and a suffix


async def pieces(opened: anyio.AsyncFile[bytes], start: int, end: int) -> AsyncIterator[bytes]:
    """The bytes of an open file from `start` to before `end`, which is closed then."""
    async with opened:
        await opened.seek(start)
        while start < end:
            piece = await opened.read(min(API_FILE_PIECE_BYTES, end - start))
            if not piece:
                return  # it was cut short on the disk: the length tells the client
            start += len(piece)
            yield piece
