"""What the tests of the client share: both clients behind one face, and a real HTTP server that answers what it is told to."""

import asyncio
import inspect
import threading
from collections.abc import AsyncIterable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from nullsender.client import AsyncClient, Client

HOST = "127.0.0.1"


class Caller:
    """`Client` or `AsyncClient`, asked in the same way: awaited where that is needed, and what iterates as a list."""

    def __init__(self, kind: type[Client] | type[AsyncClient], url: str, key: str = "ns_test", **options: Any) -> None:
        self._runner = asyncio.Runner() if kind is AsyncClient else None
        if self._runner is not None and "sleep" in options:
            options["sleep"] = _awaited(options["sleep"])
        self.client: Any = kind(url, key, **options)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda *arguments, **options: self._all(getattr(self.client, name)(*arguments, **options))

    def _all(self, answer: Any) -> Any:
        if self._runner is not None:
            return self._runner.run(_awaited_whole(answer))
        return answer if isinstance(answer, Sequence) or not hasattr(answer, "__iter__") else list(answer)

    def scrubbed(self, lines: Any, **options: Any) -> tuple[list[str], Mapping[str, int]]:
        """The lines and counts of a scrub."""
        scrub = self.client.scrub(lines, **options)
        return self._all(scrub), scrub.counts

    def end(self) -> None:
        """Close the client and its loop."""
        self.close()
        if self._runner is not None:
            self._runner.close()


async def _awaited_whole(answer: Any) -> Any:
    if isinstance(answer, AsyncIterable):
        return [item async for item in answer]
    return await answer if inspect.isawaitable(answer) else answer


def _awaited(sleep: Callable[[float], None]) -> Callable[[float], Any]:
    async def slept(seconds: float) -> None:
        sleep(seconds)

    return slept


class Asked(NamedTuple):
    """A request as it came."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


class Answer(NamedTuple):
    """What to answer with; `cut`: as if it were longer, and then hang up."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = {}
    cut: bool = False


class Scripted:
    """A real HTTP server. It gives the answers that are waiting in turn, the last one again and again."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.asked: list[Asked] = []

    def take(self, asked: Asked) -> Answer:
        """The answer to this request."""
        self.asked.append(asked)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    @contextmanager
    def serving(self, port: int = 0) -> Iterator[str]:
        """Serve until the block ends; the server's URL."""
        server = ThreadingHTTPServer((HOST, port), _handler_of(self.take))
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://{HOST}:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


def _handler_of(take: Callable[[Asked], Answer]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 10
        wbufsize = -1  # head and body leave together: apart, the second would wait for the first one's acknowledgement

        def handle_one_request(self) -> None:
            """Whatever the method is."""
            self.raw_requestline = self.rfile.readline(65_537)
            if not self.raw_requestline or not self.parse_request():
                self.close_connection = True
                return
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            self._answer(take(Asked(self.command, self.path, headers, body)))

        def _answer(self, answer: Answer) -> None:
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body) + answer.cut))
            self.end_headers()
            self.wfile.write(answer.body)
            self.wfile.flush()
            if answer.cut:
                self.close_connection = True

        def log_message(self, *arguments: object) -> None:
            """Nothing: the tests look at what was asked."""

    return Handler
