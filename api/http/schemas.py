"""The shapes of the API's questions and answers, and all that OpenAPI says of them.

What comes in knows no field that it does not name, so a misspelt one is an error and not a silent default.
"""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import Path
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StringConstraints,
    WithJsonSchema,
)

from nullsender import limits
from nullsender.errors import Invalid
from nullsender.names import canonical_name
from suppression.policy import EVERYWHERE, LIST_PREFIX, NOT_TRANSACTIONAL, Cause, Did

# RFC 3339 5.6. Left alone, pydantic reads a bare number as seconds or milliseconds since 1970, and `2026` is one of these.
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII)


def _rfc_3339(value: object) -> str:
    if not isinstance(value, str) or _RFC_3339.fullmatch(value) is None:
        raise ValueError("a moment has a zone, as in RFC 3339: `2026-03-01T12:00:00Z` (in a URL a plus sign is written %2B)")
    return value


def _utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("this moment lies outside the calendar") from error


Moment = Annotated[AwareDatetime, BeforeValidator(_rfc_3339), AfterValidator(_utc)]
Name = Annotated[
    str, StringConstraints(min_length=1, max_length=limits.API_NAME_CHARACTERS_MAX, pattern=r"^[^\x00-\x1f\x7f]+$")
]


def _name(text: str) -> str:
    try:
        return canonical_name(text)
    except Invalid as invalid:
        raise ValueError(invalid.reason) from invalid


def _scope(text: str) -> str:
    scope = text.strip().lower()
    if scope in (EVERYWHERE, NOT_TRANSACTIONAL):
        return scope
    is_list = scope.startswith(LIST_PREFIX)
    return LIST_PREFIX + _name(scope.removeprefix(LIST_PREFIX)) if is_list else _name(scope)


_NAME_SCHEMA = {"type": "string", "minLength": 1, "maxLength": limits.NAME_LENGTH_MAX}
StreamName = Annotated[str, AfterValidator(_name), WithJsonSchema(_NAME_SCHEMA | {"pattern": "^[A-Za-z0-9_.-]+$"})]
TenantName = StreamName
ListName = Annotated[StreamName | None, Field(alias="list", examples=["weekly"])]
ScopeName = Annotated[
    str, AfterValidator(_scope), WithJsonSchema(_NAME_SCHEMA | {"pattern": "^([*]|[*]-transactional|(list:)?[A-Za-z0-9_.-]+)$"})
]
Text = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=limits.API_TEXT_CHARACTERS_MAX, pattern=r"^[^\x00]+$"),
]
Cursor = Annotated[int, Field(ge=0, lt=2**63)]
PageSize = Annotated[int, Field(ge=1, le=limits.API_PAGE_ITEMS_MAX)]

_CHANGES = (
    Did.ADDED,
    Did.HARDENED,
    Did.RENEWED,
    Did.LIFTED,
    Did.EXPIRED,
    Did.RELEASED,
    Did.AMENDED,
    Did.CONFIRMED,
)
Changed = Annotated[Did, WithJsonSchema({"type": "string", "enum": [did.value for did in _CHANGES]})]

_ADDRESS_SCHEMA = {"type": "string", "format": "idn-email", "minLength": 3}
Address = Annotated[str, WithJsonSchema(_ADDRESS_SCHEMA)]
PathAddress = Annotated[
    Address,
    Path(description="An address, percent-encoded (`a/b@example.com` is `a%2Fb@example.com`).", examples=["user@example.com"]),
]


class Question(BaseModel):
    """What comes in."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class Reply(BaseModel):
    """What goes out; read from the store's values by their names."""

    model_config = ConfigDict(from_attributes=True, use_attribute_docstrings=True)


# --- lookups -----------------------------------------------------------------------------------------------------------


class CheckQuery(Question):
    """One address to be checked."""

    address: Address = Field(examples=["user@example.com"])
    """The address that you want to send to."""
    stream: StreamName | None = Field(default=None, examples=["marketing"])
    """The stream that you send on. Without it no entry of a stream counts."""
    mailing_list: ListName = None
    """The mailing list that the mail is for. Without it no entry of a list counts."""


# Any, so that one bad item is reported in its place and does not fail the others.
Addresses = Annotated[
    list[Any],
    WithJsonSchema({"type": "array", "items": {"type": "string"}, "maxItems": limits.CHECK_ADDRESSES_MAX}),
]


class CheckMany(Question):
    """Many addresses to be checked."""

    stream: StreamName | None = None
    """The stream that you send on. Without it no entry of a stream counts."""
    mailing_list: ListName = None
    """The mailing list that the mail is for. Without it no entry of a list counts."""
    addresses: Addresses = Field(examples=[["user@example.com", "other@example.org"]])
    """The addresses that you want to send to."""
    explain: StrictBool = False
    """Also say since when, until when and by which entry: the list itself is asked for that, which takes longer."""


class CheckAnswer(Reply):
    """Whether you may send to one address.

    `cause` and all behind it are null when you may. When you may not and the store is away, `since`, `expires` and `entry` can
    not be told and are null too.
    """

    address: str
    """The address in its canonical form."""
    allowed: bool
    """Whether you may send."""
    known: Literal[False] | None = Field(default=None, exclude_if=lambda known: known is None)
    """Only in marked answers, false: nobody could tell, and the operator lets mail on this stream go then."""
    cause: Cause | None = None
    """Why not."""
    scope: str | None = None
    """Which mail the entry stops: `*` (all), `*-transactional` (all but transactional), one stream, or `list:` and one list."""
    since: datetime | None = None
    """When the entry began."""
    expires: datetime | None = None
    """When it ends; null: it does not by itself."""
    entry: int | None = None
    """The entry's id, as `GET /v1/suppressions/{address}` shows it."""


class ScrubQuery(Question):
    """A list to be scrubbed."""

    stream: StreamName | None = Field(default=None, examples=["marketing"])
    """The stream that you send on. Without it no entry of a stream counts."""
    mailing_list: ListName = None
    """The mailing list that the mail is for. Without it no entry of a list counts."""
    want: Literal["allowed", "suppressed", "invalid"] = "allowed"
    """Which lines the answer holds."""


class StoppedInBatch(Reply):
    """An address of the batch that you may not send to."""

    index: int
    """Its place in `addresses`, from 0."""
    address: str
    """The address in its canonical form."""
    cause: Cause
    """Why it is on the list."""
    scope: str
    """Which mail the entry stops: `*` (all), `*-transactional` (all but transactional), one stream, or `list:` and one list."""
    since: datetime | None = None
    """Only with `explain`: when the entry began."""
    expires: datetime | None = None
    """Only with `explain`: when it ends; null: it does not by itself."""
    entry: int | None = None
    """Only with `explain`: the entry's id, as `GET /v1/suppressions/{address}` shows it."""


class InvalidInBatch(Reply):
    """An item of the batch that is no address."""

    index: int
    """Its place in `addresses`, from 0."""
    address: str | None
    """The item as it was sent; null where it was no text."""
    reason: str
    """What is wrong with it."""


class CheckManyAnswer(Reply):
    """Whom of the batch you may not send to. All others are allowed."""

    checked: int
    """How many items the batch had."""
    known: Literal[False] | None = Field(default=None, exclude_if=lambda known: known is None)
    """Only in marked answers, false: nobody could tell about some, and the operator lets mail on this stream go then."""
    suppressed: list[StoppedInBatch]
    """Those on the list, by place."""
    invalid: list[InvalidInBatch]
    """Those that are no addresses, by place; they were not looked up."""


# --- the list ----------------------------------------------------------------------------------------------------------


class ScopeQuery(Question):
    """Which mail an entry stops."""

    scope: ScopeName = EVERYWHERE
    """`*` (all mail), `*-transactional` (all but transactional mail), the name of one stream, or `list:NAME`."""


class PutSuppression(Question):
    """A new entry."""

    cause: Cause
    """Why the address is to be on the list."""
    reason: Text = Field(examples=["asked by phone not to be mailed, ticket 4711"])
    """The same in words, for whoever reads it in a year."""
    expires: Moment | None = None
    """When the entry ends by itself (with a zone, in the future); null: it does not, as no complaint and no unsubscribe may."""


class LiftQuery(Question):
    """Which entries of an address to lift; without either, all."""

    scope: ScopeName | None = None
    """Only those of this scope."""
    cause: Cause | None = None
    """Only those with this cause."""


class DeleteSuppression(Question):
    """Why an entry is lifted."""

    reason: Text = Field(examples=["mailbox works again, ticket 4712"])
    """Why, for whoever reads it in a year."""
    consent: Text | None = Field(default=None, examples=["signed up again on 2026-03-01, double opt-in 8c1f"])
    """How the person agreed to be mailed again. Needed to lift a complaint or an unsubscribe."""


class ListQuery(Question):
    """Which entries to list; all conditions hold together."""

    cause: Cause | None = None
    """Only entries with this cause."""
    scope: ScopeName | None = None
    """Only entries of this scope."""
    domain: Name | None = Field(default=None, examples=["example.com"])
    """Only addresses of this domain."""
    since_from: Moment | None = None
    """Only entries that began then or later."""
    since_to: Moment | None = None
    """Only entries that began before then."""
    cursor: Cursor | None = None
    """`next` of the page before."""
    limit: PageSize = limits.API_PAGE_ITEMS_DEFAULT
    """How many entries to a page."""


class EntryReply(Reply):
    """One suppression."""

    id: int
    """Names this period of the entry: when it stands again after its end, the id is a new one."""
    address: str | None
    """The address in its canonical form; null where it was erased."""
    cause: Cause
    """Why the address is on the list."""
    scope: str
    """Which mail the entry stops: `*` (all), `*-transactional` (all but transactional), one stream, or `list:` and one list."""
    since: datetime
    """When it began."""
    expires: datetime | None
    """When it ends; null: it does not by itself."""
    ended: datetime | None
    """When it was ended; null: it was not, or its expiry is not written down yet."""
    ended_by: Literal[Did.LIFTED, Did.EXPIRED, Did.RELEASED] | None
    """What ended it."""
    provisional: bool
    """It comes from a report that nothing ties to mail that we sent, and ends after a few days."""
    reason: str
    """Why, in words."""
    category: str | None
    """The reason in one word, as the rules decided; null where a person made the entry."""
    rule: str | None
    """The rule that decided."""
    evidence: str | None
    """The id of the report that made it; `GET /v1/addresses/{address}/history` shows that report."""
    created_by: str
    """Who made it: a key or a stage of the pipeline."""


class EntriesReply(Reply):
    """The entries of one address that are in force."""

    address: str
    """The address in its canonical form."""
    entries: list[EntryReply]
    """What is on the list."""


class LiftedReply(Reply):
    """The entries that were lifted."""

    address: str
    """The address in its canonical form."""
    lifted: list[EntryReply]
    """What was on the list; it stays in the history."""


class ListReply(Reply):
    """One page of the list, newest entries first."""

    entries: list[EntryReply]
    """The page."""
    next: int | None
    """The `cursor` of the next page; null: this was the last."""


class HealthReply(Reply):
    """All is well."""

    status: str = "ok"
