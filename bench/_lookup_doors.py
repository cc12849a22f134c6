"""Questions a second through the doors that mail servers speak: one connection full of questions, and many that wait.

All ask about clean addresses, so that every answer of a door is the same bytes, and each is compared. The asker is Python on a
core of its own and may be the slower of the two: what the server uses of its core for a question says more.
"""

import hashlib
import selectors
import socket
import struct
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from itertools import cycle
from typing import NamedTuple

import dns.message

from bench._claims import show, thousands
from bench._lookup_http import CONNECTIONS, Turns
from bench._lookup_world import STREAM, LookupWorld, clean
from bench._processes import cpu_seconds
from tests.ports import free_ports
from tests.waiting import wait_for

QUESTIONS = 10_000
ZONE = "suppressed.example"
AT_ONCE = 100  # questions that go out together on one connection
_READ_BYTES = 65536
_DNS_ID = 1


class Door(NamedTuple):
    """How a question looks, how the answer begins that means "may be sent to", and how much of it is always the same."""

    question: Callable[[str], bytes]
    clean: bytes
    compared_bytes: int | None = None  # None: all of it
    kind: socket.SocketKind = socket.SOCK_STREAM


def _socketmap(address: str) -> bytes:
    payload = f"{STREAM} {address}".encode()
    return b"%d:%b," % (len(payload), payload)


def _tcp_table(address: str) -> bytes:
    return f"get {address}\n".encode()


def _policy(address: str) -> bytes:
    return (
        f"request=smtpd_access_policy\nprotocol_state=RCPT\nprotocol_name=ESMTP\nclient_address=192.0.2.1\n"
        f"sender=news@example.com\nrecipient={address}\nrecipient_count=0\npolicy_context={STREAM}\n\n"
    ).encode()


def _dns(address: str) -> bytes:
    name = f"{hashlib.sha1(address.encode(), usedforsecurity=False).hexdigest()}.{STREAM}.{ZONE}."
    return dns.message.make_query(name, "A", id=_DNS_ID, flags=0).to_wire()


DOORS: Mapping[str, Door] = {
    "socketmap": Door(_socketmap, b"9:NOTFOUND ,"),
    "tcp_table": Door(_tcp_table, b"500 "),
    "policy": Door(_policy, b"action=DUNNO\n\n"),
    # RFC 1035 4.1.1: the id, an authoritative answer, NXDOMAIN. The rest repeats the question.
    "dns": Door(_dns, struct.pack(">HH", _DNS_ID, 0x8403), compared_bytes=4, kind=socket.SOCK_DGRAM),
}


def doors(world: LookupWorld, turns: Turns, core: int | None) -> None:
    """Every door by itself, all in one process; prints what it found."""
    ports = dict(zip(DOORS, free_ports(len(DOORS)), strict=True))
    settings = {f"NULLSENDER_DOORS_{name.upper()}": f"127.0.0.1:{port}" for name, port in ports.items()}
    role = world.start("doors", core=core, settings=settings | {"NULLSENDER_DOORS_DNS_ZONE": ZONE})
    rows = []
    for name, door in DOORS.items():
        port = ports[name]
        answer = wait_for(lambda port=port, door=door: _first_answer(port, door), what=f"the door {name}")  # type: ignore[misc]
        questions = [door.question(clean(number)) for number in range(QUESTIONS)]
        for connections, at_once in [(CONNECTIONS, 1)] + [(1, AT_ONCE)] * (door.kind is socket.SOCK_STREAM):
            before, began = cpu_seconds(role.pid), time.perf_counter()
            answered = ask(door, port, questions, answer, connections=connections, at_once=at_once, seconds=turns.seconds)
            used, took = cpu_seconds(role.pid) - before, time.perf_counter() - began
            way = f"{name}, {connections} connections" if at_once == 1 else f"{name}, one connection, {at_once} at once"
            rows.append([way, thousands(answered / took), f"{used / answered * 1e6:.1f}", f"{used / took:.0%}"])
    role.stop()
    show("Doors for mail servers.", ("door", "questions/s", "CPU µs a question", "server's core"), rows)


def _first_answer(port: int, door: Door) -> bytes | None:
    """What the door says to one clean address; None where it does not answer yet."""
    try:
        with _connected(door, port) as connection:
            connection.settimeout(5)
            connection.sendall(door.question(clean(0)))
            answer = connection.recv(_READ_BYTES)
    except OSError:
        return None
    return answer if answer.startswith(door.clean) else None


def _connected(door: Door, port: int) -> socket.socket:
    connection = socket.socket(socket.AF_INET, door.kind)
    if door.kind is socket.SOCK_STREAM:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.connect(("127.0.0.1", port))
    return connection


def ask(
    door: Door, port: int, questions: Sequence[bytes], answer: bytes, *, connections: int, at_once: int, seconds: float
) -> int:
    """Ask over and over, each connection again when it has all its answers; how many there were."""
    blocks = cycle([b"".join(questions[start : start + at_once]) for start in range(0, len(questions), at_once)])
    expected, compared = answer * at_once, door.compared_bytes
    answered = 0
    with selectors.DefaultSelector() as selector, ExitStack() as open_ones:
        for _ in range(connections):
            connection = open_ones.enter_context(_connected(door, port))
            connection.sendall(next(blocks))
            selector.register(connection, selectors.EVENT_READ, (connection, bytearray()))
        asked_until = time.perf_counter() + seconds
        while time.perf_counter() < asked_until:
            for key, _ in selector.select(timeout=1.0):
                connection, received = key.data
                received += connection.recv(_READ_BYTES)
                if len(received) < len(expected):
                    continue
                if len(received) != len(expected) or received[:compared] != expected[:compared]:
                    raise RuntimeError(f"a wrong answer: {bytes(received[:300])!r}")
                received.clear()
                answered += at_once
                connection.sendall(next(blocks))
    return answered
