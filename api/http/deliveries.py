"""POST /v1/deliveries: mail arrived; what bounced softly before counts no more."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import Field, ValidationError, WithJsonSchema

from api.http.addresses import asked_about
from api.http.auth import MayWrite
from api.http.parts import UsedParts
from api.http.problems import POSSIBLE_WITH_BODIES, POSSIBLE_WITH_KEYS, Problem, ProblemKind, documented, require_json
from api.http.schemas import ListName, Moment, Question, Reply, StreamName
from api.http.suppressions import until_visible
from nullsender.errors import Invalid
from nullsender.limits import DELIVERIES_PER_CALL_MAX
from suppression.store.deliveries import Delivery, StoreDeliveries

routes = APIRouter(tags=["the list"])


class DeliveryItem(Question):
    """One message that a mail server took for good."""

    address: str
    """To whom it was delivered."""
    stream: StreamName | None = None
    """The stream that it was sent on. Without it the delivery says nothing of what is counted by stream."""
    mailing_list: ListName = None
    """The mailing list that it was for."""
    delivered_at: Moment | None = None
    """When; null, or a moment that lies ahead: now."""


# Any, so that one bad item is reported in its place and does not fail the others.
Items = Annotated[
    list[Any],
    WithJsonSchema({"type": "array", "items": DeliveryItem.model_json_schema(), "maxItems": DELIVERIES_PER_CALL_MAX}),
]


class PostDeliveries(Question):
    """Deliveries, up to 10,000."""

    deliveries: Items = Field(examples=[[{"address": "user@example.com", "stream": "news"}]])
    """Each once or more often, in any order."""


class BadDelivery(Reply):
    """A delivery that was not taken."""

    index: int
    """Its place in `deliveries`, from 0."""
    reason: str
    """What is wrong with it."""


class DeliveriesReply(Reply):
    """What became of them."""

    taken: int
    """How many were counted."""
    reset: int
    """For how many of these addresses, by stream or list, soft bounces had been counted and count no more."""
    changed: int
    """How many soft entries ended, or end earlier, for it."""
    invalid: list[BadDelivery]
    """Those that were not taken, by place."""


@routes.post(
    "/v1/deliveries",
    operation_id="reportDeliveries",
    dependencies=[Depends(require_json)],
    response_description="What became of them.",
    responses=documented(*POSSIBLE_WITH_KEYS, *POSSIBLE_WITH_BODIES),
)
async def report_deliveries(body: PostDeliveries, caller: MayWrite, parts: UsedParts) -> DeliveriesReply:
    """Tell of mail that was delivered.

    The soft bounces of an address that lie before it count no more. No other entry is touched; a soft one that stands stays
    until it expires, unless the policy says otherwise. One bad item never fails the others, and the same may be sent again.
    Tell of it within three days: a bounce that comes later still finds its place among them.
    """
    if len(body.deliveries) > DELIVERIES_PER_CALL_MAX:
        advice = f"{len(body.deliveries)} deliveries; one request may hold {DELIVERIES_PER_CALL_MAX}: send them in several."
        raise Problem(ProblemKind.TOO_MANY_ADDRESSES, advice)
    taken, invalid = await parts.threads.run(_read, body.deliveries)
    store = StoreDeliveries.beside(parts.store)
    done = await parts.threads.run(store.deliver, caller.tenant, taken, actor=caller.key_id)
    if done.changed:
        await until_visible(parts)
    return DeliveriesReply(taken=len(taken), reset=done.reset, changed=done.changed, invalid=invalid)


def _read(items: Sequence[Any]) -> tuple[list[Delivery], list[BadDelivery]]:
    """Those that can be counted, and what is wrong with the others."""
    taken, invalid = [], []
    for index, item in enumerate(items):
        try:
            taken.append(_delivery_of(item))
        except Invalid as mistake:
            invalid.append(BadDelivery(index=index, reason=mistake.reason))
    return taken, invalid


def _delivery_of(item: object) -> Delivery:
    try:
        told = DeliveryItem.model_validate(item)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place, what = ".".join(map(str, first["loc"])), first["msg"].removeprefix("Value error, ")
        raise Invalid(f"{place}: {what}" if place else what) from error
    return Delivery(asked_about(told.address), told.delivered_at, told.stream, told.mailing_list)
