"""The log on Kafka: the contract, on a real broker."""

from collections.abc import Iterator

import pytest

from nullsender.clock import SystemClock
from nullsender.log import Log
from nullsender.log_kafka import KafkaLog
from nullsender.log_kafka_settings import KafkaSettings
from nullsender.log_kafka_topics import migrate_topics
from tests.kafka_fixtures import KAFKA
from tests.log_contract import LogContract, group
from tests.servers.kafka import Kafka

__all__ = ["group"]  # the contract's fixture


pytestmark = KAFKA


def settings_for(kafka: Kafka, prefix: str) -> KafkaSettings:
    """How a test reaches its broker: few partitions, so that topics are made quickly."""
    return KafkaSettings(servers=(kafka.servers,), topic_prefix=prefix, partitions=4, replication=1, min_insync=1)


@pytest.fixture
def settings(kafka: Kafka, topic_prefix: str) -> KafkaSettings:
    """The shared broker with topics of this test's own."""
    settings = settings_for(kafka, topic_prefix)
    migrate_topics(settings, clock=SystemClock())
    return settings


class TestKafkaLog(LogContract):
    """The contract."""

    @pytest.fixture
    def log(self, settings: KafkaSettings) -> Iterator[Log]:
        with KafkaLog(settings, clock=SystemClock()) as log:
            yield log
