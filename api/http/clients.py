"""Where a request comes from, as far as the connection itself tells: what a header says of it is not believed.

An address is one IPv4 address or, of IPv6, one network of 64 bits, because whoever has one of its addresses has all of them.
"""

from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

from nullsender.clock import Clock
from nullsender.limits import API_CLIENTS_REMEMBERED_MAX, API_WRONG_KEYS_PER_MINUTE_MAX

ClientAddress: TypeAlias = IPv4Address | IPv6Address
ClientNetwork: TypeAlias = IPv4Network | IPv6Network
_WINDOW_SECONDS = 60.0
_MAPPED_BITS = 96  # RFC 4291 2.5.5.2: what stands before the IPv4 address in ::ffff:192.0.2.1


@lru_cache(maxsize=1024)
def client_address(host: str | None) -> ClientAddress | None:
    """The address that the connection came from; None where it has none that means anything (a Unix socket)."""
    try:
        address = ip_address((host or "").partition("%")[0])
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def network_of(text: str) -> ClientNetwork:
    """The network that `text` names (CIDR), an IPv4 one however it is written; `ValueError` where it is none."""
    network = ip_network(text)
    if isinstance(network, IPv6Network) and network.network_address.ipv4_mapped and network.prefixlen >= _MAPPED_BITS:
        return IPv4Network((network.network_address.ipv4_mapped, network.prefixlen - _MAPPED_BITS))
    return network


def space_of(client: ClientAddress | None) -> object:
    """What counts as one client: an IPv4 address, or an IPv6 network of 64 bits."""
    return int(client) >> 64 if isinstance(client, IPv6Address) else client


class WrongKeys:
    """How many wrong keys came from where within a minute; past a number nobody from there may try another one."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seen: dict[object, tuple[float, int]] = {}  # when the minute is over, how many came

    def wait_seconds(self, client: ClientAddress | None) -> float | None:
        """None: a key from there is looked at. Else how long it is not."""
        until_seconds, count = self._seen.get(space_of(client), (0.0, 0))
        left_seconds = until_seconds - self._clock.monotonic_seconds()
        return left_seconds if left_seconds > 0 and count >= API_WRONG_KEYS_PER_MINUTE_MAX else None

    def count(self, client: ClientAddress | None) -> None:
        """One more came from there."""
        space, now_seconds = space_of(client), self._clock.monotonic_seconds()
        until_seconds, count = self._seen.pop(space, (0.0, 0))
        if until_seconds <= now_seconds:
            until_seconds, count = now_seconds + _WINDOW_SECONDS, 0
        if len(self._seen) >= API_CLIENTS_REMEMBERED_MAX:
            del self._seen[next(iter(self._seen))]  # the one that was quiet for longest
        self._seen[space] = (until_seconds, count + 1)
