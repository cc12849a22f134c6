"""A partition that nobody leads: the member that was given it reads all the others."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from confluent_kafka.admin import AdminClient

from nullsender.log import Topic
from nullsender.log_kafka_settings import KafkaSettings
from tests.kafka_fixtures import KAFKA
from tests.log_contract import numbered, publish, store, take
from tests.log_kafka_world import migrated, opened, settings_for
from tests.missing import give_up
from tests.servers.kafka import Kafka, KafkaUnavailable, kafka_server
from tests.waiting import wait_for

pytestmark = KAFKA


@contextmanager
def two_disks(folder: Path) -> Iterator[Kafka]:
    """A broker that spreads its partitions over `folder`/a and `folder`/b, and soon notices the loss of one."""
    properties = {
        "log.dirs": f"{folder}/a,{folder}/b",
        "metadata.log.dir": f"{folder}/metadata",
        "log.flush.offset.checkpoint.interval.ms": "500",
    }
    try:
        with kafka_server(properties) as server:
            yield server
    except KafkaUnavailable as reason:
        give_up(str(reason))


def leaders_of(settings: KafkaSettings) -> Mapping[int, int]:
    """By whom each partition of the bounces is led; -1: by nobody."""
    name = f"{settings.topic_prefix}{Topic.BOUNCES}"
    topic = AdminClient({**settings.client(), "log_level": 0}).list_topics(name, timeout=10).topics[name]
    return {number: partition.leader for number, partition in topic.partitions.items()}


def test_a_partition_that_nobody_leads_keeps_no_other_from_being_read(tmp_path: Path) -> None:
    with two_disks(tmp_path) as kafka:
        settings = migrated(settings_for(kafka.servers))
        with opened(settings) as log:
            publish(log, *numbered(100))
            there = Counter(record.partition.number for record in log.read(Topic.BOUNCES))
            [lost] = [disk for disk in (tmp_path / "a", tmp_path / "b") if not (disk / "__consumer_offsets-0").exists()]
            lost.rename(tmp_path / "lost")
            wait_for(lambda: -1 in leaders_of(settings).values(), what="the disk to be missed")
            led = {number for number, leader in leaders_of(settings).items() if leader >= 0}
            assert led

            with log.consumer("stage", [Topic.BOUNCES]) as consumer:
                found = take(consumer, sum(there[number] for number in led))
                store(consumer, found)

                assert {record.partition.number for record in found} == led
                assert {partition.number: lag for partition, lag in consumer.lag().items()} == dict.fromkeys(led, 0)
