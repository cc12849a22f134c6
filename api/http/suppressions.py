"""/v1/suppressions: what people do to the list, and what they see of it."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated

import anyio
from fastapi import APIRouter, Depends, Query, Response

from api.http.addresses import asked_about, to_be_added
from api.http.auth import MayRead, MayWrite
from api.http.parts import Parts, UsedParts
from api.http.problems import POSSIBLE_WITH_BODIES, POSSIBLE_WITH_KEYS, Problem, ProblemKind, documented, require_json
from api.http.schemas import (
    DeleteSuppression,
    EntriesReply,
    EntryReply,
    LiftedReply,
    LiftQuery,
    ListQuery,
    ListReply,
    PathAddress,
    PutSuppression,
    ScopeQuery,
)
from nullsender.limits import TABLE_SETTLE_POLL_SECONDS
from suppression.records import Entry
from suppression.store.read import Filters

routes = APIRouter(tags=["the list"])


@routes.put(
    "/v1/suppressions/{address:address}",
    operation_id="suppress",
    dependencies=[Depends(require_json)],
    response_description="The entry stood already.",
    responses={
        201: {"model": EntryReply, "description": "The entry is new."},
        **documented(*POSSIBLE_WITH_KEYS, *POSSIBLE_WITH_BODIES),
    },
)
async def put(
    address: PathAddress,
    query: Annotated[ScopeQuery, Query()],
    body: PutSuppression,
    caller: MayWrite,
    parts: UsedParts,
    response: Response,
) -> EntryReply:
    """Put an address on the list.

    201: the entry is new. 200: one with this scope and cause stood already; where yours lasts longer, it does so now.
    Lookups on this machine see it from now on, those on other machines within the staleness bound.
    """
    name = to_be_added(address)
    entry, created = await parts.threads.run(
        parts.store.add,
        caller.tenant,
        name,
        scope=query.scope,
        cause=body.cause,
        reason=body.reason,
        expires=body.expires,
        actor=caller.key_id,
    )
    await until_visible(parts)
    response.status_code = HTTPStatus.CREATED if created else HTTPStatus.OK
    return EntryReply.model_validate(entry)


@routes.get(
    "/v1/suppressions/{address:address}",
    operation_id="show",
    response_description="Its entries.",
    responses=documented(*POSSIBLE_WITH_KEYS, HTTPStatus.NOT_FOUND),
)
async def show(address: PathAddress, caller: MayRead, parts: UsedParts) -> EntriesReply:
    """The entries of one address that are in force; 404 when there are none."""
    name = asked_about(address)
    entries = await parts.threads.run(parts.store.entries_of, caller.tenant, name)
    return EntriesReply(address=name, entries=_shown(_some(entries)))


@routes.delete(
    "/v1/suppressions/{address:address}",
    operation_id="lift",
    dependencies=[Depends(require_json)],
    response_description="What was lifted.",
    responses=documented(*POSSIBLE_WITH_KEYS, *POSSIBLE_WITH_BODIES, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
)
async def lift(
    address: PathAddress,
    query: Annotated[LiftQuery, Query()],
    body: DeleteSuppression,
    caller: MayWrite,
    parts: UsedParts,
) -> LiftedReply:
    """Lift the entries of one address.

    All of them, or those of one scope or cause. A complaint or an unsubscribe is a person's word: lifting it needs that
    person's consent (409 without). What was lifted stays in the history. Lookups see it as soon as they see what was added.
    """
    name = asked_about(address)
    lifted = await parts.threads.run(
        parts.store.lift,
        caller.tenant,
        name,
        scope=query.scope,
        cause=query.cause,
        reason=body.reason,
        consent=body.consent,
        actor=caller.key_id,
    )
    entries = _some(lifted)
    await until_visible(parts)
    return LiftedReply(address=name, lifted=_shown(entries))


@routes.get(
    "/v1/suppressions",
    operation_id="list",
    response_description="One page of the list.",
    responses=documented(*POSSIBLE_WITH_KEYS),
)
async def list_entries(query: Annotated[ListQuery, Query()], caller: MayRead, parts: UsedParts) -> ListReply:
    """The entries in force, newest first, a page at a time."""
    filters = Filters(
        cause=query.cause, scope=query.scope, domain=query.domain, since_from=query.since_from, since_to=query.since_to
    )
    page = await parts.threads.run(parts.store.list, caller.tenant, filters, cursor=query.cursor, limit=query.limit)
    return ListReply(entries=_shown(page.items), next=page.cursor)


async def until_visible(parts: Parts) -> None:
    """Wait until every process of this machine answers with what was written; see `Lookup.is_visible` for why this ends."""
    sequence = await parts.threads.run(parts.store.feed_head)
    with anyio.move_on_after(parts.lookup.staleness_seconds_max):
        while not parts.lookup.is_visible(sequence):  # noqa: ASYNC110  (another process does it: there is no event to await)
            await anyio.sleep(TABLE_SETTLE_POLL_SECONDS)


def _some(entries: Sequence[Entry]) -> Sequence[Entry]:
    if not entries:
        raise Problem(ProblemKind.NOT_ON_THE_LIST, "The list has no such entry of this address in force.")
    return entries


def _shown(entries: Sequence[Entry]) -> list[EntryReply]:
    return [EntryReply.model_validate(entry) for entry in entries]
