"""How many requests come from one network to the paths that need no key: a bucket for each, so that none is kept busy by one.

A request comes from where its connection does, unless that is a reverse proxy of ours, which the operator names: then from the
address that it wrote last into X-Forwarded-For.
"""

from collections.abc import Sequence

from api.http.clients import ClientAddress, ClientNetwork, client_address, space_of
from api.http.rates import Bucket
from nullsender.clock import Clock
from nullsender.limits import API_CLIENTS_REMEMBERED_MAX, UNSUBSCRIBE_HOPS_MAX


def origin_of(host: str | None, forwarded_for: str, proxies: Sequence[ClientNetwork]) -> ClientAddress | None:
    """Where a request comes from: `host` is the connection's other end, `forwarded_for` all that X-Forwarded-For says.

    What a proxy adds stands at the end; whatever stands before it, the client may have made up.
    """
    hops = [host, *reversed(forwarded_for.split(",")[-UNSUBSCRIBE_HOPS_MAX:])]
    origin = None
    for hop in hops:
        address = client_address((hop or "").strip())
        if address is None:
            break
        origin = address
        if not any(address in network for network in proxies):
            break
    return origin


class Crowds:
    """The buckets of one process, by network."""

    def __init__(self, clock: Clock, *, per_second: float) -> None:
        """`per_second`: what one network may ask for, 0 for no limit."""
        self._clock = clock
        self._per_second = per_second
        self._buckets: dict[object, Bucket] = {}

    def wait_seconds(self, client: ClientAddress | None) -> float | None:
        """None: go on, and it is counted. Else how long whoever asks from there has to wait."""
        space = space_of(client)
        bucket = self._buckets.pop(space, None) or Bucket(self._clock, per_second=self._per_second)
        if len(self._buckets) >= API_CLIENTS_REMEMBERED_MAX:
            del self._buckets[next(iter(self._buckets))]  # the one that was quiet for longest
        self._buckets[space] = bucket
        return bucket.take(1)
