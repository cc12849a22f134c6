"""/v1/addresses/{address}/history and /v1/entries: what happened, and who decided what, when and why."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Query

from api.http.addresses import asked_about
from api.http.auth import MayRead
from api.http.history_shapes import HistoryQuery, HistoryReply, StoryReply, item_of
from api.http.parts import UsedParts
from api.http.problems import POSSIBLE_WITH_KEYS, Problem, ProblemKind, documented
from api.http.schemas import Cursor, EntryReply, PathAddress

routes = APIRouter(tags=["the list"])

EntryId = Annotated[Cursor, Path(description="An entry's id, as lookups, lists and histories show it.", examples=[4711])]


@routes.get(
    "/v1/addresses/{address:address}/history",
    operation_id="history",
    response_description="One page of the history.",
    responses=documented(*POSSIBLE_WITH_KEYS),
)
async def history(
    address: PathAddress, query: Annotated[HistoryQuery, Query()], caller: MayRead, parts: UsedParts
) -> HistoryReply:
    """Every report, outcome and change of one address, newest first, a page at a time."""
    name = asked_about(address)
    page = await parts.threads.run(parts.store.history, caller.tenant, name, limit=query.limit, cursor=query.cursor)
    return HistoryReply(address=name, items=[item_of(item) for item in page.items], next=page.cursor)


@routes.get(
    "/v1/entries/{entry}",
    operation_id="story",
    response_description="The entry, and one page of what happened to it.",
    responses=documented(*POSSIBLE_WITH_KEYS, HTTPStatus.NOT_FOUND),
)
async def story(entry: EntryId, query: Annotated[HistoryQuery, Query()], caller: MayRead, parts: UsedParts) -> StoryReply:
    """One entry, standing or ended, with its changes and its reports, newest first, a page at a time; 404 when there is none.

    Each report tells how its recipient was found and proven, and the rule, its version and the version of the policy behind
    what it did. Each change tells who made it, when and why.
    """
    found = await parts.threads.run(parts.store.story, caller.tenant, entry, limit=query.limit, cursor=query.cursor)
    if found is None:
        raise Problem(ProblemKind.NOT_ON_THE_LIST, "The list never had an entry of that id, or it was forgotten since.")
    return StoryReply(
        entry=EntryReply.model_validate(found.entry),
        in_force=found.is_live,
        items=[item_of(item) for item in found.page.items],
        next=found.page.cursor,
    )
