"""/v1/suppressions and /v1/addresses: what people do to the list, and what they see of it."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated

import anyio
from fastapi import APIRouter, Depends, Query, Response

from api.addresses import asked_about, to_be_added
from api.auth import Caller, Keys, Scope, guard
from api.lookup import Lookup
from api.problems import Problem, documented
from api.schemas import (
    ChangeItem,
    DeleteSuppression,
    EntriesReply,
    EntryReply,
    HistoryQuery,
    HistoryReply,
    LiftedReply,
    LiftQuery,
    ListQuery,
    ListReply,
    PathAddress,
    PutSuppression,
    ReportItem,
    ScopeQuery,
)
from api.threads import StoreThreads
from nullsender.limits import TABLE_SETTLE_POLL_SECONDS
from suppression.records import Change, Entry, Told
from suppression.store import Store
from suppression.store_read import Filters


def suppression_routes(store: Store, lookup: Lookup, keys: Keys, threads: StoreThreads) -> APIRouter:
    """The routes under /v1/suppressions and /v1/addresses."""
    routes = APIRouter(tags=["the list"])
    may_read, may_write = guard(keys, Scope.READ), guard(keys, Scope.WRITE)

    @routes.put(
        "/v1/suppressions/{address:path}",
        responses={201: {"model": EntryReply, "description": "The entry is new."}, **documented(*_PROBLEMS, *_OF_BODIES)},
    )
    async def put(
        address: PathAddress,
        query: Annotated[ScopeQuery, Query()],
        body: PutSuppression,
        caller: Annotated[Caller, Depends(may_write)],
        response: Response,
    ) -> EntryReply:
        """Put an address on the list.

        201: the entry is new. 200: an entry with this scope and cause was in force already; it is shown. Lookups on this
        machine see it from now on, those on other machines within the staleness bound.
        """
        canonical_address = to_be_added(address)
        entry, created = await threads.run(
            store.add,
            caller.tenant,
            canonical_address,
            scope=query.scope,
            cause=body.cause,
            reason=body.reason,
            expires=body.expires,
            actor=caller.key_id,
        )
        await _until_visible(store, lookup, threads)
        response.status_code = HTTPStatus.CREATED if created else HTTPStatus.OK
        return EntryReply.model_validate(entry)

    @routes.get("/v1/suppressions/{address:path}", responses=documented(*_PROBLEMS, HTTPStatus.NOT_FOUND))
    async def show(address: PathAddress, caller: Annotated[Caller, Depends(may_read)]) -> EntriesReply:
        """The entries of one address that are in force; 404 when there are none."""
        canonical_address = asked_about(address)
        entries = await threads.run(store.entries_of, caller.tenant, canonical_address)
        return EntriesReply(address=canonical_address, entries=_shown(_some(entries)))

    @routes.delete(
        "/v1/suppressions/{address:path}",
        responses=documented(*_PROBLEMS, *_OF_BODIES, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
    )
    async def lift(
        address: PathAddress,
        query: Annotated[LiftQuery, Query()],
        body: DeleteSuppression,
        caller: Annotated[Caller, Depends(may_write)],
    ) -> LiftedReply:
        """Lift the entries of one address.

        All of them, or those of one scope or cause. A complaint or an unsubscribe is a person's word: lifting it needs that
        person's consent (409 without). What was lifted stays in the history.
        """
        canonical_address = asked_about(address)
        lifted = await threads.run(
            store.lift,
            caller.tenant,
            canonical_address,
            scope=query.scope,
            cause=query.cause,
            reason=body.reason,
            consent=body.consent,
            actor=caller.key_id,
        )
        return LiftedReply(address=canonical_address, lifted=_shown(_some(lifted)))

    @routes.get("/v1/suppressions", responses=documented(*_PROBLEMS))
    async def list_entries(query: Annotated[ListQuery, Query()], caller: Annotated[Caller, Depends(may_read)]) -> ListReply:
        """The entries in force, newest first, a page at a time."""
        filters = Filters(
            cause=query.cause, scope=query.scope, domain=query.domain, since_from=query.since_from, since_to=query.since_to
        )
        page = await threads.run(store.list, caller.tenant, filters, cursor=query.cursor, limit=query.limit)
        return ListReply(entries=_shown(page.items), next=page.cursor)

    @routes.get("/v1/addresses/{address:path}/history", responses=documented(*_PROBLEMS))
    async def history(
        address: PathAddress, query: Annotated[HistoryQuery, Query()], caller: Annotated[Caller, Depends(may_read)]
    ) -> HistoryReply:
        """Every report, outcome and change of one address, newest first, a page at a time."""
        canonical_address = asked_about(address)
        page = await threads.run(store.history, caller.tenant, canonical_address, limit=query.limit, cursor=query.cursor)
        return HistoryReply(address=canonical_address, items=[_item(item) for item in page.items], next=page.cursor)

    return routes


_PROBLEMS = (
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.SERVICE_UNAVAILABLE,
)
_OF_BODIES = (HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)


async def _until_visible(store: Store, lookup: Lookup, threads: StoreThreads) -> None:
    """Wait until every process of this machine answers with what was written; see `Lookup.is_visible` for why this ends."""
    sequence = await threads.run(store.feed_head)
    with anyio.move_on_after(lookup.staleness_seconds_max):
        while not lookup.is_visible(sequence):  # noqa: ASYNC110  (another process does it: there is no event to await)
            await anyio.sleep(TABLE_SETTLE_POLL_SECONDS)


def _some(entries: Sequence[Entry]) -> Sequence[Entry]:
    if not entries:
        raise Problem(HTTPStatus.NOT_FOUND, "not-on-the-list", "The list has no such entry of this address in force.")
    return entries


def _shown(entries: Sequence[Entry]) -> list[EntryReply]:
    return [EntryReply.model_validate(entry) for entry in entries]


def _item(item: Told | Change) -> ReportItem | ChangeItem:
    return ReportItem.of(item) if isinstance(item, Told) else ChangeItem.of(item)
