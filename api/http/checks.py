"""GET and POST /v1/check: may I send to this address, to these addresses?"""

from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Response

from api.http.addresses import asked_about
from api.http.auth import MayCheck, require
from api.http.parts import UsedParts
from api.http.problems import POSSIBLE_WITH_BODIES, POSSIBLE_WITH_KEYS, Problem, ProblemKind, documented
from api.http.schemas import CheckAnswer, CheckMany, CheckManyAnswer, CheckQuery
from api.lookup import Answer, Answers
from api.view import View
from nullsender.limits import CHECK_ADDRESSES_MAX

routes = APIRouter(tags=["lookups"])


@routes.get(
    "/v1/check",
    operation_id="check",
    response_model=CheckAnswer,
    response_description="Whether you may send, and if not, why.",
    responses=documented(*POSSIBLE_WITH_KEYS),
)
async def check(query: Annotated[CheckQuery, Query()], caller: MayCheck, parts: UsedParts) -> Response:
    """May I send to this address?

    200 whether or not you may; `allowed` says it. The answer is at most a second old. 503 when it can not be told, unless the
    operator lets mail on this stream go then (`lookup.allow_unknown`): such an answer is marked by `known`.
    """
    address = asked_about(query.address)
    require(caller, 1)
    return Response(await parts.hits.body(View(caller.tenant, query.stream), address), media_type="application/json")


@routes.post(
    "/v1/check",
    response_model=CheckManyAnswer,
    response_description="Whom you may not send to.",
    responses=documented(*POSSIBLE_WITH_KEYS, *POSSIBLE_WITH_BODIES),
)
async def check_many(question: CheckMany, caller: MayCheck, parts: UsedParts) -> Response:
    """Which of these addresses may I not send to?

    Up to 10,000. Those that are neither under `suppressed` nor under `invalid` are allowed. One bad item never fails the
    others.
    """
    if len(question.addresses) > CHECK_ADDRESSES_MAX:
        advice = f"{len(question.addresses)} addresses; one request may hold {CHECK_ADDRESSES_MAX}: send them in several."
        raise Problem(ProblemKind.TOO_MANY_ADDRESSES, advice)
    view = View(caller.tenant, question.stream)
    answers = await parts.threads.run(parts.lookup.check_many, view, question.addresses)
    return Response(_encoded(answers), media_type="application/json")


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
