"""Time comes in by the constructor, so that a test decides what time it is."""

import logging
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

from nullsender.limits import CLOCK_DISTRUSTED_SECONDS, CLOCK_STEP_SECONDS_MAX


class Clock(Protocol):
    """Where a component gets the time from."""

    def now(self) -> datetime:
        """The wall clock, aware, UTC."""

    def monotonic_seconds(self) -> float:
        """Seconds since some fixed point; never goes back, whatever the wall clock does."""

    def sleep(self, seconds: float) -> None:
        """Wait that long."""


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """The wall clock, aware, UTC."""
        return datetime.now(UTC)

    #: Seconds of CLOCK_MONOTONIC, which all processes of one machine share. Asked for every lookup: no call stands in between.
    monotonic_seconds = staticmethod(time.monotonic)

    def sleep(self, seconds: float) -> None:
        """Block this thread that long."""
        time.sleep(seconds)


class SteadyTime:
    """The time for what can not be taken back, such as ending an entry or trimming a topic because it is old.

    A wall clock that jumps forward and back again would end by its mistake what should have stood for weeks. So when it jumps
    against the monotonic clock there is no such time until it has gone steadily for CLOCK_DISTRUSTED_SECONDS. Not for use by
    several threads. What a process finds when it starts it has to believe.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._wall = clock.now()
        self._monotonic_seconds = clock.monotonic_seconds()
        self._trusted_from_seconds = self._monotonic_seconds

    def now(self) -> datetime | None:
        """The wall clock; None while it can not be believed."""
        wall, monotonic_seconds = self._clock.now(), self._clock.monotonic_seconds()
        step_seconds = (wall - self._wall).total_seconds() - (monotonic_seconds - self._monotonic_seconds)
        self._wall, self._monotonic_seconds = wall, monotonic_seconds
        if abs(step_seconds) > CLOCK_STEP_SECONDS_MAX:
            self._trusted_from_seconds = monotonic_seconds + CLOCK_DISTRUSTED_SECONDS
            logging.getLogger("clock").error(
                "the clock jumped: nothing is ended or erased by it for a while",
                extra={"facts": {"by_seconds": round(step_seconds), "for_seconds": CLOCK_DISTRUSTED_SECONDS}},
            )
        return wall if monotonic_seconds >= self._trusted_from_seconds else None


class FakeClock:
    """A clock that moves only when it is told to (or when somebody sleeps on it)."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._now = start
        self._monotonic_seconds = 0.0

    def now(self) -> datetime:
        """Where the hands stand."""
        return self._now

    def monotonic_seconds(self) -> float:
        """How far it was moved since it was made."""
        return self._monotonic_seconds

    def sleep(self, seconds: float) -> None:
        """Return at once, later."""
        self.advance(seconds=seconds)

    def jump(self, *, days: float) -> None:
        """Set the wall clock alone to another time, as an operator or a wrong time server may."""
        self._now += timedelta(days=days)

    def advance(self, *, seconds: float = 0.0, days: float = 0.0) -> None:
        """Move both hands forward."""
        step = timedelta(seconds=seconds, days=days)
        self._now += step
        self._monotonic_seconds += step.total_seconds()
