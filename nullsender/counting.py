"""Counts of what happens a hundred thousand times a second, kept as plain numbers.

A metric that several processes share costs a microsecond or two for each step, a plain number a fiftieth of that. So the hot
paths count here, and `flush` hands what has come together to the metrics: at every beat of a role's heart, and before the
numbers are shown.

A step needs no lock: the interpreter changes threads at calls and at the ends of loops, and there is none inside `+= 1`.
"""

import threading
from bisect import bisect_left

from prometheus_client import Counter, Histogram

_tallies: list["Tally | Timings"] = []
_flushing = threading.Lock()


class Tally:
    """A counter: add to `count`. Made once for each child of a metric, and kept for as long as the process lives."""

    __slots__ = ("_counter", "_told", "count")

    def __init__(self, counter: Counter) -> None:
        self.count = 0
        self._told = 0
        self._counter = counter
        _tallies.append(self)

    def flush(self) -> None:
        """Tell the metric what was counted since the last time."""
        count = self.count
        self._counter.inc(count - self._told)
        self._told = count


class Timings:
    """A histogram of durations. Made and kept as a `Tally` is."""

    __slots__ = ("_bounds", "_counts", "_histogram", "_sum", "_told", "_told_sum")

    def __init__(self, histogram: Histogram) -> None:
        self._histogram = histogram
        self._bounds = list(histogram._upper_bounds)  # the last one is infinite
        self._counts = [0] * len(self._bounds)
        self._told = [0] * len(self._bounds)
        self._sum = self._told_sum = 0.0
        _tallies.append(self)

    def observe(self, seconds: float) -> None:
        """One more that took so long."""
        self._counts[bisect_left(self._bounds, seconds)] += 1
        self._sum += seconds

    def observe_alike(self, seconds: float, count: int) -> None:
        """So many more, each of which took so long."""
        self._counts[bisect_left(self._bounds, seconds)] += count
        self._sum += seconds * count

    def flush(self) -> None:
        """Tell the metric what was observed since the last time. Past its own door, which takes them one by one."""
        for place, count in enumerate(self._counts):
            if count != self._told[place]:
                self._histogram._buckets[place].inc(count - self._told[place])
                self._told[place] = count
        total = self._sum
        self._histogram._sum.inc(total - self._told_sum)
        self._told_sum = total


def flush() -> None:
    """Hand everything that was counted in this process to its metrics."""
    with _flushing:
        for tally in tuple(_tallies):
            tally.flush()
