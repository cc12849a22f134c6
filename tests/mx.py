"""The real MX on a free port, with the real embedded log behind it, and a client that speaks plain sockets to it.

The MX runs on an event loop in a thread, so that a test is a straight list of what is said and what is answered.
"""

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from ingest.mx.server import MxSettings, serve
from ingest.mx.session import SessionLimits
from nullsender.clock import SystemClock
from nullsender.events import DeadLetter, RawMessage, Report, decode
from nullsender.log import Log, Producer, StoredRecord, Topic
from nullsender.log_embedded import EmbeddedLog
from nullsender.signing.keys import SigningKeys

DOMAIN = "bounces.example"
KEYS = SigningKeys({"k1": b"a secret of the tests, 32 bytes."})
ANSWER_SECONDS_MAX = 20.0
LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}
_SESSION_FIELDS = frozenset(field.name for field in msgspec.structs.fields(SessionLimits))


def settings(**changes: Any) -> MxSettings:
    """Settings for a test; `changes` are fields of MxSettings or of its SessionLimits."""
    session = SessionLimits(**{name: value for name, value in changes.items() if name in _SESSION_FIELDS})
    own = {name: value for name, value in changes.items() if name not in _SESSION_FIELDS}
    return MxSettings(**{"port": 0, "hostname": "mx.example", "domains": (DOMAIN,), "session": session, **own})


class Mx:
    """An MX that runs: where it listens, and what it put on the log."""

    def __init__(self, address: tuple[str, int], log: Log, stop: Callable[[], None]) -> None:
        self.address = address
        self.log = log
        self.stop = stop

    def connect(self, *, source: str = "127.0.0.1") -> "Client":
        """A connection, not greeted yet."""
        return Client(socket.create_connection(self.address, ANSWER_SECONDS_MAX, source_address=(source, 0)))

    def greeted(self, *, source: str = "127.0.0.1") -> "Client":
        """A connection on which EHLO was said."""
        client = self.connect(source=source)
        client.reply()
        client.say("EHLO client.example")
        assert client.reply().startswith("250")
        return client

    def records(self, topic: Topic) -> list[StoredRecord]:
        """What lies on `topic`."""
        return list(self.log.read(topic))

    def reports(self, topic: Topic = Topic.BOUNCES) -> list[Report]:
        """The reports on `topic`."""
        return [decode(Report, record.value) for record in self.records(topic)]

    def raw(self) -> list[RawMessage]:
        """The messages that were recorded."""
        return [decode(RawMessage, record.value) for record in self.records(Topic.RAW)]

    def dead_letters(self) -> list[DeadLetter]:
        """The messages that could not be read."""
        return [decode(DeadLetter, record.value) for record in self.records(Topic.DEAD_LETTERS)]


@contextlib.contextmanager
def running_mx(
    folder: Path,
    *,
    loop: str = "uvloop",
    producer: Callable[[Producer], Producer] = lambda real: real,
    **changes: Any,
) -> Iterator[Mx]:
    """An MX with `changes` to its settings; `producer` may put something between it and the log in `folder`."""
    with EmbeddedLog(folder, clock=SystemClock()) as log, asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        stopping = asyncio.Event()
        addresses: list[tuple[str, int]] = []
        listening = threading.Event()

        def announce(address: tuple[str, int]) -> None:
            addresses.append(address)
            listening.set()

        work = serve(
            settings(**changes),
            producer=producer(log.producer()),
            keys=KEYS,
            clock=SystemClock(),
            stopping=stopping,
            listening=announce,
        )

        def stop() -> None:
            runner.get_loop().call_soon_threadsafe(stopping.set)

        thread = threading.Thread(target=runner.run, args=(work,))
        thread.start()
        try:
            assert listening.wait(ANSWER_SECONDS_MAX)
            yield Mx(addresses[0], log, stop)
        finally:
            stop()
            thread.join()


class Client:
    """The client's side of one connection."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._file = connection.makefile("rb")

    def say(self, *lines: str) -> None:
        """Send lines, all at once, each with CR LF behind it."""
        self.send("".join(f"{line}\r\n" for line in lines).encode("utf-8", "surrogateescape"))

    def send(self, octets: bytes) -> None:
        """Send octets as they are."""
        self.connection.sendall(octets)

    def line(self) -> str:
        """The next line of the server; `""` when it has closed the connection."""
        try:
            return self._file.readline().decode().rstrip("\r\n")
        except ConnectionResetError:
            return ""

    def reply(self) -> str:
        """The next reply, of one line or more; `""` when the server has closed the connection."""
        lines = [self.line()]
        while lines[-1][3:4] == "-":
            lines.append(self.line())
        return "\n".join(lines)

    def ask(self, line: str) -> str:
        """Say one line, hear the reply."""
        self.say(line)
        return self.reply()

    def deliver(self, message: bytes, *, to: Sequence[str] = (f"bounces@{DOMAIN}",), sender: str = "") -> str:
        """A whole transaction; the reply to its end. The message must not have lines that begin with a dot."""
        assert self.ask(f"MAIL FROM:<{sender}>").startswith("250")
        for address in to:
            assert self.ask(f"RCPT TO:<{address}>").startswith("250")
        assert self.ask("DATA").startswith("354")
        self.send(message + b".\r\n")
        return self.reply()

    def start_tls(self) -> None:
        """Put TLS on the connection, after the server said 220 to STARTTLS."""
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self._file.close()
        self.connection = context.wrap_socket(self.connection)
        self._file = self.connection.makefile("rb")

    def close(self) -> None:
        """Hang up."""
        self._file.close()
        self.connection.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()
