"""POST /v1/scrub: a list of any size comes in line by line, those who may be sent to go out as they come.

Answered while it is read, with memory for one piece of it: who reads the answer slowly is read from slowly. What goes wrong on
the way can not be said any more once the answer has begun, so it ends without its summary, and the connection is cut: whoever
does not see the summary knows that the answer is not whole.
"""

import asyncio
import logging
import threading
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query, Request, Response
from starlette.types import Receive, Send
from starlette.types import Scope as AsgiScope

from api.batch import loading
from api.http.auth import Caller, MayCheck, allow, require
from api.http.parts import Parts, UsedParts
from api.http.problems import POSSIBLE_WITH_KEYS, Problem, ProblemKind, documented
from api.http.schemas import ScrubQuery
from api.view import View
from nullsender.errors import Transient
from nullsender.limits import SCRUB_LOADING_SECONDS_MAX, SCRUBS_MAX

if TYPE_CHECKING:
    from api.batch.scrubbing import Scrub

_log = logging.getLogger("api")

routes = APIRouter(tags=["lookups"])

_PLACES = threading.BoundedSemaphore(SCRUBS_MAX)
_CHARACTER_SETS = ("utf-8", "utf8", "us-ascii")
_FORMS = {"text/plain": "text", "application/x-ndjson": "ndjson"}
_LIST = {
    "text/plain": {
        "schema": {"type": "string", "description": "One address a line."},
        "example": "user@example.com\nother@example.org\n",
    },
    "application/x-ndjson": {
        "schema": {"type": "string", "description": 'A JSON text a line, or a JSON object with the address under "address".'},
        "example": '"user@example.com"\n{"address":"other@example.org","name":"Ada"}\n',
    },
}
_ANSWER = {
    media_type: {
        "schema": {"type": "string", "description": "Lines of the list, unchanged and in their order; then the summary."},
        "example": example,
    }
    for media_type, example in {
        "text/plain": (
            "user@example.com\n# checked=2 allowed=1 suppressed=1 complaint=0 unsubscribe=0 hard=1 manual=0 soft=0 invalid=0\n"
        ),
        "application/x-ndjson": (
            '"user@example.com"\n{"summary":{"checked":2,"allowed":1,"suppressed":1,"causes":{"complaint":0,"unsubscribe":0,'
            '"hard":1,"manual":0,"soft":0},"invalid":0,"unknown":0}}\n'
        ),
    }.items()
}


@routes.post(
    "/v1/scrub",
    operation_id="scrub",
    response_class=Response,
    responses={
        200: {"description": "The lines that may be sent to, and a summary.", "content": _ANSWER},
        **documented(*POSSIBLE_WITH_KEYS, HTTPStatus.UNSUPPORTED_MEDIA_TYPE),
    },
    openapi_extra={"requestBody": {"required": True, "content": _LIST}},
)
async def scrub(query: Annotated[ScrubQuery, Query()], request: Request, caller: MayCheck, parts: UsedParts) -> Response:
    """Which lines of this list may I send to?

    A list of any size, one address a line. The answer comes while the list is read: the lines that may be sent to, unchanged
    and in their order. Its last line says how many there were of each kind; an answer without it is not whole. Blank lines are
    left out, and lines that are no address are counted as invalid; `want` asks for those, or for the suppressed ones, instead.
    """
    form = _form_of(request)
    require(caller, 0)
    await _loaded()
    from api.batch.asking import Batch
    from api.batch.scrubbing import Form, Scrub

    work = Scrub(Batch(parts.lookup), View(caller.tenant, query.stream, query.mailing_list), Form(form))
    return _Answer(work, query.want, caller, parts)


async def _loaded() -> None:
    """Come back when the compiled code is there; `Transient` where that takes long, because it has to be compiled first."""
    give_up_at_seconds = time.monotonic() + SCRUB_LOADING_SECONDS_MAX
    while not loading.is_loaded():
        loading.load_beside()
        if time.monotonic() > give_up_at_seconds:
            raise Transient("what scrubs lists is still being compiled, which takes a minute after an installation")
        await asyncio.sleep(0.05)


def _form_of(request: Request) -> str:
    """How the list is written; a `Problem` where we can not read it."""
    media_type, *parameters = (part.strip().lower() for part in request.headers.get("content-type", "").split(";"))
    if media_type not in _FORMS:
        detail = f"The list's type is {media_type[:100]!r}: send `Content-Type: text/plain` or `application/x-ndjson`."
        raise Problem(ProblemKind.UNSUPPORTED_MEDIA_TYPE, detail, {"Accept": ", ".join(_FORMS)})
    for name, _, value in (parameter.partition("=") for parameter in parameters):
        if name == "charset" and value.strip('"') not in _CHARACTER_SETS:
            detail = f"The list is in {value[:100]}: send it in UTF-8."
            raise Problem(ProblemKind.UNSUPPORTED_MEDIA_TYPE, detail, {"Accept": ", ".join(_FORMS)})
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        detail = "The list is compressed: send it as it is, without `Content-Encoding`."
        raise Problem(ProblemKind.UNSUPPORTED_MEDIA_TYPE, detail, {"Accept-Encoding": "identity"})
    return _FORMS[media_type]


class _Answer(Response):
    """Reads the list and writes the answer, a piece at a time."""

    def __init__(self, work: "Scrub", want: str, caller: Caller, parts: Parts) -> None:
        from api.batch.scrubbing import Form, Wanted

        form = work.form
        super().__init__(media_type="application/x-ndjson" if form is Form.NDJSON else "text/plain")
        del self.headers["content-length"]  # nobody knows it yet
        self._work = work
        self._want = Wanted(want)
        self._caller = caller
        self._parts = parts
        self._has_begun = False

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """As an ASGI application."""
        if not _PLACES.acquire(blocking=False):
            raise Transient(f"{SCRUBS_MAX} lists are being scrubbed already")
        try:
            await self._scrub(receive, send)
        except Transient as trouble:
            if not self._has_begun:
                raise
            # The server cuts the connection of an answer that was not completed.
            _log.warning("a scrub ended midway", extra={"facts": {"key": self._caller.key_id, "trouble": trouble}})
        finally:
            _PLACES.release()

    async def _scrub(self, receive: Receive, send: Send) -> None:
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            more = message.get("more_body", False)
            self._work.put(message.get("body", b""))
            await self._give(send)
        self._work.finish()
        await self._give(send)
        await self._write(send, self._work.summary().line(self._work.form), more=False)

    async def _give(self, send: Send) -> None:
        """Look up what came in, and send what is wanted of it."""
        kept = []
        while self._work.step():
            await self._pay(self._work.count)
            if waiting := list(self._work.batch.waiting.values()):
                lookup = self._parts.lookup
                self._work.tell(await self._parts.threads.run(lookup.verdicts_of, self._work.view, waiting))
            kept += self._work.kept(self._want)
            await asyncio.sleep(0)  # everybody else has a turn
        if any(kept):
            await self._write(send, b"".join(kept), more=True)

    async def _pay(self, addresses: int) -> None:
        """Wait until the key may ask about so many."""
        while True:
            wait_seconds = allow(self._caller, addresses)
            if wait_seconds is None:
                return
            await asyncio.sleep(wait_seconds)

    async def _write(self, send: Send, body: bytes, *, more: bool) -> None:
        if not self._has_begun:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            self._has_begun = True
        await send({"type": "http.response.body", "body": body, "more_body": more})
