"""/u/TOKEN: where unsubscribe links lead. For everybody: no key, no cookie, no script, no redirect (RFC 8058).

A GET asks and changes nothing, because programs follow links in mail. A POST with `List-Unsubscribe=One-Click` unsubscribes,
and is answered when the next lookup would be refused. Whether a token is good can not be told from the answer: a bad one gets
the same page, after the same work and least time; and where the store is away both are told so, with nothing done.
"""

import logging
import math
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any

import anyio
from fastapi import APIRouter, Path, Request, Response
from starlette.responses import HTMLResponse

from api.http import unsubscribe_page as page
from api.http.crowds import origin_of
from api.http.one_click import Wish, read_wish
from api.http.parts import Parts, UsedParts
from api.http.problems import RETRY_HEADER, Problem, ProblemKind
from api.http.suppressions import until_visible
from nullsender import telemetry
from nullsender.errors import Invalid, Transient
from nullsender.limits import (
    API_RETRY_AFTER_SECONDS,
    UNSUBSCRIBE_ANSWER_SECONDS,
    UNSUBSCRIBE_BODY_BYTES_MAX,
    UNSUBSCRIBE_USER_AGENT_CHARACTERS_MAX,
)
from nullsender.signing.keys import Expired
from nullsender.signing.unsubscribe_link import tenant_of, token_id
from suppression.policy import NOT_TRANSACTIONAL, Cause
from suppression.policy.scopes import EVERYWHERE, scope_for
from suppression.records import Addition
from suppression.unsubscribes.asking import Asking, Channel

_log = logging.getLogger("api")
Token = Annotated[str, Path(description="The token of a link, as `POST /v1/unsubscribe-links` makes it.")]
_METHODS = "GET, HEAD, OPTIONS, POST"
_NOBODY = "default"  # any tenant: nothing is written there

routes = APIRouter(tags=["unsubscribing"])


def _pages(**statuses: str) -> dict[int | str, dict[str, Any]]:
    """The pages that a route answers with, by what OpenAPI says of each."""
    shape = {"content": {"text/html": {"schema": {"type": "string"}}}}
    pages: dict[int | str, dict[str, Any]] = {
        int(status[1:]): {"description": words, **shape} for status, words in statuses.items()
    }
    for status in pages.keys() & {429, 503}:
        pages[status]["headers"] = RETRY_HEADER
    return pages


_BUSY = "Too many requests came from this network; nothing was done. `Retry-After` says how long to wait."
_AWAY = "It can not be done now, and nothing was. Ask again after `Retry-After`."


@routes.get(
    "/u/{token}",
    operation_id="unsubscribe_page",
    response_class=HTMLResponse,
    responses=_pages(_200="The page, in the reader's language.", _429=_BUSY),
)
@routes.head("/u/{token}", include_in_schema=False)
async def ask(token: Token, request: Request, parts: UsedParts) -> Response:
    """The page that asks before it unsubscribes. It changes nothing, and is the same for every token of a tenant."""
    reader = _reader(request, parts, token)
    return _if_too_many(request, parts, reader) or page.asking(reader)


@routes.options("/u/{token}", include_in_schema=False)
async def methods() -> Response:
    """What can be done here (RFC 9110 9.3.7)."""
    return Response(status_code=204, headers={"Allow": _METHODS})


_FORM_SCHEMA = {
    "type": "object",
    "required": ["List-Unsubscribe"],
    "properties": {"List-Unsubscribe": {"type": "string", "enum": ["One-Click"]}},
}


@routes.post(
    "/u/{token}",
    operation_id="unsubscribe",
    response_class=HTMLResponse,
    responses=_pages(
        _200="It is done; or the token is none, which is not said.",
        _413="The body is larger than any that asks for this.",
        _422="The body does not say `List-Unsubscribe=One-Click`; nothing was done.",
        _429=_BUSY,
        _503=_AWAY,
    ),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/x-www-form-urlencoded": {"schema": _FORM_SCHEMA},
                "multipart/form-data": {"schema": _FORM_SCHEMA},
            },
        }
    },
)
async def unsubscribe(token: Token, request: Request, parts: UsedParts) -> Response:
    """Unsubscribe whom the token names (RFC 8058 one-click). Doing it again changes nothing."""
    began_at_seconds = anyio.current_time()
    reader = _reader(request, parts, token)
    refusal = _if_too_many(request, parts, reader)
    if refusal is not None:
        return refusal
    wish = read_wish(request.headers.get("content-type", ""), await _body(request))
    if wish is None:
        return page.wrong(reader)
    try:
        await _heed(parts, token, wish, request)
    except Transient as trouble:
        _log.warning("an unsubscribe could not be taken", extra={"facts": {"trouble": trouble}})
        return page.away(reader, API_RETRY_AFTER_SECONDS)
    await anyio.sleep_until(began_at_seconds + UNSUBSCRIBE_ANSWER_SECONDS)
    return page.done(reader, everything=wish.everything)


async def _heed(parts: Parts, token: str, wish: Wish, request: Request) -> None:
    """Put whom the token names on the list; where it names nobody, write nothing, in a turn all the same."""
    channel = Channel.PAGE if wish.by_page else Channel.ONE_CLICK
    try:
        claims, expired = parts.unsubscribing.links.verify(token, today=parts.unsubscribing.clock.now().date()), False
    except Expired as too_old:
        claims, expired = too_old.claims, True
    except Invalid:
        telemetry.UNSUBSCRIBE_REQUESTS.labels(channel, "unknown").inc()
        # It waits its turn to write as a good one does: whoever holds the others up would show by the time which it was.
        await parts.threads.run(parts.store.add_all, _NOBODY, [], actor=channel.value)
        await until_visible(parts)
        return
    asking = Asking(
        channel=channel,
        verified="expired token" if expired else "token",
        ip=str(_origin(request, parts) or "") or None,
        user_agent=request.headers.get("user-agent", "")[:UNSUBSCRIBE_USER_AGENT_CHARACTERS_MAX] or None,
        token=token_id(token),
        message=claims.message or None,
    )
    settings = parts.store.policy.settings_for(claims.tenant, claims.stream)
    own_scope = scope_for(settings.breadth_of(Cause.UNSUBSCRIBE), claims.stream, claims.mailing_list)
    additions = [
        Addition(
            address=claims.recipient,
            scope=scope,
            cause=Cause.UNSUBSCRIBE,
            reason=f"unsubscribed by {'the page of a link' if wish.by_page else 'one click'}",
            # An old link is worth as much as a mail that proves nothing.
            expires=parts.unsubscribing.clock.now() + timedelta(days=settings.provisional_days) if expired else None,
            asking=asking,
        )
        for scope in _scopes(own_scope, everything=wish.everything)
    ]
    await parts.threads.run(parts.store.add_all, claims.tenant, additions, actor=channel.value)
    telemetry.UNSUBSCRIBE_REQUESTS.labels(channel, "expired" if expired else "heeded").inc()
    await until_visible(parts)


def _scopes(own_scope: str, *, everything: bool) -> Sequence[str]:
    """What is stopped: the mail of the link, and with `everything` all that is not transactional besides."""
    wider = everything and own_scope not in (EVERYWHERE, NOT_TRANSACTIONAL)
    return (own_scope, NOT_TRANSACTIONAL) if wider else (own_scope,)


async def _body(request: Request) -> bytes:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > UNSUBSCRIBE_BODY_BYTES_MAX:
            detail = f"The body that unsubscribes has under {UNSUBSCRIBE_BODY_BYTES_MAX} bytes: `List-Unsubscribe=One-Click`."
            raise Problem(ProblemKind.BODY_TOO_LARGE, detail)
    return body


def _reader(request: Request, parts: Parts, token: str) -> page.Reader:
    sender = parts.unsubscribing.name_of(tenant_of(token))
    return page.reader_of(request.headers.get("accept-language", ""), sender)


def _if_too_many(request: Request, parts: Parts, reader: page.Reader) -> Response | None:
    wait_seconds = parts.unsubscribing.crowds.wait_seconds(_origin(request, parts))
    return None if wait_seconds is None else page.busy(reader, math.ceil(wait_seconds))


def _origin(request: Request, parts: Parts) -> Any:
    host = request.client.host if request.client else None
    return origin_of(host, ",".join(request.headers.getlist("x-forwarded-for")), parts.unsubscribing.proxies)
