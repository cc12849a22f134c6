"""The suppression stage: outcomes come in, the list changes.

Outcomes, list, history and positions are one SQL transaction, so a batch is applied wholly or not at all, and once. A position
carries the mark of its last record, by which the log notices that it is not the log that the position is of.
"""

import logging
from collections.abc import Mapping, Sequence

from nullsender.events import Outcome, decode
from nullsender.log import Partition, Position, StoredRecord, Topic, mark_of
from suppression.records import Applied
from suppression.store.store import Store

GROUP = "suppress"

#: What this stage reads. Each has its own loop, so that what a person said never waits behind what machines said ...
TOPICS = (Topic.OUTCOMES, Topic.URGENT_OUTCOMES)
# ... and who reads what machines said gives way at the store.
_PATIENT = frozenset({Topic.OUTCOMES})

_BEGINNING = Position(0, b"")


class SuppressStage:
    """Applies every outcome of a batch to the store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._reached: dict[Partition, int] = {}  # how far the store had come when it last told us or we it
        self._log = logging.getLogger(GROUP)

    def start_at(self, partition: Partition) -> Position:
        """Where the store's own positions say that this stage goes on: at the beginning, where it has none.

        How far the log thinks we are counts for nothing: the store may be a copy from before the partition's first outcome.
        """
        position = self._store.positions(GROUP).get(partition, _BEGINNING)
        self._reached[partition] = position.next_offset
        return position

    def handle(self, batch: Sequence[StoredRecord], next_offsets: Mapping[Partition, int]) -> None:
        """Apply the batch in one transaction.

        `Invalid`: a record holds no outcome. `Transient`: the store has trouble. `Misconfigured`: the store has forgotten what
        it had committed; the next start goes on where it is now.
        """
        outcomes = [decode(Outcome, record.value) for record in batch]
        last = {record.partition: record for record in batch}
        positions = {partition: Position(offset, mark_of(last[partition])) for partition, offset in next_offsets.items()}
        patient = _PATIENT.issuperset(partition.topic for partition in positions)
        for applied in self._apply(outcomes, positions, patient=patient):
            self._log.info("applied", extra={"facts": {"report": applied.report_id, "did": applied.did, "why": applied.why}})

    def pass_over(self, record: StoredRecord) -> None:
        """Move the store's own position past a dead letter, so that the next start does not take it for a lost record."""
        self._apply([], {record.partition: Position(record.offset + 1, mark_of(record))}, patient=True)

    def _apply(
        self, outcomes: Sequence[Outcome], positions: Mapping[Partition, Position], *, patient: bool
    ) -> Sequence[Applied]:
        reached = {partition: self._reached.get(partition, 0) for partition in positions}
        applied = self._store.apply(outcomes, group=GROUP, positions=positions, reached=reached, patient=patient)
        self._reached |= {partition: position.next_offset for partition, position in positions.items()}
        return applied
