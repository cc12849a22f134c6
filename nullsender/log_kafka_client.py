"""What every client of Kafka shares: the names of topics and groups, the time that a question may take, and what errors mean.

librdkafka tells of its trouble in three ways: by exceptions, by a callback and by lines on standard error. Here the lines
become log lines of ours, and an error becomes one of the three kinds of failure.

Whatever runs for long asks with a consumer's client, which joins no group. librdkafka's administrative client aborts its whole
process when a broker that stood still comes back: it is for `migrate` and `doctor`, and for `log_kafka_members`.
"""

import logging
import math
import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TypeVar

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Consumer as Client
from confluent_kafka.admin import ClusterMetadata  # type: ignore[attr-defined]

from nullsender.clock import Clock
from nullsender.errors import Misconfigured, NullsenderError, Transient
from nullsender.limits import (
    KAFKA_ASK_AGAIN_SECONDS,
    KAFKA_CONNECT_SECONDS_MAX,
    KAFKA_LINES_REMEMBERED_MAX,
    KAFKA_RECONNECT_SECONDS_MAX,
    KAFKA_REQUEST_SECONDS_MAX,
    KAFKA_SAY_AGAIN_SECONDS,
    KAFKA_START_SECONDS_MAX,
)
from nullsender.log import Partition, Topic
from nullsender.log_kafka_asker import Asker
from nullsender.log_kafka_settings import KafkaSettings

Answer = TypeVar("Answer")

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_REFUSED = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "a topic",
    KafkaError.GROUP_AUTHORIZATION_FAILED: "a consumer group",
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: "the cluster",
}


#: What no waiting mends.
_REFUSALS = (KafkaError._AUTHENTICATION, KafkaError._SSL)


class _SaidOnce(logging.Filter):
    """Lets a line pass that was not said within the last minute, whatever numbers are in it: an outage fills no disk."""

    def __init__(self) -> None:
        super().__init__()
        self._said_at_seconds: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        words = re.sub(r"\d+", "#", record.getMessage())
        is_new = record.created - self._said_at_seconds.get(words, -math.inf) > KAFKA_SAY_AGAIN_SECONDS
        if is_new:
            if len(self._said_at_seconds) >= KAFKA_LINES_REMEMBERED_MAX:
                self._said_at_seconds.clear()
            self._said_at_seconds[words] = record.created
        return is_new


_LINES = logging.getLogger("kafka")
_LINES.addFilter(_SaidOnce())


class Naming:
    """How our topics and groups are called on a Kafka that we may share with others."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._topics = {prefix + topic: topic for topic in Topic}

    def topic(self, topic: Topic) -> str:
        """The name of `topic` there."""
        return self._prefix + topic

    def group(self, group: str, topic: Topic) -> str:
        """The consumer group by which `group` reads `topic`: one for each, so that no topic waits for another's members."""
        return f"{self._prefix}{group}.{topic}"

    def place(self, partition: Partition, offset: int = -1001) -> TopicPartition:
        """A partition in Kafka's words, with an offset in it (without one: none)."""
        return TopicPartition(self.topic(partition.topic), partition.number, offset)

    def partition(self, place: TopicPartition) -> Partition:
        """The same in ours."""
        return Partition(self._topics[place.topic], place.partition)


def client_config(settings: KafkaSettings, ours: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of one client: what the operator said, what all have in common, and `ours`, which comes last."""
    common = {
        "client.id": "nullsender",
        "logger": _LINES,
        "socket.keepalive.enable": True,
        "socket.connection.setup.timeout.ms": int(KAFKA_CONNECT_SECONDS_MAX * 1000),
        "reconnect.backoff.max.ms": int(KAFKA_RECONNECT_SECONDS_MAX * 1000),
        # librdkafka 2.16 begins anew when all brokers are away, and whatever then waits for the coordinator of a group, a
        # commit or a question, is never answered, though the broker is long back.
        "metadata.recovery.strategy": "none",
    }
    return {**common, **settings.client(), **ours}


class Asks(Protocol):
    """What answers questions: an `Asker`, or a client that reads."""

    def poll(self, timeout: float, /) -> object:
        """Hand over what was heard meanwhile."""

    def list_topics(self, *, timeout: float) -> Any:
        """Brokers, topics and partitions."""

    def offsets_for_times(self, partitions: list[TopicPartition], /, timeout: float) -> Sequence[TopicPartition]:
        """Where the times begin that stand in the place of offsets."""

    def committed(self, partitions: list[TopicPartition], /, timeout: float) -> Sequence[TopicPartition]:
        """How far the group is."""


def asker(settings: KafkaSettings, group: str) -> Asker:
    """Who asks what is known of `group`, and of topics, and never joins it."""
    return Asker(_asking_config(settings, group, {}))


def _asking_config(settings: KafkaSettings, group: str, ours: Mapping[str, Any]) -> dict[str, Any]:
    own = {
        "group.id": group,
        "enable.auto.commit": False,
        # A single broker that stood still comes back saying that there is none, and whoever does not begin anew then has nobody
        # left to ask. What waits meanwhile is not answered, but each of our questions has an end, and the next one is.
        "metadata.recovery.strategy": "rebootstrap",
        "log_level": 0,  # it says nothing by itself: whoever asks is told, and nobody would fetch its lines
    }
    return client_config(settings, {**own, **ours})


def opened_asker(settings: KafkaSettings, *, clock: Clock) -> Asker:
    """Who asks questions, once a broker has let it in. `Misconfigured`: none does."""
    heard: deque[KafkaError] = deque(maxlen=KAFKA_LINES_REMEMBERED_MAX)
    config = _asking_config(settings, f"{settings.topic_prefix}ask", {"error_cb": heard.append})
    try:
        client = Client(config)
    except KafkaException as exception:  # it looks at files and options before it speaks to anybody
        raise Misconfigured(f"the settings for Kafka can not be used: {error_of(exception).str()}") from exception
    deadline_seconds = clock.monotonic_seconds() + KAFKA_START_SECONDS_MAX
    while True:
        try:
            client.list_topics(timeout=KAFKA_ASK_AGAIN_SECONDS)
            return Asker(config, client)
        except KafkaException as exception:
            client.poll(0)  # hands over what it heard
            is_refused = any(error.code() in _REFUSALS for error in heard)
            if is_refused or clock.monotonic_seconds() >= deadline_seconds:
                raise Misconfigured(_why_not(settings, [*heard, error_of(exception)])) from exception


def _why_not(settings: KafkaSettings, heard: Sequence[KafkaError]) -> str:
    """Why no broker lets us in: the first of its reasons that says more than silence."""
    where = ", ".join(settings.servers)
    reasons = {error.code(): error.str() for error in reversed(heard)}
    if (reason := reasons.get(KafkaError._AUTHENTICATION)) is not None:
        return f"Kafka at {where} refuses the login: are kafka.username, password and sasl_mechanism right? ({reason})"
    if (reason := reasons.get(KafkaError._SSL)) is not None:
        return f"TLS with Kafka at {where} fails: are kafka.security and ca_file (or the client certificate) right? ({reason})"
    if (reason := reasons.get(KafkaError._RESOLVE)) is not None:
        return f"the name of Kafka at {where} is not known: is kafka.servers spelled right? ({reason})"
    telling = next((error for error in heard if error.code() != KafkaError._ALL_BROKERS_DOWN), heard[0])
    return f"no Kafka answers at {where}: is it running, are kafka.servers and kafka.security right? ({telling.str()})"


def failure_of(error: KafkaError) -> NullsenderError:
    """What kind of failure an error is: what somebody refuses us is the operator's to change, all else may pass."""
    if (what := _REFUSED.get(error.code())) is not None:
        return Misconfigured(f"Kafka lets this user not use {what} ({error.str()}): give it the rights that it needs")
    return Transient(f"Kafka: {error.str()}")


def error_of(exception: KafkaException) -> KafkaError:
    """The error inside."""
    error: KafkaError = exception.args[0]
    return error


def asked(question: Callable[[], Answer]) -> Answer:
    """The answer of a call that waits for a broker, its failure as one of ours."""
    try:
        return question()
    except KafkaException as exception:
        raise failure_of(error_of(exception)) from exception
    except TimeoutError:
        raise Transient("Kafka did not answer in time") from None


def offset_of(place: TopicPartition) -> int:
    """The offset that an answer names; it may be an error instead."""
    if place.error is not None:
        raise failure_of(place.error)
    return place.offset


def metadata_of(client: Asks) -> ClusterMetadata:
    """Kafka's brokers, topics and partitions. `Transient`: nobody answers."""
    client.poll(0)  # what it heard meanwhile is of no use any more
    metadata: ClusterMetadata = asked(lambda: client.list_topics(timeout=KAFKA_REQUEST_SECONDS_MAX))
    return metadata


def partitions_of(client: Asks, naming: Naming, topics: Sequence[Topic]) -> list[Partition]:
    """Every partition of `topics`. `Transient`: nobody answers, or a topic is not there (any more)."""
    known = metadata_of(client).topics
    missing = [naming.topic(topic) for topic in topics if naming.topic(topic) not in known]
    if missing:
        raise Transient(f"Kafka has no topic {', '.join(missing)}: `nullsender migrate` makes it")
    return [Partition(topic, number) for topic in topics for number in sorted(known[naming.topic(topic)].partitions)]


def bounds_of(
    client: Asks, naming: Naming, partitions: Sequence[Partition], *, since: datetime | None = None
) -> Mapping[Partition, range]:
    """The offsets that each partition holds now, or holds of what was appended at or after `since`.

    `Transient`: whoever leads one of them does not answer.
    """
    if not partitions:
        return {}
    metadata_of(client)  # by this it knows who leads now; else it asks for minutes whoever led before a broker was lost
    end = _offsets_of(client, naming, partitions, OFFSET_END)
    start = _offsets_of(client, naming, partitions, OFFSET_BEGINNING if since is None else _milliseconds(since))
    # Where nothing is as young as that, the answer is no offset.
    return {
        partition: range(start[partition] if start[partition] >= 0 else end[partition], end[partition])
        for partition in partitions
    }


def _offsets_of(client: Asks, naming: Naming, partitions: Sequence[Partition], moment: int) -> Mapping[Partition, int]:
    """Where what was appended at `moment` begins: milliseconds, or one of Kafka's two words for the oldest and the next."""
    places = [naming.place(partition, moment) for partition in partitions]
    answers = asked(lambda: client.offsets_for_times(places, timeout=KAFKA_REQUEST_SECONDS_MAX))
    return {naming.partition(answer): offset_of(answer) for answer in answers}


def committed_of(client: Asks, naming: Naming, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
    """How far the client's group is on each partition, 0 where it has stored nothing. `Transient`: nobody answers."""
    places = [naming.place(partition) for partition in partitions]
    answers = asked(lambda: client.committed(places, timeout=KAFKA_REQUEST_SECONDS_MAX))
    return {naming.partition(answer): max(offset_of(answer), 0) for answer in answers}


def _milliseconds(moment: datetime) -> int:
    return -(-(moment - EPOCH) // timedelta(milliseconds=1))  # rounded up: nothing older comes
