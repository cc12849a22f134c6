"""The log on Kafka: the contract, and what is particular to it: members that are slow, sizes that differ by topic."""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest
from confluent_kafka import TopicPartition

from nullsender import log_kafka_consumer
from nullsender.errors import Invalid, Transient
from nullsender.limits import KAFKA_REPORT_RECORD_BYTES_MAX, KAFKA_SESSION_SECONDS
from nullsender.log import Consumer, Log, Record, StoredRecord, Topic, wait_until_durable
from nullsender.log_kafka_settings import KafkaSettings
from tests.kafka_fixtures import KAFKA
from tests.log_contract import LogContract, drain, group, numbered, partitions_of, positions_after, publish, store, take, values
from tests.log_kafka_world import asked, migrated, opened, settings_for
from tests.servers.kafka import Kafka
from tests.waiting import wait_for

__all__ = ["group"]  # the contract's fixture

pytestmark = KAFKA


@pytest.fixture
def settings(kafka: Kafka, topic_prefix: str) -> KafkaSettings:
    """The shared broker with topics of this test's own."""
    return migrated(settings_for(kafka.servers, topic_prefix))


@pytest.fixture
def log(settings: KafkaSettings) -> Iterator[Log]:
    """The log there."""
    with opened(settings) as log:
        yield log


class TestKafkaLog(LogContract):
    """The contract."""


def test_a_report_of_the_size_of_mail_is_invalid(log: Log) -> None:
    """Only raw mail and dead letters are so large; the brokers are told as much."""
    largest, too_large = (Record(Topic.BOUNCES, b"k", bytes(KAFKA_REPORT_RECORD_BYTES_MAX - 1 + more)) for more in (0, 1))

    publish(log, largest)
    with log.producer() as producer, pytest.raises(Invalid, match=f"bounces takes up to {KAFKA_REPORT_RECORD_BYTES_MAX}"):
        wait_until_durable(producer.publish([too_large]))

    assert [len(record.value) for record in log.read(Topic.BOUNCES)] == [len(largest.value)]


def test_while_a_member_is_busy_nothing_of_its_batch_goes_to_one_that_joins(log: Log, group: str) -> None:
    """It stores what it has dealt with before it lets go, so each record is dealt with once."""
    publish(log, *numbered(400))
    done: list[StoredRecord] = []
    with ExitStack() as members:
        busy = members.enter_context(log.consumer(group, [Topic.BOUNCES]))
        batch = take(busy, 300)
        joining = members.enter_context(log.consumer(group, [Topic.BOUNCES]))

        def deal(consumer: Consumer) -> bool:
            records = consumer.poll(records_max=20, timeout_seconds=0.05)
            store(consumer, records)
            done.extend(records)
            return len(done) == 400

        for _ in range(30):
            deal(joining)
        store(busy, batch)
        done.extend(batch)
        wait_for(lambda: deal(busy) or deal(joining), what="the rest to be dealt with")

    assert values(done) == Counter({b"%d" % number: 1 for number in range(400)})


def test_a_member_that_was_away_for_too_long_loses_its_partitions_and_comes_back(
    log: Log, group: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_kafka_consumer, "KAFKA_POLL_GAP_SECONDS_MAX", KAFKA_SESSION_SECONDS)
    publish(log, *numbered(200))
    everything = set(log.group_lag(group, [Topic.BOUNCES]))

    with log.consumer(group, [Topic.BOUNCES]) as away:
        batch = take(away, 200)
        with log.consumer(group, [Topic.BOUNCES]) as other:
            wait_for(lambda: partitions_of(other) == everything, what="the other to take over", seconds=40)
            other.rewind()
            store(away, batch)  # it does not know yet; nothing of this counts

            assert sum(log.group_lag(group, [Topic.BOUNCES]).values()) == 200
            assert values(take(other, 200)) == values(batch)

            def divided() -> bool:
                return bool(partitions_of(away)) and len(partitions_of(away) | partitions_of(other)) == len(everything)

            wait_for(divided, what="it to be back")


def test_a_record_that_aged_out_under_a_reader_is_told_and_the_oldest_comes_next(
    log: Log, group: str, settings: KafkaSettings, caplog: pytest.LogCaptureFixture
) -> None:
    publish(log, *numbered(300))
    with log.consumer(group, [Topic.BOUNCES]) as consumer:
        store(consumer, take(consumer, 10))
    before = [TopicPartition(f"{settings.topic_prefix}bounces", number, 50) for number in range(settings.partitions)]
    asked(settings, lambda admin: admin.delete_records(before))

    with log.consumer(group, [Topic.BOUNCES]) as consumer:
        left = drain(consumer)

    assert {record.offset for record in left if record.offset <= 50} == {50}
    assert len(left) == 300 - 50 * settings.partitions
    assert "does not fit the log" in caplog.text


def test_a_topic_that_was_lost_under_a_reader_is_told_and_read_from_its_oldest_record(
    log: Log, group: str, settings: KafkaSettings, caplog: pytest.LogCaptureFixture
) -> None:
    publish(log, *numbered(300))
    kept = positions_after(log.read(Topic.BOUNCES))
    found: list[StoredRecord] = []
    with log.consumer(group, [Topic.BOUNCES], start_at=kept.get) as consumer:
        assert drain(consumer) == []
        asked(settings, lambda admin: admin.delete_topics([f"{settings.topic_prefix}bounces"]))
        migrated(settings)
        publish(log, *numbered(100, first=1000))

        def all_found() -> bool:
            with suppress(Transient):  # while nobody leads the new topic
                found.extend(consumer.poll(records_max=100, timeout_seconds=0.1))
            return len(values(found)) == 100

        wait_for(all_found, what="the new topic's records", seconds=60)

    assert "does not fit the log" in caplog.text
