"""Where requests use the store: bounded in number and in time, whatever the store does."""

import asyncio
import contextlib
import threading

import pytest

import api.threads
from api.threads import StoreThreads
from nullsender.errors import Transient


def test_a_store_that_does_not_answer_holds_its_threads_and_no_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.threads, "API_STORE_SECONDS_MAX", 0.05)
    answer = threading.Event()

    async def ask() -> None:
        threads = StoreThreads(threads=1, waiting_max=2)
        for _ in range(2):
            with pytest.raises(Transient, match="did not answer"):
                await threads.run(answer.wait)
        with pytest.raises(Transient, match="too many"):
            await threads.run(answer.wait)
        answer.set()
        while True:
            await asyncio.sleep(0)  # lets go what was held
            with contextlib.suppress(Transient):
                assert await threads.run(lambda: "an answer") == "an answer"
                return

    asyncio.run(ask())


def test_what_the_store_raises_is_raised() -> None:
    async def ask() -> None:
        with pytest.raises(ZeroDivisionError):
            await StoreThreads(threads=1, waiting_max=1).run(lambda: 1 // 0)

    asyncio.run(ask())
