"""What reports come to: the policy said a second time, as plainly as can be, and without a store."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import NamedTuple

from nullsender.events import Fault, Outcome, Proof, Report
from suppression.policy import Cause, Did, PolicySettings
from suppression.records import Change

_NEVER = datetime.min.replace(tzinfo=UTC)
_BY_FAULT = ("hard", "soft")  # what counts only where it is the recipient's own
_SCOPES = {"hard": "*", "complaint": "*-transactional"}  # the others stop only the stream that they are about


class Stand(NamedTuple):
    """How one entry stands."""

    provisional: bool
    expires: datetime | None
    ended: datetime | None = None
    ended_by: Did | None = None
    begun: datetime = _NEVER  # while it is made out: the last bounce that it rests on

    def is_over(self, at: datetime) -> bool:
        """It stops no mail at that time."""
        return self.ended is not None or (self.expires is not None and self.expires <= at)


Place = tuple[str, Cause]  # scope and cause
Stands = dict[Place, Stand]


def fold(happened: Sequence[Outcome | Change], address: str, policy: PolicySettings) -> Stands:
    """How the entries of one address stand after all that happened, in its order; soft ones in the order of the bounces.

    Of changes only those of this address belong here that are not a report's: what people did and what time ended is taken as
    it was. Each report counts once, however often it is here.
    """
    folding = _Folding(policy)
    for event in happened:
        if isinstance(event, Change):
            folding.see(event)
        elif event.report.recipient == address and folding.is_new(event.report):
            folding.hear(event)
    for scope, strikes in folding.strikes.items():
        soft = _soft(strikes, folding.lifts.get((scope, Cause.SOFT), []), policy)
        if soft is not None:
            folding.stands[scope, Cause.SOFT] = soft
    return folding.stands


class Struck(NamedTuple):
    """A soft report: best first."""

    is_weak: bool  # without proof
    at: datetime
    category: str
    report_id: str
    send: str


def _soft(strikes: Sequence[Struck], lifts: Sequence[datetime], policy: PolicySettings) -> Stand | None:
    """How a soft entry stands after these: bounce by bounce, the best report of each send."""
    best: dict[str, Struck] = {}
    for strike in sorted({s.report_id: s for s in sorted(strikes, reverse=True)}.values()):
        best.setdefault(strike.send, strike)
    stand: Stand | None = None
    level = 0
    for strike in sorted(best.values(), key=lambda one: one.at):
        since = max((lift for lift in lifts if lift <= strike.at), default=None)
        if since is not None and stand is not None and stand.begun < since:
            stand, level = None, 0
        first = strike.at - timedelta(days=policy.soft_window_days)
        run = [s for s in best.values() if first <= s.at <= strike.at and (since is None or s.at >= since)]
        weights = [sum(Fraction(1, policy.soft_limit_of(s.category)) for s in run if s.is_weak <= weak) for weak in (0, 1)]
        over = stand is None or (stand.expires is not None and stand.expires <= strike.at)
        if weights[0] >= 1:
            if over or (stand and stand.provisional):
                long_ago = stand and stand.expires and strike.at - stand.expires >= timedelta(days=policy.soft_quiet_days)
                level = 1 if long_ago else min(level + 1, len(policy.soft_lifetimes))
            lifetime = policy.soft_lifetimes[level - 1]
            until = None if lifetime is None else strike.at + lifetime
            if stand is not None and not over:
                until = None if until is None or stand.expires is None else max(until, stand.expires)
            stand = Stand(False, until, begun=strike.at)
        elif weights[1] >= 1 and (over or (stand and stand.provisional)):
            stand = Stand(True, strike.at + timedelta(days=policy.provisional_days), begun=strike.at)
    if stand is not None and any(lift > stand.begun for lift in lifts):
        return None
    return stand and stand._replace(begun=_NEVER)


class _Folding:
    """What is known of one address so far."""

    def __init__(self, policy: PolicySettings) -> None:
        self.stands: Stands = {}
        self.strikes: dict[str, list[Struck]] = {}  # by scope
        self.lifts: dict[Place, list[datetime]] = {}
        self._policy = policy
        self._known: set[tuple[str, bool]] = set()  # reports, and whether with proof

    def is_new(self, report: Report) -> bool:
        """Whether it counts: it comes for the first time, or for the first time with proof."""
        proven = report.proof is not Proof.NONE
        if (report.id, True) in self._known or (report.id, proven) in self._known:
            return False
        self._known.add((report.id, proven))
        return True

    def see(self, change: Change) -> None:
        """What an operator or the clock did."""
        place, after = (change.scope, change.cause), change.after
        self.stands[place] = Stand(after.provisional, after.expires, after.ended, after.ended_by)
        if change.action is Did.LIFTED and after.ended is not None:
            self.lifts.setdefault(place, []).append(after.ended)

    def hear(self, outcome: Outcome) -> None:
        """One report that counts."""
        report, result, decision = outcome.report, outcome.decision.outcome.value, outcome.decision
        if result == "none" or report.withheld:
            return
        if result in _BY_FAULT and decision.fault is not Fault.RECIPIENT:
            return
        place = _SCOPES.get(result) or report.stream or "*", Cause(result)
        proven, at = report.proof is not Proof.NONE, report.received_at
        if result != "soft":
            self._claim(place, at, proven, None if proven else at + timedelta(days=self._policy.provisional_days))
        elif self._policy.soft_limit_of(decision.category):
            day, signed = str(_bounced_at(report).date()), report.proof is Proof.RETURN_PATH and report.source.rcpt_to
            send = report.original_message_id or (signed and signed[0].lower()) or day
            strike = Struck(not proven, _bounced_at(report), decision.category, report.id, send)
            self.strikes.setdefault(place[0], []).append(strike)

    def _claim(self, place: Place, at: datetime, proven: bool, expires: datetime | None) -> None:
        stand = self.stands.get(place)
        if any(at < lift for lift in self.lifts.get(place, [])):
            return  # whoever lifted it knew of that
        if stand is None or stand.is_over(at):
            self.stands[place] = Stand(not proven, expires)
        elif proven or stand.provisional:
            longest = None if stand.expires is None or expires is None else max(stand.expires, expires)
            self.stands[place] = Stand(not proven, longest)


def _bounced_at(report: Report) -> datetime:
    """When, as the report says, unless that can not be."""
    said, came = report.occurred_at, report.received_at
    return said if said is not None and came - timedelta(days=3) <= said <= came else came
