"""How Kafka is reached: the operator's settings, what contradicts what in them, and what they are in librdkafka's words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

#: Options of librdkafka that an operator may not set, each group with why. What only begins so is refused as well.
REFUSED_OPTIONS: Mapping[str, Sequence[str]] = {
    "a 250 rests on it": (
        "acks",
        "request.required.acks",
        "enable.idempotence",
        "max.in.flight",
        "retries",
        "transactional.id",
    ),
    "by it a publish fails in time": (
        "delivery.timeout.ms",
        "message.timeout.ms",
        "message.send.max.retries",
        "queue.buffering.",
    ),
    "by it one address keeps its order": ("partitioner",),
    "by it no record is left out": ("enable.auto", "auto.commit", "auto.offset.reset", "enable.partition.eof", "check.crcs"),
    "by it processes share the partitions": (
        "group.",
        "partition.assignment",
        "session.timeout.ms",
        "heartbeat.interval.ms",
        "max.poll.interval.ms",
    ),
    "it is one of our bounds (nullsender/limits.py)": (
        "message.max.bytes",
        "receive.message.max.bytes",
        "max.partition.fetch.bytes",
        "fetch.",
        "queued.",
        "batch.",
        "linger.ms",
    ),
    "our topics are made for it": ("compression.",),
    "what the client says goes to our log": ("log_level", "log.queue"),
    "it is not for production": ("test.", "plugin."),
    "it is kafka.servers": ("bootstrap.servers", "metadata.broker.list"),
    "it is kafka.security": ("security.protocol",),
    "it is kafka.sasl_mechanism, username or password": ("sasl.mechanism", "sasl.username", "sasl.password"),
    "it is kafka.ca_file": ("ssl.ca.location",),
    "it is kafka.certificate_file, key_file or key_password": (
        "ssl.certificate.location",
        "ssl.key.location",
        "ssl.key.password",
    ),
}
_WITH_PASSWORD = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


@dataclass(frozen=True, kw_only=True)
class KafkaSettings:
    """Where Kafka is, how to get in, and how topics are made."""

    servers: tuple[str, ...] = ()
    topic_prefix: str = "nullsender."
    partitions: int = 12
    replication: int = 3
    min_insync: int = 2
    security: str = "plaintext"
    sasl_mechanism: str | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    key_password: str | None = field(default=None, repr=False)
    options: Mapping[str, str] = field(default_factory=dict, repr=False)

    def mistakes(self) -> list[str]:
        """What contradicts itself, a sentence each; none: Kafka may be asked."""
        return [*self._topic_mistakes(), *self._security_mistakes(), *self._option_mistakes()]

    def _topic_mistakes(self) -> list[str]:
        found = []
        if not self.servers:
            found.append("kafka.servers: log.kind is kafka, so say where it is (HOST:PORT, …)")
        if self.min_insync > self.replication:
            found.append(
                f"kafka.min_insync: {self.min_insync} of {self.replication} replicas (kafka.replication) can never be in sync"
            )
        return found

    def _security_mistakes(self) -> list[str]:
        with_sasl, with_tls = self.security.startswith("sasl_"), self.security.endswith("ssl")
        unused = {
            "sasl_mechanism": self.sasl_mechanism is not None and not with_sasl,
            "username": self.username is not None and not with_sasl,
            "password": self.password is not None and not with_sasl,
            "ca_file": self.ca_file is not None and not with_tls,
            "certificate_file": self.certificate_file is not None and not with_tls,
        }
        found = [
            f"kafka.{name}: kafka.security is {self.security}, which has no use for it" for name, it in unused.items() if it
        ]
        if with_sasl and self.sasl_mechanism is None:
            found.append(f"kafka.sasl_mechanism: kafka.security is {self.security}, so say which mechanism the brokers take")
        if with_sasl and self.sasl_mechanism in _WITH_PASSWORD and (self.username is None or self.password is None):
            found.append(f"kafka.username and kafka.password: {self.sasl_mechanism} needs both")
        if (self.certificate_file is None) != (self.key_file is None):
            found.append("kafka.certificate_file and kafka.key_file: a client certificate needs both or neither")
        if self.key_password is not None and self.key_file is None:
            found.append("kafka.key_password: there is no kafka.key_file that it could open")
        return found

    def _option_mistakes(self) -> list[str]:
        return [
            f"kafka.options: {name} can not be set: {why}"
            for name in self.options
            for why, refused in REFUSED_OPTIONS.items()
            if name.startswith(tuple(refused))
        ]

    def client(self) -> dict[str, str]:
        """What every client of ours starts from, in the names of librdkafka's configuration."""
        given = {
            "bootstrap.servers": ",".join(self.servers),
            "security.protocol": self.security,
            "sasl.mechanism": self.sasl_mechanism,
            "sasl.username": self.username,
            "sasl.password": self.password,
            "ssl.ca.location": self.ca_file,
            "ssl.certificate.location": self.certificate_file,
            "ssl.key.location": self.key_file,
            "ssl.key.password": self.key_password,
        }
        return {**self.options, **{name: str(value) for name, value in given.items() if value is not None}}
