"""Every error of the API is a problem (RFC 9457): what happened, in a shape for programs and in words that say what to do.

Errors that we foresaw are raised as what they are (`Invalid`, `Transient`, or a `Problem`) and become answers here, together
with those that the framework raises. What nobody foresaw is logged with its traceback and answered without it. A driver's words
name hosts, ports and paths of ours, and so they go to the log and never into an answer.
"""

import json
import logging
import math
from collections.abc import Mapping, Sequence
from enum import StrEnum
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from nullsender.errors import Invalid, Misconfigured, Transient
from nullsender.limits import API_BODY_BYTES_MAX, API_RETRY_AFTER_SECONDS
from suppression.records import ConsentRequired

_log = logging.getLogger("api")

MEDIA_TYPE = "application/problem+json"
_TYPE_PREFIX = "urn:nullsender:problem:"
_VALIDATION_ERRORS_SHOWN_MAX = 20


class ProblemKind(StrEnum):
    """Every kind of problem that there is: the last word of its type."""

    BAD_REQUEST = "bad-request"
    NOT_JSON = "not-json"
    KEY_NEEDED = "key-needed"
    SCOPE_MISSING = "scope-missing"
    TENANT_MISMATCH = "tenant-mismatch"
    NETWORK_REFUSED = "network-refused"
    NO_SUCH_PATH = "no-such-path"
    NOT_ON_THE_LIST = "not-on-the-list"
    NO_SUCH_JOB = "no-such-job"
    NO_SUCH_INCIDENT = "no-such-incident"
    WRONG_METHOD = "wrong-method"
    REQUEST_TIMEOUT = "request-timeout"
    PROTECTED_CAUSE = "protected-cause"
    NOT_COMPLETE = "not-complete"
    GONE = "gone"
    BODY_TOO_LARGE = "body-too-large"
    TOO_MANY_ADDRESSES = "too-many-addresses"
    UNSUPPORTED_MEDIA_TYPE = "unsupported-media-type"
    NO_SUCH_RANGE = "no-such-range"
    INVALID = "invalid"
    INVALID_REQUEST = "invalid-request"
    RATE_EXCEEDED = "rate-exceeded"
    TOO_MANY_WRONG_KEYS = "too-many-wrong-keys"
    BUG = "bug"
    MISCONFIGURED = "misconfigured"
    UNAVAILABLE = "unavailable"
    TOO_MANY_CONNECTIONS = "too-many-connections"


#: With which status each is answered, and what it means: OpenAPI says what stands here.
KINDS: Mapping[ProblemKind, tuple[HTTPStatus, str]] = {
    ProblemKind.BAD_REQUEST: (HTTPStatus.BAD_REQUEST, "What came in is no HTTP request, or its head is too large."),
    ProblemKind.NOT_JSON: (HTTPStatus.BAD_REQUEST, "The body is not JSON in UTF-8."),
    ProblemKind.KEY_NEEDED: (HTTPStatus.UNAUTHORIZED, "No key, or one that is not known, revoked or expired."),
    ProblemKind.SCOPE_MISSING: (HTTPStatus.FORBIDDEN, "The key lacks the scope that this call needs."),
    ProblemKind.TENANT_MISMATCH: (HTTPStatus.FORBIDDEN, "The key belongs to another tenant than the header names."),
    ProblemKind.NETWORK_REFUSED: (
        HTTPStatus.FORBIDDEN,
        "The key is bound to networks, and the connection comes from none of them: `nullsender keys list` shows which.",
    ),
    ProblemKind.NO_SUCH_PATH: (HTTPStatus.NOT_FOUND, "There is nothing at this path."),
    ProblemKind.NOT_ON_THE_LIST: (HTTPStatus.NOT_FOUND, "The list has no such entry of the address in force."),
    ProblemKind.NO_SUCH_JOB: (HTTPStatus.NOT_FOUND, "Your tenant has no such job or export."),
    ProblemKind.NO_SUCH_INCIDENT: (HTTPStatus.NOT_FOUND, "Your tenant has no such incident."),
    ProblemKind.WRONG_METHOD: (
        HTTPStatus.METHOD_NOT_ALLOWED,
        "The path does not know this method; the header `Allow` names those that it knows.",
    ),
    ProblemKind.REQUEST_TIMEOUT: (HTTPStatus.REQUEST_TIMEOUT, "The request did not come to its end in time."),
    ProblemKind.PROTECTED_CAUSE: (
        HTTPStatus.CONFLICT,
        "The entry is a person's wish or complaint: lifting it needs that person's consent.",
    ),
    ProblemKind.NOT_COMPLETE: (HTTPStatus.CONFLICT, "The job is not complete yet: ask for its state, and come again."),
    ProblemKind.GONE: (HTTPStatus.GONE, "What the job made was removed, or it never became complete: ask for it anew."),
    ProblemKind.NO_SUCH_RANGE: (
        HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
        "The range lies behind the end of the file; `Content-Range` says where that is.",
    ),
    ProblemKind.BODY_TOO_LARGE: (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body has too many bytes."),
    ProblemKind.TOO_MANY_ADDRESSES: (
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "The batch has too many addresses: send them in several.",
    ),
    ProblemKind.UNSUPPORTED_MEDIA_TYPE: (
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        "The body is of a type that this path does not read: send `Content-Type: application/json`.",
    ),
    ProblemKind.INVALID: (
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "What was sent is no address, or can not be done to the list; `detail` says why.",
    ),
    ProblemKind.INVALID_REQUEST: (
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "A parameter, header or field is not what it has to be; `detail` names it.",
    ),
    ProblemKind.RATE_EXCEEDED: (
        HTTPStatus.TOO_MANY_REQUESTS,
        "The key asked about more addresses than its rate allows: wait as long as `Retry-After` says, or have it raised.",
    ),
    ProblemKind.TOO_MANY_WRONG_KEYS: (
        HTTPStatus.TOO_MANY_REQUESTS,
        "Too many wrong keys came from this address: mend the key, then wait as long as `Retry-After` says.",
    ),
    ProblemKind.BUG: (HTTPStatus.INTERNAL_SERVER_ERROR, "A bug of ours. It is logged."),
    ProblemKind.MISCONFIGURED: (HTTPStatus.INTERNAL_SERVER_ERROR, "The operator has to mend the installation."),
    ProblemKind.UNAVAILABLE: (HTTPStatus.SERVICE_UNAVAILABLE, "It can not be told now. Nothing was guessed; ask again."),
    ProblemKind.TOO_MANY_CONNECTIONS: (HTTPStatus.SERVICE_UNAVAILABLE, "The server has as many connections as it takes."),
}
assert KINDS.keys() == set(ProblemKind)


def kinds_in_words() -> str:
    """A table of all kinds, in Markdown."""
    rows = [f"| `{_TYPE_PREFIX}{kind}` | {status.value} | {meaning} |" for kind, (status, meaning) in KINDS.items()]
    return "\n".join(["| `type` | status | meaning |", "| --- | --- | --- |", *rows])


class ProblemBody(BaseModel):
    """RFC 9457 3: a problem detail."""

    type: str = Field(
        description="What kind of problem, for programs.",
        examples=[_TYPE_PREFIX + ProblemKind.INVALID],
        json_schema_extra={"enum": [_TYPE_PREFIX + kind for kind in ProblemKind]},
    )
    title: str = Field(description="The kind in words.", examples=["Invalid"])
    status: int = Field(description="The HTTP status.", examples=[422])
    detail: str = Field(description="What happened this time, and what to do.")
    instance: str = Field(description="The path that was asked for.", examples=["/v1/check"])


class Problem(Exception):
    """An answer other than the one that was asked for."""

    def __init__(self, kind: ProblemKind, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = KINDS[kind][0]
        self.kind = kind
        self.detail = detail
        self.headers = headers


def response_of(problem: Problem, path: str) -> Response:
    """The HTTP answer for `problem`, which a request for `path` met."""
    body = {
        "type": _TYPE_PREFIX + problem.kind,
        "title": problem.kind.replace("-", " ").capitalize(),
        "status": problem.status.value,
        "detail": problem.detail,
        "instance": path,
    }
    # json escapes all that is not ASCII, so half a character (a lone surrogate) in somebody's text can not break the answer.
    return Response(json.dumps(body).encode("ascii"), problem.status, problem.headers, MEDIA_TYPE)


def answer_with_problems(app: FastAPI) -> None:
    """Turn what we and the framework raise on purpose into problems (`app.py` does it for what nobody foresaw)."""
    for kind in (Problem, Invalid, Transient, HTTPException, RequestValidationError):
        app.add_exception_handler(kind, _answer)


async def _answer(request: Request, error: Exception) -> Response:
    return response_of(problem_of(error), request.scope["path"])


def problem_of(error: Exception) -> Problem:
    """What to say about `error`; one that nobody foresaw is logged."""
    match error:
        case Problem():
            return error
        case ConsentRequired():
            return Problem(ProblemKind.PROTECTED_CAUSE, error.reason)
        case Invalid():
            return Problem(ProblemKind.INVALID, error.reason)
        case Transient():
            _log.warning("a request could not be answered", extra={"facts": {"what": error}})
            return unavailable("The store does not answer, or too many wait for it. Nothing was guessed: ask again.")
        case RequestValidationError() if any(found["type"] == "json_invalid" for found in error.errors()):
            return Problem(ProblemKind.NOT_JSON, _NOT_JSON)
        case RequestValidationError():
            return Problem(ProblemKind.INVALID_REQUEST, _in_words(error.errors()))
        case HTTPException():
            return _of_framework(error)
        case Misconfigured():
            _log.error("misconfigured", extra={"facts": {"what": error}})
            return Problem(ProblemKind.MISCONFIGURED, "The operator has to mend this: see the log.")
        case _:
            _log.error("our own code failed on a request", exc_info=error)
            return Problem(ProblemKind.BUG, "This is our bug, and it is logged. Please report it.")


def over_limit(kind: ProblemKind, detail: str, wait_seconds: float) -> Problem:
    """429: it works again after so long."""
    seconds = math.ceil(wait_seconds)
    return Problem(kind, f"{detail} Try again in {seconds} s.", {"Retry-After": str(seconds)})


async def require_json(request: Request) -> None:
    """415 where there is a body that is said to be anything but JSON, or not said to be anything."""
    headers = request.headers
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    has_body = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
    if media_type != "application/json" and (media_type or has_body):
        detail = f"The body's type is {media_type[:100]!r}: send `Content-Type: application/json`."
        raise Problem(ProblemKind.UNSUPPORTED_MEDIA_TYPE, detail, {"Accept": "application/json"})
    if headers.get("content-encoding", "identity").strip().lower() != "identity":
        detail = "The body is compressed: send it as it is, without `Content-Encoding`."
        raise Problem(ProblemKind.UNSUPPORTED_MEDIA_TYPE, detail, {"Accept-Encoding": "identity"})


def unavailable(detail: str, kind: ProblemKind = ProblemKind.UNAVAILABLE) -> Problem:
    """503: it did not work now and may work soon."""
    return Problem(kind, detail, {"Retry-After": str(API_RETRY_AFTER_SECONDS)})


_NOT_JSON = "The body is not JSON in UTF-8."
_FROM_FRAMEWORK = {
    HTTPStatus.BAD_REQUEST: (ProblemKind.NOT_JSON, _NOT_JSON),
    HTTPStatus.NOT_FOUND: (ProblemKind.NO_SUCH_PATH, "There is nothing at this path; /openapi.json lists what there is."),
    HTTPStatus.METHOD_NOT_ALLOWED: (ProblemKind.WRONG_METHOD, "This path does not know this method; see the header Allow."),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: (
        ProblemKind.BODY_TOO_LARGE,
        f"A body may have {API_BODY_BYTES_MAX} bytes: send several.",
    ),
}


def _of_framework(error: HTTPException) -> Problem:
    kind, detail = _FROM_FRAMEWORK[HTTPStatus(error.status_code)]
    return Problem(kind, detail, error.headers)


def _in_words(errors: Sequence[Mapping[str, Any]]) -> str:
    sentences = [f"{'.'.join(map(str, error['loc']))}: {_say(error)}" for error in errors[:_VALIDATION_ERRORS_SHOWN_MAX]]
    more = len(errors) - len(sentences)
    return "; ".join(sentences) + (f"; and {more} more" if more else "")


def _say(error: Mapping[str, Any]) -> str:
    if error["loc"] == ("body",):
        return "this has to be a JSON object, with the header Content-Type: application/json"
    return str(error["msg"]).removeprefix("Value error, ")


#: What every route can answer, what those with a key can besides, and those with a body.
POSSIBLE_EVERYWHERE = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.SERVICE_UNAVAILABLE,
)
POSSIBLE_WITH_KEYS = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS)
POSSIBLE_WITH_BODIES = (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNSUPPORTED_MEDIA_TYPE)


def documented(*statuses: HTTPStatus) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that can answer with these problems, for OpenAPI."""
    return {
        status.value: {
            "description": " ".join(f"`{kind}`: {meaning}" for kind, (of, meaning) in KINDS.items() if of is status),
            "headers": _HEADERS.get(status, {}),
            "content": {MEDIA_TYPE: {"schema": {"$ref": f"#/components/schemas/{ProblemBody.__name__}"}}},
        }
        for status in statuses
    }


_CHALLENGE = {"WWW-Authenticate": {"description": "RFC 6750 3: what the key lacks.", "schema": {"type": "string"}}}
#: The header of an answer that says when to come again, for OpenAPI.
RETRY_HEADER = {"Retry-After": {"description": "After how many seconds to ask again.", "schema": {"type": "integer"}}}
_HEADERS: Mapping[HTTPStatus, Mapping[str, Any]] = {
    HTTPStatus.UNAUTHORIZED: _CHALLENGE,
    HTTPStatus.FORBIDDEN: _CHALLENGE,
    HTTPStatus.TOO_MANY_REQUESTS: RETRY_HEADER,
    HTTPStatus.SERVICE_UNAVAILABLE: RETRY_HEADER,
}
