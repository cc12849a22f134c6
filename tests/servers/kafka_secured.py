"""A Kafka that asks who you are: beside its open listener it has one with SASL and one with SASL inside TLS.

Both know one user, by PLAIN and by SCRAM-SHA-256.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers.certificate import make_certificate
from tests.servers.kafka import Kafka, kafka_server

USER = "nullsender"
PASSWORD = "the-password-of-the-tests"

_MODULES = "org.apache.kafka.common.security"
_PLAIN = f'{_MODULES}.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'
_SCRAM = f"{_MODULES}.scram.ScramLoginModule required;"


@dataclass(frozen=True)
class SecuredKafka:
    """Where its doors are, and what opens them besides `USER` and `PASSWORD`."""

    broker: Kafka
    trusted: Path  # PEM file with the certificate to trust

    @property
    def sasl_servers(self) -> str:
        """For security.protocol sasl_plaintext."""
        return self.broker.servers_of("SASL")

    @property
    def tls_servers(self) -> str:
        """For security.protocol sasl_ssl."""
        return self.broker.servers_of("TLS")


@contextmanager
def secured_kafka_server() -> Iterator[SecuredKafka]:
    """A broker for as long as the block lasts. Raises `KafkaUnavailable`."""
    with tempfile.TemporaryDirectory(prefix="ns-tls-") as folder:
        server, trusted = make_certificate(Path(folder))
        properties = {
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL:SASL_PLAINTEXT,TLS:SASL_SSL",
            "inter.broker.listener.name": "PLAINTEXT",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(server),
        }
        for listener in ("sasl", "tls"):
            prefix = f"listener.name.{listener}"
            properties[f"{prefix}.sasl.enabled.mechanisms"] = "PLAIN,SCRAM-SHA-256"
            properties[f"{prefix}.plain.sasl.jaas.config"] = _PLAIN
            properties[f"{prefix}.scram-sha-256.sasl.jaas.config"] = _SCRAM
        user = ("--add-scram", f"SCRAM-SHA-256=[name={USER},password={PASSWORD}]")
        with kafka_server(properties, further_listeners=("SASL", "TLS"), format_options=user) as broker:
            yield SecuredKafka(broker, trusted)
