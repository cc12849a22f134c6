"""GET and POST /v1/check: may I send to this address, to these addresses?"""

from http import HTTPStatus
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Query, Response

from api.addresses import asked_about
from api.auth import Caller, Keys, Scope, guard
from api.lookup import Answer, Answers, Lookup
from api.problems import Problem, documented
from api.schemas import CheckAnswer, CheckMany, CheckManyAnswer, CheckQuery
from api.threads import StoreThreads
from nullsender.limits import CHECK_ADDRESSES_MAX


def check_routes(lookup: Lookup, keys: Keys, threads: StoreThreads) -> APIRouter:
    """The routes under /v1/check."""
    routes = APIRouter(tags=["lookups"])
    may_check = guard(keys, Scope.CHECK)

    @routes.get("/v1/check", responses=documented(*_PROBLEMS))
    async def check(query: Annotated[CheckQuery, Query()], caller: Annotated[Caller, Depends(may_check)]) -> CheckAnswer:
        """May I send to this address?

        200 whether or not you may; `allowed` says it. The answer is at most a second old. 503 when it can not be told.
        """
        address = asked_about(query.address)
        if lookup.is_surely_clean(caller.tenant, address):
            return CheckAnswer(address=address, allowed=True)
        return CheckAnswer.of(await threads.run(lookup.check, caller.tenant, query.stream, address))

    @routes.post("/v1/check", response_model=CheckManyAnswer, responses=documented(*_PROBLEMS, *_OF_BODIES))
    async def check_many(question: CheckMany, caller: Annotated[Caller, Depends(may_check)]) -> Response:
        """Which of these addresses may I not send to?

        Up to 10,000. Those that are neither under `suppressed` nor under `invalid` are allowed. One bad item never fails the
        others.
        """
        if len(question.addresses) > CHECK_ADDRESSES_MAX:
            advice = f"{len(question.addresses)} addresses; one request may hold {CHECK_ADDRESSES_MAX}: send them in several."
            raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too-many-addresses", advice)
        answers = await threads.run(lookup.check_many, caller.tenant, question.stream, question.addresses)
        return Response(_encoded(answers), media_type="application/json")

    return routes


_PROBLEMS = (
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.SERVICE_UNAVAILABLE,
)
_OF_BODIES = (HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)


def _encoded(answers: Answers) -> bytes:
    """`CheckManyAnswer` as JSON, written directly: validating ten thousand of our own values would cost most of the time."""
    return msgspec.json.encode(
        {
            "checked": answers.checked,
            "suppressed": [_stopped(index, answer) for index, answer in answers.suppressed.items()],
            "invalid": answers.invalid,
        }
    )


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
