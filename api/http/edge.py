"""Around every request: counts and times it by route, bounds its body, and lets no exception out.

A path that is none of ours counts as `other`, so that nobody makes up new routes for the metrics.
"""

import time
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.http.problems import problem_of, response_of
from nullsender import telemetry
from nullsender.limits import API_BODY_BYTES_MAX

#: Here a body of any size comes in and is answered while it comes: the route itself has the bounds.
STREAMED_PATHS = frozenset({"/v1/scrub", "/v1/imports"})


class Edge:
    """Around an application that speaks ASGI."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
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
            await self._app(scope, receive if scope["path"] in STREAMED_PATHS else _bounded(receive), watched)
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
