"""Serves the API: uvicorn with uvloop and our own protocol, stopped gracefully."""

import contextlib
import socket
from collections.abc import Callable, Generator

import uvicorn

from api.http.app import Api
from api.http.protocol import protocol_with
from nullsender.errors import Misconfigured
from nullsender.limits import API_KEEP_ALIVE_SECONDS, API_STOP_SECONDS_MAX, API_UNREAD_SECONDS_MAX


def serve(api: Api, host: str, port: int, stopping: Callable[[], bool], *, shares_port: bool = False) -> None:
    """Serve `api` on `host:port` until `stopping()`; then finish what is under way and return.

    `shares_port`: with other processes, which say so too; the kernel gives each new connection to one of them.
    `Misconfigured` where the port can not be listened on.
    """
    listeners = _listeners(host, port, shares_port=shares_port)
    config = uvicorn.Config(
        api.app,
        loop="uvloop",
        http=protocol_with(api.quick),
        ws="none",
        lifespan="off",
        log_config=None,  # the role's own logging stays as it is
        access_log=False,
        server_header=False,
        proxy_headers=False,  # nothing here depends on who a proxy says is calling
        timeout_keep_alive=API_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=API_STOP_SECONDS_MAX,
    )
    _Server(config, stopping).run(listeners)


def _listeners(host: str, port: int, *, shares_port: bool) -> list[socket.socket]:
    """A socket for each address that the host has."""
    listeners: list[socket.socket] = []
    try:
        for family, _, _, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE):
            listener = socket.create_server(address, family=family, reuse_port=shares_port)
            # For each connection, and the kernel heeds it whatever we wait for, at the end of a connection too.
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(API_UNREAD_SECONDS_MAX * 1_000))
            listeners.append(listener)
    except OSError as error:
        for listener in listeners:
            listener.close()
        raise Misconfigured(f"the API can not listen on {host}:{port} ({error.strerror}): choose another one (http)") from error
    return listeners


class _Server(uvicorn.Server):
    """uvicorn's server, which asks us instead of the signals whether to stop."""

    def __init__(self, config: uvicorn.Config, stopping: Callable[[], bool]) -> None:
        super().__init__(config)
        self._stopping = stopping

    async def on_tick(self, counter: int) -> bool:
        """Called ten times a second."""
        self.should_exit = self.should_exit or self._stopping()
        return await super().on_tick(counter)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Signals belong to the role that we serve in."""
        yield
