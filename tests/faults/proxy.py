"""A proxy that loses acknowledgements: the server has done it and says so, and the connection breaks before that arrives.

SmtpReplies       the 250 after the final dot
PostgresCommits   the answer to COMMIT
KafkaProduced     the answer to a Produce request (Kafka protocol: a size, then the API key or the correlation number)
"""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

CHUNK_BYTES = 64 * 2**10
ENDS_SECONDS_MAX = 5.0

Address = tuple[str, int] | str
"""A TCP address, or the path of a Unix socket."""


class Wire(Protocol):
    """What passes over one connection, seen from its middle."""

    def asked(self, octets: bytes) -> None:
        """These go to the server."""

    def acknowledges(self, octets: bytes) -> bool:
        """Whether an acknowledgement is in these, which the server sent."""


class SmtpReplies:
    """SMTP: our 250 names what was recorded."""

    def asked(self, octets: bytes) -> None:
        """Nothing to remember."""

    def acknowledges(self, octets: bytes) -> bool:
        """The reply after DATA. A server sends it in one piece."""
        return b"250 2.0.0 recorded as" in octets


class PostgresCommits:
    """PostgreSQL: the message CommandComplete of a COMMIT."""

    _DONE = b"C\x00\x00\x00\x0bCOMMIT\x00"

    def asked(self, octets: bytes) -> None:
        """Nothing to remember."""

    def acknowledges(self, octets: bytes) -> bool:
        """The answer to COMMIT. A server sends it in one piece."""
        return self._DONE in octets


class KafkaProduced:
    """Kafka: which requests were Produce, by correlation number, and the answers to those."""

    _PRODUCE = 0

    def __init__(self) -> None:
        self._requests = bytearray()
        self._answers = bytearray()
        self._produced: set[int] = set()

    def asked(self, octets: bytes) -> None:
        """Remember the numbers of Produce requests."""
        for frame in _frames(self._requests, octets):
            api_key, _version, number = struct.unpack_from(">hhi", frame)
            if api_key == self._PRODUCE:
                self._produced.add(number)

    def acknowledges(self, octets: bytes) -> bool:
        """Whether one of these frames answers a Produce request."""
        numbers = {struct.unpack_from(">i", frame)[0] for frame in _frames(self._answers, octets)}
        return bool(numbers & self._produced)


def _frames(buffer: bytearray, octets: bytes) -> list[bytes]:
    """The whole frames at the beginning of `buffer` and `octets`; the rest stays in `buffer`."""
    buffer += octets
    frames = []
    while len(buffer) >= 4 and len(buffer) >= 4 + (size := struct.unpack_from(">i", buffer)[0]):
        frames.append(bytes(buffer[4 : 4 + size]))
        del buffer[: 4 + size]
    return frames


class Proxy:
    """Stands at `address` before `target` (which may be named later) and loses acknowledgements when told to."""

    def __init__(self, wire: Callable[[], Wire], target: Address | None = None) -> None:
        self.target = target
        self._wire = wire
        self._server = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = self._server.getsockname()[:2]
        self._lock = threading.Lock()
        self._to_lose = 0
        self._connections: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self.lost = 0

    def lose(self, count: int) -> None:
        """Lose the next `count` acknowledgements."""
        with self._lock:
            self._to_lose += count

    def __enter__(self) -> Self:
        self._run(self._accept)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        self._server.close()
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            _shut(connection)
        for thread in self._threads:
            thread.join(ENDS_SECONDS_MAX)

    def _run(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True, name="proxy")
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._server.accept()
                try:
                    server = _connect(self.target)
                except OSError:
                    client.close()
                    continue
                wire = self._wire()
                with self._lock:
                    self._connections |= {client, server}
                self._run(self._pass_on, client, server, wire.asked)
                self._run(self._pass_on, server, client, lambda octets, wire=wire: self._is_lost(wire, octets))

    def _pass_on(self, source: socket.socket, target: socket.socket, look: Callable[[bytes], bool | None]) -> None:
        """Until either side ends or an acknowledgement is lost; then both ends are closed."""
        with contextlib.suppress(OSError):
            while octets := source.recv(CHUNK_BYTES):
                if look(octets):
                    break
                target.sendall(octets)
        with self._lock:
            self._connections -= {source, target}
        _shut(source)
        _shut(target)

    def _is_lost(self, wire: Wire, octets: bytes) -> bool:
        if not wire.acknowledges(octets):
            return False
        with self._lock:
            if not self._to_lose:
                return False
            self._to_lose -= 1
            self.lost += 1
            return True


def _connect(target: Address | None) -> socket.socket:
    if target is None:
        raise ConnectionRefusedError
    if isinstance(target, str):
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(target)
        except OSError:
            connection.close()
            raise
        return connection
    return socket.create_connection(target)


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
