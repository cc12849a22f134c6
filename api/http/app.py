"""The HTTP API put together: routes, keys, problems, metrics. `server.py` serves it."""

import time
from collections import Counter
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.http import checks, operations, suppressions
from api.http.keys import Keys
from api.http.parts import Check, Parts
from api.http.problems import (
    POSSIBLE_EVERYWHERE,
    ProblemBody,
    answer_with_problems,
    documented,
    kinds_in_words,
    problem_of,
    response_of,
)
from api.http.quick import QuickCheck
from api.index.follower import table_path
from api.index.reader import TableReader
from api.index.table import identity_of
from api.lookup import Lookup
from api.threads import StoreThreads
from nullsender import telemetry
from nullsender.address import AddressHasher
from nullsender.clock import Clock
from nullsender.errors import Invalid
from nullsender.limits import API_BODY_BYTES_MAX, API_STORE_THREADS_MAX, API_STORE_WAITING_MAX
from suppression.store import Store

_ABOUT = """May I send to this address? Which addresses may I not send to, why, and who decided?

Every error is a problem (RFC 9457, `application/problem+json`): `type` is for programs, `detail` says in words what to do.
A 503 means that it can not be told now; nothing is ever guessed. These are all kinds of problems:

{kinds}"""

_MODULES = (checks, suppressions, operations)


class Api(NamedTuple):
    """What `server.serve` needs."""

    app: FastAPI
    quick: QuickCheck


def open_api(
    store: Store,
    *,
    hasher: AddressHasher,
    index_folder: Path,
    staleness_seconds_max: float,
    clock: Clock,
    further_checks: Sequence[Check] = (),
) -> Api:
    """The API of one process over `store` and the lookup table that the follower keeps in `index_folder`.

    `further_checks` say what is wrong with other parts of the system; `/readyz` repeats it.
    """
    table = TableReader(
        table_path(index_folder),
        identity=identity_of(store.key_fingerprint),
        clock=clock,
        staleness_seconds_max=staleness_seconds_max,
    )
    threads = StoreThreads(threads=API_STORE_THREADS_MAX, waiting_max=API_STORE_WAITING_MAX)
    parts = Parts(store, Lookup(store, table, hasher, clock=clock), Keys(store, threads, clock), threads, further_checks)
    return Api(create_app(parts), QuickCheck(parts.lookup, parts.keys))


def create_app(parts: Parts) -> FastAPI:
    """The routes over these parts."""
    app = _Documented(
        title="nullsender",
        version="1",
        description=_ABOUT.format(kinds=kinds_in_words()),
        redirect_slashes=False,
        docs_url=None,  # its page loads scripts from elsewhere; /openapi.json is all that a viewer needs
        redoc_url=None,
        responses=documented(*POSSIBLE_EVERYWHERE),
        dependencies=[Depends(_require_single_parameters)],
    )
    app.state.parts = parts
    for module in _MODULES:
        app.include_router(module.routes)
    answer_with_problems(app)
    app.add_exception_handler(HTTPStatus.METHOD_NOT_ALLOWED, _wrong_method)
    app.add_middleware(_Edge)
    return app


class _Documented(FastAPI):
    """FastAPI, whose OpenAPI holds the one shape that every problem refers to."""

    def openapi(self) -> dict[str, Any]:
        """What /openapi.json says."""
        document = super().openapi()
        document["components"]["schemas"][ProblemBody.__name__] = ProblemBody.model_json_schema()
        return document


async def _wrong_method(request: Request, error: Exception) -> Response:
    """405 with every method of the path (RFC 9110 15.5.6): the framework names those of the first route there and no others."""
    problem = problem_of(error)
    path = request.scope["path"]
    routes = [route for module in _MODULES for route in module.routes.routes if isinstance(route, APIRoute)]
    methods = {method for route in routes if route.path_regex.match(path) for method in route.methods or ()}
    answer = response_of(problem, path)
    if methods:
        answer.headers["Allow"] = ", ".join(sorted(methods))
    return answer


async def _require_single_parameters(request: Request) -> None:
    """Two values for one query parameter: whichever we took, the caller may have meant the other."""
    counted = Counter(name for name, _ in request.query_params.multi_items())
    if repeated := [name for name, times in counted.items() if times > 1]:
        raise Invalid(f"given more than once: {', '.join(sorted(repeated))}")


class _Edge:
    """Around every request: counts and times it by route, bounds its body, and lets no exception out.

    A path that is none of ours counts as `other`, so that nobody makes up new routes for the metrics.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        status: int | None = None

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        began_at_seconds = time.perf_counter()
        try:
            await self._app(scope, _bounded(receive), watched)
        except Exception as error:
            answer = response_of(problem_of(error), scope["path"])
            if status is not None:
                raise  # half an answer is out: the server cuts the connection, so that nobody takes it for a whole one
            await answer(scope, receive, watched)
        route = getattr(scope.get("route"), "path", "other")
        telemetry.API_REQUESTS.labels(route, str(status)).inc()
        telemetry.API_SECONDS.labels(route).observe(time.perf_counter() - began_at_seconds)
        return None


def _bounded(receive: Receive) -> Receive:
    """`receive`, which answers 413 as soon as the body has too many bytes."""
    body_bytes = 0

    async def bounded() -> Message:
        nonlocal body_bytes
        message = await receive()
        body_bytes += len(message.get("body", b""))
        if body_bytes > API_BODY_BYTES_MAX:
            raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        return message

    return bounded
