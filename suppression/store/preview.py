"""What outcomes would do, found out by doing it in memory: nothing is written, and nobody waits."""

from collections.abc import Sequence

from nullsender.events import Outcome
from suppression.engine import reading
from suppression.records import Changed, Preview
from suppression.store.apply import Applier
from suppression.store.base import StoreBase
from suppression.store.reported import read_outcome
from suppression.store.turn import Turn


class StorePreview(StoreBase):
    """The question what if; `Transient` where it can not be asked."""

    def preview(self, outcomes: Sequence[Outcome]) -> Preview:
        """What `Store.apply` would do with these outcomes, all of them together.

        Exact for those that are given at once; new entries have no ids of their own yet.
        """
        with reading(self._engine) as connection:
            turn = Turn(connection, last=0, now=self._clock.now(), deadlines=self._deadlines)
            applied = Applier(turn, self._hasher, self.policy, self._breaker).apply(outcomes)
        addresses = self._addresses(outcomes)
        changed = [Changed(did, cause, addresses.get(address_hash)) for did, cause, address_hash in turn.changed()]
        return Preview(applied=applied, changed=changed)

    def _addresses(self, outcomes: Sequence[Outcome]) -> dict[bytes, str]:
        """The addresses that `outcomes` are about, by what the list knows them by."""
        reports = (read_outcome(outcome, self._hasher, self.policy) for outcome in outcomes)
        return {report.person.address_hash: report.address for report in reports if report.person is not None}
