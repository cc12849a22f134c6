"""How Kafka is reached: the operator's settings, what contradicts what in them, and what they are in librdkafka's words."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

#: Options of librdkafka that an operator may not set, each with why. What starts so is refused as well.
REFUSED_OPTIONS: Mapping[str, str] = {
    **dict.fromkeys(
        ("acks", "request.required.acks", "enable.idempotence", "max.in.flight", "transactional.id", "retries"),
        "a 250 rests on it",
    ),
    **dict.fromkeys(
        ("message.timeout.ms", "delivery.timeout.ms", "message.send.max.retries", "queue.buffering.max"),
        "the time from publishing to failure is bounded by it",
    ),
    **dict.fromkeys(("partitioner", "enable.sparse"), "the order of one address rests on it"),
    **dict.fromkeys(
        ("enable.auto", "auto.commit", "auto.offset.reset", "enable.partition.eof", "isolation.level", "check.crcs"),
        "a record would be left out or come too often",
    ),
    **dict.fromkeys(
        ("group.", "partition.assignment", "session.timeout.ms", "heartbeat.interval.ms", "max.poll.interval.ms"),
        "the sharing of partitions is ours",
    ),
    **dict.fromkeys(
        ("message.max.bytes", "fetch.", "receive.message.max.bytes", "queued.", "max.partition.fetch.bytes", "batch."),
        "the bounds of nullsender/limits.py are set by it",
    ),
    **dict.fromkeys(("compression.", "linger.ms"), "it goes with how our topics are made"),
    **dict.fromkeys(("bootstrap.servers", "metadata.broker.list"), "say kafka.servers"),
    **dict.fromkeys(("security.protocol",), "say kafka.security"),
    **dict.fromkeys(("sasl.mechanism", "sasl.username", "sasl.password"), "say kafka.sasl_mechanism, username, password"),
    **dict.fromkeys(("ssl.ca.location",), "say kafka.ca_file"),
    **dict.fromkeys(
        ("ssl.certificate.location", "ssl.key.location", "ssl.key.password"),
        "say kafka.certificate_file, key_file, key_password",
    ),
    **dict.fromkeys(("log_level", "log.", "debug", "plugin.", "test.", "stats", "builtin."), "it is no way to reach Kafka"),
}


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
        of_sasl = {"sasl_mechanism": self.sasl_mechanism, "username": self.username, "password": self.password}
        of_tls = {"ca_file": self.ca_file, "certificate_file": self.certificate_file, "key_file": self.key_file}
        found = [f"kafka.{name}: kafka.security is {self.security}, which does not use it" for name, value in of_sasl.items()
                 if value is not None and not with_sasl]  # fmt: skip
        found += [f"kafka.{name}: kafka.security is {self.security}, which does not use it" for name, value in of_tls.items()
                  if value is not None and not with_tls]  # fmt: skip
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
            f"kafka.options: {name} can not be set, {why}"
            for name in self.options
            for refused, why in REFUSED_OPTIONS.items()
            if name.startswith(refused)
        ]

    def client(self) -> dict[str, object]:
        """What every client of ours starts from, in the names of librdkafka's configuration."""
        given = {
            "bootstrap.servers": ",".join(self.servers),
            "security.protocol": self.security,
            "sasl.mechanism": self.sasl_mechanism,
            "sasl.username": self.username,
            "sasl.password": self.password,
            "ssl.ca.location": self.ca_file and str(self.ca_file),
            "ssl.certificate.location": self.certificate_file and str(self.certificate_file),
            "ssl.key.location": self.key_file and str(self.key_file),
            "ssl.key.password": self.key_password,
        }
        return {**self.options, **{name: value for name, value in given.items() if value is not None}}


_WITH_PASSWORD = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
