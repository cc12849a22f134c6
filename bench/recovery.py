"""How long it takes after a fault until all is well: what was accepted is on the list, and a new bounce takes its usual time.

    .venv/bin/python -m bench.recovery [--rounds 3] [--outage-seconds 5]

One system on Kafka and PostgreSQL (one broker, one server) with two processes of each stage takes 40 messages a second from
clients that try again a quarter of a second after a failure. Each fault is done to it in every round; the time begins when the
fault ends (a server runs again, a role was killed). The table has the median and the worst of the rounds.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from tests.faults.proxy import KafkaProduced, Proxy
from tests.faults.servers import own_kafka, own_postgres
from tests.faults.world import World
from tests.servers.kafka import Kafka
from tests.servers.postgres import Postgres

USUAL_SECONDS_MAX = 1.0
RECOVERED_SECONDS_MAX = 300.0
MAILS_BEFORE = 40
SETTINGS = {
    "NULLSENDER_LOG_KIND": "kafka",
    "NULLSENDER_KAFKA_REPLICATION": "1",
    "NULLSENDER_KAFKA_MIN_INSYNC": "1",
    "NULLSENDER_UP_CLASSIFY": "2",
    "NULLSENDER_UP_SUPPRESS": "2",
}

#: Does something to the system and returns when it is over.
Fault = Callable[[], object]


def faults(world: World, kafka: Kafka, postgres: Postgres, outage_seconds: float) -> Mapping[str, Fault]:
    """Every fault that is measured, by name."""

    def outage(begin: Callable[[], None], end: Callable[[], None]) -> Fault:
        def happen() -> None:
            begin()
            time.sleep(outage_seconds)
            end()

        return happen

    roles = ("mx", "classify-1", "suppress-1", "follow", "api")
    return {
        **{f"{role} killed": partial(world.system.kill, role) for role in roles},
        "Kafka stopped and started": outage(kafka.stop, kafka.start),
        "Kafka killed and started": outage(kafka.kill, kafka.start),
        "Kafka frozen and thawed": outage(kafka.freeze, kafka.thaw),
        "PostgreSQL stopped and started": outage(postgres.stop, postgres.start),
        "PostgreSQL killed and started": outage(postgres.kill, postgres.start),
        "PostgreSQL frozen and thawed": outage(postgres.freeze, postgres.thaw),
        "PostgreSQL's backends ended": lambda: postgres.terminate_backends("test_1"),
    }


def recovery_seconds(world: World, fault: Fault) -> float:
    """From the end of the fault until everything accepted is on the list and a new bounce takes its usual time."""
    with world.traffic() as traffic:
        traffic.wait_for_more(MAILS_BEFORE)
        fault()
        ended = time.monotonic()
    world.wait_until_listed(RECOVERED_SECONDS_MAX)
    took_seconds = float("inf")
    while took_seconds > USUAL_SECONDS_MAX:
        began = time.monotonic()
        world.send(1)
        world.wait_until_listed(RECOVERED_SECONDS_MAX)
        took_seconds = time.monotonic() - began
    return time.monotonic() - ended - took_seconds


def main() -> None:
    """Measure every fault and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="how often each fault happens")
    parser.add_argument("--outage-seconds", type=float, default=5.0, help="how long a server is away")
    options = parser.parse_args()
    with ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory()))
        (folder / "kafka").mkdir()
        proxy = running.enter_context(Proxy(KafkaProduced))
        kafka = running.enter_context(own_kafka(folder / "kafka", proxy))
        postgres, _ = running.enter_context(own_postgres({}))
        settings = SETTINGS | {
            "NULLSENDER_KAFKA_SERVERS": f"127.0.0.1:{proxy.address[1]}",
            "NULLSENDER_STORE_URL": postgres.url(postgres.create_database()),
        }
        world = running.enter_context(World(folder / "data", name="recovery", settings=settings))
        print("| after | until all is well, s: median | worst |\n| --- | --- | --- |")
        for name, fault in faults(world, kafka, postgres, options.outage_seconds).items():
            took = [recovery_seconds(world, fault) for _ in range(options.rounds)]
            print(f"| {name} | {statistics.median(took):.1f} | {max(took):.1f} |", flush=True)


if __name__ == "__main__":
    main()
