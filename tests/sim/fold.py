"""What reports come to: the policy said a second time, as plainly as can be, and without a store."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from nullsender.events import Fault, Outcome, Proof
from suppression.policy import Cause, Did, PolicySettings
from suppression.records import Change


class Stand(NamedTuple):
    """How one entry stands."""

    provisional: bool
    expires: datetime | None
    ended: datetime | None = None
    ended_by: Did | None = None

    def is_over(self, at: datetime) -> bool:
        """It stops no mail at that time."""
        return self.ended is not None or (self.expires is not None and self.expires <= at)


Stands = dict[tuple[str, Cause], Stand]  # by scope and cause


def once(arriving: Iterable[Outcome]) -> Iterator[Outcome]:
    """Those that count: each report the first time that it comes, and the first time that it comes with proof."""
    known: set[tuple[str, bool]] = set()
    for outcome in arriving:
        report_id, proven = outcome.report.id, outcome.report.proof is not Proof.NONE
        if known.isdisjoint({(report_id, True), (report_id, proven)}):
            known.add((report_id, proven))
            yield outcome


def fold(happened: Sequence[Outcome | Change], address: str, policy: PolicySettings) -> Stands:
    """How the entries of one address stand after all that happened to it, in its order.

    Of changes only those belong here that are not a report's: what people did and what time ended is taken as it was.
    """
    stands: Stands = {}
    strikes: dict[str, list[tuple[datetime, bool]]] = {}
    weak: dict[str, datetime] = {}
    counting = {id(outcome) for outcome in once(event for event in happened if isinstance(event, Outcome))}
    for event in happened:
        if isinstance(event, Change):
            after = event.after
            stands[event.scope, event.cause] = Stand(after.provisional, after.expires, after.ended, after.ended_by)
            continue
        report, result = event.report, event.decision.outcome.value
        if id(event) not in counting or report.recipient != address or result == "none" or report.withheld:
            continue
        if result in ("hard", "soft") and event.decision.fault is not Fault.RECIPIENT:
            continue
        scope = report.stream or "*" if result in ("soft", "unsubscribe") else "*"
        key = scope, Cause(result)
        stand = stands.get(key)
        proven, at = report.proof is not Proof.NONE, report.received_at
        expires = None if proven else at + timedelta(days=policy.provisional_days)
        lifted = stand.ended if stand and stand.ended_by is Did.LIFTED else None
        if result == "soft":
            struck = strikes.get(scope, [])
            if proven and (weak.get(report.id), False) in struck:
                struck.remove((weak[report.id], False))  # the same report, now with proof
            weak[report.id] = at
            valid = sorted(strike for strike in [*struck, (at, proven)] if lifted is None or strike[0] >= lifted)
            newest = strikes[scope] = valid[-policy.soft_limit :]
            if len(newest) < policy.soft_limit or newest[-1][0] - newest[0][0] > timedelta(days=policy.soft_window_days):
                continue
            proven = all(proven for _, proven in newest)
            expires = newest[-1][0] + timedelta(days=policy.soft_entry_days)
        if lifted is not None and at < lifted:
            continue
        if stand is None or stand.is_over(at):
            stands[key] = Stand(not proven, expires)
        elif proven:
            longest = None if stand.expires is None or expires is None else max(stand.expires, expires)
            stands[key] = Stand(False, longest)
    return stands
