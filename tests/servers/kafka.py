"""A throw-away Apache Kafka: one process on 127.0.0.1, in a folder of its own, that can be stopped, killed and frozen.

`setup/kafka` fetches it, `setup/kafka-server` starts it; here is what tests want of it besides. It is ready when its group
coordinator answers too, which comes last.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from confluent_kafka import Consumer, KafkaException, TopicPartition

from tests.ports import free_ports
from tests.waiting import wait_for

_ROOT = Path(__file__).resolve().parents[2]
_START_SECONDS_MAX = 90.0
_STOP_SECONDS_MAX = 30.0
_ANSWER_SECONDS_MAX = 5.0
# Tests make many small topics; the files that Kafka lays out beforehand for each stay small.
_QUICK = {"log.index.size.max.bytes": "65536", "log.segment.delete.delay.ms": "1000"}


class KafkaUnavailable(Exception):
    """No Kafka can be started here; the text says what to do."""


class Kafka:
    """One broker. `servers` is where its clients find it, and stays the same over stops and starts."""

    def __init__(
        self,
        folder: Path,
        *,
        properties: Mapping[str, str],
        jvm: str = "",
        further_listeners: Sequence[str] = (),
        format_options: Sequence[str] = (),
    ) -> None:
        names = ("PLAINTEXT", "CONTROLLER", *further_listeners)
        self._ports = dict(zip(names, free_ports(len(names)), strict=True))
        self.servers = self.servers_of("PLAINTEXT")
        self._folder = folder
        listeners = ",".join(f"{name}://127.0.0.1:{port}" for name, port in self._ports.items())
        self._properties = {"listeners": listeners, **properties}
        self._jvm = jvm
        self._format_options = format_options
        self._process: subprocess.Popen[bytes] | None = None

    def servers_of(self, listener: str) -> str:
        """Where the clients of one listener find it."""
        return f"127.0.0.1:{self._ports[listener]}"

    @property
    def port(self) -> int:
        """The port in `servers`."""
        return self._ports["PLAINTEXT"]

    @property
    def pid(self) -> int:
        """The process id of the broker, which runs."""
        return self._running.pid

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "the broker is stopped"
        return self._process

    def start(self, *, wait: bool = True) -> None:
        """Start it, on the data that it had; `wait` until it is ready. Raises `KafkaUnavailable` when it ends at once."""
        settings = [f"{name}={value}" for name, value in self._properties.items()]
        ports = [str(self._ports[name]) for name in ("PLAINTEXT", "CONTROLLER")]
        command: list[str | Path] = [_ROOT / "setup/kafka-server", self._folder, *ports, *settings, "--", *self._format_options]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, env=_environment(self._jvm), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        if wait:
            self.wait_ready()

    def wait_ready(self) -> None:
        """Return when it serves topics and consumer groups."""
        wait_for(self._answers, what="Kafka to be ready", seconds=_START_SECONDS_MAX)

    def _answers(self) -> bool:
        if self._running.poll() is not None:
            raise KafkaUnavailable(f"Kafka did not start: {self.said()[-2000:]}")
        try:
            socket.create_connection(("127.0.0.1", self.port)).close()
        except ConnectionRefusedError:
            return False
        # A new client each time: one that was refused waits before it asks again.
        client = Consumer({"bootstrap.servers": self.servers, "group.id": "nobody", "log_level": 0})
        try:
            client.committed([TopicPartition("none", 0)], timeout=_ANSWER_SECONDS_MAX)
            return True
        except KafkaException:
            return False
        finally:
            client.close()

    def said(self) -> str:
        """What it wrote to its log so far."""
        return (self._folder / "log").read_text(errors="replace")

    def stop(self) -> None:
        """Stop it as an operator would."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Stop it with -9. What its clients were not told of may be on its log or not."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """Hold it: connections stay open and nobody answers."""
        self._running.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._running.send_signal(signal.SIGCONT)

    def _end(self, by: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(by)
        self._process.send_signal(signal.SIGCONT)  # a frozen one would not notice
        try:
            self._process.wait(_STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None


@contextmanager
def kafka_server(
    properties: Mapping[str, str] | None = None,
    *,
    jvm: str = "",
    further_listeners: Sequence[str] = (),
    format_options: Sequence[str] = (),
) -> Iterator[Kafka]:
    """A broker that is ready, for as long as the block lasts.

    `properties` are Kafka's own and outweigh what is usual here; `jvm`: options of the JVM, such as "-Xmx1g". Further listeners
    (see `kafka_secured.py`) are names, each of which `properties` explain. Raises `KafkaUnavailable`.
    """
    require_kafka()
    folder = Path(tempfile.mkdtemp(prefix="ns-kafka-"))
    kafka = Kafka(
        folder,
        properties={**_QUICK, **(properties or {})},
        jvm=jvm,
        further_listeners=further_listeners,
        format_options=format_options,
    )
    try:
        kafka.start()
        yield kafka
    finally:
        kafka.kill()  # nobody will read its data
        shutil.rmtree(folder, ignore_errors=True)


def require_kafka() -> None:
    """Fetch Kafka where it is missing. Raises `KafkaUnavailable`."""
    fetched = subprocess.run([_ROOT / "setup/kafka"], capture_output=True, text=True)
    if fetched.returncode:
        raise KafkaUnavailable(f"no Kafka: {fetched.stderr.strip()}")


def _environment(jvm: str) -> dict[str, str]:
    return {**os.environ, "KAFKA_JVM": jvm}
