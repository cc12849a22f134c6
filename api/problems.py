"""Every error of the API is a problem (RFC 9457): what happened, in a shape for programs and in words that say what to do.

Errors that we foresaw are raised as what they are (`Invalid`, `Transient`, or a `Problem`) and become answers here, together
with those that the framework raises. What nobody foresaw is logged with its traceback and answered without it. A driver's words
name hosts, ports and paths of ours, and so they go to the log and never into an answer.
"""

import json
import logging
from collections.abc import Mapping, Sequence
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


class ProblemBody(BaseModel):
    """RFC 9457 3: a problem detail."""

    type: str = Field(description="What kind of problem, for programs.", examples=[_TYPE_PREFIX + "not-an-address"])
    title: str = Field(description="The kind in words.", examples=["Not an address"])
    status: int = Field(description="The HTTP status.", examples=[422])
    detail: str = Field(description="What happened this time, and what to do.")
    instance: str = Field(description="The path that was asked for.", examples=["/v1/check"])


class Problem(Exception):
    """An answer other than the one that was asked for. `kind` is the last word of its type, in kebab case."""

    def __init__(self, status: HTTPStatus, kind: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
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
            return Problem(HTTPStatus.CONFLICT, "protected-cause", error.reason)
        case Invalid():
            return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid", error.reason)
        case Transient():
            _log.warning("a request could not be answered", extra={"facts": {"what": error}})
            return unavailable("The store does not answer, or too many wait for it. Nothing was guessed: ask again.")
        case RequestValidationError():
            return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-request", _in_words(error.errors()))
        case HTTPException():
            return _of_framework(error)
        case Misconfigured():
            _log.error("misconfigured", extra={"facts": {"what": error}})
            return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "misconfigured", "The operator has to mend this: see the log.")
        case _:
            _log.error("our own code failed on a request", exc_info=error)
            return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "bug", "This is our bug, and it is logged. Please report it.")


def unavailable(detail: str) -> Problem:
    """503: it did not work now and may work soon."""
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", detail, {"Retry-After": str(API_RETRY_AFTER_SECONDS)})


_FROM_FRAMEWORK = {
    HTTPStatus.BAD_REQUEST: ("not-json", "The body is not JSON in UTF-8."),
    HTTPStatus.NOT_FOUND: ("no-such-path", "There is nothing at this path; /openapi.json lists what there is."),
    HTTPStatus.METHOD_NOT_ALLOWED: ("wrong-method", "This path does not know this method; see the header Allow."),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: ("body-too-large", f"A body may have {API_BODY_BYTES_MAX} bytes: send several."),
}


def _of_framework(error: HTTPException) -> Problem:
    status = HTTPStatus(error.status_code)
    kind, detail = _FROM_FRAMEWORK.get(status, ("http-error", error.detail))
    return Problem(status, kind, detail, error.headers)


def _in_words(errors: Sequence[Mapping[str, Any]]) -> str:
    sentences = [f"{'.'.join(map(str, error['loc']))}: {_say(error)}" for error in errors[:_VALIDATION_ERRORS_SHOWN_MAX]]
    more = len(errors) - len(sentences)
    return "; ".join(sentences) + (f"; and {more} more" if more else "")


def _say(error: Mapping[str, Any]) -> str:
    if error["loc"] == ("body",):
        return "this has to be a JSON object, with the header Content-Type: application/json"
    return str(error["msg"])


#: What every route under /v1 can answer, and what those with a body can answer besides.
ALWAYS_POSSIBLE = (
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.SERVICE_UNAVAILABLE,
)
POSSIBLE_WITH_BODIES = (HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)


def documented(*statuses: HTTPStatus) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that can answer with these problems, for OpenAPI."""
    return {
        status.value: {
            "description": _MEANINGS[status],
            "content": {MEDIA_TYPE: {"schema": ProblemBody.model_json_schema()}},
        }
        for status in statuses
    }


_MEANINGS = {
    HTTPStatus.BAD_REQUEST: "The body is not JSON in UTF-8.",
    HTTPStatus.UNAUTHORIZED: "No key, or one that is not known, revoked or expired.",
    HTTPStatus.FORBIDDEN: "The key lacks the scope that this call needs.",
    HTTPStatus.NOT_FOUND: "The list has no entry in force here.",
    HTTPStatus.CONFLICT: "The entry protects a person's wish or complaint: lifting it needs that person's consent.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body is too large.",
    HTTPStatus.UNPROCESSABLE_ENTITY: "Something in the request is not what it has to be; `detail` says what.",
    HTTPStatus.SERVICE_UNAVAILABLE: "It can not be told now. Nothing was guessed; `Retry-After` says when to ask again.",
}
