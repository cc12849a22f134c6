"""/v1/unsubscribe-links: what a mail carries so that its reader can unsubscribe. /v1/unsubscribes: how people have done so."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from api.http.addresses import asked_about
from api.http.auth import MayMakeLinks, MayRead
from api.http.parts import Parts, UsedParts
from api.http.problems import POSSIBLE_WITH_BODIES, POSSIBLE_WITH_KEYS, documented, require_json
from api.http.schemas import Cursor, PageSize, Question, Reply
from nullsender import limits
from nullsender.errors import Invalid
from nullsender.signing.keys import Claims
from nullsender.signing.unsubscribe_headers import headers_of, link_of
from suppression.store.unsubscribes import StoreUnsubscribes
from suppression.unsubscribes.asking import Channel
from suppression.unsubscribes.deadlines import Jurisdiction

routes = APIRouter(tags=["unsubscribing"])


class LinkFor(Question):
    """One mail."""

    recipient: str = Field(examples=["user@example.com"])
    """Whom it goes to."""
    stream: str | None = Field(default=None, examples=["marketing"])
    """The stream that it goes out on."""
    list: str | None = Field(default=None, examples=["news.example.com"])
    """The mailing list that it belongs to: the name in List-Id, or one of your own."""
    message: str = Field(default="", examples=["m7f3a9"])
    """Your own name for the mail: it stands in the evidence. Plain ASCII without spaces."""


class MakeLinks(Question):
    """The mails that are about to be sent."""

    mails: list[LinkFor] = Field(min_length=1, max_length=limits.UNSUBSCRIBE_LINKS_MAX)
    """One for each mail."""


class LinkReply(Reply):
    """What one mail gets."""

    index: int
    """Its place in `mails`, from 0."""
    token: str
    """The token alone."""
    url: str
    """The link, for the text of the mail as well."""
    headers: dict[str, str]
    """The header fields. The mail's DKIM signature has to cover both."""


class NoLink(Reply):
    """A mail that can have no link."""

    index: int
    """Its place in `mails`, from 0."""
    reason: str
    """What is wrong with it."""


class LinksReply(Reply):
    """The links, and the mails that got none."""

    links: list[LinkReply]
    """By place."""
    invalid: list[NoLink]
    """By place; they spoil nothing for the others."""


@routes.post(
    "/v1/unsubscribe-links",
    operation_id="make_unsubscribe_links",
    dependencies=[Depends(require_json)],
    response_description="The links and header fields.",
    responses=documented(*POSSIBLE_WITH_KEYS, *POSSIBLE_WITH_BODIES),
)
async def make_links(body: MakeLinks, caller: MayMakeLinks, parts: UsedParts) -> LinksReply:
    """Make the unsubscribe links of mails, and the two header fields that carry them (RFC 2369, RFC 8058).

    The same mail gets the same link on the same day. docs/unsubscribes.md shows how to make them in your own program.
    """
    answer = LinksReply(links=[], invalid=[])
    for index, mail in enumerate(body.mails):
        try:
            answer.links.append(_link(parts, caller.tenant, index, mail))
        except Invalid as invalid:
            answer.invalid.append(NoLink(index=index, reason=invalid.reason))
    return answer


def _link(parts: Parts, tenant: str, index: int, mail: LinkFor) -> LinkReply:
    ours = parts.unsubscribing
    today = ours.clock.now().date()
    token = ours.links.make(Claims(tenant, mail.stream, mail.recipient, today, mail.message, mail.list))
    headers = dict(headers_of(ours.url, ours.mailto, token))
    return LinkReply(index=index, token=token, url=link_of(ours.url, token), headers=headers)


class UnsubscribesQuery(Question):
    """Which unsubscribes to show; all conditions hold together."""

    address: str | None = Field(default=None, examples=["user@example.com"])
    """Only those of this address."""
    waiting: bool = False
    """Only those that stop no mail yet."""
    cursor: Cursor | None = None
    """`next` of the page before."""
    limit: PageSize = limits.API_PAGE_ITEMS_DEFAULT
    """How many to a page."""


class UnsubscribeReply(Reply):
    """How one person asked for no more mail, and what became of it."""

    seq: int
    """Its place in the history."""
    address: str | None
    """The address in its canonical form; null where it was erased, or never kept."""
    known_as: str | None
    """The hash by which alone an import brought the person, `md5:…` or `sha256:…`; else null."""
    scope: str | None
    """Which mail it stops; null: none."""
    channel: Channel
    """How it came."""
    verified: str
    """What ties it to mail that you sent: a token, a signed address, …, `none`; or `operator`, or `import`."""
    received: datetime
    """When it reached us."""
    effective: datetime | None
    """Since when lookups are refused; null: they are not."""
    why_not: str | None
    """Then why not."""
    jurisdiction: Jurisdiction
    """Whose limit is the strictest of those that hold for you."""
    limit_at: datetime
    """That limit."""
    first_refused: datetime | None
    """When a lookup was first refused for it; null: none was asked yet."""
    dismissed: datetime | None
    """When somebody said that nothing is to be stopped by it, so that no alarm is raised; else null."""
    entry: int | None
    """The entry that it made or that stood already."""
    report: str | None
    """The report that brought it, if one did."""
    message: str | None
    """Your name for the mail that it was about, where it says so."""
    token: str | None
    """The name of the token that was shown."""
    ip: str | None
    """From where it came; not kept for ever."""
    user_agent: str | None
    """By which program; not kept for ever."""


class UnsubscribesReply(Reply):
    """One page, newest first."""

    unsubscribes: list[UnsubscribeReply]
    """The page."""
    next: int | None
    """The `cursor` of the next page; null: this was the last."""


@routes.get(
    "/v1/unsubscribes",
    operation_id="unsubscribes",
    response_description="One page of the evidence.",
    responses=documented(*POSSIBLE_WITH_KEYS),
)
async def list_unsubscribes(
    query: Annotated[UnsubscribesQuery, Query()], caller: MayRead, parts: UsedParts
) -> UnsubscribesReply:
    """How people unsubscribed, newest first: the evidence and the clock of each."""
    address = None if query.address is None else asked_about(query.address)
    found = await parts.threads.run(
        StoreUnsubscribes.beside(parts.store).unsubscribes,
        caller.tenant,
        address=address,
        waiting=query.waiting,
        cursor=query.cursor,
        limit=query.limit,
    )
    return UnsubscribesReply(unsubscribes=[UnsubscribeReply.model_validate(one) for one in found.items], next=found.cursor)
