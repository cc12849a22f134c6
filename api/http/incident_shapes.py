"""The shapes of incidents and of what is held for a review."""

from datetime import datetime
from typing import Annotated

import msgspec
from fastapi import Path
from pydantic import Field, StringConstraints

from api.http.job_shapes import JobReply
from api.http.schemas import Cursor, Moment, PageSize, Question, Reply, StreamName, Text
from nullsender import limits
from suppression.incidents.effects import Action, Effect, Summary, most
from suppression.incidents.incident import Incident, IncidentKind, Marks
from suppression.jobs.job import Job
from suppression.policy import Cause

IncidentId = Annotated[Cursor, Path(description="The incident's number.", examples=[4711])]
Mark = Annotated[
    str, StringConstraints(min_length=1, max_length=limits.INCIDENT_FILTER_CHARACTERS_MAX, pattern=r"^[^\x00-\x1f\x7f]+$")
]
BreakerKey = Annotated[str, StringConstraints(min_length=1, max_length=limits.STORE_NAME_CHARACTERS_MAX, pattern=r"^[^\x00]+$")]


class MarksShape(Question):
    """What the reports have in common; all that is said holds together, and something has to be said."""

    since_from: Moment | None = Field(default=None, alias="from")
    """Only what failed then or later."""
    since_to: Moment | None = Field(default=None, alias="to")
    """Only what failed before then. It may lie ahead; without it, reports of any later day count too."""
    sending_ip: Mark | None = Field(default=None, examples=["198.51.100.0/24"])
    """An address or network that the mail was sent from."""
    provider: Mark | None = Field(default=None, examples=["example.net"])
    """The domain of the remote MTA, or of the recipient."""
    text: Mark | None = None
    """Stands in the remote MTA's words."""
    pattern: Mark | None = Field(default=None, max_length=limits.INCIDENT_PATTERN_CHARACTERS_MAX)
    """An expression that they match. It has no back references and no lookaround."""
    rule: Mark | None = None
    """The rule that decided."""
    category: Mark | None = None
    """The category that it decided on."""
    source: Mark | None = None
    """Who reported it: an address, a network, or the reporting MTA's domain."""
    stream: StreamName | None = None
    """Mail of this stream."""

    def marks(self) -> Marks:
        """As incidents know them."""
        said = self.model_dump()
        return Marks(since=said.pop("since_from"), until=said.pop("since_to"), **said)


class PreviewQuestion(Question):
    """An incident that is only tried out."""

    kind: IncidentKind
    """`sender-fault`: these reports count for nothing; `bad-rule`: they are read again by today's rules."""
    marks: MarksShape
    """Which reports."""


class IncidentQuestion(PreviewQuestion):
    """A new incident."""

    reason: Text = Field(examples=["our DKIM key was wrong from 10:00 to 11:30, ticket 4711"])
    """Why, for the history of everybody whom it concerns."""


class UndoQuestion(Question):
    """Why an incident is undone."""

    reason: Text
    """Why, for the history."""


class IncidentsQuery(Question):
    """Which page of the incidents."""

    cursor: Cursor | None = None
    """`next` of the page before."""
    limit: PageSize = limits.API_PAGE_ITEMS_DEFAULT
    """How many to a page."""


class IncidentReply(Reply):
    """One incident."""

    id: int
    """Its number, as the audit trail has it."""
    kind: IncidentKind
    """What was wrong."""
    marks: dict[str, str]
    """What its reports have in common."""
    reason: str
    """Why it was made."""
    made_at: datetime
    """When it was made. It holds from then on for what comes."""
    made_by: str
    """Who made it."""
    holds: bool
    """It was not undone."""
    undone_at: datetime | None
    """When it was undone."""
    undone_by: str | None
    """Who undid it."""
    undone_because: str | None
    """Why."""
    job: str | None
    """The job that goes through its reports: `GET /v1/jobs/{id}` says how far it has come, and what came of it."""

    @classmethod
    def of(cls, incident: Incident) -> "IncidentReply":
        """As the store tells it."""
        known = msgspec.structs.asdict(incident) | {"marks": msgspec.to_builtins(incident.marks), "holds": incident.holds}
        return cls.model_validate({name: known[name] for name in cls.model_fields})


class IncidentsReply(Reply):
    """One page of a tenant's incidents, newest first."""

    incidents: list[IncidentReply]
    """The page."""
    next: int | None
    """The `cursor` of the next page; null: this was the last."""


class EffectReply(Reply):
    """What would become of one entry."""

    action: Action
    """`release`, `change`, `add` or `leave`."""
    why: str
    """Why."""
    address: str | None
    """Whose entry it is; null where the address was erased."""
    cause: Cause
    """The entry's cause."""
    scope: str
    """The entry's scope."""
    rule: str | None
    """The rule that it rests on; null: a person's word."""


class SummaryReply(Reply):
    """What an incident would do, in sums."""

    people: int
    """About whom there are reports that have the marks."""
    reports: int
    """Reports that would count otherwise."""
    protected: int
    """Reports that are a person's own word: left as they are."""
    cannot_judge: int
    """Reports whose words are no longer kept, so that nobody can say whether they have the marks: left as they are."""
    cannot_read: int
    """The same where they would have to be read again."""
    too_many: int
    """Reports about people of whom too much was said to go through it: left as they are."""
    read_the_same: int
    """Reports that today's rules read as they were read before."""
    by_action: dict[str, int]
    """Entries by what would become of them and by their cause."""
    by_domain: dict[str, int]
    """Entries that would be released or changed, by domain; the most frequent."""
    by_rule: dict[str, int]
    """The same by rule."""
    by_why: dict[str, int]
    """Entries that would be left as they are, by the reason."""
    entries: list[EffectReply]
    """The first of the entries; `nullsender incidents preview --list` names all."""

    @classmethod
    def of(cls, summary: Summary, entries: list[Effect]) -> "SummaryReply":
        """As the store tells it, with the addresses that are known."""
        counts = {name: dict(most(getattr(summary, name))) for name in ("by_action", "by_domain", "by_rule", "by_why")}
        shown = [EffectReply.model_validate(effect) for effect in entries]
        return cls(**{**msgspec.structs.asdict(summary), **counts, "entries": shown})


class PreviewReply(Reply):
    """A preview."""

    job: JobReply
    """The job that finds it out."""
    would: SummaryReply | None
    """What the incident would do; null until the job is complete."""

    @classmethod
    def of(cls, job: Job, found: tuple[Summary, list[Effect]] | None) -> "PreviewReply":
        """As the store tells it; the sums stand once."""
        shown = JobReply.of(msgspec.structs.replace(job, result=None))
        return cls(job=shown, would=None if found is None else SummaryReply.of(*found))


class HeldReply(Reply):
    """What one key of the breaker holds."""

    key: str
    """The key: `rule NAME`, `provider DOMAIN`, `sending-ip IP`, `source IP` or `category NAME`."""
    held: int
    """How many reports."""
    oldest: datetime | None
    """When the first of them was held; null: none is."""
    open_since: datetime | None
    """Since when new entries of this key are held; null: they are made again."""


class ReviewReply(Reply):
    """What is held for a review, the longest held first."""

    held: list[HeldReply]
    """By key."""


class ReleaseQuestion(Question):
    """What is to be released."""

    keys: list[BreakerKey] = Field(min_length=1, max_length=limits.BREAKER_KEYS_SHOWN_MAX, examples=[["rule mailbox.unknown"]])
    """What these keys hold, as `GET /v1/review` shows them."""
    reason: Text
    """Why, for the history."""


class RejectQuestion(Question):
    """What is to be rejected."""

    key: BreakerKey = Field(examples=["rule mailbox.unknown"])
    """What this key holds, as `GET /v1/review` shows it."""
    kind: IncidentKind
    """What was wrong: `sender-fault` or `bad-rule`."""
    reason: Text
    """Why, for the history of everybody whom it concerns."""
