"""How many connections and how much mail may be here at once: the memory and the sockets of one MX are bounded (G8)."""

from collections import Counter
from ipaddress import IPv6Address, ip_address, ip_network

from ingest.mx.replies import Reply
from nullsender.limits import CONNECTIONS_MAX, CONNECTIONS_PER_ADDRESS_MAX, MESSAGES_HELD_BYTES_MAX


class Connections:
    """Counts connections in total and for each client."""

    def __init__(self, *, total_max: int = CONNECTIONS_MAX, per_address_max: int = CONNECTIONS_PER_ADDRESS_MAX) -> None:
        self._total_max = total_max
        self._per_address_max = per_address_max
        self._by_client: Counter[str] = Counter()
        self.total = 0

    def admit(self, ip: str) -> Reply | None:
        """Count one more connection from `ip`, or say why there can not be one more."""
        client = _client(ip)
        if self.total >= self._total_max:
            return Reply.TOO_MANY_CONNECTIONS
        if self._by_client[client] >= self._per_address_max:
            return Reply.TOO_MANY_FROM_YOU
        self.total += 1
        self._by_client[client] += 1
        return None

    def release(self, ip: str) -> None:
        """One that was admitted is gone."""
        client = _client(ip)
        self.total -= 1
        self._by_client[client] -= 1
        if not self._by_client[client]:
            del self._by_client[client]


def _client(ip: str) -> str:
    """Who counts as one: an IPv4 address, or the 64 bits of an IPv6 network, within which a host has as many as it likes."""
    if ":" not in ip:
        return ip
    address = ip_address(ip.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(ip_network((address, 64), strict=False))


class HeldBytes:
    """The memory that all messages together may take while they arrive and are recorded."""

    def __init__(self, *, bytes_max: int = MESSAGES_HELD_BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self.total = 0

    def change(self, by: int) -> bool:
        """Hold so many bytes more (or fewer); False, and nothing changed, where that is too much."""
        if by > 0 and self.total + by > self._bytes_max:
            return False
        self.total += by
        return True
