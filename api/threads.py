"""Where questions use the store: in a few threads of their own, so that lookups from memory never wait behind SQL.

The queue in front of them is bounded. Past it a request is told at once to come again, which is kinder than an answer after
everybody's time-out. So is the wait for an answer: a store that stands still holds these threads, and nobody else.
"""

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import anyio
import anyio.to_thread

from nullsender.errors import Transient
from nullsender.limits import API_STORE_SECONDS_MAX

P = ParamSpec("P")
T = TypeVar("T")


class StoreThreads:
    """Runs blocking calls in up to `threads` threads; made on any thread, used on one event loop."""

    def __init__(self, *, threads: int, waiting_max: int) -> None:
        self._limiter = anyio.CapacityLimiter(threads)
        self._waiting = 0
        self._waiting_max = waiting_max

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What `call` returns or raises; `Transient` when too many wait already, or when it takes too long.

        What took too long may be done all the same.
        """
        if self._waiting >= self._waiting_max:
            raise Transient("too many requests wait for the store")
        self._waiting += 1
        work = asyncio.ensure_future(anyio.to_thread.run_sync(lambda: call(*args, **kwargs), limiter=self._limiter))
        work.add_done_callback(self._forget)
        done, _ = await asyncio.wait({work}, timeout=API_STORE_SECONDS_MAX)
        if not done:
            raise Transient(f"the store did not answer within {API_STORE_SECONDS_MAX:.0f} s")
        return work.result()

    def _forget(self, work: "asyncio.Future[T]") -> None:
        self._waiting -= 1
        if not work.cancelled():
            work.exception()  # that of a request that has gone is nobody's any more
