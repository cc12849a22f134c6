"""What the tests of the Kafka log share: topics of their own on the shared broker, and the log on them."""

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, TypeVar

from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
)

from nullsender.clock import SystemClock
from nullsender.log import Topic
from nullsender.log_kafka import KafkaLog
from nullsender.log_kafka_settings import KafkaSettings
from nullsender.log_kafka_topics import migrate_topics

Answer = TypeVar("Answer")


def settings_for(servers: str, prefix: str = "test.") -> KafkaSettings:
    """How a test reaches its one broker; few partitions, so that topics are made quickly."""
    return KafkaSettings(servers=(servers,), topic_prefix=prefix, partitions=4, replication=1, min_insync=1)


def migrated(settings: KafkaSettings) -> KafkaSettings:
    """The same, once the topics are there."""
    migrate_topics(settings, clock=SystemClock())
    return settings


def opened(settings: KafkaSettings) -> KafkaLog:
    """The log there."""
    return KafkaLog(settings, clock=SystemClock())


def asked(settings: KafkaSettings, question: Callable[[AdminClient], Mapping[Any, "Future[Answer]"]]) -> list[Answer]:
    """What an administrator's requests come to; it goes behind our back."""
    admin = AdminClient({**settings.client(), "log_level": 0})  # it has to live until the answers are there
    return [request.result(20) for request in question(admin).values()]


def configure(settings: KafkaSettings, topic: Topic, name: str, value: str) -> None:
    """Change one line of a topic's configuration."""
    entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
    changed = ConfigResource(ConfigResource.Type.TOPIC, settings.topic_prefix + topic, incremental_configs=[entry])
    asked(settings, lambda admin: admin.incremental_alter_configs([changed]))
