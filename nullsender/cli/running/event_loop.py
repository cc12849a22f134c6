"""What a role whose work is an event loop has in common with one whose work is a loop of its own: it stops, and it beats."""

import asyncio
from collections.abc import Callable

from nullsender.cli.running.stopping import Stop
from nullsender.limits import BEAT_SECONDS


def event_of(stop: Stop) -> asyncio.Event:
    """An event of the running loop that is set when `stop` is requested."""
    loop, event = asyncio.get_running_loop(), asyncio.Event()
    stop.when_requested(lambda: loop.call_soon_threadsafe(event.set))
    return event


def beat(stopping: Callable[[], bool]) -> None:
    """Ask again and again, as the other roles' loops do, for the heart to see that the event loop turns."""
    if not stopping():
        asyncio.get_running_loop().call_later(BEAT_SECONDS, beat, stopping)
