"""Counts that are kept as plain numbers reach their metrics, once each."""

from prometheus_client import CollectorRegistry, Counter, Histogram

from nullsender import counting
from nullsender.counting import Tally, Timings


def test_what_was_counted_reaches_the_metric_once() -> None:
    registry = CollectorRegistry()
    tally = Tally(Counter("asked", "Asked.", registry=registry))
    tally.count += 3
    counting.flush()
    counting.flush()
    tally.count += 1
    counting.flush()

    assert registry.get_sample_value("asked_total") == 4


def test_durations_reach_the_histogram_as_if_it_had_observed_them() -> None:
    ours, plain = CollectorRegistry(), CollectorRegistry()
    timings = Timings(Histogram("took", "Took.", registry=ours, buckets=(0.1, 1.0)))
    histogram = Histogram("took", "Took.", registry=plain, buckets=(0.1, 1.0))
    for seconds in (0.05, 0.1, 0.5, 7.0):
        timings.observe(seconds)
        histogram.observe(seconds)
        counting.flush()

    for name, labels in [("took_bucket", {"le": le}) for le in ("0.1", "1.0", "+Inf")] + [("took_count", {}), ("took_sum", {})]:
        assert ours.get_sample_value(name, labels) == plain.get_sample_value(name, labels)
