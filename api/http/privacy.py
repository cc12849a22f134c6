"""/v1/erasures and /v1/addresses/{address}/access: what people may ask for about themselves, done for them by an operator."""

from datetime import datetime
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Depends
from pydantic import Field

from api.http.addresses import asked_about
from api.http.auth import MayRead, MayWrite
from api.http.history_shapes import ChangeItem, ReportItem, item_of
from api.http.parts import UsedParts
from api.http.problems import POSSIBLE_WITH_BODIES, POSSIBLE_WITH_KEYS, documented, require_json
from api.http.schemas import Address, EntryReply, PathAddress, Question, Reply, Text
from api.http.unsubscribes import UnsubscribeReply
from suppression.privacy.access import text_of
from suppression.store.access import StoreAccess
from suppression.store.erasure import StoreErasure

routes = APIRouter(tags=["privacy"])


class Erase(Question):
    """Whom to erase, and why."""

    address: Address = Field(examples=["user@example.com"])
    """The address of the person."""
    reason: Text = Field(examples=["request of 2026-03-01, ticket 4711"])
    """Why; it stays, so do not name the person."""


class CertificateReply(Reply):
    """What was removed, what is left and why, and what leaves later: for a program, and for a person."""

    certificate: dict[str, Any]
    """The certificate, signed with Ed25519 over its canonical form (RFC 8785)."""
    text: str
    """The same in words, for the person."""


class AccessReply(Reply):
    """Everything that is held about one address."""

    address: str
    """The address in its canonical form."""
    subject: str
    """What the list knows it by: a keyed hash, in hexadecimal digits."""
    address_kept: bool
    """Whether the address itself is kept."""
    erased: datetime | None
    """When it was erased last."""
    entries: list[EntryReply]
    """Its entries, those that have ended too."""
    items: list[ReportItem | ChangeItem]
    """Every report, outcome and change, newest first."""
    unsubscribes: list[UnsubscribeReply]
    """How the person asked for no more mail."""
    more: bool
    """Whether there is more than is shown here: page through the history for it."""
    text: str
    """The same in words, for the person."""


@routes.post(
    "/v1/erasures",
    operation_id="erase",
    dependencies=[Depends(require_json)],
    response_description="It is done; this is the certificate.",
    responses=documented(*POSSIBLE_WITH_KEYS, *POSSIBLE_WITH_BODIES),
)
async def erase(body: Erase, caller: MayWrite, parts: UsedParts) -> CertificateReply:
    """Remove the plain address and every word about a person from your list, and keep not mailing the person.

    Somebody who is not on the list can be erased too, and twice is as good as once. Reports that come later still count, but
    neither their words nor the address are written down.
    """
    name, store = asked_about(body.address), StoreErasure.beside(parts.store)
    done = await parts.threads.run(store.erase, name, tenant=caller.tenant, reason=body.reason, actor=caller.key_id)
    return CertificateReply(certificate=store.signed(done), text=done.text())


@routes.get(
    "/v1/addresses/{address:address}/access",
    operation_id="access",
    response_description="All of it.",
    responses=documented(*POSSIBLE_WITH_KEYS, HTTPStatus.UNPROCESSABLE_ENTITY),
)
async def access(address: PathAddress, caller: MayRead, parts: UsedParts) -> AccessReply:
    """Everything that your list holds about one person, also in words for that person (GDPR Article 15)."""
    store = StoreAccess.beside(parts.store)
    told = await parts.threads.run(store.access, caller.tenant, asked_about(address))
    return AccessReply(
        address=told.address,
        subject=told.subject,
        address_kept=told.address_kept,
        erased=told.erased,
        entries=[EntryReply.model_validate(entry) for entry in told.entries],
        items=[item_of(item) for item in told.history],
        unsubscribes=[UnsubscribeReply.model_validate(one) for one in told.unsubscribes],
        more=told.has_more,
        text=text_of(told, store.kept),
    )
