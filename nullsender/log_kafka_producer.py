"""Putting records on Kafka: one client for the process, its acknowledgements, and what happens when it breaks.

The client is idempotent and waits for all in-sync replicas; it tries again by itself until its time is up. Past that, the
future fails with `Transient`, and it does so whatever becomes of the client: each has a deadline of ours as well. When the
client says that it can not go on (a fatal error: Kafka and it no longer agree on what was written), everything that waits fails
and a new client takes its place.
"""

import logging
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from functools import partial

from confluent_kafka import KafkaError, KafkaException, Message
from confluent_kafka import Producer as Client

from nullsender import telemetry
from nullsender.clock import Clock
from nullsender.errors import Invalid, Transient
from nullsender.limits import (
    KAFKA_BATCH_BYTES_MAX,
    KAFKA_DELIVERY_SECONDS_MAX,
    KAFKA_LINGER_SECONDS,
    KAFKA_POLL_SECONDS,
    LOG_QUEUE_BYTES_MAX,
    LOG_QUEUE_RECORDS_MAX,
    PUBLISH_SECONDS_MAX,
)
from nullsender.log import Closing, Producer, Record, Topic
from nullsender.log_kafka_client import Naming, client_config, error_of
from nullsender.log_kafka_settings import KafkaSettings
from nullsender.log_kafka_topics import COMPRESSION, REQUEST_BYTES_MAX
from nullsender.log_publication import Publication

_log = logging.getLogger("log")


class _Line:
    """One client and what waits for it."""

    def __init__(self, config: Mapping[str, object]) -> None:
        self.client = Client(dict(config))
        self.waiting: deque[Publication] = deque()  # oldest first, those that are done among them
        self.broken: KafkaError | None = None


class KafkaPublisher(Closing):
    """The client of this process, behind all of its producers. Thread-safe."""

    def __init__(self, settings: KafkaSettings, naming: Naming, *, record_bytes_max: Mapping[Topic, int], clock: Clock) -> None:
        self._config = client_config(
            settings,
            {
                "acks": "all",
                "enable.idempotence": True,
                "delivery.timeout.ms": int(KAFKA_DELIVERY_SECONDS_MAX * 1000),
                "linger.ms": KAFKA_LINGER_SECONDS * 1000,
                "compression.type": COMPRESSION,
                "partitioner": "murmur2_random",  # by the key alone, as Kafka's own clients do it
                "batch.size": KAFKA_BATCH_BYTES_MAX,
                "message.max.bytes": REQUEST_BYTES_MAX,
                "queue.buffering.max.messages": LOG_QUEUE_RECORDS_MAX,
                "queue.buffering.max.kbytes": LOG_QUEUE_BYTES_MAX // 1024,
                # A single broker that stood still comes back saying that nobody leads a partition, and whoever does not begin
                # anew then believes that for ever.
                "metadata.recovery.strategy": "rebootstrap",
            },
        )
        self._naming = naming
        self._record_bytes_max = record_bytes_max
        self._clock = clock
        self._lock = threading.Lock()
        self._line = _Line(self._config)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kafka producer", daemon=True)
        self._thread.start()

    def publish(self, records: Sequence[Record]) -> "Future[None]":
        """As the interface says."""
        publication = Publication(parts=len(records), deadline_seconds=self._clock.monotonic_seconds() + PUBLISH_SECONDS_MAX)
        too_large = self._too_large(records)
        if too_large is not None:
            publication.settle(Invalid(too_large))
        elif not records:
            publication.settle()
        elif self._closing.is_set():
            publication.settle(Transient("the log is being closed"))
        else:
            self._send(records, publication)
        return publication.future

    def _too_large(self, records: Sequence[Record]) -> str | None:
        for record in records:
            length_bytes, bytes_max = len(record.key) + len(record.value), self._record_bytes_max[record.topic]
            if length_bytes > bytes_max:
                return f"a record of {length_bytes} bytes; the topic {record.topic} takes up to {bytes_max}"
        return None

    def _send(self, records: Sequence[Record], publication: Publication) -> None:
        with self._lock:
            line = self._line
            line.waiting.append(publication)
        acknowledged = partial(self._acknowledged, line, publication)
        try:
            for record in records:
                line.client.produce(self._naming.topic(record.topic), record.value, key=record.key, on_delivery=acknowledged)
        except BufferError:
            self._refuse(publication, Transient("too many records wait for Kafka"))
        except KafkaException as exception:
            self._failed(line, publication, error_of(exception))

    def _acknowledged(self, line: _Line, publication: Publication, error: KafkaError | None, _message: Message) -> None:
        if error is None:
            publication.settle()
        else:
            self._failed(line, publication, error)

    def _failed(self, line: _Line, publication: Publication, error: KafkaError) -> None:
        self._note(line, error)
        self._refuse(publication, Transient(f"Kafka did not take it: {error.str()}"))

    def _note(self, line: _Line, error: KafkaError) -> None:
        if error.fatal() or error.code() == KafkaError._FATAL:
            line.broken = error

    def _refuse(self, publication: Publication, failure: Transient) -> None:
        if not publication.future.done():
            telemetry.KAFKA_REFUSED.inc()
            _log.warning("refused", extra={"facts": {"why": failure}})
        publication.settle(failure)

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                self._turn()
            except Exception:  # the thread must live: nobody else fails what is overdue
                _log.exception("our own code failed on hearing from Kafka")

    def _turn(self) -> None:
        """Hear what was acknowledged, fail what is overdue, take a new client when this one is broken."""
        self._hear(self._line)
        self._fail_overdue(self._line)
        if self._line.broken is not None:
            self._begin_anew(self._line.broken)

    def _hear(self, line: _Line) -> None:
        """Let the client call back; a broken one says so by raising."""
        try:
            line.client.poll(KAFKA_POLL_SECONDS)
        except KafkaException as exception:
            self._note(line, error_of(exception))

    def _fail_overdue(self, line: _Line) -> None:
        """The client's own time-out comes first; this is for those that it forgets."""
        now_seconds = self._clock.monotonic_seconds()
        while line.waiting and (line.waiting[0].future.done() or line.waiting[0].deadline_seconds <= now_seconds):
            self._refuse(line.waiting.popleft(), Transient(f"Kafka did not answer within {PUBLISH_SECONDS_MAX:.0f} s"))

    def _begin_anew(self, error: KafkaError) -> None:
        telemetry.KAFKA_REBUILDS.inc()
        _log.error("the Kafka producer is broken and is made anew", extra={"facts": {"why": error.str()}})
        new = _Line(self._config)
        with self._lock:
            old, self._line = self._line, new
        # Whoever was just about to send on the old one hears of it from `produce`, for it stays broken.
        self._end(old, Transient(f"the Kafka producer had to be made anew: {error.str()}"))

    def _end(self, line: _Line, failure: Transient) -> None:
        """Let a client go. What waits fails: some callbacks of a broken client never come."""
        for publication in list(line.waiting):
            self._refuse(publication, failure)
        line.client.purge()
        self._hear(line)  # what was purged is called back, and gives its records free

    def close(self) -> None:
        """Wait for what is under way, as long as a publish may take, then let go."""
        if self._closing.is_set():
            return
        self._closing.set()
        self._thread.join()
        deadline_seconds = self._clock.monotonic_seconds() + PUBLISH_SECONDS_MAX
        while len(self._line.client) and self._line.broken is None and self._clock.monotonic_seconds() < deadline_seconds:
            self._hear(self._line)
        self._end(self._line, Transient("the log was closed before Kafka had it"))


class KafkaProducer(Producer):
    """What a stage holds: it has nothing of its own to give back."""

    def __init__(self, publisher: KafkaPublisher) -> None:
        self._publisher = publisher

    def publish(self, records: Sequence[Record]) -> "Future[None]":
        """As the interface says."""
        return self._publisher.publish(records)
