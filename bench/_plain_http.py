"""One connection that asks the API and waits: for what is measured by when an answer turns, not by how many there are."""

import socket
from types import TracebackType
from typing import Self

from bench._lookup_world import STREAM, Role
from bench._wrk import get

_READ_BYTES = 65536


class Caller:
    """A connection to an API process."""

    def __init__(self, api: Role, key: str) -> None:
        self._key = key
        self._connection = socket.create_connection(("127.0.0.1", api.port), timeout=30)
        self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def may_send(self, address: str) -> bool:
        """GET /v1/check."""
        status, body = self.call(get(f"/v1/check?address={address}&stream={STREAM}", self._key))
        if status != 200:
            raise RuntimeError(f"{status}: {body!r}")
        return b'"allowed":true' in body

    def suppress(self, address: str) -> None:
        """PUT /v1/suppressions/{address}."""
        body = b'{"cause":"manual","reason":"bench"}'
        head = (
            f"PUT /v1/suppressions/{address} HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer {self._key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        status, told = self.call(head.encode() + body)
        if status != 201:
            raise RuntimeError(f"{status}: {told!r}")

    def call(self, request: bytes) -> tuple[int, bytes]:
        """Send a request and read its answer: status and body."""
        self._connection.sendall(request)
        received = b""
        while b"\r\n\r\n" not in received:
            received += self._more()
        head, _, body = received.partition(b"\r\n\r\n")
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        while len(body) < int(fields[b"content-length"]):
            body += self._more()
        return int(head.split(b" ", 2)[1]), body

    def _more(self) -> bytes:
        received = self._connection.recv(_READ_BYTES)
        if not received:
            raise RuntimeError("the API hung up")
        return received

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._connection.close()
