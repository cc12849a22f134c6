"""The client that awaits: `Client` for asyncio, call by call the same. One belongs to one event loop."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Sequence
from datetime import datetime
from types import TracebackType
from typing import Self, TypeVar

import httpx

from nullsender.client import entries, lookups
from nullsender.client.answers import Cause, Check, Entry, HistoryItem, OnUnknown
from nullsender.client.calls import Call, answer_of
from nullsender.client.connecting import Manner, error_on_the_wire, options
from nullsender.client.errors import Failed, Unavailable
from nullsender.client.lookups import Mail, Scrubbed

T = TypeVar("T")
Item = TypeVar("Item")


class AsyncClient:
    """A caller of one nullsender API, on asyncio. The arguments are those of `Client`."""

    def __init__(
        self,
        url: str,
        key: str,
        *,
        tenant: str | None = None,
        on_unknown: OnUnknown = "raise",
        timeout_seconds: float = 5.0,
        retry_seconds: float = 10.0,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        monotonic_seconds: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._http = httpx.AsyncClient(**options(url, key, tenant), transport=transport)
        self._manner = Manner(on_unknown, timeout_seconds, retry_seconds, monotonic_seconds, chance)
        self._sleep = sleep

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # --- may I send? ---

    async def check(
        self, address: str, *, stream: str | None = None, mailing_list: str | None = None, on_unknown: OnUnknown | None = None
    ) -> Check:
        """`Client.check`."""
        try:
            return await self._ask(lookups.check(address, Mail(stream, mailing_list)))
        except (Unavailable, Failed) as trouble:
            return lookups.unknown([address], on_unknown or self._manner.on_unknown, trouble)[0]

    async def check_many(
        self,
        addresses: Iterable[str] | AsyncIterable[str],
        *,
        stream: str | None = None,
        mailing_list: str | None = None,
        explain: bool = False,
        on_unknown: OnUnknown | None = None,
    ) -> AsyncIterator[Check]:
        """`Client.check_many`; the addresses may come asynchronously too."""
        async for batch in _in_batches(addresses, lookups.CHECK_ADDRESSES_MAX):
            for part, call in lookups.check_many(batch, Mail(stream, mailing_list), explain):
                try:
                    checks = await self._ask(call)
                except (Unavailable, Failed) as trouble:
                    checks = lookups.unknown(part, on_unknown or self._manner.on_unknown, trouble)
                for check in checks:
                    yield check

    async def allowed(
        self,
        addresses: Iterable[str] | AsyncIterable[str],
        *,
        stream: str | None = None,
        mailing_list: str | None = None,
        on_unknown: OnUnknown | None = None,
    ) -> AsyncIterator[str]:
        """`Client.allowed`."""
        async for check in self.check_many(addresses, stream=stream, mailing_list=mailing_list, on_unknown=on_unknown):
            if check.allowed:
                yield check.address

    def scrub(
        self,
        lines: Iterable[str | bytes] | AsyncIterable[str | bytes],
        *,
        stream: str | None = None,
        mailing_list: str | None = None,
    ) -> "AsyncScrub":
        """`Client.scrub`; the lines may come asynchronously too."""
        return AsyncScrub(self._scrubbed(lines, Mail(stream, mailing_list)))

    async def _scrubbed(self, lines: Iterable[str | bytes] | AsyncIterable[str | bytes], mail: Mail) -> AsyncIterator[Scrubbed]:
        async for batch in _in_batches(lines, lookups.SCRUB_LINES):
            for call in lookups.scrub(batch, mail):
                yield await self._ask(call)

    # --- the list ---

    async def suppress(
        self, address: str, cause: Cause, reason: str, *, scope: str = "*", expires: datetime | None = None
    ) -> Entry:
        """`Client.suppress`."""
        return await self._ask(entries.suppress(address, cause, reason, scope, expires))

    async def lift(
        self,
        address: str,
        reason: str,
        *,
        consent: str | None = None,
        scope: str | None = None,
        cause: Cause | None = None,
    ) -> Sequence[Entry]:
        """`Client.lift`."""
        return await self._ask(entries.lift(address, reason, consent, scope, cause))

    async def show(self, address: str) -> Sequence[Entry]:
        """`Client.show`."""
        return await self._ask(entries.show(address))

    async def list(
        self,
        *,
        cause: Cause | None = None,
        scope: str | None = None,
        domain: str | None = None,
        since_from: datetime | None = None,
        since_to: datetime | None = None,
    ) -> AsyncIterator[Entry]:
        """`Client.list`."""
        filters = {"cause": cause, "scope": scope, "domain": domain, "since_from": since_from, "since_to": since_to}
        cursor: int | None = None
        while True:
            page = await self._ask(entries.list_page(filters, cursor))
            for entry in page.items:
                yield entry
            if (cursor := page.next) is None:
                return

    async def history(self, address: str) -> AsyncIterator[HistoryItem]:
        """`Client.history`."""
        cursor: int | None = None
        while True:
            page = await self._ask(entries.history_page(address, cursor))
            for item in page.items:
                yield item
            if (cursor := page.next) is None:
                return

    # --- on the wire ---

    async def _ask(self, call: Call[T]) -> T:
        retries = self._manner.retries()
        while True:
            try:
                return await self._try(call)
            except Unavailable as trouble:
                wait_seconds = retries.wait_seconds(trouble)
            await self._sleep(wait_seconds)

    async def _try(self, call: Call[T]) -> T:
        headers = {"Content-Type": call.content_type} if call.body is not None else None
        timeout_seconds = max(self._manner.timeout_seconds, call.patience_seconds)
        try:
            response = await self._http.request(
                call.method, call.target, content=call.body, headers=headers, timeout=timeout_seconds
            )
        except (httpx.HTTPError, httpx.InvalidURL) as trouble:
            raise error_on_the_wire(trouble) from trouble
        return answer_of(call, response.status_code, response.headers, response.content)


class AsyncScrub:
    """`Scrub`, for `async for`."""

    def __init__(self, answers: AsyncIterator[Scrubbed]) -> None:
        self._answers = answers
        self.counts: Counter[str] = Counter()

    async def __aiter__(self) -> AsyncIterator[str]:
        async for answer in self._answers:
            self.counts.update(answer.counts)
            for line in answer.lines:
                yield line


async def _in_batches(items: Iterable[Item] | AsyncIterable[Item], count: int) -> AsyncIterator[Sequence[Item]]:
    """`lookups.in_batches`, of items that may come asynchronously."""
    if isinstance(items, Iterable):
        for batch in lookups.in_batches(items, count):
            yield batch
        return
    gathered: list[Item] = []
    async for item in items:
        gathered.append(item)
        if len(gathered) == count:
            yield gathered
            gathered = []
    if gathered:
        yield gathered
