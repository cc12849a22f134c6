"""HTTP/1.1 as this server speaks it: uvicorn's protocol, with bounds on what one client may hold, and two quick ways.

uvicorn takes a request's head of any size, waits for its end for ever, and keeps any number of connections. Here each of these
has a bound. How long it waits for whoever does not read the answer is bounded by the kernel (`server.py`).

A plain lookup (`quick.py`) is answered as soon as its head is read, without a task, a scope or a route. And who asks once asks
again: what stood behind the target of a connection's last plain lookup, fields and all, is remembered. When a packet is one
request that ends in the same bytes, nothing of it needs to be parsed but the target.
"""

import asyncio
from collections.abc import Iterable
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import Response
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from api.batch import loading
from api.http.edge import STREAMED_PATHS
from api.http.hits import BEFORE_CLEAN, BEHIND_CLEAN
from api.http.keys import KnownKey
from api.http.problems import Problem, ProblemKind, problem_of, response_of, unavailable
from api.http.quick import Question, QuickCheck
from api.lookup import Answer
from nullsender import telemetry
from nullsender.counting import Tally, Timings
from nullsender.limits import (
    API_CONNECTIONS_MAX,
    API_FIELDS_REMEMBERED_BYTES_MAX,
    API_HEAD_BYTES_MAX,
    API_HOT_AFTER_ANSWERS,
    API_REQUEST_SECONDS_MAX,
)

if TYPE_CHECKING:  # it needs the compiler, which takes seconds to load
    from api.http.hot import HotConnections, Place

_METHOD: Final = b"GET "
_PATH: Final = "/v1/check"
_ANSWERED = Tally(telemetry.API_REQUESTS.labels(_PATH, "200"))
_SECONDS = Timings(telemetry.API_SECONDS.labels(_PATH))


class Shared:
    """What all connections of a server have in common."""

    def __init__(self, quick: QuickCheck) -> None:
        self.quick = quick
        self._hot: HotConnections | None = None
        self._fields: object = None
        self._heads: dict[int, bytes] = {}
        self._clean_heads: dict[int, bytes] = {}

    def whole(self, body: bytes, state: ServerState) -> bytes:
        """A 200 with this body: heads are made once a second, when the date changes, for each length."""
        self._renew(state)
        head = self._heads.get(len(body))
        if head is None:
            head = self._heads[len(body)] = _head(state, len(body))
        return head + body

    def whole_clean(self, address: bytes, state: ServerState) -> bytes:
        """A 200 that says that nothing stops mail to this address, which JSON writes as it is."""
        return self.clean_head(len(address), state) + address + BEHIND_CLEAN

    def clean_head(self, address_bytes: int, state: ServerState) -> bytes:
        """What stands before an address of so many bytes in that answer."""
        if state.default_headers is not self._fields:
            self._renew(state)
        head = self._clean_heads.get(address_bytes)
        if head is None:
            head = _head(state, len(BEFORE_CLEAN) + address_bytes + len(BEHIND_CLEAN)) + BEFORE_CLEAN
            self._clean_heads[address_bytes] = head
        return head

    def count_answered(self, answers: int, began_at_seconds: float, state: ServerState) -> None:
        """So many 200s were written, for requests that came in at this moment of the monotonic clock."""
        state.total_requests += answers
        _ANSWERED.count += answers
        _SECONDS.observe_alike(self.quick.clock.monotonic_seconds() - began_at_seconds, answers)

    def hot(self, state: ServerState, loop: asyncio.AbstractEventLoop) -> "HotConnections | None":
        """The connections that are answered together; None while what that takes is being loaded."""
        if self._hot is None and loading.is_loaded():
            from api.http.hot import HotConnections

            self._hot = HotConnections(self.quick.lookup, self, state, loop)
        return self._hot

    def _renew(self, state: ServerState) -> None:
        if state.default_headers is not self._fields:
            self._fields = state.default_headers
            self._heads.clear()
            self._clean_heads.clear()


def _head(state: ServerState, body_bytes: int) -> bytes:
    fields = b"".join(b"%b: %b\r\n" % field for field in state.default_headers)
    return b"HTTP/1.1 200 OK\r\n%bcontent-length: %d\r\ncontent-type: application/json\r\n\r\n" % (fields, body_bytes)


class Protocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, shared: Shared, **of_uvicorn: Any) -> None:
        super().__init__(**of_uvicorn)
        self._shared = shared
        self._quick = shared.quick
        self._now_seconds = shared.quick.clock.monotonic_seconds
        self._head_bytes = 0
        self._in_request = False
        self._head_is_read = False
        self._answered = False
        self._deadline: asyncio.TimerHandle | None = None
        self._streamed_bytes = 0  # of a request whose body may have any size: what came since the deadline was set
        self._known: KnownKey | None = None  # whose last plain lookup it was, and
        self._rest = b""  # everything that stood behind its target
        self._requests_in_packet = 0
        self._plain: tuple[bytes, KnownKey] | None = None  # the target of the plain lookup in this packet, and whose it is
        self._is_explaining = False  # the last of them, which takes the store
        self._stops = False  # the server does
        self._quick_at_seconds = 0.0  # when the last request was answered that nothing was parsed of
        self._clean_in_a_row = 0  # how many were, of clean addresses
        self._hot_place: Place | None = None  # while the event loop does not read this connection

    # --- the quickest answer: nothing is parsed ---

    def data_received(self, data: bytes) -> None:
        """Bytes came in; from the first of a request to its last one the clock runs."""
        known = self._known
        if known is not None and data.endswith(self._rest) and self._is_idle():
            now_seconds = self._now_seconds()
            end = len(data) - len(self._rest)
            address = self._quick.clean(known, data, end, now_seconds)
            if address is not None:
                self._quick_at_seconds = now_seconds
                self.transport.write(self._shared.whole_clean(address, self.server_state))
                self._count_answered(now_seconds)
                self._clean_in_a_row += 1
                if self._clean_in_a_row >= API_HOT_AFTER_ANSWERS:
                    self._become_hot(known)
                return
            self._clean_in_a_row = 0
            said = self._quick.answer(known, data, end, now_seconds) if data.startswith(_METHOD) else None
            if said is not None:
                self._quick_at_seconds = now_seconds
                if isinstance(said, bytes):
                    self._write(said, now_seconds)
                else:
                    self._explain_soon(said, now_seconds)
                return
        if self.transport.is_closing():
            return
        began_within = self._in_request
        self._requests_in_packet = 0
        self._plain = None
        super().data_received(data)
        if self._in_request:
            self._streamed_bytes += len(data)
            if self._deadline is None:
                self._start_the_clock()
            return
        self._stop_the_clock()
        if not began_within and self._requests_in_packet == 1:
            self._remember(data)
        if self._is_idle() and self.timeout_keep_alive_task is None:
            self._wait_for_the_next()

    def _is_idle(self) -> bool:
        """Whether no request is under way, so that the next one can be answered at once."""
        return (
            not self._in_request
            and not self._is_explaining
            and (self.cycle is None or self.cycle.response_complete)
            and not self.flow.write_paused  # else the client does not read what it asked for
            and not self.transport.is_closing()
        )

    def _explain_soon(self, question: Question, began_at_seconds: float) -> None:
        """Answer it when the store has; what comes in meanwhile has to wait."""
        try:
            asked = self._quick.asked(question)
        except Problem as problem:
            self._refuse_lookup(problem, began_at_seconds)
        else:
            self.flow.pause_reading()
            self._is_explaining = True
            asked.add_done_callback(partial(self._explain, question, began_at_seconds))

    def _explain(self, question: Question, began_at_seconds: float, asked: "asyncio.Future[Answer]") -> None:
        try:
            body = self._quick.told(question, asked)
        except Exception as error:
            self._refuse_lookup(error, began_at_seconds)
        else:
            if not self.transport.is_closing():
                self._write(body, began_at_seconds)
        self._is_explaining = False
        self.flow.resume_reading()
        if self._stops:
            self.transport.close()

    def _refuse_lookup(self, error: Exception, began_at_seconds: float) -> None:
        answer = response_of(problem_of(error), _PATH)
        if not self.transport.is_closing():
            self.transport.write(_whole_problem(answer, self.server_state.default_headers))
        telemetry.API_REQUESTS.labels(_PATH, str(answer.status_code)).inc()
        _SECONDS.observe(self._now_seconds() - began_at_seconds)

    def shutdown(self) -> None:
        """The server stops: so does this connection, after the answer that is under way."""
        self._stops = True
        self._cool()
        if not self._is_explaining:
            super().shutdown()

    def _write(self, body: bytes, began_at_seconds: float) -> None:
        self.transport.write(self._shared.whole(body, self.server_state))
        self._count_answered(began_at_seconds)

    def _count_answered(self, began_at_seconds: float) -> None:
        self._shared.count_answered(1, began_at_seconds, self.server_state)

    def _remember(self, packet: bytes) -> None:
        """`packet` was one whole request: keep what stood behind its target, if it was a plain lookup."""
        if self._plain is None:
            return
        target, known = self._plain
        rest = packet[len(_METHOD) + len(target) :]
        if packet.startswith(_METHOD + target) and len(rest) <= API_FIELDS_REMEMBERED_BYTES_MAX:
            self._known, self._rest = known, rest

    # --- hot: nothing is read here ---

    def _become_hot(self, known: KnownKey) -> None:
        """Nothing is under way: the next requests need not come through the event loop, if they are like the last ones."""
        self._clean_in_a_row = 0
        hot = self._shared.hot(self.server_state, self.loop)
        if hot is None or self.transport.get_write_buffer_size():
            return
        self.flow.pause_reading()
        self._hot_place = hot.take(self, self.transport.get_extra_info("socket").fileno(), known, self._rest)
        if self._hot_place is None:
            self.flow.resume_reading()

    def given_back(self, packet: bytes, unsent: bytes) -> None:
        """The connection is hot no more: `packet` came in and is to be answered, or `unsent` of an answer to be written."""
        self._quick_at_seconds, self._hot_place = self._answered_at_seconds(), None
        if unsent:
            self.transport.write(unsent)
        self.flow.resume_reading()
        if packet:
            self.data_received(packet)

    def _cool(self) -> None:
        """The connection ends."""
        if self._hot_place is not None:
            self._hot_place.leave()
            self._hot_place = None

    def _answered_at_seconds(self) -> float:
        """When the last request was answered that nothing was parsed of."""
        return self._quick_at_seconds if self._hot_place is None else self._hot_place.answered_at_seconds()

    def timeout_keep_alive_handler(self) -> None:
        """Nothing came for long: the connection ends. What was answered without parsing did not move the timer."""
        if self._now_seconds() - self._answered_at_seconds() >= self.timeout_keep_alive:
            return super().timeout_keep_alive_handler()
        self._wait_for_the_next()
        return None

    def _wait_for_the_next(self) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    # --- the quick answer: no task, no scope, no route ---

    def on_headers_complete(self) -> None:
        """The head is read: answer it at once where that is possible, else let the application."""
        began_at_seconds = self._now_seconds()
        known = self._quick.known_key(self.headers, self.client and self.client[0]) if self._may_be_quick() else None
        said = None if known is None else self._quick.answer(known, self.url, len(self.url), began_at_seconds)
        if known is not None and said is not None:
            self._plain = (self.url, known)
        if isinstance(said, bytes):
            self._answered = True
            self._write(said, began_at_seconds)
            return
        self._head_is_read = True
        usual, self.app = self.app, self.app if said is None else self._quick.application(said)
        super().on_headers_complete()
        self.app = usual

    def _may_be_quick(self) -> bool:
        return (
            self.parser.get_method() == b"GET"
            and (self.cycle is None or self.cycle.response_complete)  # else its answer comes after another one's
            and self.parser.get_http_version() == "1.1"
            and self.parser.should_keep_alive()
            and not self.flow.write_paused
        )

    def on_body(self, body: bytes) -> None:
        """A part of the body. A request that was answered quickly has none."""
        if not self._answered:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is complete."""
        self._in_request = False
        if self._answered:
            self._unset_keepalive_if_required()
            self._wait_for_the_next()
        else:
            super().on_message_complete()

    # --- bounds ---

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Somebody called: one too many is told to come again."""
        super().connection_made(transport)
        self._start_the_clock()
        if len(self.connections) > API_CONNECTIONS_MAX:
            self._refuse(unavailable("Use fewer connections, or call again later.", ProblemKind.TOO_MANY_CONNECTIONS))

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone; its descriptor will be closed after this."""
        self._cool()
        self._stop_the_clock()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._head_bytes = 0
        self._in_request = True
        self._head_is_read = False
        self._answered = False
        self._requests_in_packet += 1

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

    def _start_the_clock(self) -> None:
        self._streamed_bytes = 0
        self._deadline = self.loop.call_later(API_REQUEST_SECONDS_MAX, self._too_slow)

    def _too_slow(self) -> None:
        if self._is_streamed() and (self._streamed_bytes or self.flow.read_paused):
            return self._start_the_clock()
        if self._head_is_read and self.cycle is not None and self.cycle.response_started:
            return self.transport.close()  # it was answered before it came to its end, and gets no second answer
        detail = f"The whole request has to be here in {API_REQUEST_SECONDS_MAX} s."
        return self._refuse(Problem(ProblemKind.REQUEST_TIMEOUT, detail))

    def _is_streamed(self) -> bool:
        """A body of any size is coming in, somebody reads it, and it is not waited for in vain."""
        return self.cycle is not None and not self.cycle.response_complete and self.scope["path"] in STREAMED_PATHS

    def _refuse(self, problem: Problem) -> None:
        self.transport.write(_whole_problem(response_of(problem, ""), [(b"connection", b"close")]))
        self.transport.close()

    def _stop_the_clock(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def _whole_problem(answer: Response, further_fields: Iterable[tuple[bytes, bytes]]) -> bytes:
    status = HTTPStatus(answer.status_code)
    lines = [f"HTTP/1.1 {status.value} {status.phrase}".encode("ascii")]
    lines += [name + b": " + value for name, value in (*further_fields, *answer.raw_headers)]
    return b"\r\n".join([*lines, b"", bytes(answer.body)])


def protocol_with(quick: QuickCheck) -> Any:
    """The protocol class for uvicorn's `http`, which calls it for every connection."""
    return partial(Protocol, Shared(quick))
