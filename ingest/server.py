"""The inbound MX: listens, admits connections, and stops without losing what it has in hand."""

import asyncio
import logging
import ssl
from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network

import msgspec

from ingest.connections import Connections, HeldBytes
from ingest.handler import MxHandler
from ingest.intake import Intake
from ingest.recipients import Recipients
from ingest.session import MxSession, SessionLimits, Shared, prototype
from ingest.signing import SigningKeys
from nullsender import limits
from nullsender.clock import Clock
from nullsender.log import Producer

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


class MxServer:
    """One listening MX. `async with MxServer(...) as mx` listens at `mx.address` and stops gracefully at the end."""

    def __init__(self, settings: MxSettings, *, producer: Producer, keys: SigningKeys, clock: Clock) -> None:
        self._settings = settings
        self._sessions: set[MxSession] = set()
        self._listener: asyncio.Server | None = None
        self._shared = Shared(
            hostname=settings.hostname,
            handler=MxHandler(
                recipients=Recipients(settings.domains, accept_unknown=settings.accept_unknown_local_parts),
                intake=Intake(keys=keys, trusted_sources=settings.trusted_sources),
                producer=producer,
                clock=clock,
            ),
            tls=settings.tls,
            limits=settings.session,
            connections=Connections(total_max=settings.connections_max, per_address_max=settings.connections_per_address_max),
            held=HeldBytes(bytes_max=settings.messages_held_bytes_max),
        )

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that it listens on; only while it does."""
        assert self._listener is not None
        host, port, *_ = self._listener.sockets[0].getsockname()
        return host, port

    async def start(self) -> None:
        """Listen. `OSError` where the address can not be had."""
        loop = asyncio.get_running_loop()
        original = prototype(self._shared, loop)
        self._listener = await loop.create_server(
            lambda: MxSession(self._shared, original, self._sessions),
            self._settings.host,
            self._settings.port,
            backlog=self._settings.connections_max,
            reuse_port=self._settings.share_port or None,
        )
        _log.info("listening", extra={"facts": {"host": self.address[0], "port": self.address[1]}})

    async def stop(self) -> None:
        """Take no more connections, answer what is under way, hang up on the rest. Bounded by `stop_seconds_max`."""
        if self._listener is None:
            return
        self._listener.close()
        self._shared.stopping = True
        for session in list(self._sessions):
            session.stop()
        if self._sessions:
            tasks = [session.task for session in self._sessions]
            _, unfinished = await asyncio.wait(tasks, timeout=self._settings.stop_seconds_max)
            for task in unfinished:
                task.cancel()
            if unfinished:
                _log.error("sessions cut off at the stop", extra={"facts": {"sessions": len(unfinished)}})
                await asyncio.wait(unfinished)
        self._listener = None
        _log.info("stopped")

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
