"""How our topics are made on Kafka, and how `nullsender migrate` brings them there.

Everything is looked at before anything is changed: what only the operator can change (too few brokers, replicas or partitions)
is told, all of it at once, and then nothing is made. What may be changed while the topics are in use is set as it stands here.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from functools import cached_property
from typing import NamedTuple, TypeVar

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    PartitionMetadata,
)

from nullsender.clock import Clock
from nullsender.errors import Misconfigured, Transient
from nullsender.limits import (
    KAFKA_LARGE_RECORD_BYTES_MAX,
    KAFKA_POLL_SECONDS,
    KAFKA_RECORD_OVERHEAD_BYTES,
    KAFKA_REPORT_RECORD_BYTES_MAX,
    KAFKA_REQUEST_SECONDS_MAX,
    KAFKA_SEGMENTS_PER_RETENTION,
    KAFKA_START_SECONDS_MAX,
    LOG_DEAD_LETTER_BYTES_MAX,
    LOG_DEAD_LETTER_DAYS,
    LOG_RAW_BYTES_MAX,
    LOG_RAW_DAYS,
    LOG_REPORT_DAYS,
)
from nullsender.log import Topic
from nullsender.log_kafka_client import (
    Asks,
    Naming,
    asked,
    bounds_of,
    client_config,
    error_of,
    failure_of,
    metadata_of,
    opened_asker,
    partitions_of,
)
from nullsender.log_kafka_settings import KafkaSettings

Answer = TypeVar("Answer")

COMPRESSION = "zstd"
#: The largest request of a producer: one record of the largest size with what the protocol puts around it.
REQUEST_BYTES_MAX = KAFKA_LARGE_RECORD_BYTES_MAX + KAFKA_RECORD_OVERHEAD_BYTES
_DAY_MILLISECONDS = 24 * 3600 * 1000


class TopicPlan(NamedTuple):
    """What one topic is made for."""

    record_bytes_max: int
    retention_days: int
    partition_bytes_max: int | None  # past it the oldest records go, read or not; None: only their age counts


_REPORTS = TopicPlan(KAFKA_REPORT_RECORD_BYTES_MAX, LOG_REPORT_DAYS, None)
PLANS: Mapping[Topic, TopicPlan] = {
    Topic.BOUNCES: _REPORTS,
    Topic.COMPLAINTS: _REPORTS,
    Topic.UNSUBSCRIBES: _REPORTS,
    Topic.OUTCOMES: _REPORTS,
    Topic.URGENT_OUTCOMES: _REPORTS,
    Topic.RAW: TopicPlan(KAFKA_LARGE_RECORD_BYTES_MAX, LOG_RAW_DAYS, LOG_RAW_BYTES_MAX),
    Topic.DEAD_LETTERS: TopicPlan(KAFKA_LARGE_RECORD_BYTES_MAX, LOG_DEAD_LETTER_DAYS, LOG_DEAD_LETTER_BYTES_MAX),
}


def config_of(plan: TopicPlan, *, min_insync: int) -> dict[str, str]:
    """The topic's configuration in Kafka's words."""
    retention_milliseconds = plan.retention_days * _DAY_MILLISECONDS
    return {
        "cleanup.policy": "delete",
        "compression.type": COMPRESSION,
        "max.message.bytes": str(plan.record_bytes_max + KAFKA_RECORD_OVERHEAD_BYTES),
        # The broker's clock says when a record was appended: it orders nothing, but a mark holds it (nullsender/log.py).
        "message.timestamp.type": "LogAppendTime",
        "min.insync.replicas": str(min_insync),
        "retention.bytes": "-1" if plan.partition_bytes_max is None else str(plan.partition_bytes_max),
        "retention.ms": str(retention_milliseconds),
        # Kafka deletes whole segments: by this a record leaves at most a seventh of its time too late.
        "segment.ms": str(retention_milliseconds // KAFKA_SEGMENTS_PER_RETENTION),
        "unclean.leader.election.enable": "false",  # a replica that lacks acknowledged records never leads
    }


class _Found(NamedTuple):
    """A topic as it is."""

    partitions: int
    replicas: int  # of the partition that has the fewest
    config: Mapping[str, str]


class KafkaTopics:
    """Our topics on one Kafka."""

    def __init__(self, asker: Asks, naming: Naming, settings: KafkaSettings, *, clock: Clock) -> None:
        self._asker = asker
        self._clock = clock
        self._naming = naming
        self._settings = settings

    @cached_property
    def _admin(self) -> AdminClient:
        """For `migrate` and `findings` alone: nothing that runs for long may have one (`log_kafka_client`)."""
        return AdminClient(client_config(self._settings, {"log_level": 0}))

    def migrate(self) -> list[str]:
        """Make what is missing and set what differs; what was done, a sentence each.

        `Misconfigured`: something stands in the way that only the operator can change; then nothing was done.
        """
        found, brokers = self._look()
        mistakes = list(self._mistakes(found, brokers))
        if mistakes:
            raise Misconfigured("the topics can not be made:\n" + "\n".join(f"  {mistake}" for mistake in mistakes))
        return [*self._make([topic for topic in Topic if topic not in found]), *self._mend(found)]

    def findings(self) -> list[str]:
        """What is not as it should be, a sentence each; nothing is changed."""
        found, brokers = self._look()
        missing = [topic for topic in Topic if topic not in found]
        return [
            *self._mistakes(found, brokers),
            *(f"the topic {self._naming.topic(topic)} is missing: `nullsender migrate` makes it" for topic in missing),
            *(
                f"the topic {self._naming.topic(topic)} has {name}={value}: `nullsender migrate` sets {wanted}"
                for topic, name, value, wanted in self._differences(found)
            ),
        ]

    def require(self) -> None:
        """`Misconfigured` when a topic is missing or has too few replicas: a role would promise what Kafka does not keep."""
        known = metadata_of(self._asker).topics
        missing = [name for topic in Topic if (name := self._naming.topic(topic)) not in known]
        if missing:
            raise Misconfigured(
                f"Kafka at {','.join(self._settings.servers)} has no topic {', '.join(missing)}: run `nullsender migrate` "
                "(or is kafka.topic_prefix another, or this user not allowed to see them?)"
            )
        thin = [
            self._too_few(topic, replicas)
            for topic in Topic
            if (replicas := _fewest_replicas(known[self._naming.topic(topic)].partitions.values())) < self._settings.replication
        ]
        if thin:
            raise Misconfigured("\n  ".join(thin))

    def _too_few(self, topic: Topic, replicas: int) -> str:
        return (
            f"the topic {self._naming.topic(topic)} has {_count(replicas, 'replica')} and kafka.replication is "
            f"{self._settings.replication}: reassign it (kafka-reassign-partitions), or set kafka.replication to {replicas}"
        )

    def trouble(self) -> str | None:
        """What keeps records from being acknowledged: too few replicas of a partition are in sync."""
        wanted = self._settings.min_insync
        known = metadata_of(self._asker).topics
        lacking = [
            f"{name} {partition.id}"
            for name in map(self._naming.topic, Topic)
            for partition in (known[name].partitions.values() if name in known else ())
            if partition.leader < 0 or len(partition.isrs) < wanted
        ]
        if not lacking:
            return None
        return f"{_count(len(lacking), 'partition')} of Kafka, such as {lacking[0]}, with fewer than {wanted} replicas in sync"

    def _look(self) -> tuple[dict[Topic, _Found], int]:
        """The topics that are there, and how many brokers."""
        metadata = metadata_of(self._asker)
        there = [topic for topic in Topic if self._naming.topic(topic) in metadata.topics]
        resources = {topic: ConfigResource(ConfigResource.Type.TOPIC, self._naming.topic(topic)) for topic in there}
        configs = (
            self._admin.describe_configs(list(resources.values()), request_timeout=KAFKA_REQUEST_SECONDS_MAX) if there else {}
        )
        found = {}
        for topic in there:
            partitions = metadata.topics[self._naming.topic(topic)].partitions.values()
            entries = _answer_of(configs[resources[topic]])
            found[topic] = _Found(
                len(partitions),
                _fewest_replicas(partitions),
                {name: entry.value for name, entry in entries.items()},
            )
        return found, len(metadata.brokers)

    def _mistakes(self, found: Mapping[Topic, _Found], brokers: int) -> Iterator[str]:
        wanted = self._settings
        if brokers < wanted.replication and len(found) < len(Topic):
            yield (
                f"kafka.replication is {wanted.replication} and Kafka has {_count(brokers, 'broker')}: "
                f"start more, or set kafka.replication to {brokers} (and kafka.min_insync to no more)"
            )
        for topic, it in found.items():
            name = self._naming.topic(topic)
            if it.replicas < wanted.replication:
                yield self._too_few(topic, it.replicas)
            if it.partitions < wanted.partitions:
                yield (
                    f"the topic {name} has {_count(it.partitions, 'partition')} and kafka.partitions is "
                    f"{wanted.partitions}: set that to "
                    f"{it.partitions}, or add partitions yourself when everything is read (an address may change its partition)"
                )

    def _differences(self, found: Mapping[Topic, _Found]) -> Iterator[tuple[Topic, str, str, str]]:
        for topic, it in found.items():
            for name, wanted in config_of(PLANS[topic], min_insync=self._settings.min_insync).items():
                if it.config.get(name) != wanted:
                    yield topic, name, it.config.get(name, ""), wanted

    def _make(self, topics: Sequence[Topic]) -> Iterator[str]:
        if not topics:
            return
        new = [
            NewTopic(
                self._naming.topic(topic),
                num_partitions=self._settings.partitions,
                replication_factor=self._settings.replication,
                config=config_of(PLANS[topic], min_insync=self._settings.min_insync),
            )
            for topic in topics
        ]
        self._create(new, validate_only=True)  # all of them, before the first is made
        self._create(new, validate_only=False)
        self._await_leaders(topics)
        partitions, replicas = _count(self._settings.partitions, "partition"), _count(self._settings.replication, "replica")
        for topic in new:
            yield f"The topic {topic.topic} was made: {partitions}, {replicas}."

    def _create(self, topics: list[NewTopic], *, validate_only: bool) -> None:
        created = self._admin.create_topics(topics, request_timeout=KAFKA_REQUEST_SECONDS_MAX, validate_only=validate_only)
        for name, future in created.items():
            try:
                future.result(KAFKA_START_SECONDS_MAX)
            except KafkaException as exception:
                error = error_of(exception)
                if error.code() == KafkaError.TOPIC_ALREADY_EXISTS:
                    continue  # somebody else migrates at this moment
                if error.retriable():
                    raise failure_of(error) from exception
                raise Misconfigured(f"the topic {name} can not be made: {error.str()}") from exception

    def _await_leaders(self, topics: Sequence[Topic]) -> None:
        """Return when every new partition answers: the brokers hear of them one after the other."""
        deadline_seconds = self._clock.monotonic_seconds() + KAFKA_START_SECONDS_MAX
        while True:
            try:
                bounds_of(self._asker, self._naming, partitions_of(self._asker, self._naming, topics))
            except Transient:
                if self._clock.monotonic_seconds() >= deadline_seconds:
                    raise
                self._clock.sleep(KAFKA_POLL_SECONDS)
            else:
                return

    def _mend(self, found: Mapping[Topic, _Found]) -> Iterator[str]:
        for topic, name, value, wanted in self._differences(found):
            entry = ConfigEntry(name, wanted, incremental_operation=AlterConfigOpType.SET)
            resource = ConfigResource(ConfigResource.Type.TOPIC, self._naming.topic(topic), incremental_configs=[entry])
            for future in self._admin.incremental_alter_configs([resource]).values():
                _answer_of(future)
            yield f"The topic {self._naming.topic(topic)} has {name}={wanted} now ({value} before)."


def _answer_of(future: "Future[Answer]") -> Answer:
    """What an administrative request came to."""
    return asked(lambda: future.result(KAFKA_REQUEST_SECONDS_MAX))


def _fewest_replicas(partitions: Iterable[PartitionMetadata]) -> int:
    return min(len(partition.replicas) for partition in partitions)


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'s' * (number != 1)}"


def migrate_topics(settings: KafkaSettings, *, clock: Clock) -> list[str]:
    """`KafkaTopics.migrate` on the Kafka of `settings`. `Misconfigured`: nobody lets us in, or the topics can not be made."""
    return KafkaTopics(opened_asker(settings, clock=clock), Naming(settings.topic_prefix), settings, clock=clock).migrate()
