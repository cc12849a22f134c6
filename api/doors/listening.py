"""Where doors listen: TCP, and sockets in the file system, which reach a mail server in its chroot.

The connections of all doors share one bound. None of them lasts for ever: every second each is looked at.
"""

import asyncio
import contextlib
import logging
import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from nullsender import telemetry
from nullsender.errors import Misconfigured
from nullsender.limits import DOOR_BACKLOG, DOOR_CONNECTIONS_MAX, DOOR_LOOK_SECONDS, DOOR_STOP_SECONDS_MAX

_log = logging.getLogger("doors")


class Guest(Protocol):
    """One connection."""

    def look(self, now_seconds: float) -> None:
        """Hang up if it has lasted, or has been silent, for too long. `now_seconds` is the event loop's time."""
        ...

    def stop(self) -> None:
        """Answer what is in hand, and then hang up."""
        ...

    def cut(self) -> None:
        """Hang up now."""
        ...


class Guests:
    """The connections of this process."""

    def __init__(self, *, connections_max: int = DOOR_CONNECTIONS_MAX) -> None:
        self._connections_max = connections_max
        self._all_left = asyncio.Event()
        self._all_left.set()
        self.here: set[Guest] = set()

    def admit(self, guest: Guest) -> bool:
        """Whether there is room for one more."""
        if len(self.here) >= self._connections_max:
            return False
        self.here.add(guest)
        self._all_left.clear()
        telemetry.DOOR_CONNECTIONS.set(len(self.here))
        return True

    def leave(self, guest: Guest) -> None:
        """This one is gone."""
        self.here.discard(guest)
        telemetry.DOOR_CONNECTIONS.set(len(self.here))
        if not self.here:
            self._all_left.set()

    async def wait_until_all_left(self, seconds_max: float) -> None:
        """Return then, or when the time is over."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._all_left.wait(), seconds_max)


#: Makes what serves one more connection.
Receive = Callable[[], asyncio.Protocol]


class Listening:
    """Every socket that this process listens on, and whoever came through it. On one event loop."""

    def __init__(self, guests: Guests) -> None:
        self._guests = guests
        self._servers: list[asyncio.Server] = []
        self._datagrams: list[asyncio.BaseTransport] = []
        self._paths: list[tuple[Path, int]] = []  # with the inode, for another process may have put its own there
        self._looking: asyncio.Task[None] | None = None

    async def on_tcp(self, host: str, port: int, receive: Receive) -> tuple[str, int]:
        """Listen there (port 0: on any free one) and say where. `Misconfigured` where that can not be had."""
        loop = asyncio.get_running_loop()
        try:
            server = await loop.create_server(receive, host, port, backlog=DOOR_BACKLOG)
        except OSError as error:
            raise Misconfigured(f"{host}:{port} can not be listened on ({error.strerror or error}): choose another") from error
        self._servers.append(server)
        where: tuple[str, int] = server.sockets[0].getsockname()[:2]
        return where

    async def on_udp(self, host: str, port: int, receive: Callable[[], asyncio.DatagramProtocol]) -> None:
        """Take datagrams there. `Misconfigured` where that can not be had."""
        try:
            transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(receive, local_addr=(host, port))
        except OSError as error:
            raise Misconfigured(f"{host}:{port} (UDP) can not be listened on ({error.strerror}): choose another") from error
        self._datagrams.append(transport)

    async def on_path(self, path: Path, mode: int, receive: Receive) -> None:
        """Listen on a socket there, with these permissions. `Misconfigured` where that can not be had."""
        listener, inode = _bound(path, mode)
        self._paths.append((path, inode))
        loop = asyncio.get_running_loop()
        self._servers.append(await loop.create_unix_server(receive, sock=listener, backlog=DOOR_BACKLOG))

    def begin(self) -> None:
        """Look after the connections from now on."""
        self._looking = asyncio.get_running_loop().create_task(self._look_after())

    async def _look_after(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(DOOR_LOOK_SECONDS)
            for guest in tuple(self._guests.here):
                guest.look(loop.time())

    async def stop(self) -> None:
        """Take no more connections, answer what is in hand, hang up. Bounded by DOOR_STOP_SECONDS_MAX."""
        if self._looking is not None:
            self._looking.cancel()
        for server in self._servers:
            server.close()
        for transport in self._datagrams:
            transport.close()
        for path, inode in self._paths:
            _remove(path, inode)
        for guest in tuple(self._guests.here):
            guest.stop()
        await self._guests.wait_until_all_left(DOOR_STOP_SECONDS_MAX)
        for guest in tuple(self._guests.here):
            guest.cut()


def _bound(path: Path, mode: int) -> tuple[socket.socket, int]:
    """A socket at `path` and its inode, where nobody else's stands. One that a killed process left is taken away."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if _is_left_behind(path):
            path.unlink(missing_ok=True)
        listener.bind(str(path))
        path.chmod(mode)
        inode = os.lstat(path).st_ino
    except OSError as error:
        listener.close()
        raise Misconfigured(f"{path} can not be listened on ({error.strerror or error}): choose another") from error
    return listener, inode


def _is_left_behind(path: Path) -> bool:
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            return False  # somebody's file: to bind there fails, and says so
    except FileNotFoundError:
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
        caller.setblocking(False)
        try:
            caller.connect(str(path))
        except ConnectionRefusedError:
            return True
        except BlockingIOError:
            return False  # somebody listens, and is busy
    return False


def _remove(path: Path, inode: int) -> None:
    try:
        if os.lstat(path).st_ino == inode:
            path.unlink()
    except OSError as error:
        _log.warning("a socket could not be removed", extra={"facts": {"path": path, "reason": error.strerror}})
