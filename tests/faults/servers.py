"""Servers of our own for a whole module of faults: whatever is done to them, no other test notices."""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

import pytest

from tests.faults.disk import Disk
from tests.servers.kafka import Kafka, KafkaUnavailable, kafka_server
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
            _give_up(reason)
        yield server, disk


@contextmanager
def own_kafka(properties: Mapping[str, str]) -> Iterator[Kafka]:
    """A Kafka. Skips where there is none; in CI that is a failure."""
    with ExitStack() as running:
        try:
            server = running.enter_context(kafka_server(properties))
        except KafkaUnavailable as reason:
            _give_up(reason)
        yield server


def _give_up(reason: Exception) -> None:
    (pytest.fail if os.environ.get("CI") else pytest.skip)(str(reason))
