"""The classifiers' stage: a report comes in, its outcome goes out. It touches no list.

An outcome that was published but whose report's offset was not yet stored is published again after a crash; the suppression
stage knows reports by their id, so the second one changes nothing.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Protocol

from classifiers.blocklists import NAMING_CATEGORIES, label_of
from classifiers.rules import NO_RULE
from nullsender import telemetry
from nullsender.clock import Clock
from nullsender.events import Decision, Outcome, Report, decode, encode
from nullsender.log import Partition, Producer, Record, StoredRecord, Topic, wait_until_durable

GROUP = "classify"

#: What the classifiers read. Each has its own loop, so that a complaint never waits behind a flood of bounces.
TOPICS = (Topic.BOUNCES, Topic.COMPLAINTS, Topic.UNSUBSCRIBES)

#: Where the outcomes of each go: the same holds behind the classifiers.
GIVES = {
    Topic.BOUNCES: Topic.OUTCOMES,
    Topic.COMPLAINTS: Topic.URGENT_OUTCOMES,
    Topic.UNSUBSCRIBES: Topic.URGENT_OUTCOMES,
}


class Decides(Protocol):
    """What decides a report (`classifiers.rules.Rules`)."""

    def decide(self, report: Report) -> Decision:
        """The decision on `report`; total and pure."""


class ClassifyStage:
    """Publishes the outcome of every report of a batch."""

    def __init__(self, rules: Decides, *, outcomes: Producer, clock: Clock) -> None:
        self._rules = rules
        self._outcomes = outcomes
        self._clock = clock
        self._log = logging.getLogger(GROUP)

    def handle(self, batch: Sequence[StoredRecord], next_offsets: Mapping[Partition, int]) -> None:
        """Decide and publish; on return the outcomes are durable.

        The key stays the report's, so one address keeps its order. `Invalid` for a record that holds no report.
        """
        del next_offsets  # the loop stores them
        outcomes = [self._decided(record) for record in batch]
        records = [
            Record(GIVES[record.partition.topic], record.key, encode(outcome))
            for record, outcome in zip(batch, outcomes, strict=True)
        ]
        wait_until_durable(self._outcomes.publish(records))
        for outcome in outcomes:
            self._say(outcome)

    def pass_over(self, record: StoredRecord) -> None:
        """Nothing: this stage keeps no offsets of its own."""

    def _decided(self, record: StoredRecord) -> Outcome:
        report = decode(Report, record.value)
        return Outcome(report=report, decision=self._rules.decide(report), decided_at=self._clock.now())

    def _say(self, outcome: Outcome) -> None:
        decision = outcome.decision
        telemetry.OUTCOMES.labels(decision.outcome, decision.category).inc()
        if decision.category in NAMING_CATEGORIES:
            telemetry.BLOCKLISTED.labels(label_of(decision.blocklist)).inc()
        if decision.rule == NO_RULE and outcome.report.diagnostic:
            telemetry.UNKNOWN_REPLIES.inc()
        facts = {"report": outcome.report.id, "outcome": decision.outcome, "category": decision.category, "rule": decision.rule}
        self._log.info("decided", extra={"facts": facts})
