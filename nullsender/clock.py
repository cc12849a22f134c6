"""Time comes in by the constructor, so that a test decides what time it is."""

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


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

    def monotonic_seconds(self) -> float:
        """Seconds of CLOCK_MONOTONIC, which all processes of one machine share."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Block this thread that long."""
        time.sleep(seconds)


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

    def advance(self, *, seconds: float = 0.0, days: float = 0.0) -> None:
        """Move both hands forward."""
        step = timedelta(seconds=seconds, days=days)
        self._now += step
        self._monotonic_seconds += step.total_seconds()
