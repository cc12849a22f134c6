"""The pairs of log and store that are measured side by side, each with real servers of its own."""

import re
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import httpx
import msgspec

from bench._processes import roles_of
from nullsender import config, secret_keys
from nullsender.cli import parts
from nullsender.log import Log
from nullsender.signing.keys import SigningKeys
from tests.servers.kafka import kafka_server
from tests.servers.postgres import postgres_server
from tests.system import START_SECONDS_MAX, System
from tests.waiting import wait_for

_DONE = re.compile(r'^nullsender_records_done_total{group="([^"]+)",topic="([^"]+)"} (\S+)$', re.MULTILINE)


class World(msgspec.Struct, frozen=True):
    """Where a system keeps its log and its list: its settings, and the servers' process ids."""

    settings: Mapping[str, str]
    servers: Mapping[str, int]


@contextmanager
def _embedded() -> Iterator[World]:
    yield World({}, {})


@contextmanager
def _on_postgres() -> Iterator[World]:
    with postgres_server(durable=True) as server:
        yield World({"NULLSENDER_STORE_URL": server.url(server.create_database())}, {"PostgreSQL": server.pid})


@contextmanager
def _on_kafka() -> Iterator[World]:
    with kafka_server() as kafka, _on_postgres() as postgres:
        settings = {
            "NULLSENDER_LOG_KIND": "kafka",
            "NULLSENDER_KAFKA_SERVERS": kafka.servers,
            "NULLSENDER_KAFKA_REPLICATION": "1",
            "NULLSENDER_KAFKA_MIN_INSYNC": "1",
        }
        yield World({**settings, **postgres.settings}, {"Kafka": kafka.pid, **postgres.servers})


#: By name; the first is what the others are compared with.
WORLDS: Mapping[str, Callable[[], AbstractContextManager[World]]] = {
    "embedded + SQLite": _embedded,
    "embedded + PostgreSQL": _on_postgres,
    "Kafka + PostgreSQL": _on_kafka,
}


class Measured(System):
    """A system that counts as started as soon as it takes mail and answers, however much waits in its log."""

    def __init__(self, data: Path, world: World, **settings: str) -> None:
        super().__init__(data, settings={"NULLSENDER_LOG_LEVEL": "warning", **world.settings, **settings})
        self._servers = world.servers

    def wait_until_ready(self) -> None:
        """Return when the MX listens and the API knows its table."""
        wait_for(self._serves, what="nullsender to serve", seconds=START_SECONDS_MAX)

    def _serves(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"nullsender ended: {self.said()}"
        try:
            socket.create_connection(self.smtp, timeout=1).close()
            return self.http.get("/v1/check", params={"address": "nobody@example.net"}).status_code == 200
        except (httpx.TransportError, OSError):
            return False

    def processes(self) -> Mapping[str, int]:
        """The process id of every role and server."""
        assert self.process is not None
        return {**roles_of(self.process.pid), **self._servers}

    def open_log(self) -> Log:
        """Its log, as another process of it would open it."""
        return parts.open_log(config.load(environment=self.environment))

    def signing_keys(self) -> SigningKeys:
        """What makes return paths that it believes."""
        return SigningKeys(secret_keys.load_or_make(self.data / "secret-keys.json").signing_keys)

    def records_done(self) -> Mapping[tuple[str, str], float]:
        """How many records each group has dealt with of each topic, since the system was started."""
        metrics = self.http.get("/metrics").text
        return {(group, topic): float(count) for group, topic, count in _DONE.findall(metrics)}
