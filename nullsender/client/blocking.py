"""The client that waits. One may be used by any number of threads; its connections are kept and shared."""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
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


class Client:
    """A caller of one nullsender API. `AsyncClient` is the same for asyncio.

    `url`: where the API is, `http://HOST:PORT`. `key`: what `nullsender keys create` printed. `tenant`: whose list is meant,
    for a key of every tenant. `on_unknown`: what a check does when nobody can tell (`OnUnknown`). `timeout_seconds`: how long
    one try may wait for the network. `retry_seconds`: how long a call may be tried again and again, in all; 0: once.
    `transport`: another way to the API than httpx's own (a Unix socket, certificates of your own). The rest is for tests.
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        tenant: str | None = None,
        on_unknown: OnUnknown = "raise",
        timeout_seconds: float = 5.0,
        retry_seconds: float = 10.0,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
        monotonic_seconds: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._http = httpx.Client(**options(url, key, tenant), transport=transport)
        self._manner = Manner(on_unknown, timeout_seconds, retry_seconds, monotonic_seconds, chance)
        self._sleep = sleep

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    # --- may I send? ---

    def check(
        self, address: str, *, stream: str | None = None, mailing_list: str | None = None, on_unknown: OnUnknown | None = None
    ) -> Check:
        """May I send to this address? What is no address is not allowed, and `invalid` says why."""
        try:
            return self._ask(lookups.check(address, Mail(stream, mailing_list)))
        except (Unavailable, Failed) as trouble:
            return lookups.unknown([address], on_unknown or self._manner.on_unknown, trouble)[0]

    def check_many(
        self,
        addresses: Iterable[str],
        *,
        stream: str | None = None,
        mailing_list: str | None = None,
        explain: bool = False,
        on_unknown: OnUnknown | None = None,
    ) -> Iterator[Check]:
        """May I send to these? An answer for each, in their order; any number of them, in requests of 10,000 as you read on.

        Of those that you may not send to only cause and scope are told; `explain` asks for since, expires and entry as well.
        """
        for batch in lookups.in_batches(addresses, lookups.CHECK_ADDRESSES_MAX):
            for part, call in lookups.check_many(batch, Mail(stream, mailing_list), explain):
                try:
                    checks = self._ask(call)
                except (Unavailable, Failed) as trouble:
                    checks = lookups.unknown(part, on_unknown or self._manner.on_unknown, trouble)
                yield from checks

    def allowed(
        self,
        addresses: Iterable[str],
        *,
        stream: str | None = None,
        mailing_list: str | None = None,
        on_unknown: OnUnknown | None = None,
    ) -> Iterator[str]:
        """Those that you may send to, in their order. `check_many` tells of the others."""
        checks = self.check_many(addresses, stream=stream, mailing_list=mailing_list, on_unknown=on_unknown)
        return (check.address for check in checks if check.allowed)

    def scrub(self, lines: Iterable[str | bytes], *, stream: str | None = None, mailing_list: str | None = None) -> "Scrub":
        """The lines that may be sent to, of a list with an address on each: an open file, or any lines.

        The quickest way for millions, and the plainest: the others are only counted. Where nobody can tell it raises.
        """
        return Scrub(self._scrubbed(lines, Mail(stream, mailing_list)))

    def _scrubbed(self, lines: Iterable[str | bytes], mail: Mail) -> Iterator[Scrubbed]:
        for batch in lookups.in_batches(lines, lookups.SCRUB_LINES):
            yield from map(self._ask, lookups.scrub(batch, mail))

    # --- the list ---

    def suppress(self, address: str, cause: Cause, reason: str, *, scope: str = "*", expires: datetime | None = None) -> Entry:
        """Put an address on the list; where it stands there already, it may last longer now. `expires` needs a time zone."""
        return self._ask(entries.suppress(address, cause, reason, scope, expires))

    def lift(
        self,
        address: str,
        reason: str,
        *,
        consent: str | None = None,
        scope: str | None = None,
        cause: Cause | None = None,
    ) -> Sequence[Entry]:
        """Lift the entries of one address, all or those of a scope or cause; what was lifted, empty where nothing stood.

        Complaints and unsubscribes need `consent`: how the person agreed. Where the answer to a try was lost and the next one
        finds nothing any more, the answer is empty although this call lifted it.
        """
        return self._ask(entries.lift(address, reason, consent, scope, cause))

    def show(self, address: str) -> Sequence[Entry]:
        """The entries of one address that are in force; empty where there are none."""
        return self._ask(entries.show(address))

    def list(
        self,
        *,
        cause: Cause | None = None,
        scope: str | None = None,
        domain: str | None = None,
        since_from: datetime | None = None,
        since_to: datetime | None = None,
    ) -> Iterator[Entry]:
        """The entries in force, newest first, page by page as you read on."""
        filters = {"cause": cause, "scope": scope, "domain": domain, "since_from": since_from, "since_to": since_to}
        cursor: int | None = None
        while True:
            page = self._ask(entries.list_page(filters, cursor))
            yield from page.items
            if (cursor := page.next) is None:
                return

    def history(self, address: str) -> Iterator[HistoryItem]:
        """Every report and change of one address, newest first, page by page as you read on."""
        cursor: int | None = None
        while True:
            page = self._ask(entries.history_page(address, cursor))
            yield from page.items
            if (cursor := page.next) is None:
                return

    # --- on the wire ---

    def _ask(self, call: Call[T]) -> T:
        """What the API answers, tried again while that may help; raises the `ApiError` that ended it."""
        retries = self._manner.retries()
        while True:
            try:
                return self._try(call)
            except Unavailable as trouble:
                wait_seconds = retries.wait_seconds(trouble)
            self._sleep(wait_seconds)

    def _try(self, call: Call[T]) -> T:
        headers = {"Content-Type": call.content_type} if call.body is not None else None
        timeout_seconds = max(self._manner.timeout_seconds, call.patience_seconds)
        try:
            response = self._http.request(call.method, call.target, content=call.body, headers=headers, timeout=timeout_seconds)
        except (httpx.HTTPError, httpx.InvalidURL) as trouble:
            raise error_on_the_wire(trouble) from trouble
        return answer_of(call, response.status_code, response.headers, response.content)


class Scrub:
    """The lines that may be sent to, read as they come. `counts` says of how many so far, and how many were of each kind."""

    def __init__(self, answers: Iterator[Scrubbed]) -> None:
        self._answers = answers
        self.counts: Counter[str] = Counter()

    def __iter__(self) -> Iterator[str]:
        for answer in self._answers:
            self.counts.update(answer.counts)
            yield from answer.lines
