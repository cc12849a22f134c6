"""The duty that says how much is held for a review, and says it louder when nobody has looked for long."""

import logging
from collections import Counter
from datetime import datetime, timedelta

from nullsender import telemetry
from suppression.incidents.breaker import KINDS
from suppression.store.held_reports import StoreReview

_log = logging.getLogger("jobs")


class ReviewClock:
    """Looks every minute; nothing is applied or dropped by it."""

    def __init__(self, store: StoreReview, *, review_days: int) -> None:
        self._store = store
        self._review = timedelta(days=review_days)

    def look(self, now: datetime) -> None:
        """Set the metrics, close the keys that are calm again, and warn of what waits for long."""
        self._store.tidy(now)
        held = self._store.held(None)
        oldest = min((one.oldest for one in held if one.oldest), default=None)
        opened = Counter(one.key.partition(" ")[0] for one in held if one.open_since)
        telemetry.HELD_REPORTS.set(sum(one.held for one in held))
        telemetry.HELD_OLDEST.set((now - oldest).total_seconds() if oldest else 0.0)
        for kind in KINDS:
            telemetry.BREAKER_OPEN.labels(kind).set(opened[kind])
        if oldest is not None and oldest < now - self._review:
            facts = {"held": sum(one.held for one in held), "since": oldest.isoformat(timespec="seconds")}
            _log.error("reports wait for a review for days: `nullsender review list`", extra={"facts": facts})
