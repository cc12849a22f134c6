"""POST /v1/check: may I send to these thousands of addresses?

Answered by compiled loops (`api/batch`) from the bytes of the body, in slices, so that other requests wait for none of it.
While these are still being loaded, and for a body that is not plain, each address is looked up alone; pydantic says what is
wrong with a body. Who asks why as well is answered from the store.

The framework costs as much as a thousand addresses. So a plain request with a key that was good a moment ago is answered before
it comes to the route (`QuickBatches`); whatever is unusual about it goes on to there, with the body that was read.
"""

import asyncio
import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from fastapi import APIRouter, Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.datastructures import State
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as AsgiScope

from api.batch import loading
from api.http.auth import Caller, MayCheck, Scope, allows, require
from api.http.clients import client_address
from api.http.parts import Parts, UsedParts
from api.http.problems import POSSIBLE_WITH_BODIES, POSSIBLE_WITH_KEYS, Problem, ProblemKind, documented, require_json
from api.http.schemas import CheckMany, CheckManyAnswer
from api.lookup import Answer, Answers, Lookup, addresses_of
from api.view import View
from nullsender.errors import Invalid
from nullsender.limits import CHECK_ADDRESSES_MAX
from nullsender.names import canonical_name

if TYPE_CHECKING:
    from api.batch.asking import Batch
    from api.batch.checking import Question

routes = APIRouter(tags=["lookups"])

_BEARER = re.compile(rb"Bearer +([\x21-\x7e]{1,200})")
_JSON = b"application/json"
# With one of these a request is not plain: it chooses another list, or changes how the body is read.
_UNUSUAL = frozenset({b"nullsender-tenant", b"content-encoding", b"expect", b"origin"})
_IS_ODD = "body_is_not_plain"  # in the scope of a request: it was looked at already


@routes.post(
    "/v1/check",
    operation_id="checkMany",
    dependencies=[Depends(require_json)],
    response_model=CheckManyAnswer,
    response_description="Whom you may not send to.",
    responses=documented(*POSSIBLE_WITH_KEYS, *POSSIBLE_WITH_BODIES),
    openapi_extra={
        "requestBody": {"required": True, "content": {"application/json": {"schema": CheckMany.model_json_schema()}}}
    },
)
async def check_many(request: Request, caller: MayCheck, parts: UsedParts) -> Response:
    """Which of these addresses may I not send to?

    Up to 10,000. Those that are neither under `suppressed` nor under `invalid` are allowed. One bad item never fails the
    others. With `explain` the answer says since when, until when and by which entry.
    """
    body = await request.body()
    answer = None if _IS_ODD in request.scope else await _quickly(body, request.app.state, caller, parts)
    if answer is None:
        answer = await _slowly(_read(body), caller, parts)
    return Response(answer, media_type="application/json")


class _Route(NamedTuple):
    """Under which name such a request is counted."""

    path: str


_CHECK = _Route("/v1/check")


class QuickBatches:
    """Around the application: answers plain batches itself."""

    def __init__(self, app: ASGIApp, parts: Parts) -> None:
        self._app = app
        self._parts = parts

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """One request."""
        caller = self._caller_of(scope) if scope["type"] == "http" and scope["path"] == _CHECK.path else None
        if caller is None:
            return await self._app(scope, receive, send)
        body = await _body_of(receive)
        if body is None:
            return None
        scope["route"] = _CHECK
        answer = await _quickly(body, scope["app"].state, caller, self._parts)
        if answer is None:
            scope[_IS_ODD] = True
            return await self._app(scope, _once_more(body, receive), send)
        headers = [(b"content-length", b"%d" % len(answer)), (b"content-type", _JSON)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        return await send({"type": "http.response.body", "body": answer})

    def _caller_of(self, scope: AsgiScope) -> Caller | None:
        """Who asks; None where that, or what is asked, takes more than a glance to say."""
        fields = dict(scope["headers"])
        if (
            scope["method"] != "POST"
            or scope["query_string"]
            or len(fields) != len(scope["headers"])
            or fields.get(b"content-type") != _JSON
            or not _UNUSUAL.isdisjoint(fields)
        ):
            return None
        credentials = _BEARER.fullmatch(fields.get(b"authorization", b""))
        known = self._parts.keys.remembered(credentials[1].decode("ascii")) if credentials else None
        client = client_address(scope["client"][0] if scope["client"] else None)
        if known is None or not allows(known.key, Scope.CHECK) or not known.opens_from(client):
            return None
        return Caller(known.key.id, known.tenant, known.bucket)


async def _body_of(receive: Receive) -> bytes | None:
    """All of it; None where the client has gone."""
    parts: list[bytes] = []
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _once_more(body: bytes, receive: Receive) -> Receive:
    """`receive` as it was before `body` was read."""
    waiting: list[Message] = [{"type": "http.request", "body": body}]

    async def received() -> Message:
        return waiting.pop() if waiting else await receive()

    return received


async def _quickly(body: bytes, state: State, caller: Caller, parts: Parts) -> bytes | None:
    """The answer; None: the body is not plain, or wants what only the store has."""
    if not loading.is_loaded():
        loading.load_beside()
        return None
    from api.batch.checking import Checking, NotPlain, read_body

    question = read_body(body)
    view = _view_of(question, caller)
    if question is None or view is None:
        return None
    checking = Checking(_batch_of(state, parts), view, question)
    try:
        require(caller, question.count)
        for _ in checking.steps():
            await asyncio.sleep(0)
    except NotPlain:
        return None
    if checking.waiting:
        checking.tell(await parts.threads.run(parts.lookup.verdicts_of, view, checking.waiting))
    return checking.answer()


def _view_of(question: "Question | None", caller: Caller) -> View | None:
    """What is asked about, where that can be answered without the store's own words."""
    if question is None or question.explain:
        return None
    try:
        names = [None if name is None else canonical_name(name) for name in (question.stream, question.mailing_list)]
        return View(caller.tenant, *names)
    except Invalid:
        return None


def _batch_of(state: State, parts: Parts) -> "Batch":
    """The one that all requests share: none of them waits for anything while it uses it."""
    from api.batch.asking import Batch

    if not hasattr(state, "batch"):
        state.batch = Batch(parts.lookup)
    batch: Batch = state.batch
    return batch


def _read(body: bytes) -> CheckMany:
    """The body, read by the book; a `Problem` or a `RequestValidationError` says what is wrong with it."""
    try:
        found: Any = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Problem(ProblemKind.NOT_JSON, "The body is not JSON in UTF-8.") from error
    try:
        question = CheckMany.model_validate(found)
    except ValidationError as error:
        wrong = [detail | {"loc": ("body", *detail["loc"])} for detail in error.errors(include_url=False)]
        raise RequestValidationError(wrong) from error
    if len(question.addresses) > CHECK_ADDRESSES_MAX:
        advice = f"{len(question.addresses)} addresses; one request may hold {CHECK_ADDRESSES_MAX}: send them in several."
        raise Problem(ProblemKind.TOO_MANY_ADDRESSES, advice)
    return question


async def _slowly(question: CheckMany, caller: Caller, parts: Parts) -> bytes:
    view = View(caller.tenant, question.stream, question.mailing_list)
    require(caller, len(question.addresses))
    if question.explain:
        answers = await parts.threads.run(parts.lookup.check_many, view, question.addresses)
        if answers.known:
            return _explained(answers)
    return await parts.threads.run(_one_by_one, parts.lookup, view, question.addresses)


def _one_by_one(lookup: Lookup, view: View, items: Sequence[object]) -> bytes:
    """What the compiled loops would answer, for items that they can not read. Hits of the table count without the store."""
    addresses, invalid = addresses_of(items)
    keys = {index: lookup.keys_of(view.tenant, address) for index, address in addresses.items()}
    verdicts = {index: lookup.at_once_of(view, its_keys) for index, its_keys in keys.items()}
    waiting = [keys[index] for index, verdict in verdicts.items() if verdict is None]
    from_store = lookup.verdicts_of(view, waiting) if waiting else {}
    said = {index: verdict or from_store[keys[index]] for index, verdict in verdicts.items()}
    suppressed = [
        {"index": index, "address": addresses[index], "cause": verdict.cause, "scope": verdict.scope}
        for index, verdict in said.items()
        if not verdict.allowed
    ]
    known = {} if all(verdict.known for verdict in said.values()) else {"known": False}
    return msgspec.json.encode({"checked": len(items), **known, "suppressed": suppressed, "invalid": invalid})


def _explained(answers: Answers) -> bytes:
    """`CheckManyAnswer` as JSON, written directly: validating ten thousand of our own values would cost most of the time."""
    suppressed = [_stopped(index, answer) for index, answer in answers.suppressed.items()]
    return msgspec.json.encode({"checked": answers.checked, "suppressed": suppressed, "invalid": answers.invalid})


def _stopped(index: int, answer: Answer) -> dict[str, object]:
    entry = answer.entry
    assert entry is not None, "only answers with an entry are among the suppressed"
    return {
        "index": index,
        "address": answer.address,
        "cause": entry.cause,
        "scope": entry.scope,
        "since": entry.since,
        "expires": entry.expires,
        "entry": entry.id,
    }
