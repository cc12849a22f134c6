"""How reports were read before: the list knows it, and where that can not be asked, the outcomes on the log."""

import hashlib
from collections.abc import Sequence
from typing import Protocol

from nullsender.cli.replaying.reading import Span
from nullsender.errors import Invalid
from nullsender.events import Decision, Outcome, decode
from nullsender.limits import REPLAY_OUTCOMES_HELD_MAX
from nullsender.log import Log, Topic
from suppression.policy import Did
from suppression.records import Applied, Preview, Reading


class Judge(Protocol):
    """Says what outcomes would do: the store, or what stands in for it."""

    def preview(self, outcomes: Sequence[Outcome]) -> Preview:
        """What they would do; nothing is done. `Transient` where that can not be said now."""


class KnownByLog:
    """The outcomes that lie on the log: they say what was decided, and nothing of the list."""

    def __init__(self, log: Log, span: Span) -> None:
        """Reads them all; `Invalid` where the span holds more than REPLAY_OUTCOMES_HELD_MAX."""
        self._known: dict[bytes, Reading] = {}
        readings: dict[Reading, Reading] = {}  # each once, for there are few
        for topic in (Topic.OUTCOMES, Topic.URGENT_OUTCOMES):
            for record in log.read(topic, since=span.appended_since()):
                outcome = decode(Outcome, record.value)
                if outcome.report.received_at in span and (outcome.rejudged or _digest(outcome) not in self._known):
                    reading = reading_of(outcome.decision)
                    self._known[_digest(outcome)] = readings.setdefault(reading, reading)
                if len(self._known) > REPLAY_OUTCOMES_HELD_MAX:
                    raise Invalid(f"more than {REPLAY_OUTCOMES_HELD_MAX} outcomes in this span: name a shorter one")

    def preview(self, outcomes: Sequence[Outcome]) -> Preview:
        """What is read otherwise than it was; not what that would do."""
        return Preview(applied=[self._compare(outcome) for outcome in outcomes], changed=())

    def _compare(self, outcome: Outcome) -> Applied:
        before = self._known.get(_digest(outcome))
        same = before == reading_of(outcome.decision)
        why = "the report is read as it was before" if same else "the list could not be asked"
        did = Did.REPEATED if same else Did.RECORDED
        return Applied(report_id=outcome.report.id, did=did, why=why, before=None if same else before)


def reading_of(decision: Decision) -> Reading:
    """A decision as a history tells it."""
    return Reading(decision.outcome.value, decision.category, decision.rule)


def _digest(outcome: Outcome) -> bytes:
    return hashlib.sha256(outcome.report.id.encode("utf-8", "surrogatepass")).digest()[:16]
