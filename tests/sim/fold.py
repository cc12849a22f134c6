"""What reports come to: the policy said a second time, as plainly as can be, and without a store."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from nullsender.events import Fault, Outcome, Proof, Report
from suppression.policy import Cause, Did, PolicySettings
from suppression.records import Change

_BY_FAULT = ("hard", "soft")  # what counts only where it is the recipient's own
_SCOPES = {"hard": "*", "complaint": "*-transactional"}  # the others stop only the stream that they are about


class Stand(NamedTuple):
    """How one entry stands."""

    provisional: bool
    expires: datetime | None
    ended: datetime | None = None
    ended_by: Did | None = None

    def is_over(self, at: datetime) -> bool:
        """It stops no mail at that time."""
        return self.ended is not None or (self.expires is not None and self.expires <= at)


Place = tuple[str, Cause]  # scope and cause
Stands = dict[Place, Stand]


def fold(happened: Sequence[Outcome | Change], address: str, policy: PolicySettings) -> Stands:
    """How the entries of one address stand after all that happened, in its order.

    Of changes only those of this address belong here that are not a report's: what people did and what time ended is taken as
    it was. Each report counts once, however often it is here.
    """
    folding = _Folding(policy)
    for event in happened:
        if isinstance(event, Change):
            after = event.after
            folding.stands[event.scope, event.cause] = Stand(after.provisional, after.expires, after.ended, after.ended_by)
        elif event.report.recipient == address and folding.is_new(event.report):
            folding.hear(event)
    return folding.stands


class _Folding:
    """What is known of one address so far."""

    def __init__(self, policy: PolicySettings) -> None:
        self.stands: Stands = {}
        self._policy = policy
        self._known: set[tuple[str, bool]] = set()  # reports, and whether with proof
        self._strikes: dict[str, list[tuple[datetime, bool]]] = {}  # by scope
        self._came_weak: dict[str, datetime] = {}  # a soft report's first coming, by its id

    def is_new(self, report: Report) -> bool:
        """Whether it counts: it comes for the first time, or for the first time with proof."""
        proven = report.proof is not Proof.NONE
        if (report.id, True) in self._known or (report.id, proven) in self._known:
            return False
        self._known.add((report.id, proven))
        return True

    def hear(self, outcome: Outcome) -> None:
        """One report that counts."""
        report, result = outcome.report, outcome.decision.outcome.value
        if result == "none" or report.withheld:
            return
        if result in _BY_FAULT and outcome.decision.fault is not Fault.RECIPIENT:
            return
        place = _SCOPES.get(result) or report.stream or "*", Cause(result)
        proven, at = report.proof is not Proof.NONE, report.received_at
        if result == "soft":
            self._strike(place, report, proven)
        else:
            self._claim(place, at, proven, None if proven else at + timedelta(days=self._policy.provisional_days))

    def _strike(self, place: Place, report: Report, proven: bool) -> None:
        policy, at = self._policy, report.received_at
        struck = self._strikes.get(place[0], [])
        if proven and (self._came_weak.get(report.id), False) in struck:
            struck.remove((self._came_weak[report.id], False))  # the same report, now with proof
        self._came_weak[report.id] = at
        lifted = self._lifted(place)
        valid = sorted(strike for strike in [*struck, (at, proven)] if lifted is None or strike[0] >= lifted)
        newest = self._strikes[place[0]] = valid[-policy.soft_limit :]
        if len(newest) == policy.soft_limit and newest[-1][0] - newest[0][0] <= timedelta(days=policy.soft_window_days):
            expires = newest[-1][0] + timedelta(days=policy.soft_entry_days)
            self._claim(place, at, all(proven for _, proven in newest), expires)

    def _claim(self, place: Place, at: datetime, proven: bool, expires: datetime | None) -> None:
        stand, lifted = self.stands.get(place), self._lifted(place)
        if lifted is not None and at < lifted:
            return  # whoever lifted it knew of that
        if stand is None or stand.is_over(at):
            self.stands[place] = Stand(not proven, expires)
        elif proven:
            longest = None if stand.expires is None or expires is None else max(stand.expires, expires)
            self.stands[place] = Stand(False, longest)

    def _lifted(self, place: Place) -> datetime | None:
        stand = self.stands.get(place)
        return stand.ended if stand and stand.ended_by is Did.LIFTED else None
