"""What comes back: frozen values with the API's own names. Fields that a newer server adds are passed over."""

from datetime import datetime
from typing import Any, Literal, TypeAlias

import msgspec

#: Why an address is put on the list by hand. Answers name these too, and perhaps others one day, so there it is any word.
Cause: TypeAlias = Literal["hard", "soft", "complaint", "unsubscribe", "manual"]

#: What a check does when nobody can tell: raise the trouble; say no for now (ask again later); say yes. The last two are
#: marked, `known=False`.
OnUnknown: TypeAlias = Literal["raise", "defer", "allow"]


class Check(msgspec.Struct, frozen=True):
    """Whether you may send to one address. Only `allowed` need be looked at: it is never true of what is no address."""

    address: str
    """The address, as you asked about it."""
    allowed: bool
    """Whether you may send."""
    cause: str | None = None
    """Why not: hard, soft, complaint, unsubscribe, manual."""
    scope: str | None = None
    """Which mail the entry stops: `*` (all), `*-transactional` (all but transactional), one stream, or `list:` and one list."""
    since: datetime | None = None
    """When the entry began."""
    expires: datetime | None = None
    """When it ends; None: it does not by itself."""
    entry: int | None = None
    """The entry's id."""
    invalid: str | None = None
    """What is wrong with it, where it is no address; such a one is never allowed."""
    known: bool = True
    """False: nobody could tell, and `allowed` is what was chosen for that case."""


class Entry(msgspec.Struct, frozen=True):
    """One suppression."""

    id: int
    address: str | None  # canonical; None where it was erased
    cause: str
    scope: str
    since: datetime
    expires: datetime | None
    ended: datetime | None
    ended_by: str | None
    provisional: bool  # nothing ties the report behind it to mail that was sent, so it ends after a few days
    reason: str
    category: str | None  # the reason in one word; None where a person made the entry
    rule: str | None
    evidence: str | None  # the id of the report that made it
    created_by: str


class Report(msgspec.Struct, frozen=True, tag_field="what", tag="report"):
    """A bounce, complaint or unsubscribe about the address, and what it did to the list."""

    seq: int
    at: datetime
    report: str
    did: str
    why: str
    entry: int | None
    outcome: dict[str, Any] | None  # the report and the decision on it, whole; None where it was erased


class Change(msgspec.Struct, frozen=True, tag_field="what", tag="change"):
    """A change of an entry: who, when, why."""

    seq: int
    at: datetime
    action: str
    entry: int
    cause: str
    scope: str
    actor: str
    reason: str
    consent: str | None
    report: str | None


HistoryItem: TypeAlias = Report | Change
