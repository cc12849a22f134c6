"""What outcomes would do, found out by doing it in memory: nothing is written, and nobody waits."""

from collections.abc import Sequence

from nullsender.events import Outcome
from suppression.engine import reading
from suppression.records import Preview
from suppression.store_apply import Applier
from suppression.store_base import StoreBase
from suppression.store_turn import Turn


class StorePreview(StoreBase):
    """The question what if; `Transient` where it can not be asked."""

    def preview(self, outcomes: Sequence[Outcome]) -> Preview:
        """What `Store.apply` would do with these outcomes, all of them together.

        Exact for those that are given at once; new entries have no ids of their own yet.
        """
        with reading(self._engine) as connection:
            turn = Turn(connection, last=0, now=self._clock.now())
            applied = Applier(turn, self._hasher, self._policy).apply(outcomes)
        return Preview(applied=applied, changed=turn.changed())
