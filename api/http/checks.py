"""GET /v1/check: may I send to this address?"""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from api.http.addresses import asked_about
from api.http.auth import MayCheck, require
from api.http.parts import UsedParts
from api.http.problems import POSSIBLE_WITH_KEYS, documented
from api.http.schemas import CheckAnswer, CheckQuery
from api.view import View

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
    return Response(
        await parts.hits.body(View(caller.tenant, query.stream, query.mailing_list), address), media_type="application/json"
    )
