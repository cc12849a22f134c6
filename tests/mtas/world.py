"""The world that a collected bounce comes from: a DNS zone, and mail hosts that refuse, are silent or are not there.

Everything has an address of its own below 127.0.2.0/24 and port 25, so the MTAs find it as they find real hosts, and
their bounces name `mx.example.net` and not `localhost`.  Only loopback is ever used.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from tests.mtas.refusing_server import RefusingServer
from tests.mtas.stub_dns import SERVFAIL, Name, StubDns, Zone

SMTP_PORT = 25
NAMESERVER = "127.0.2.53"
REFUSING = "127.0.2.25"
REFUSING_AT_CONNECT = "127.0.2.26"
SILENT = "127.0.2.27"
NOT_THERE = "127.0.2.28"
ASCII_ONLY = "127.0.2.29"
SINK = "127.0.2.40"

SENDER_DOMAIN = "bounces.example.com"  # where the bounces are collected
LOCAL_DOMAIN = "local.example.com"  # delivered by the MTA itself
FORWARDING_DOMAIN = "forward.example.com"

ZONE: Zone = {
    "example.net": Name(mail_host="mx.example.net"),
    "xn--bcher-kva.example": Name(mail_host="mx.example.net"),  # bücher.example
    "mx.example.net": Name(address=REFUSING),
    "strict.example": Name(mail_host="mx.strict.example"),
    "mx.strict.example": Name(address=REFUSING_AT_CONNECT),
    "silent.example": Name(mail_host="mx.silent.example"),
    "mx.silent.example": Name(address=SILENT),
    "down.example": Name(mail_host="mx.down.example"),
    "mx.down.example": Name(address=NOT_THERE),
    "ascii.example": Name(mail_host="mx.ascii.example"),
    "mx.ascii.example": Name(address=ASCII_ONLY),
    "no-address.example": Name(),
    "no-mx-address.example": Name(mail_host="mx.no-mx-address.example"),
    "null-mx.example": Name(mail_host="."),
    "servfail.example": Name(response_code=SERVFAIL),
    "loop.example": Name(mail_host="mta.loop.example"),
    "mta.loop.example": Name(address="127.0.0.1"),
    SENDER_DOMAIN: Name(mail_host=f"mail.{SENDER_DOMAIN}"),
    f"mail.{SENDER_DOMAIN}": Name(address=SINK),
}

# What a provenance tells of a domain where no reply is given that stands in REFUSALS.
STORIES = {
    "silent.example": "the mail host accepts the connection and never greets",
    "down.example": "the mail host refuses the connection",
    "ascii.example": "the mail host does not announce SMTPUTF8",
    "no-such-domain.example": "NXDOMAIN for the domain",
    "no-address.example": "the domain exists, without MX or address",
    "no-mx-address.example": "the MX names a host that does not exist",
    "null-mx.example": "null MX (RFC 7505)",
    "servfail.example": "SERVFAIL for the domain",
    "loop.example": "the MX is the MTA itself",
    LOCAL_DOMAIN: "delivered by the MTA itself",
}


@dataclass(frozen=True)
class World:
    """The running mail hosts: those that cases are sent to, and the sink where the bounces come to."""

    hosts: tuple[RefusingServer, ...]
    sink: RefusingServer


@contextmanager
def world() -> Iterator[World]:
    """All of it, running.  Raises OSError if something else uses these addresses' ports 25 and 53."""
    with ExitStack() as running:
        running.enter_context(StubDns(ZONE, host=NAMESERVER))
        strict = RefusingServer(
            REFUSING_AT_CONNECT, SMTP_PORT, name="mx.strict.example", greeting_case="policy-block-at-connect"
        )
        hosts = (
            RefusingServer(REFUSING, SMTP_PORT),
            strict,
            RefusingServer(ASCII_ONLY, SMTP_PORT, name="mx.ascii.example", extensions=("PIPELINING", "8BITMIME")),
        )
        for host in hosts:
            running.enter_context(host)
        running.enter_context(_silent(SILENT))
        sink = running.enter_context(RefusingServer(SINK, SMTP_PORT, name=f"mail.{SENDER_DOMAIN}", size_bytes=2**24))
        yield World(hosts, sink)


@contextmanager
def _silent(host: str) -> Iterator[None]:
    """Connections are made, by the kernel, and never greeted."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, SMTP_PORT))
        listener.listen(128)
        yield
