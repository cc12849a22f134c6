"""How tests wait: for a condition, never for a guess of how long something takes."""

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")


def wait_for(condition: Callable[[], Found | None], *, what: str, seconds: float = 60.0) -> Found:
    """What `condition` answers, as soon as that is true; after `seconds` the test fails and says `what` did not come."""
    deadline_seconds = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline_seconds:
            raise AssertionError(f"waited {seconds:.0f} s for {what}")
        time.sleep(0.01)
