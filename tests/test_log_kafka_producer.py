"""Publishing when Kafka does not do its part: every future comes to an end in time, and a broken producer is replaced."""

import dataclasses
import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from nullsender import log_kafka_producer
from nullsender.clock import SystemClock
from nullsender.errors import Transient
from nullsender.log import Record, Topic, wait_until_durable
from nullsender.log_kafka_client import Naming
from nullsender.log_kafka_producer import KafkaPublisher
from nullsender.log_kafka_settings import KafkaSettings
from tests.kafka_fixtures import KAFKA
from tests.log_kafka_world import configure, migrated, opened, settings_for
from tests.servers.kafka import Kafka

NOBODY = settings_for("127.0.0.1:1")  # a port at which nothing listens


def record(value: bytes = b"v") -> Record:
    """A record of raw mail, always of the same key."""
    return Record(Topic.RAW, b"k", value)


@contextmanager
def publisher(settings: KafkaSettings) -> Iterator[KafkaPublisher]:
    """A publisher without the questions that a log asks first."""
    with KafkaPublisher(
        settings, Naming(settings.topic_prefix), record_bytes_max=dict.fromkeys(Topic, 10**6), clock=SystemClock()
    ) as publisher:
        yield publisher


def test_what_no_broker_acknowledges_fails_when_its_time_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_kafka_producer, "KAFKA_DELIVERY_SECONDS_MAX", 0.5)

    with publisher(NOBODY) as kafka, pytest.raises(Transient, match="Kafka did not take it"):
        kafka.publish([record()]).result(20)


def test_a_future_that_the_client_forgets_fails_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_kafka_producer, "PUBLISH_SECONDS_MAX", 0.2)

    with publisher(NOBODY) as kafka, pytest.raises(Transient, match="Kafka did not answer"):
        kafka.publish([record()]).result(20)


def test_what_waits_at_the_close_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    with publisher(NOBODY) as kafka:
        published = kafka.publish([record()])
        monkeypatch.setattr(log_kafka_producer, "PUBLISH_SECONDS_MAX", 0.2)

    with pytest.raises(Transient, match="closed"):
        published.result(0)
    with pytest.raises(Transient, match="closed"):
        kafka.publish([record()]).result(0)


def test_more_than_may_wait_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_kafka_producer, "LOG_QUEUE_RECORDS_MAX", 3)
    monkeypatch.setattr(log_kafka_producer, "PUBLISH_SECONDS_MAX", 1.0)

    with publisher(NOBODY) as kafka:
        waiting, refused = kafka.publish([record()] * 3), kafka.publish([record()])

        assert not waiting.done()
        with pytest.raises(Transient, match="too many records"):
            refused.result(0)


@KAFKA
def test_a_producer_that_is_broken_for_good_is_made_anew(kafka: Kafka, topic_prefix: str) -> None:
    """A broker that refuses one record of several breaks a client that was told to leave no gap."""
    settings = migrated(settings_for(kafka.servers, topic_prefix))
    configure(settings, Topic.RAW, "max.message.bytes", "1000")
    breakable = dataclasses.replace(settings, options={"enable.gapless.guarantee": "true"})

    with publisher(breakable) as broken:
        publications = [broken.publish([record(os.urandom(5000) if number == 3 else b"small")]) for number in range(9)]
        failures = [published.exception(20) for published in publications]
        wait_until_durable(broken.publish([record(b"after")]))

    assert {type(failure) for failure in failures} <= {Transient, type(None)}
    assert isinstance(failures[3], Transient)
    with opened(settings) as log:
        found = [it.value for it in log.read(Topic.RAW)]
    assert found == [b"small"] * failures.count(None) + [b"after"]


@KAFKA
def test_a_record_that_the_broker_refuses_fails_alone(kafka: Kafka, topic_prefix: str) -> None:
    settings = migrated(settings_for(kafka.servers, topic_prefix))
    configure(settings, Topic.RAW, "max.message.bytes", "1000")

    with opened(settings) as log, log.producer() as producer:
        with pytest.raises(Transient, match="too large"):
            wait_until_durable(producer.publish([record(os.urandom(5000))]))
        wait_until_durable(producer.publish([record()]))
