"""HTTP/1.1 as this server speaks it: uvicorn's protocol, with bounds on what one client may hold, and the quick answer.

uvicorn takes a request's head of any size, waits for its end for ever, and keeps any number of connections. Here each of these
has a bound. A plain lookup (`quick.py`) is answered as soon as its head is read, without a task, a scope or a route.
"""

import asyncio
from functools import partial
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.http.problems import Problem, ProblemKind, response_of, unavailable
from api.http.quick import QuickCheck
from nullsender.limits import API_CONNECTIONS_MAX, API_HEAD_BYTES_MAX, API_REQUEST_SECONDS_MAX


class Protocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, quick: QuickCheck, **of_uvicorn: Any) -> None:
        super().__init__(**of_uvicorn)
        self._quick = quick
        self._head_bytes = 0
        self._in_request = False
        self._answered = False
        self._deadline: asyncio.TimerHandle | None = None

    # --- bounds ---

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Somebody called: one too many is told to come again."""
        super().connection_made(transport)
        self._deadline = self.loop.call_later(API_REQUEST_SECONDS_MAX, self._too_slow)
        if len(self.connections) > API_CONNECTIONS_MAX:
            self._refuse(unavailable("Use fewer connections, or call again later.", ProblemKind.TOO_MANY_CONNECTIONS))

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._stop_the_clock()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes came in; from the first of a request to its last one the clock runs."""
        if self.transport.is_closing():
            return
        super().data_received(data)
        if not self._in_request:
            self._stop_the_clock()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(API_REQUEST_SECONDS_MAX, self._too_slow)

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._head_bytes = 0
        self._in_request = True
        self._answered = False

    def on_url(self, url: bytes) -> None:
        """A part of the request's target."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header field."""
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def send_400_response(self, msg: str) -> None:
        """What came in is no HTTP request, or its head is too large."""
        self._refuse(Problem(ProblemKind.BAD_REQUEST, f"{msg} A request's head may have {API_HEAD_BYTES_MAX} bytes."))

    def _count(self, size_bytes: int) -> None:
        self._head_bytes += size_bytes
        if self._head_bytes > API_HEAD_BYTES_MAX:
            raise ValueError("the head of the request is too large")  # the parser stops, uvicorn calls send_400_response

    def _too_slow(self) -> None:
        detail = f"The whole request has to be here in {API_REQUEST_SECONDS_MAX} s."
        self._refuse(Problem(ProblemKind.REQUEST_TIMEOUT, detail))

    def _refuse(self, problem: Problem) -> None:
        answer = response_of(problem, "")
        lines = [f"HTTP/1.1 {problem.status.value} {problem.status.phrase}".encode("ascii")]
        lines += [name + b": " + value for name, value in answer.raw_headers]
        self.transport.write(b"\r\n".join([*lines, b"connection: close", b"", bytes(answer.body)]))
        self.transport.close()

    def _stop_the_clock(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    # --- the quick answer ---

    def on_headers_complete(self) -> None:
        """The head is read: answer it at once where that is possible, else let the application."""
        body = self._quick.answer(self.url, self.headers) if self._may_be_quick() else None
        if body is None:
            return super().on_headers_complete()
        self._answered = True
        head = b"HTTP/1.1 200 OK\r\n%bcontent-length: %d\r\ncontent-type: application/json\r\n\r\n"
        defaults = b"".join(b"%b: %b\r\n" % field for field in self.server_state.default_headers)
        self.transport.write(head % (defaults, len(body)) + body)
        return None

    def _may_be_quick(self) -> bool:
        return (
            self.parser.get_method() == b"GET"
            and (self.cycle is None or self.cycle.response_complete)  # else its answer comes after another one's
            and self.parser.get_http_version() == "1.1"
            and self.parser.should_keep_alive()
            and not self.flow.write_paused  # else the client does not read what it asked for
        )

    def on_body(self, body: bytes) -> None:
        """A part of the body. A request that was answered quickly has none."""
        if not self._answered:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is complete."""
        self._in_request = False
        if self._answered:
            self.on_response_complete()  # counts it, and waits for the next one
        else:
            super().on_message_complete()


def protocol_with(quick: QuickCheck) -> Any:
    """The protocol class for uvicorn's `http`, which calls it for every connection."""
    return partial(Protocol, quick)
