"""Which host sent the mail that is complained of, and with which reverse-path: as the report says, else as that mail says.

Microsoft's feedback loop of 2026 reports nothing but its type, so an operator who wants to know which of his hosts and senders
people complain of has to look into the mail that came back. What was found there and not reported is noted as such.
"""

import re
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import NamedTuple

from ingest.reading.headers import Headers
from ingest.reading.mailboxes import address_in_field
from ingest.reading.mentions import is_address
from nullsender.limits import RECEIVED_ADDRESSES_MAX, RECEIVED_FIELDS_MAX


class Origin(NamedTuple):
    """Host and reverse-path, where they are known, and in words what of it was not reported."""

    source_ip: str | None
    mail_from: str | None
    notes: tuple[str, ...] = ()


NO_ORIGIN = Origin(None, None)

# Addresses of nobody in particular (RFC 1918, 3927, 4193, 4291, 6598): hops inside a house.
_INSIDE = tuple(
    ip_network(network)
    for network in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16",
        "::/127", "fc00::/7", "fe80::/10",
    )
)  # fmt: skip
# `from host ([192.0.2.1])`, `(192.0.2.1)`, `[IPv6:2001:db8::1]`
_BRACKETED = re.compile(r"[\[(](?:IPv6:)?([0-9A-Fa-f.:]{3,45})[\])]", re.IGNORECASE)
_CLIENT_IP = re.compile(r"\bclient-ip=([0-9A-Fa-f.:]{3,45})", re.IGNORECASE)
_SENDER_IP = re.compile(r"\bsender IP is ([0-9A-Fa-f.:]{3,45})", re.IGNORECASE)
_MAIL_FROM = re.compile(r"\bsmtp\.mail(?:from)?=([^\s;()<>]{3,320})", re.IGNORECASE)


def origin_of(report: Headers, returned: Headers) -> Origin:
    """Where the mail came from that `report` is about, whose fields are `returned`."""
    source_ip = ip_in(report.get("source-ip"))
    mail_from = _address(report.get("original-mail-from"))
    notes: list[str] = []
    if source_ip is None:
        source_ip, field = next(_ips_of(returned), (None, ""))
        notes += [f"the source IP was not reported: it stands in {field} of the returned mail"] if source_ip else []
    if mail_from is None:
        mail_from, field = next(_reverse_paths_of(returned), (None, ""))
        notes += [f"the reverse-path was not reported: it stands in {field} of the returned mail"] if mail_from else []
    return Origin(source_ip, mail_from, tuple(notes))


def _ips_of(fields: Headers) -> Iterator[tuple[str, str]]:
    """The IP that handed the mail over, as its receiver wrote it down, surest first; and the name of the field."""
    if ip := ip_in(fields.get("x-originating-ip")):
        yield ip, "X-Originating-IP"
    for name, shown, pattern in (
        ("received-spf", "Received-SPF", _CLIENT_IP),
        ("authentication-results", "Authentication-Results", _SENDER_IP),
    ):
        for value in fields.all(name)[:RECEIVED_FIELDS_MAX]:
            if (found := pattern.search(value)) and (ip := ip_in(found[1])):
                yield ip, shown
    for value in fields.all("received")[:RECEIVED_FIELDS_MAX]:
        named = _BRACKETED.findall(value)[:RECEIVED_ADDRESSES_MAX]
        yield from ((ip, "Received") for found in named if (ip := ip_in(found)) and _is_public(ip))


def _reverse_paths_of(fields: Headers) -> Iterator[tuple[str, str]]:
    if address := _address(fields.get("return-path")):
        yield address, "Return-Path"
    for value in fields.all("authentication-results")[:RECEIVED_FIELDS_MAX]:
        if found := _MAIL_FROM.search(value):  # some write only the domain
            yield found[1], "Authentication-Results"


def _address(value: str) -> str | None:
    return address if is_address(address := address_in_field(value)) else None


def ip_in(value: str) -> str | None:
    """The IP that `value` is, written as the RFCs want it, or None where it is none; brackets around it mean nothing."""
    try:
        return str(_parsed(value))
    except ValueError:
        return None


def _parsed(value: str) -> IPv4Address | IPv6Address:
    return ip_address(value.strip("[]<>() \t").removeprefix("IPv6:")[:45].rstrip("."))


def _is_public(ip: str) -> bool:
    address = _parsed(ip)
    return not any(address in network for network in _INSIDE)
