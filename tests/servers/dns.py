"""A DNS server on a free port of 127.0.0.1, with the records that a test gives it; of everything else it says NXDOMAIN."""

import socketserver
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import dns.flags
import dns.message
import dns.rcode
import dns.resolver
import dns.rrset

#: Name and type, such as `example.com. MX`, and the texts of the records.
Zone = Mapping[str, Sequence[str]]


@contextmanager
def dns_server(zone: Zone) -> Iterator[dns.resolver.Resolver]:
    """A resolver that asks this server and nobody else."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            query, connection = self.request
            connection.sendto(_answer(dns.message.from_wire(query), zone), self.client_address)

    with socketserver.ThreadingUDPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield resolver_at(server.server_address[1])
        finally:
            server.shutdown()
            thread.join()


def resolver_at(port: int) -> dns.resolver.Resolver:
    """One that asks 127.0.0.1 on this port."""
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers = ["127.0.0.1"]
    resolver.port = port
    return resolver


def _answer(query: dns.message.Message, zone: Zone) -> bytes:
    question = query.question[0]
    name, kind = question.name.to_text().lower(), question.rdtype.name
    response = dns.message.make_response(query, recursion_available=True)
    if texts := zone.get(f"{name} {kind}"):
        response.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, *texts))
    elif not any(known.startswith(f"{name} ") for known in zone):
        response.set_rcode(dns.rcode.NXDOMAIN)
    return response.to_wire()
