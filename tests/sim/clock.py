"""The time of the histories, which all begin at the same moment."""

from datetime import UTC, datetime

from nullsender.clock import FakeClock

START = datetime(2026, 5, 17, tzinfo=UTC)


class SimulatedClock(FakeClock):
    """A fake clock that serves one history after the other."""

    def __init__(self) -> None:
        super().__init__(START)

    def start_again(self) -> None:
        """The time is what it was at first; what counts seconds goes on."""
        self._now = START
