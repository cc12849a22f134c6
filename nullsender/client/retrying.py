"""When to try again: after waits that grow and are drawn by chance, never sooner than the server asks, never past a bound.

Every call of this API may be made twice: asking changes nothing, and adding or lifting what is added or lifted does nothing.
"""

from collections.abc import Callable

from nullsender.client.errors import Unavailable

# The first wait is drawn from up to this, the next ones from twice as much each, up to the longest.
FIRST_WAIT_SECONDS_MAX = 0.1
WAIT_SECONDS_MAX = 5.0


class Retries:
    """The tries of one call."""

    def __init__(self, total_seconds: float, monotonic_seconds: Callable[[], float], chance: Callable[[], float]) -> None:
        self._monotonic_seconds = monotonic_seconds
        self._chance = chance
        self._until_seconds = monotonic_seconds() + total_seconds
        self._ceiling_seconds = FIRST_WAIT_SECONDS_MAX

    def wait_seconds(self, trouble: Unavailable) -> float:
        """How long to wait before the next try; raises `trouble` where that would take too long in all.

        Every caller waits a time of its own (full jitter), so that those who failed together do not come back together.
        """
        wait_seconds = trouble.retry_after_seconds + self._chance() * self._ceiling_seconds
        self._ceiling_seconds = min(2 * self._ceiling_seconds, WAIT_SECONDS_MAX)
        if self._monotonic_seconds() + wait_seconds > self._until_seconds:
            raise trouble
        return wait_seconds
