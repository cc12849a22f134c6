"""A DNS server with one small zone: where the refusing servers are, and which domains do not exist.

An MTA's bounce for a domain that does not resolve can only be had from an MTA that asked.  Answers come from a table,
anything else is NXDOMAIN; nothing is ever asked upstream.  resolv.conf knows no port, so it listens on port 53 of a
loopback address of its own.
"""

from __future__ import annotations

import contextlib
import socketserver
import struct
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

A, SOA, MX = 1, 6, 15  # RFC 1035 3.2.2
NOERROR, SERVFAIL, NXDOMAIN = 0, 2, 3  # RFC 1035 4.1.1
TTL_SECONDS = 60
MX_PREFERENCE = 10
QUERY_BYTES_MAX = 512  # RFC 1035 2.3.4: over UDP, without EDNS


@dataclass(frozen=True)
class Name:
    """What one name answers: its address, its mail host (`.` is RFC 7505's null MX), or only an error."""

    address: str | None = None
    mail_host: str | None = None
    response_code: int = NOERROR


Zone = Mapping[str, Name]


class StubDns:
    """The server; a context manager.

    host, port: where to listen, UDP only.
    zone: lower-case names without the last dot.
    Raises OSError if the port is taken, or is below 1024 and we are not root.
    """

    def __init__(self, zone: Zone, *, host: str = "127.0.0.1", port: int = 53) -> None:
        self.host = host
        self._server = socketserver.ThreadingUDPServer((host, port), _handler_for(zone))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def start(self) -> None:
        """Answer from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()


def answer(query: bytes, zone: Zone) -> bytes:
    """The response to one query; raises ValueError, IndexError or struct.error if it is not one."""
    identifier, flags = struct.unpack("!HH", query[:4])
    labels, after_name = _question(query)
    kind = struct.unpack("!H", query[after_name : after_name + 2])[0]
    name = zone.get(b".".join(labels).decode("ascii").lower(), Name(response_code=NXDOMAIN))
    records = _records(name, kind)
    # QR, AA, RD as asked, RA: an MTA's resolver takes an answer without RA for a broken server's.
    header_flags = 0x8480 | (flags & 0x0100) | name.response_code
    header = struct.pack("!HHHHHH", identifier, header_flags, 1, len(records), 0 if records else 1, 0)
    return header + query[12 : after_name + 4] + b"".join(records or [_negative()])


def _handler_for(zone: Zone) -> type[socketserver.BaseRequestHandler]:
    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            query, connection = self.request
            with contextlib.suppress(ValueError, IndexError, struct.error):
                connection.sendto(answer(query[:QUERY_BYTES_MAX], zone), self.client_address)

    return Handler


def _question(query: bytes) -> tuple[Sequence[bytes], int]:
    """The labels of the name asked for, and where it ends."""
    labels, at = [], 12
    while length := query[at]:
        labels.append(query[at + 1 : at + 1 + length])
        at += 1 + length
    return labels, at + 1


def _records(name: Name, kind: int) -> list[bytes]:
    # 0xC00C points at the name in the question (RFC 1035 4.1.4).
    if kind == A and name.address:
        return [_record(b"\xc0\x0c", A, bytes(int(part) for part in name.address.split(".")))]
    if kind == MX and name.mail_host == ".":
        return [_record(b"\xc0\x0c", MX, struct.pack("!H", 0) + b"\0")]  # RFC 7505 3
    if kind == MX and name.mail_host:
        return [_record(b"\xc0\x0c", MX, struct.pack("!H", MX_PREFERENCE) + _encoded(name.mail_host))]
    return []


def _negative() -> bytes:
    """The SOA that an answer without records carries, so that resolvers know it for final (RFC 2308 2)."""
    numbers = struct.pack("!IIIII", 1, 3600, 600, 86400, TTL_SECONDS)
    return _record(b"\0", SOA, _encoded("ns.example") + _encoded("hostmaster.example") + numbers)


def _record(name: bytes, kind: int, data: bytes) -> bytes:
    return name + struct.pack("!HHIH", kind, 1, TTL_SECONDS, len(data)) + data


def _encoded(name: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode("ascii") for label in name.split(".")) + b"\0"
