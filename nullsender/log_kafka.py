"""The log on Kafka: for as many machines as there are.

`log_kafka_producer` puts records there, `log_kafka_consumer` reads them as a member of a group, `log_kafka_topics` makes the
topics. Here is what is asked from outside any group, and the opening, which says in a sentence what an operator has to change.
Why it is as it is, what it costs and what would change our mind: docs/decisions/0013-kafka.md.

A process opens the log once, after it was started: its threads do not survive a fork.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from confluent_kafka import Consumer as Client
from confluent_kafka import KafkaError

from nullsender.clock import Clock
from nullsender.errors import Transient
from nullsender.limits import (
    KAFKA_POLL_SECONDS,
    KAFKA_READ_SECONDS_MAX,
    LOG_POLL_BYTES_MAX,
)
from nullsender.log import Consumer, Log, Partition, Producer, StartAt, StoredRecord, Topic
from nullsender.log_kafka_asker import Asker
from nullsender.log_kafka_client import (
    Naming,
    asker,
    bounds_of,
    client_config,
    committed_of,
    failure_of,
    opened_asker,
    partitions_of,
)
from nullsender.log_kafka_consumer import KafkaConsumer, KafkaTopicConsumer, stored_record
from nullsender.log_kafka_members import KafkaMembers
from nullsender.log_kafka_producer import KafkaProducer, KafkaPublisher
from nullsender.log_kafka_settings import KafkaSettings
from nullsender.log_kafka_topics import PLANS, KafkaTopics
from nullsender.log_positions import lag_records


class KafkaLog(Log):
    """The log on one Kafka."""

    def __init__(self, settings: KafkaSettings, *, clock: Clock) -> None:
        """Ask Kafka whether it is there, lets us in and has our topics; a question of seconds.

        `Misconfigured`: no, with what to do about it.
        """
        self._settings = settings
        self._clock = clock
        self._naming = Naming(settings.topic_prefix)
        self._asker = opened_asker(settings, clock=clock)
        self._topics = KafkaTopics(self._asker, self._naming, settings, clock=clock)
        self._topics.require()
        self._publisher: KafkaPublisher | None = None
        self._members = KafkaMembers(settings)
        self._askers: dict[str, Asker] = {}  # by the group that each asks for

    def producer(self) -> Producer:
        """A producer; those of one process share one client of Kafka."""
        if self._publisher is None:
            bytes_max = {topic: plan.record_bytes_max for topic, plan in PLANS.items()}
            self._publisher = KafkaPublisher(self._settings, self._naming, record_bytes_max=bytes_max, clock=self._clock)
        return KafkaProducer(self._publisher)

    def consumer(self, group: str, topics: Sequence[Topic], *, start_at: StartAt | None = None) -> Consumer:
        """As the interface says."""
        members = [
            KafkaTopicConsumer(
                group,
                topic,
                settings=self._settings,
                naming=self._naming,
                asker=self._asker,
                start_at=start_at,
                clock=self._clock,
            )
            for topic in topics
        ]
        return KafkaConsumer(members, clock=self._clock)

    def read(self, topic: Topic, *, since: datetime | None = None) -> Iterator[StoredRecord]:
        """As the interface says; what is trimmed while you read is left out, what is appended meanwhile too.

        `Transient`: Kafka stopped answering.
        """
        bounds = bounds_of(self._asker, self._naming, partitions_of(self._asker, self._naming, [topic]), since=since)
        client = Client(
            client_config(
                self._settings,
                {
                    "group.id": self._naming.group("read", topic),  # it joins no group and stores nothing
                    "enable.auto.commit": False,
                    "auto.offset.reset": "earliest",
                    "enable.partition.eof": True,
                    "fetch.wait.max.ms": 1,  # what is there is there: nothing is waited for
                    "fetch.max.bytes": LOG_POLL_BYTES_MAX,
                    "queued.max.messages.kbytes": LOG_POLL_BYTES_MAX // 1024,
                },
            )
        )
        try:
            for partition, offsets in bounds.items():
                yield from self._span(client, partition, offsets)
        finally:
            client.close()

    def _span(self, client: Client, partition: Partition, offsets: range) -> Iterator[StoredRecord]:
        """The records of a partition at `offsets`, oldest first."""
        if not offsets:
            return
        client.assign([self._naming.place(partition, offsets.start)])
        silent_since_seconds = self._clock.monotonic_seconds()
        while self._clock.monotonic_seconds() - silent_since_seconds < KAFKA_READ_SECONDS_MAX:
            message = client.poll(KAFKA_POLL_SECONDS)
            if message is None:
                continue
            error = message.error()
            if error is not None and error.code() != KafkaError._PARTITION_EOF:
                raise failure_of(error)
            record = stored_record(message, partition)
            if error is None and record.offset < offsets.stop:
                yield record
            if error is not None or record.offset >= offsets.stop - 1:
                return
            silent_since_seconds = self._clock.monotonic_seconds()
        raise Transient(f"Kafka gave nothing for {KAFKA_READ_SECONDS_MAX:.0f} s")

    def group_lag(self, group: str, topics: Sequence[Topic]) -> Mapping[Partition, int]:
        """As the interface says. `Transient`: Kafka does not answer."""
        partitions = partitions_of(self._asker, self._naming, topics)
        bounds = bounds_of(self._asker, self._naming, partitions)
        stored = {
            partition: offset
            for topic in topics
            for partition, offset in committed_of(
                self._asker_of(self._naming.group(group, topic)), self._naming, [it for it in partitions if it.topic == topic]
            ).items()
        }
        return {partition: lag_records(bounds[partition], stored[partition]) for partition in partitions}

    def _asker_of(self, group: str) -> Asker:
        """Who asks for the offsets of one of Kafka's groups."""
        if group not in self._askers:
            self._askers[group] = asker(self._settings, group)
        return self._askers[group]

    def unread(self, group: str, topics: Sequence[Topic]) -> Sequence[Partition]:
        """As the interface says. `Transient`: Kafka does not answer."""
        read = self._members.places([self._naming.group(group, topic) for topic in topics])
        partitions = partitions_of(self._asker, self._naming, topics)
        return [partition for partition in partitions if (self._naming.topic(partition.topic), partition.number) not in read]

    def trouble(self) -> str | None:
        """As the interface says. `Transient`: Kafka does not answer."""
        return self._topics.trouble()

    def findings(self) -> Sequence[str]:
        """As the interface says: topics that are not as `nullsender migrate` makes them."""
        return self._topics.findings()

    def close(self) -> None:
        """Wait for what is under way to be acknowledged, then let go. Close consumers first."""
        self._members.close()
        if self._publisher is not None:
            self._publisher.close()
