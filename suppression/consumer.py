"""The suppression stage: outcomes come in, the list changes.

Outcomes, list, history and offsets are one SQL transaction, so a batch is applied wholly or not at all, and once.
"""

import logging
from collections.abc import Mapping, Sequence

from nullsender.events import Outcome, decode
from nullsender.log import Partition, StoredRecord, Topic
from suppression.store import Store

GROUP = "suppress"
TOPICS = (Topic.OUTCOMES,)


class SuppressStage:
    """Applies every outcome of a batch to the store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._log = logging.getLogger(GROUP)

    def start_at(self, partition: Partition) -> int | None:
        """Where the store's own offsets say that this stage goes on."""
        return self._store.positions(GROUP).get(partition)

    def handle(self, batch: Sequence[StoredRecord], next_offsets: Mapping[Partition, int]) -> None:
        """Apply the batch in one transaction. `Invalid`: a record holds no outcome; `Transient`: the store has trouble."""
        outcomes = [decode(Outcome, record.value) for record in batch]
        for applied in self._store.apply(outcomes, group=GROUP, positions=next_offsets):
            self._log.info("applied", extra={"facts": {"report": applied.report_id, "did": applied.did, "why": applied.why}})
