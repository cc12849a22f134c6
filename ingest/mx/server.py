"""The inbound MX: listens, admits connections, and stops without losing what it has in hand."""

import asyncio
import logging
import ssl
from collections.abc import Callable, Sequence
from ipaddress import IPv4Network, IPv6Network

import msgspec

from ingest.intake import Intake
from ingest.mx.capacity import Connections, HeldBytes
from ingest.mx.connection import Shared
from ingest.mx.handler import MxHandler
from ingest.mx.recipients import Recipients
from ingest.mx.session import MxSession, SessionLimits
from nullsender import limits
from nullsender.clock import Clock
from nullsender.log import Producer
from nullsender.signing.keys import SigningKeys

_log = logging.getLogger("mx")


class MxSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How the MX is set up. `domains` are A-labels in lower case; port 0 takes any free one."""

    host: str = "127.0.0.1"
    port: int = 2525
    hostname: str = "localhost"
    domains: tuple[str, ...]
    accept_unknown_local_parts: bool = False
    trusted_sources: tuple[IPv4Network | IPv6Network, ...] = ()
    tls: ssl.SSLContext | None = None
    session: SessionLimits = SessionLimits()
    connections_max: int = limits.CONNECTIONS_MAX
    connections_per_address_max: int = limits.CONNECTIONS_PER_ADDRESS_MAX
    messages_held_bytes_max: int = limits.MESSAGES_HELD_BYTES_MAX
    stop_seconds_max: float = limits.MX_STOP_SECONDS_MAX
    #: Several processes may listen on the same port, and the kernel deals the connections out among them.
    share_port: bool = False


def _held_per_client(settings: MxSettings) -> int:
    """A share of the memory for messages, and never too little for the largest message."""
    share = int(settings.messages_held_bytes_max * limits.MESSAGES_HELD_CLIENT_SHARE)
    return max(share, settings.session.message_bytes_max + 2 * limits.READ_CHUNK_BYTES)


class MxServer:
    """One listening MX. `async with MxServer(...) as mx` listens at `mx.address` and stops gracefully at the end."""

    def __init__(self, settings: MxSettings, *, producer: Producer, keys: SigningKeys, clock: Clock) -> None:
        self._settings = settings
        self._handler = MxHandler(
            recipients=Recipients(settings.domains, accept_unknown=settings.accept_unknown_local_parts),
            intake=Intake(keys=keys, trusted_sources=settings.trusted_sources),
            producer=producer,
            clock=clock,
        )
        self._listener: asyncio.Server | None = None
        self._shared: Shared | None = None

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that it listens on; only while it does."""
        assert self._listener is not None
        host, port, *_ = self._listener.sockets[0].getsockname()
        return host, port

    async def start(self) -> None:
        """Listen. `OSError` where the address can not be had."""
        settings = self._settings
        shared = Shared(
            hostname=settings.hostname,
            handler=self._handler,
            tls=settings.tls,
            connections=Connections(total_max=settings.connections_max, per_address_max=settings.connections_per_address_max),
            held=HeldBytes(total_max=settings.messages_held_bytes_max, per_client_max=_held_per_client(settings)),
        )
        self._shared = shared
        self._listener = await asyncio.get_running_loop().create_server(
            lambda: MxSession(shared, settings.session),
            settings.host,
            settings.port,
            backlog=settings.connections_max,
            reuse_port=settings.share_port or None,
        )
        _log.info("listening", extra={"facts": {"host": self.address[0], "port": self.address[1]}})

    async def stop(self) -> None:
        """Take no more connections, answer what is under way, hang up on the rest. Bounded by `stop_seconds_max`."""
        if self._listener is None or self._shared is None:
            return
        self._listener.close()
        self._listener = None
        self._shared.stopping = True
        for connection in list(self._shared.alive):
            connection.stop()
        await self._finish([connection.task for connection in self._shared.alive])
        _log.info("stopped")

    async def _finish(self, tasks: Sequence[asyncio.Task[None]]) -> None:
        if not tasks:
            return
        _, unfinished = await asyncio.wait(tasks, timeout=self._settings.stop_seconds_max)
        if unfinished:
            _log.error("sessions cut off at the stop", extra={"facts": {"sessions": len(unfinished)}})
            for task in unfinished:
                task.cancel()
            await asyncio.wait(unfinished)

    async def __aenter__(self) -> "MxServer":
        await self.start()
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.stop()


async def serve(
    settings: MxSettings,
    *,
    producer: Producer,
    keys: SigningKeys,
    clock: Clock,
    stopping: asyncio.Event,
    listening: Callable[[tuple[str, int]], None] = lambda _address: None,
) -> None:
    """Run an MX until `stopping` is set; `listening` is told host and port once it listens.

    For `uvloop.run`. Raises `OSError` where the address can not be had.
    """
    async with MxServer(settings, producer=producer, keys=keys, clock=clock) as mx:
        listening(mx.address)
        await stopping.wait()
