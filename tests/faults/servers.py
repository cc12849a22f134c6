"""Servers of our own for a whole module of faults: whatever is done to them, no other test notices."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.faults.disk import Disk
from tests.faults.proxy import Proxy
from tests.missing import give_up
from tests.servers.kafka import Kafka, KafkaUnavailable, require_kafka
from tests.servers.postgres import Postgres, PostgresUnavailable, SmallDiskUnavailable, postgres_server

DISK_MIB = 1024


@contextmanager
def own_postgres(settings: Mapping[str, str]) -> Iterator[tuple[Postgres, Disk | None]]:
    """A PostgreSQL, and the disk that it lies on where we may mount one. Skips where there is none; in CI that is a failure."""
    with ExitStack() as running:
        try:
            server = running.enter_context(postgres_server(settings, disk_mib=DISK_MIB))
            disk: Disk | None = Disk(server.folder, DISK_MIB * 2**20)
        except SmallDiskUnavailable:
            server, disk = running.enter_context(postgres_server(settings)), None
        except PostgresUnavailable as reason:
            give_up(reason)
        yield server, disk


@contextmanager
def own_kafka(folder: Path, proxy: Proxy) -> Iterator[Kafka]:
    """A Kafka with its files in `folder`, which its clients reach through `proxy`. Skips where there is none, as above."""
    try:
        require_kafka()
    except KafkaUnavailable as reason:
        give_up(reason)
    told = {"advertised.listeners": f"PLAINTEXT://127.0.0.1:{proxy.address[1]}"}
    kafka = Kafka(folder, properties=told)
    host, port = kafka.servers.split(":")
    proxy.target = (host, int(port))
    try:
        kafka.start()
        yield kafka
    finally:
        kafka.kill()
