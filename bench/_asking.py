"""Asking the API until the answer turns."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import httpx

from bench._mail import Mail, send_all, send_at
from tests.system import KEY, System

ASK_EVERY_SECONDS = 0.005
DRAIN_SECONDS_MAX = 120.0


async def latencies_seconds(system: System, mails: Sequence[Mail], rate: float) -> list[float]:
    """From each message's 250 to the first lookup that refuses its recipient, in order; `rate` messages are sent a second."""
    acknowledged: dict[str, float] = {}
    turned: dict[str, float] = {}
    finished_at = float("inf")

    async def ask() -> None:
        async with _asker(system) as http:
            while len(turned) < len(mails) and time.monotonic() < finished_at + DRAIN_SECONDS_MAX:
                pending = [address for address in acknowledged if address not in turned]
                for address in await refused(http, pending):
                    turned[address] = time.monotonic()
                await asyncio.sleep(ASK_EVERY_SECONDS)

    asking = asyncio.create_task(ask())
    await send_at(system.smtp, mails, rate, lambda recipient: acknowledged.setdefault(recipient, time.monotonic()))
    finished_at = time.monotonic()
    await asking
    if len(turned) < len(mails):
        raise RuntimeError(f"{len(mails) - len(turned)} of {len(mails)} lookups never turned")
    return sorted(turned[address] - acknowledged[address] for address in turned)


async def drained_seconds(system: System, mails: Sequence[Mail], sessions: int) -> tuple[float, float]:
    """Seconds until the last 250, and until the last recipient is refused."""
    started = time.monotonic()
    accepted_seconds = await send_all(system.smtp, mails, sessions)
    async with _asker(system) as http:
        left = [mail.recipient for mail in mails]
        while left:
            found = set(await refused(http, left))
            left = [address for address in left if address not in found]
            if time.monotonic() - started > DRAIN_SECONDS_MAX + accepted_seconds:
                raise RuntimeError(f"{len(left)} of {len(mails)} lookups never turned")
            await asyncio.sleep(ASK_EVERY_SECONDS * 10 if not found else 0)
    return accepted_seconds, time.monotonic() - started


async def refused(http: httpx.AsyncClient, addresses: Sequence[str]) -> list[str]:
    """Those of the first 10,000 of `addresses` that may not be sent to."""
    if not addresses:
        return []
    answer = await http.post("/v1/check", json={"addresses": list(addresses[:10_000])})
    answer.raise_for_status()
    return [row["address"] for row in answer.json()["suppressed"]]


@asynccontextmanager
async def _asker(system: System) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=system.http.base_url, headers={"Authorization": f"Bearer {KEY}"}, timeout=30) as http:
        yield http
