"""The duty that raises the alarm before an unsubscribe that stops no mail yet runs out of time."""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime

from nullsender import telemetry
from nullsender.cli.working.unheeded import Unheeded, Unheededs
from nullsender.log import Log
from suppression.store.unsubscribes import StoreUnsubscribes

_log = logging.getLogger("jobs")


class UnsubscribeClock:
    """Looks every minute. The log is opened when it does so first."""

    def __init__(self, open_log: Callable[[], Log], store: StoreUnsubscribes) -> None:
        self._open_log = open_log
        self._store = store
        self._unheededs: Unheededs | None = None

    def look(self, now: datetime) -> None:
        """Set the metrics, and say of those whose limit is near that something has to be done."""
        if self._unheededs is None:
            self._unheededs = Unheededs(self._open_log(), self._store)
        found = self._unheededs.look(now)
        at_risk = [one for one in found if one.is_at_risk(now)]
        breached = [one for one in found if one.is_breached(now)]
        telemetry.UNSUBSCRIBES_WAITING.set(len(found))
        telemetry.UNSUBSCRIBES_OLDEST.set(max(0.0, (now - found[0].received).total_seconds()) if found else 0.0)
        telemetry.UNSUBSCRIBES_AT_RISK.set(len(at_risk))
        telemetry.UNSUBSCRIBES_BREACHED.set(len(breached))
        if at_risk:
            _log.error(
                "unsubscribes near or past their limit stop no mail yet", extra={"facts": _facts(at_risk, len(breached))}
            )


def _facts(at_risk: Sequence[Unheeded], breached: int) -> dict[str, object]:
    """No address: this goes into a log."""
    first = at_risk[0]
    return {
        "at_risk": len(at_risk),
        "breached": breached,
        "oldest": first.report,
        "held_up": first.held_up,
        "limit": first.limit.at.isoformat(timespec="seconds"),
        "see": "nullsender deadlines --at-risk",
    }
