"""What the store gives: frozen values, ready to be shown as JSON."""

from collections.abc import Sequence
from datetime import datetime
from typing import Generic, NamedTuple, TypeVar

import msgspec

from nullsender.errors import Invalid
from nullsender.events import Outcome, Proof
from suppression.policy import Cause, Did, Standing
from suppression.unsubscribes.asking import Asking


class ConsentRequired(Invalid):
    """A complaint or an unsubscribe is lifted only with the consent of the person who made it."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One suppression. `id` names one period of it: when it stands again after a lift or an expiry, the id is a new one."""

    id: int
    tenant: str
    scope: str
    address: str | None  # canonical; None where it was erased
    cause: Cause
    since: datetime
    expires: datetime | None
    provisional: bool
    reason: str
    evidence: str | None  # the id of the report that made it
    category: str | None
    rule: str | None
    created_by: str
    ended: datetime | None = None  # when it was lifted, or its expiry noted
    ended_by: Did | None = None
    lifted: datetime | None = None  # when it was lifted last, though it stands again

    def is_live(self, now: datetime) -> bool:
        """Neither lifted nor expired by then: it stops mail."""
        return self.standing().stops(now)

    def standing(self) -> Standing:
        """The entry as the policy sees it. One that was lifted before lifts were remembered says so by how it ended."""
        return Standing(
            since=self.since,
            expires=self.expires,
            provisional=self.provisional,
            ended=self.ended,
            ended_by=self.ended_by,
            lifted=self.lifted or (self.ended if self.ended_by is Did.LIFTED else None),
        )


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One change of the list: who, when, why, and the entry before and after (both without the plain address)."""

    seq: int
    at: datetime
    tenant: str
    address_hash: bytes
    entry_id: int
    action: Did
    cause: Cause
    scope: str
    actor: str
    reason: str
    consent: str | None
    report_id: str | None
    before: Entry | None
    after: Entry
    policy: str | None = None  # the version of the policy that was in force; None: from before versions


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """One report with its outcome, and what it did to the list."""

    seq: int
    report_id: str
    received_at: datetime
    reading: "Reading"
    proof: Proof
    proven: bool
    stream: str | None
    outcome: Outcome | None  # None where it was erased
    did: Did
    why: str
    entry_id: int | None
    policy: str | None = None  # the version of the policy that said what it did; None: from before versions


class Reading(NamedTuple):
    """What a report was read as."""

    outcome: str
    category: str
    rule: str


class Applied(msgspec.Struct, frozen=True, kw_only=True):
    """What applying one outcome did. `before`: what a known report was read as, where an outcome reads it otherwise."""

    report_id: str
    did: Did
    why: str
    entry_id: int | None = None
    before: Reading | None = None
    held_by: str | None = None  # the key of the breaker that holds it for a review


class Changed(NamedTuple):
    """What would be done to which kind of entry, and whose it is where the outcomes say so."""

    did: Did
    cause: Cause
    address: str | None


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """What outcomes would do: each of them, and every change of the list that would come of them together."""

    applied: Sequence[Applied]
    changed: Sequence[Changed]


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """An API key without its secret. `tenant` None: every tenant."""

    id: str
    name: str
    scopes: tuple[str, ...]
    tenant: str | None
    created: datetime
    expires: datetime | None
    revoked: datetime | None  # may lie ahead: a key that was rotated works until its overlap is over
    rate: int | None  # addresses that it may ask about in a second; None: the installation's default
    networks: tuple[str, ...]  # CIDR: where it may be used from; none: from anywhere

    def works(self, now: datetime) -> bool:
        """Whether it opens anything at `now`."""
        return (self.revoked is None or self.revoked > now) and (self.expires is None or self.expires > now)


class Addition(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator wants on the list. `expires` None: for good."""

    address: str
    scope: str = "*"
    cause: Cause = Cause.MANUAL
    reason: str
    expires: datetime | None = None
    evidence: str | None = None
    asking: Asking | None = None  # how the person asked for it, of an unsubscribe


Item = TypeVar("Item")


class Page(msgspec.Struct, Generic[Item], frozen=True):
    """One page, newest first. `cursor` asks for the next one; None: this was the last."""

    items: Sequence[Item]
    cursor: int | None
