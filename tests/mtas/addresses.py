"""Where something listens, and whether it does."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import NamedTuple


class HostPort(NamedTuple):
    """An IPv4 address or name, and a TCP or UDP port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def greets(address: HostPort, *, timeout_seconds: float = 1.0) -> bool:
    """True if an SMTP server at `address` says 220 within the time."""
    try:
        with socket.create_connection(address, timeout_seconds) as connection:
            connection.settimeout(timeout_seconds)
            greeting = connection.recv(4)
            connection.sendall(b"QUIT\r\n")
            return greeting.startswith(b"220")
    except OSError:
        return False


def wait_for_greeting(address: HostPort, *, timeout_seconds: float, alive: Callable[[], bool]) -> bool:
    """True as soon as the server at `address` greets; False when the time is over or it is no longer alive."""
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline and alive():
        if greets(address):
            return True
        time.sleep(0.05)
    return False
