"""What soft reports, deliveries and an operator's words about a soft entry come to together.

One soft report suppresses nobody. Strikes on one scope, with no delivery between them and within the window, are a *run*. Each
weighs one over the limit of its category; a run that weighs one makes an entry. Each further entry lives longer than the one
before; a delivery after its end, a lift, or a long quiet time lets that start over.

All of it is put in the order in which it happened. So what it comes to does not hang on the order in which it arrives, unless
something comes that is older than what was let go of (`compacted`): dozens of newer strikes and deliveries ago.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from math import lcm
from typing import NamedTuple

import msgspec

from nullsender.limits import SOFT_EVENTS_KEPT_MAX, SOFT_LIMIT_MAX
from suppression.policy.claims import Claim
from suppression.policy.scopes import EVERYWHERE
from suppression.policy.settings import PolicySettings
from suppression.policy.strikes import Before, SoftHistory, Strike, distinct
from suppression.policy.transitions import Standing, decide
from suppression.policy.words import Cause, Did

ReportKey = tuple[str, bool]  # a report's id, and whether it is proven

#: What is one, in parts that every limit divides.
ENOUGH = lcm(*range(1, SOFT_LIMIT_MAX + 1))

#: What an operator said of a soft entry: let it stand (the claim), or lift it (how it stood then).
Word = Claim | Standing


class SoftFold(NamedTuple):
    """What a history comes to."""

    standing: Standing | None
    rests_on: Strike | Claim | None
    run: tuple[Strike, ...]  # the strikes that count
    level: int  # how many entries in a row
    asked: bool  # whether an operator's word holds the entry
    did: Mapping[ReportKey, Did]


def fold_soft(history: SoftHistory, words: Iterable[Word], settings: PolicySettings) -> SoftFold:
    """How the soft entry stands after all of `history` and of `words`, and why."""
    walk = _Walk(settings, history.before)
    after = history.before.until if history.before else None
    known = {strike.send for strike in history.before.run} - {""} if history.before else set()
    for at, _, event in _in_order(history, words):
        if after is not None and at <= after:
            continue
        if isinstance(event, Strike):
            if event.send not in known:
                walk.strike(event)
        elif isinstance(event, Claim):
            walk.ask(event)
        elif isinstance(event, Standing):
            walk.lift(at, event)
        else:
            walk.deliver(at)
    return SoftFold(walk.standing, walk.rests_on, tuple(walk.run), walk.level, walk.asked, walk.did)


def compacted(history: SoftHistory, words: Sequence[Word], settings: PolicySettings) -> SoftHistory:
    """The newest of it, and what all before it came to; operators' words so far are in that too."""
    times = sorted([*(strike.at for strike in history.strikes), *history.deliveries])
    if len(times) <= SOFT_EVENTS_KEPT_MAX:
        return history
    cut = times[-SOFT_EVENTS_KEPT_MAX - 1]
    gone = msgspec.structs.replace(
        history,
        strikes=tuple(strike for strike in history.strikes if strike.at <= cut),
        deliveries=tuple(at for at in history.deliveries if at <= cut),
    )
    fold = fold_soft(gone, [word for word in words if _time_of(word) <= cut], settings)
    return SoftHistory(
        strikes=tuple(strike for strike in history.strikes if strike.at > cut),
        deliveries=tuple(at for at in history.deliveries if at > cut),
        before=Before(
            until=cut,
            standing=fold.standing,
            run=_enough(fold.run),
            level=fold.level,
            asked=fold.asked,
        ),
    )


def _enough(run: Sequence[Strike]) -> tuple[Strike, ...]:
    """The newest of a run, as many as can be needed of either kind."""
    kinds = ([strike for strike in run if strike.proven is proven] for proven in (True, False))
    return tuple(sorted(strike for kind in kinds for strike in kind[-SOFT_LIMIT_MAX:]))


def weight(strike: Strike, settings: PolicySettings) -> int:
    """What a strike weighs; `ENOUGH` together makes an entry."""
    limit = settings.soft_limit_of(strike.category)
    return ENOUGH // limit if limit else 0


def missing(strikes: Iterable[Strike], category: str, settings: PolicySettings) -> int:
    """How many more reports of that category make an entry."""
    limit = settings.soft_limit_of(category) or settings.soft_limit
    lacking = ENOUGH - sum(weight(strike, settings) for strike in strikes)
    return max(0, -(-lacking * limit // ENOUGH))


def _in_order(history: SoftHistory, words: Iterable[Word]) -> list[tuple[datetime, int, Strike | Word | None]]:
    """Everything by the time when it happened. Of one moment a lift comes first, and a delivery resets nothing."""
    events: list[tuple[datetime, int, Strike | Word | None]] = [
        *((_time_of(word), 0 if isinstance(word, Standing) else 2, word) for word in words),
        *((at, 1, None) for at in history.deliveries),
        *((strike.at, 3, strike) for strike in distinct(history.strikes)),
    ]
    return sorted(events, key=lambda event: event[:2])  # strikes are in their order already


def _time_of(word: Word) -> datetime:
    if isinstance(word, Claim):
        return word.at
    assert word.ended is not None, "a lift has its time"
    return word.ended


class _Walk:
    """How things stand after the events so far."""

    def __init__(self, settings: PolicySettings, before: Before | None) -> None:
        self._settings = settings
        self._window = timedelta(days=settings.soft_window_days)
        self._quiet = timedelta(days=settings.soft_quiet_days)
        self.standing = before.standing if before else None
        self.level = before.level if before else 0
        self.asked = before.asked if before else False
        self.run: deque[Strike] = deque()
        self._weights = {True: 0, False: 0}  # of the run, with and without proof
        for strike in before.run if before else ():
            self._count(strike)
        self.rests_on: Strike | Claim | None = None
        self.did: dict[ReportKey, Did] = {}

    def strike(self, strike: Strike) -> None:
        """One more failed send."""
        while self.run and strike.at - self.run[0].at > self._window:
            gone = self.run.popleft()
            self._weights[gone.proven] -= weight(gone, self._settings)
        self._count(strike)
        claim = self._claim(strike)
        did = Did.COUNTED
        if claim is not None:
            did = self._decide(claim, strike)
            self.asked = self.asked and did is not Did.ADDED
        self.did[strike.report_id, strike.proven] = did

    def ask(self, claim: Claim) -> None:
        """An operator lets it stand."""
        self._decide(claim, claim)
        self.asked = True

    def lift(self, at: datetime, stood: Standing) -> None:
        """A lift holds against all that came before it, though nothing had to be lifted."""
        self.standing = (self.standing or stood).end(at, Did.LIFTED)
        self._begin_run()
        self.level, self.asked = 0, False

    def deliver(self, at: datetime) -> None:
        """The mailbox took mail: what failed before counts no more."""
        self._begin_run()
        if self.standing is None or not self.standing.stops(at):
            self.level = 0
        elif self._settings.delivery_ends_soft and not self.asked:
            self.standing, self.level = self.standing.end(at, Did.RELEASED), 0

    def _count(self, strike: Strike) -> None:
        self.run.append(strike)
        self._weights[strike.proven] += weight(strike, self._settings)

    def _begin_run(self) -> None:
        self.run.clear()
        self._weights = {True: 0, False: 0}

    def _decide(self, claim: Claim, because: Strike | Claim) -> Did:
        did, self.standing = decide(self.standing, claim)
        if did is not Did.KEPT:
            self.rests_on = because
        return did

    def _claim(self, strike: Strike) -> Claim | None:
        """What the run asks for; None while it is too light. Without proof it is provisional, and no step to a longer one."""
        proven = self._weights[True] >= ENOUGH
        if not proven and sum(self._weights.values()) < ENOUGH:
            return None
        lifetime = self._lifetime(strike.at) if proven else timedelta(days=self._settings.provisional_days)
        expires = None if lifetime is None else strike.at + lifetime
        return Claim(cause=Cause.SOFT, scope=EVERYWHERE, at=strike.at, proven=proven, expires=expires)

    def _lifetime(self, at: datetime) -> timedelta | None:
        """How long an entry lives from now on; one that begins is a step further than the one before."""
        standing, lifetimes = self.standing, self._settings.soft_lifetimes
        if standing is None or standing.provisional or not standing.stops(at):
            over = None if standing is None else standing.ended or standing.expires
            if over is not None and at - over >= self._quiet:
                self.level = 0
            self.level = min(self.level + 1, len(lifetimes))
        return lifetimes[max(self.level, 1) - 1]
