"""A broker that stands still while a stage has records in hand: the stage goes on by itself when the broker is back."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

import pytest

from nullsender.clock import SystemClock
from nullsender.consume import ConsumeLoop
from nullsender.errors import Transient
from nullsender.limits import KAFKA_SESSION_SECONDS
from nullsender.log import Log, Partition, Record, StoredRecord, Topic, wait_until_durable
from tests.kafka_fixtures import KAFKA
from tests.log_kafka_world import migrated, opened, settings_for
from tests.missing import give_up
from tests.servers.kafka import Kafka, KafkaUnavailable, kafka_server
from tests.waiting import wait_for

pytestmark = KAFKA


@pytest.fixture
def own_kafka() -> Iterator[Kafka]:
    """A broker of this test's own: it is frozen."""
    try:
        with kafka_server() as server:
            yield server
    except KafkaUnavailable as reason:
        give_up(str(reason))


class Freezing:
    """A stage in which the broker comes to stand still while it deals with its first batch."""

    def __init__(self, kafka: Kafka) -> None:
        self._kafka = kafka
        self.frozen = threading.Event()

    def handle(self, batch: Sequence[StoredRecord], next_offsets: Mapping[Partition, int]) -> None:
        """Do nothing with them."""
        if not self.frozen.is_set():
            self._kafka.freeze()
            self.frozen.set()

    def pass_over(self, record: StoredRecord) -> None:
        """Nothing is set aside here."""
        raise AssertionError(record)


def is_done(log: Log) -> bool:
    """Whether the stage has stored everything; no where nobody says so yet."""
    with suppress(Transient):
        return not any(log.group_lag("stage", [Topic.BOUNCES]).values())
    return False


def test_a_stage_whose_broker_stood_still_before_its_first_commit_goes_on(own_kafka: Kafka) -> None:
    """By then the member is out of its group, and a broker that is alone says at first that there is none."""
    settings = migrated(settings_for(own_kafka.servers))
    stopping = threading.Event()
    with opened(settings) as log, log.producer() as producer, log.consumer("stage", [Topic.BOUNCES]) as consumer:
        wait_until_durable(producer.publish([Record(Topic.BOUNCES, b"%d" % number, b"v") for number in range(100)]))
        stage = Freezing(own_kafka)
        loop = ConsumeLoop(
            "stage", consumer=consumer, handler=stage, dead_letters=producer, clock=SystemClock(), stopping=stopping.is_set
        )
        running = threading.Thread(target=loop.run)
        running.start()
        try:
            assert stage.frozen.wait(20)
            stopping.wait(KAFKA_SESSION_SECONDS + 2)
            own_kafka.thaw()

            wait_for(lambda: is_done(log), what="everything to be stored", seconds=40)
        finally:
            stopping.set()
            running.join()
