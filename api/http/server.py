"""Serves the API: uvicorn with uvloop and our own protocol, stopped gracefully."""

import contextlib
from collections.abc import Callable, Generator

import uvicorn

from api.http.app import Api
from api.http.protocol import protocol_with
from nullsender.errors import Misconfigured
from nullsender.limits import API_KEEP_ALIVE_SECONDS, API_STOP_SECONDS_MAX


def serve(api: Api, host: str, port: int, stopping: Callable[[], bool]) -> None:
    """Serve `api` on `host:port` until `stopping()`; then finish what is under way and return.

    `Misconfigured` where the port can not be listened on.
    """
    config = uvicorn.Config(
        api.app,
        host=host,
        port=port,
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
    try:
        _Server(config, stopping).run()
    except SystemExit as error:
        # uvicorn has logged what the system said and wants to end the process itself.
        raise Misconfigured(f"the API can not listen on {host}:{port}: choose another one (http)") from error


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
