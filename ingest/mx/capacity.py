"""What one MX lets in: connections and mail that are here at once, and mail that can not be read but must be kept (G8).

Every bound has a share for each client, so that no client takes what there is from all others.
"""

from collections import Counter
from ipaddress import IPv6Address, ip_address, ip_network

from ingest.mx.replies import Reply
from nullsender.clock import Clock
from nullsender.limits import (
    CONNECTIONS_MAX,
    CONNECTIONS_PER_ADDRESS_MAX,
    UNREADABLE_BYTES_PER_CLIENT_AND_HOUR_MAX,
    UNREADABLE_CLIENTS_MAX,
    UNREADABLE_PER_CLIENT_AND_HOUR_MAX,
)

_HOUR_SECONDS = 3_600


class Connections:
    """Counts connections in total and for each client."""

    def __init__(self, *, total_max: int = CONNECTIONS_MAX, per_address_max: int = CONNECTIONS_PER_ADDRESS_MAX) -> None:
        self._total_max = total_max
        self._per_address_max = per_address_max
        self._by_client: Counter[str] = Counter()
        self.total = 0

    def admit(self, ip: str) -> Reply | None:
        """Count one more connection from `ip`, or say why there can not be one more."""
        client = client_of(ip)
        if self.total >= self._total_max:
            return Reply.TOO_MANY_CONNECTIONS
        if self._by_client[client] >= self._per_address_max:
            return Reply.TOO_MANY_FROM_YOU
        self.total += 1
        self._by_client[client] += 1
        return None

    def release(self, ip: str) -> None:
        """One that was admitted is gone."""
        client = client_of(ip)
        self.total -= 1
        self._by_client[client] -= 1
        if not self._by_client[client]:
            del self._by_client[client]


def client_of(ip: str) -> str:
    """Who counts as one: an IPv4 address, or the 64 bits of an IPv6 network, within which a host has as many as it likes."""
    if ":" not in ip:
        return ip
    address = ip_address(ip.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(ip_network((address, 64), strict=False))


class HeldBytes:
    """The memory that messages may take while they arrive and are recorded: all together, and those of each client."""

    def __init__(self, *, total_max: int, per_client_max: int) -> None:
        self._total_max = total_max
        self._per_client_max = per_client_max
        self._by_client: Counter[str] = Counter()
        self.total = 0

    def change(self, ip: str, by: int) -> bool:
        """Hold so many bytes more (or fewer) for a message from `ip`; False, and nothing changed, where that is too much."""
        client = client_of(ip)
        held = self._by_client[client] + by
        if by > 0 and (self.total + by > self._total_max or held > self._per_client_max):
            return False
        self.total += by
        self._by_client[client] = held
        if not held:
            del self._by_client[client]
        return True


class UnreadableMail:
    """How much mail that can not be read each client has left with us within an hour, which begins with the first such mail.

    Such mail is kept whole, so a stranger with enough of it would push out all other dead letters.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        messages_max: int = UNREADABLE_PER_CLIENT_AND_HOUR_MAX,
        bytes_max: int = UNREADABLE_BYTES_PER_CLIENT_AND_HOUR_MAX,
        clients_max: int = UNREADABLE_CLIENTS_MAX,
    ) -> None:
        self._clock = clock
        self._messages_max = messages_max
        self._bytes_max = bytes_max
        self._clients_max = clients_max
        self._ends_at_seconds = 0.0
        self._taken: dict[str, tuple[int, int]] = {}  # messages and their bytes, by client

    def admit(self, ip: str, content_bytes: int) -> bool:
        """Count one more message from `ip`; False, and nothing counted, where it is one too many."""
        now_seconds = self._clock.monotonic_seconds()
        if now_seconds >= self._ends_at_seconds:
            self._ends_at_seconds = now_seconds + _HOUR_SECONDS
            self._taken.clear()
        client = client_of(ip)
        if client not in self._taken and len(self._taken) >= self._clients_max:
            return False
        messages, taken_bytes = self._taken.get(client, (0, 0))
        # The first is taken however large it is: an operator may let messages be larger than this bound.
        if messages >= self._messages_max or (messages and taken_bytes + content_bytes > self._bytes_max):
            return False
        self._taken[client] = (messages + 1, taken_bytes + content_bytes)
        return True
