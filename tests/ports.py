"""Ports of loopback for servers that must know theirs before they start.

They lie below those that the system gives to outgoing connections: a port of these that is free now may be somebody's other end
when the server comes to it. Each process begins elsewhere and gives none twice, so that test processes beside each other do not
meet either.
"""

import os
import socket
from collections.abc import Iterator, Sequence
from itertools import islice

_FIRST, _COUNT = 15_000, 17_000
_STEP_OF_PROCESSES = 613


def _candidates() -> Iterator[int]:
    begin = os.getpid() * _STEP_OF_PROCESSES
    for number in range(_COUNT):
        port = _FIRST + (begin + number) % _COUNT
        with socket.socket() as probe:
            # As the servers do: the shadow of a closed connection is no user.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        yield port


_left = _candidates()


def free_ports(count: int) -> Sequence[int]:
    """So many TCP ports of 127.0.0.1 that nobody uses."""
    return list(islice(_left, count))


def free_port() -> int:
    """One TCP port of 127.0.0.1 that nobody uses."""
    return next(_left)
