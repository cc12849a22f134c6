"""The shapes of what happened: reports, changes, and all that there is to one entry."""

from datetime import datetime
from typing import Any, Literal

import msgspec

from api.http.schemas import Changed, Cursor, EntryReply, PageSize, Question, Reply
from nullsender import limits
from nullsender.events import DerivedFrom, Proof, Result
from suppression.policy import Cause, Did
from suppression.records import Change, Told
from suppression.telling import DERIVED, proven_by


class HistoryQuery(Question):
    """Which page of the history."""

    cursor: Cursor | None = None
    """`next` of the page before."""
    limit: PageSize = limits.API_PAGE_ITEMS_DEFAULT
    """How many items to a page."""


class Derivation(Reply):
    """How a report's recipient was found, and what ties the report to mail that we sent."""

    derived_from: DerivedFrom | None
    """Where the recipient was found; null where the report was erased."""
    derived_how: str | None
    """The same in words."""
    proof: Proof
    """What ties the report to mail that we sent."""
    proven_by: str
    """The same in words."""
    counted_as_proven: bool
    """Whether the policy took it for proven when it came: what is not makes provisional entries only."""


class ReportItem(Reply):
    """A report about the address, what the rules made of it, and what that did to the list."""

    what: Literal["report"] = "report"
    seq: int
    """Its place in the history."""
    at: datetime
    """When we received it."""
    report: str
    """The report's id."""
    read_as: Result
    """What the rules made of it, in one word."""
    category: str
    """The reason in one word, as the rules decided."""
    rule: str
    """The rule that decided."""
    rules_version: str | None
    """Which version of the rules; null where the report was erased."""
    policy: str | None
    """Which version of the policy said what it did; null: from before policies had versions."""
    stream: str | None
    """The stream whose mail it is about, where it says which."""
    recipient: Derivation
    """How the recipient was found and proven."""
    did: Did
    """What it did to the list, in one word."""
    why: str
    """Why it did that."""
    entry: int | None
    """The id of the entry that it made or changed."""
    outcome: dict[str, Any] | None
    """The report and the decision on it, whole; null where it was erased."""

    @classmethod
    def of(cls, told: Told) -> "ReportItem":
        """As the store tells it."""
        outcome = told.outcome
        report = outcome.report if outcome else None
        return cls(
            seq=told.seq,
            at=told.received_at,
            report=told.report_id,
            read_as=Result(told.reading.outcome),
            category=told.reading.category,
            rule=told.reading.rule,
            rules_version=outcome.decision.rules_version if outcome else None,
            policy=told.policy,
            stream=told.stream,
            recipient=Derivation(
                derived_from=report.derived_from if report else None,
                derived_how=DERIVED[report.derived_from] if report else None,
                proof=told.proof,
                proven_by=proven_by(told.proof, report),
                counted_as_proven=told.proven,
            ),
            did=told.did,
            why=told.why,
            entry=told.entry_id,
            outcome=msgspec.to_builtins(outcome),
        )


class ChangeItem(Reply):
    """A change of an entry: who, when, why."""

    what: Literal["change"] = "change"
    seq: int
    """Its place in the history, and its number in the audit trail."""
    at: datetime
    """When it was made."""
    action: Changed
    """What was done to the entry, in one word."""
    entry: int
    """The entry's id."""
    cause: Cause
    """The entry's cause."""
    scope: str
    """The entry's scope."""
    actor: str
    """Who did it: a key or a stage of the pipeline."""
    reason: str
    """Why, in words."""
    consent: str | None
    """How the person agreed, where a complaint or an unsubscribe was lifted."""
    report: str | None
    """The id of the report behind it, if one was."""
    policy: str | None
    """Which version of the policy was in force; null: from before policies had versions."""
    before: EntryReply | None
    """The entry before; null: there was none."""
    after: EntryReply
    """The entry after. Neither names the address."""

    @classmethod
    def of(cls, change: Change) -> "ChangeItem":
        """As the store tells it."""
        return cls(
            seq=change.seq,
            at=change.at,
            action=change.action,
            entry=change.entry_id,
            cause=change.cause,
            scope=change.scope,
            actor=change.actor,
            reason=change.reason,
            consent=change.consent,
            report=change.report_id,
            policy=change.policy,
            before=EntryReply.model_validate(change.before) if change.before else None,
            after=EntryReply.model_validate(change.after),
        )


def item_of(item: Told | Change) -> ReportItem | ChangeItem:
    """An item of a history."""
    return ReportItem.of(item) if isinstance(item, Told) else ChangeItem.of(item)


class HistoryReply(Reply):
    """One page of an address's history, newest first."""

    address: str
    """The address in its canonical form."""
    items: list[ReportItem | ChangeItem]
    """The page."""
    next: int | None
    """The `cursor` of the next page; null: this was the last."""


class StoryReply(Reply):
    """One entry, and one page of all that happened to it, newest first."""

    entry: EntryReply
    """How it stands now, or stood when it ended."""
    in_force: bool
    """Whether it stops mail now."""
    items: list[ReportItem | ChangeItem]
    """The changes of it, and the reports that made, changed or confirmed it."""
    next: int | None
    """The `cursor` of the next page; null: this was the last."""
