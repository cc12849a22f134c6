"""How many addresses a key may ask about: a bucket for each, so that nobody tries a dictionary of addresses against a list.

A bucket runs full at the key's rate and holds what comes together in API_RATE_BURST_SECONDS. Whoever finds anything in it gets
what was asked for, however much, and what was too much has to come in again before the next question: a batch of any size
passes, and over time nobody gets more than the rate.

Each process counts for itself. Where `nullsender up` runs several of them, each gives its share of the rate, so that all of
them together never give more; a client that wants the whole of its rate keeps connections to all of them.
"""

from nullsender.clock import Clock
from nullsender.limits import API_RATE_BURST_SECONDS, API_RATE_KEYS_MAX
from suppression.records import ApiKey


class Bucket:
    """What one key may ask for. Not for use by several threads. Its numbers are for `api/batch/answering.py`."""

    __slots__ = ("_clock", "full_at_seconds", "seconds_each")

    def __init__(self, clock: Clock, *, per_second: float) -> None:
        self._clock = clock
        self.seconds_each = 1 / per_second if per_second else 0.0
        # When it will be full again; as long as that lies less than the burst ahead there is something in it.
        self.full_at_seconds = 0.0

    def take(self, addresses: int) -> float | None:
        """None: go on, and they are counted. Else how many seconds to wait before the next question."""
        return self.take_at(self._clock.monotonic_seconds(), addresses)

    def take_at(self, now_seconds: float, addresses: int) -> float | None:
        """The same for those who know the time already."""
        full_at_seconds = self.full_at_seconds
        if full_at_seconds < now_seconds:
            full_at_seconds = now_seconds
        elif (wait_seconds := full_at_seconds - now_seconds - API_RATE_BURST_SECONDS) > 0:
            return wait_seconds
        self.full_at_seconds = full_at_seconds + addresses * self.seconds_each
        return None


class Rates:
    """The buckets of one process, by key."""

    def __init__(self, clock: Clock, *, per_second: int, processes: int = 1) -> None:
        """`per_second` is the rate of a key that carries none, 0 for no limit; `processes` share each key's rate."""
        self._clock = clock
        self._per_second = per_second
        self._processes = processes
        self._buckets: dict[str, Bucket] = {}

    def bucket_of(self, key: ApiKey) -> Bucket:
        """The bucket of `key`."""
        bucket = self._buckets.get(key.id)
        if bucket is None:
            if len(self._buckets) >= API_RATE_KEYS_MAX:
                del self._buckets[next(iter(self._buckets))]
            rate = self._per_second if key.rate is None else key.rate
            bucket = self._buckets[key.id] = Bucket(self._clock, per_second=rate / self._processes)
        return bucket
