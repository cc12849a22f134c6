"""A complaint beside a backlog: how long until it is on the list while a million records wait, and how fast those go.

    .venv/bin/python -m bench.backlog [--records 1000000] [--seconds 60] [--worlds NAME ...] [--cases bounces outcomes both]

The backlog lies on the log before the system starts: reports of bounces, each on another person, as the MX makes them
(`bounces`: the classifiers had been down), what they came to (`outcomes`: the stage behind them had been), or `both`. Then
every second somebody complains by mail, and the API is asked until it refuses them. Sender, asker, servers and system share the
machine. Nobody waits for the end of the backlog: rates and memory are those of the time in which the complaints came.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import msgspec
import uvloop

from bench._asking import latencies_seconds
from bench._mail import bounces, complaints
from bench._processes import Watch
from bench._worlds import WORLDS, Measured
from classifiers.rules import Rules
from ingest.intake import Intake
from nullsender.events import Outcome, Report, Source, decode, encode
from nullsender.log import Record, Topic, wait_until_durable
from nullsender.signing.keys import SigningKeys
from nullsender.signing.return_path import ReturnPaths

CASES = {"bounces": (Topic.BOUNCES,), "outcomes": (Topic.OUTCOMES,), "both": (Topic.BOUNCES, Topic.OUTCOMES)}
PUBLISHED_AT_ONCE = 5_000
WARM_UP_COMPLAINTS = 3


class Result(msgspec.Struct, frozen=True):
    """One case on one pair of log and store."""

    latencies_seconds: Sequence[float]  # sorted
    classified_per_second: float
    applied_per_second: float
    cpu_seconds: dict[str, float]  # by process
    peak_bytes: dict[str, int]


def fill(system: Measured, topics: Sequence[Topic], count: int) -> None:
    """Put a backlog of `count` records on each of `topics` of a system that does not run."""
    migrated = system.command("migrate")
    if migrated.returncode:
        raise RuntimeError(migrated.stderr)
    report, outcome = _templates(system.signing_keys())
    with system.open_log() as log, log.producer() as producer:
        for topic in topics:
            value = encode(report) if topic is Topic.BOUNCES else encode(outcome)
            records = _records(topic, value, report, count)
            while part := [record for record, _ in zip(records, range(PUBLISHED_AT_ONCE), strict=False)]:
                wait_until_durable(producer.publish(part))


def _templates(keys: SigningKeys) -> tuple[Report, Outcome]:
    """A report as the MX makes it of a bounce, and what the rules make of that."""
    [mail] = bounces(ReturnPaths(keys), "backlog", 1)
    source = Source(ip="192.0.2.25", helo="mta.example.com", rcpt_to=(mail.to,))
    now = datetime.now(UTC)
    taken = Intake(keys=keys).take(mail.content.removesuffix(b".\r\n"), source, now)
    [report] = [decode(Report, record.value) for record in taken.records if record.topic is Topic.BOUNCES]
    return report, Outcome(report=report, decision=Rules.load().decide(report), decided_at=now)


def _records(topic: Topic, value: bytes, report: Report, count: int) -> Iterator[Record]:
    """`count` records like `value`, which is about `report`, each about another person and with an id of its own."""
    person = (report.recipient or "").encode()
    for number in range(count):
        address = b"%s-%d@example.net" % (topic.encode(), number)
        its_id = sha256(address).hexdigest()[: len(report.id)].encode()
        yield Record(topic, address, value.replace(person, address).replace(report.id.encode(), its_id))


def measure(world: str, case: str, count: int, seconds: int) -> Result:
    """Complain once a second for so long beside a backlog of `count` records."""
    with tempfile.TemporaryDirectory(prefix="ns-backlog-") as folder, WORLDS[world]() as servers:
        data = Path(folder) / "data"
        fill(Measured(data, servers), CASES[case], count)
        # What comes from this machine is believed, so that a complaint acts in full.
        with Measured(data, servers, NULLSENDER_MX_TRUSTED_SOURCES="127.0.0.0/8") as system:
            return _complain(system, seconds)


def _complain(system: Measured, seconds: int) -> Result:
    uvloop.run(latencies_seconds(system, list(complaints("warm", WARM_UP_COMPLAINTS)), rate=1.0))
    before, started_at = system.records_done(), time.monotonic()
    with Watch(system.processes()) as watch:
        latencies = uvloop.run(latencies_seconds(system, list(complaints("complaint", seconds)), rate=1.0))
    after, took_seconds = system.records_done(), time.monotonic() - started_at

    def rate(group: str, topic: Topic) -> float:
        return (after.get((group, topic), 0.0) - before.get((group, topic), 0.0)) / took_seconds

    return Result(
        latencies_seconds=latencies,
        classified_per_second=rate("classify", Topic.BOUNCES),
        applied_per_second=rate("suppress", Topic.OUTCOMES),
        cpu_seconds=dict(watch.cpu_seconds),
        peak_bytes=dict(watch.peak_bytes),
    )


def main() -> None:
    """Measure every case on every pair and print two tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=1_000_000, help="how many records wait on each topic")
    parser.add_argument("--seconds", type=int, default=60, help="how long somebody complains, once a second")
    parser.add_argument("--worlds", nargs="+", choices=tuple(WORLDS), default=["embedded + SQLite", "Kafka + PostgreSQL"])
    parser.add_argument("--cases", nargs="+", choices=tuple(CASES), default=tuple(CASES))
    options = parser.parse_args()
    print(f"| {options.records:,} records wait; from 250 to the list | p50 s | max s | classify /s | suppress /s |")
    print("| --- | --- | --- | --- | --- |")
    results = {}
    for world in options.worlds:
        for case in options.cases:
            result = results[world, case] = measure(world, case, options.records, options.seconds)
            waits = result.latencies_seconds
            print(
                f"| {world}, {case} | {statistics.median(waits):.2f} | {waits[-1]:.2f} |"
                f" {result.classified_per_second:,.0f} | {result.applied_per_second:,.0f} |",
                flush=True,
            )
    for (world, case), result in results.items():
        print(f"\n| {world}, {case} | CPU s | MiB of its own |\n| --- | --- | --- |")
        for name, used_seconds in result.cpu_seconds.items():
            print(f"| {name} | {used_seconds:.1f} | {result.peak_bytes[name] / 2**20:.0f} |")


if __name__ == "__main__":
    main()
