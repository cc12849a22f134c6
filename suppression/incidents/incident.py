"""An incident: reports that were not what they seemed, marked by what they have in common, and taken off the list together.

    sender-fault   the failures were our own doing: these reports count for nothing, and later ones of the span do not either
    bad-rule       a rule was wrong: these reports are read again by the rules of today

Several may hold at once, and each can be undone. What a report counts for follows from its own reading and from the incidents
that hold for it, never from the order in which they were made or undone:

    one of them says sender-fault    nothing
    else one says bad-rule           what the newest of these made of it
    else                             what it was read as
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

import msgspec

from nullsender.errors import Invalid
from nullsender.limits import INCIDENT_FILTER_CHARACTERS_MAX, INCIDENT_PATTERN_CHARACTERS_MAX


class IncidentKind(StrEnum):
    """What was wrong."""

    SENDER_FAULT = "sender-fault"
    BAD_RULE = "bad-rule"


class Marks(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What the reports of an incident have in common; all that is said holds together. None: whatever it is."""

    since: datetime | None = None  # it failed then or later, as the report says, else when the report came
    until: datetime | None = None  # it failed before then; None: no end, so that reports which come later count as well
    sending_ip: str | None = None  # an address or network (CIDR) that the mail was sent from
    provider: str | None = None  # a domain: that of the remote MTA, or the recipient's; its subdomains count as well
    text: str | None = None  # stands in what the remote MTA said, whatever the case
    pattern: str | None = None  # a regular expression for the same
    rule: str | None = None  # the rule that decided
    category: str | None = None
    source: str | None = None  # who reported it: an address or network, or the domain of the reporting MTA
    stream: str | None = None
    held: str | None = None  # held for review by the breaker of this key (`rule NAME`)

    def words(self) -> str:
        """All of them, for a person: `rule gmail.disabled, since 2026-03-01 10:00:00`."""
        said = {name: getattr(self, name) for name in self.__struct_fields__}
        return ", ".join(
            f"{name.replace('_', '-')} {value:%Y-%m-%d %H:%M:%S}" if isinstance(value, datetime) else f"{name} {value}"
            for name, value in said.items()
            if value is not None
        )


def require_sense(marks: Marks, kind: IncidentKind, now: datetime) -> Marks:
    """`marks`, where they can be those of an incident of that kind; `Invalid` says what to change."""
    said = [value for name in marks.__struct_fields__ if (value := getattr(marks, name)) is not None]
    if not said:
        raise Invalid(
            "an incident without a mark would be the whole list: say at least one, such as a time, a provider or a rule"
        )
    if any(isinstance(value, str) and not 0 < len(value) <= INCIDENT_FILTER_CHARACTERS_MAX for value in said):
        raise Invalid(f"a mark has 1 to {INCIDENT_FILTER_CHARACTERS_MAX} characters")
    if marks.pattern is not None and len(marks.pattern) > INCIDENT_PATTERN_CHARACTERS_MAX:
        raise Invalid(f"an expression has at most {INCIDENT_PATTERN_CHARACTERS_MAX} characters")
    if marks.since is not None and marks.until is not None and marks.since >= marks.until:
        raise Invalid("the time that it begins at has to lie before the one that it ends at")
    if kind is IncidentKind.BAD_RULE and marks.until is not None and marks.until > now:
        raise Invalid("what comes later is read by the rules of that day: a bad-rule incident can not end in the future")
    return marks


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """One incident. `id` is its number in the audit trail. It holds until it is undone."""

    id: int
    tenant: str
    kind: IncidentKind
    marks: Marks
    reason: str
    made_at: datetime
    made_by: str
    job: str | None  # the job that goes through the reports, or the last one that did
    undone_at: datetime | None = None
    undone_by: str | None = None
    undone_because: str | None = None

    @property
    def holds(self) -> bool:
        """It was not undone."""
        return self.undone_at is None

    @property
    def words(self) -> str:
        """Which it is and why, for the history of a report."""
        return f"incident {self.id} ({self.kind}): {self.reason}"


class Said(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one reading of a report says, and what came of it, as its row has it."""

    outcome: str
    category: str
    rule: str
    scope: str | None  # of the entry or the strike that it asks for; None: it asks for nothing
    did: str
    why: str
    held: str | None = None  # the key of the breaker that held it for a review


class Held(NamedTuple):
    """An incident that holds for one report, and for a bad rule what it made of the report."""

    incident_id: int
    read_as: Said | None


def reading_of(own: Said, holding: Sequence[Held]) -> tuple[Said, bool]:
    """What a report is read as, and whether it counts for nothing all the same: as the story of this file says."""
    newest_first = sorted(holding, reverse=True, key=lambda held: held.incident_id)
    read = next((held.read_as for held in newest_first if held.read_as is not None), own)
    return read, any(held.read_as is None for held in holding)
