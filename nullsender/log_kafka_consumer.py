"""One member of a consumer group on Kafka.

Each topic has a Kafka group of its own, and so a client of its own here: a rebalance of one never holds up another. Partitions
change hands only inside the client's `poll`. A partition that comes is not read before it is known where to start (`_place`);
what was given and not stored is kept at hand, so that `rewind` asks Kafka for nothing.

The client's own waiting for a commit has no end: what the commit may wait for, a rebalance or the end of our session, comes
to pass only in `poll`. So a commit is sent off, its answer is heard in `poll` (`_on_commit`), and what is owed is said again
until an answer names it. Records that come meanwhile are kept at hand.

A client may go deaf for good: a broker that just came back tells it that there is no broker, and it believes that and asks
nobody any more (librdkafka since 2.10, its issue 5301). So one that hears nothing is put to the test (`_make_sure`).
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from confluent_kafka import Consumer as Client
from confluent_kafka import KafkaError, Message, TopicPartition

from nullsender.clock import Clock
from nullsender.errors import NullsenderError, Transient
from nullsender.limits import (
    KAFKA_COMMIT_LOOK_SECONDS_MAX,
    KAFKA_COMMIT_LOOK_SECONDS_MIN,
    KAFKA_COMMIT_RETRY_SECONDS,
    KAFKA_COMMIT_SECONDS_MAX,
    KAFKA_DEAF_SECONDS,
    KAFKA_FETCH_BYTES_MAX,
    KAFKA_FETCH_WAIT_SECONDS,
    KAFKA_HEARTBEAT_SECONDS,
    KAFKA_LEAVE_SECONDS_MAX,
    KAFKA_POLL_GAP_SECONDS_MAX,
    KAFKA_POLL_SECONDS,
    KAFKA_REQUEST_SECONDS_MAX,
    KAFKA_SESSION_SECONDS,
    LOG_LOOK_SECONDS_MAX,
    LOG_POLL_BYTES_MAX,
    LOG_TURN_RECORDS,
)
from nullsender.log import Consumer, Partition, Position, StartAt, StoredRecord, Topic, mark_of
from nullsender.log_kafka_asker import Asker
from nullsender.log_kafka_client import (
    EPOCH,
    Naming,
    asked,
    bounds_of,
    client_config,
    committed_of,
    failure_of,
    metadata_of,
)
from nullsender.log_kafka_settings import KafkaSettings
from nullsender.log_positions import lag_records, say_misfit

_log = logging.getLogger("log")
#: The group has given the partition to another, or us up: what we say of it no longer counts.
_NOT_OURS = (KafkaError.ILLEGAL_GENERATION, KafkaError.UNKNOWN_MEMBER_ID)


def stored_record(message: Message, partition: Partition) -> StoredRecord:
    """A message of Kafka's as a record."""
    offset = message.offset()
    assert offset is not None  # what was read lies somewhere
    return StoredRecord(
        partition=partition,
        offset=offset,
        appended_at=EPOCH + timedelta(milliseconds=message.timestamp()[1]),
        key=message.key() or b"",
        value=message.value() or b"",
    )


@dataclass
class _Place:
    """How far the group is on one partition."""

    stored: int  # what it has dealt with
    bounds: range  # what the partition held when it was last asked
    to_check: Position | None  # the first record to come is the one that this position marks


class KafkaTopicConsumer:
    """A member of the group of one topic."""

    def __init__(
        self,
        group: str,
        topic: Topic,
        *,
        settings: KafkaSettings,
        naming: Naming,
        asker: Asker,
        start_at: StartAt | None,
        clock: Clock,
    ) -> None:
        self._group = group
        self._topic = topic
        self._naming = naming
        self._asker = asker
        self._start_at = start_at
        self._clock = clock
        self._new: dict[Partition, bool] = {}  # ours, and it is to be found out where to start; True: at the oldest record
        self._assigned: set[Partition] = set()  # what the client fetches
        self._places: dict[Partition, _Place] = {}  # what we give records of
        self._owed: dict[Partition, int] = {}  # what Kafka does not know yet of how far we are
        self._refusal: KafkaError | None = None  # what it answered to what is owed
        self._say_at_seconds = 0.0  # when to say again what is owed
        self._failure: NullsenderError | None = None  # what was heard and is to be told once all that came before it is given
        self._unstored: list[StoredRecord] = []  # given at least once, or about to be
        self._given = 0  # how many of them have been given since the last rewind
        self._config = client_config(
            settings,
            {
                "group.id": naming.group(group, topic),
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "auto.offset.reset": "error",  # where we start is decided here and nowhere else
                "partition.assignment.strategy": "cooperative-sticky",
                "session.timeout.ms": int(KAFKA_SESSION_SECONDS * 1000),
                "heartbeat.interval.ms": int(KAFKA_HEARTBEAT_SECONDS * 1000),
                "max.poll.interval.ms": int(KAFKA_POLL_GAP_SECONDS_MAX * 1000),
                "fetch.wait.max.ms": int(KAFKA_FETCH_WAIT_SECONDS * 1000),
                "fetch.queue.backoff.ms": int(LOG_LOOK_SECONDS_MAX * 1000),
                "fetch.max.bytes": LOG_POLL_BYTES_MAX,
                "max.partition.fetch.bytes": KAFKA_FETCH_BYTES_MAX,
                "queued.max.messages.kbytes": LOG_POLL_BYTES_MAX // 1024,
            },
        )
        self._client = self._new_client()
        self._join()

    def _new_client(self) -> Client:
        def on_commit(error: KafkaError | None, places: list[TopicPartition]) -> None:
            if client is self._client:  # one that was given up may call until it is gone
                self._on_commit(error, places)

        client = Client({**self._config, "on_commit": on_commit})
        return client

    def _join(self) -> None:
        name = self._naming.topic(self._topic)
        self._client.subscribe([name], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost)
        self._heard_at_seconds = self._clock.monotonic_seconds()

    def _make_sure(self) -> None:
        """Give up a client that Kafka does not answer while it answers another; what it had in hand comes again.

        `Transient`: Kafka answers neither.
        """
        if self._clock.monotonic_seconds() - self._heard_at_seconds < KAFKA_DEAF_SECONDS:
            return
        if not self._is_answered(self._client):
            another = self._new_client()
            if not self._is_answered(another):
                self._leaving(another)
                raise Transient("Kafka does not answer")
            _log.warning("a member that Kafka does not answer joins its group anew", extra={"facts": {"group": self._group}})
            deaf, self._client = self._client, another
            self._assigned.clear()
            for partition in [*self._new, *self._places]:
                self._forget(partition)
            self._leaving(deaf)
            self._join()
        self._heard_at_seconds = self._clock.monotonic_seconds()

    def _is_answered(self, client: Client) -> bool:
        with suppress(Transient):
            asked(lambda: client.list_topics(self._naming.topic(self._topic), timeout=KAFKA_REQUEST_SECONDS_MAX))
            return True
        return False

    # --- partitions come and go ---------------------------------------------------------------------------------------

    def _on_assign(self, client: Client, places: list[TopicPartition]) -> None:
        """Only note what is ours now. `_place` asks where to start, outside this callback, where failing is allowed."""
        client.incremental_assign([])
        if client is self._client:
            self._new.update({self._naming.partition(place): False for place in places})

    def _on_revoke(self, client: Client, places: list[TopicPartition]) -> None:
        if client is self._client:
            with suppress(NullsenderError):  # then their next reader does some of it twice
                self._say()  # it reaches Kafka before the news that we let go, and so counts
        self._on_lost(client, places)

    def _on_lost(self, client: Client, places: list[TopicPartition]) -> None:
        if client is not self._client:
            return
        gone = {self._naming.partition(place) for place in places}
        client.incremental_unassign([self._naming.place(partition) for partition in gone & self._assigned])
        self._assigned -= gone
        for partition in gone:
            self._forget(partition)

    def _hold(self, partition: Partition, *, at_oldest: bool) -> None:
        """Give nothing more of the partition until `_place` has found out where to go on."""
        self._forget(partition)
        self._new[partition] = at_oldest

    def _forget(self, partition: Partition) -> None:
        self._new.pop(partition, None)
        self._places.pop(partition, None)
        self._owed.pop(partition, None)
        self._keep(lambda record: record.partition != partition)

    def _keep(self, wanted: Callable[[StoredRecord], bool]) -> None:
        """Of what is at hand, keep what is wanted."""
        self._given = sum(map(wanted, self._unstored[: self._given]))
        self._unstored = [record for record in self._unstored if wanted(record)]

    def _place(self) -> None:
        """Find out where the reading of new partitions starts, and start it."""
        if not self._new or not (partitions := self._led(self._new)):
            return
        bounds = bounds_of(self._asker, self._naming, partitions)
        committed = committed_of(self._client, self._naming, partitions)
        for partition in partitions:
            kept = self._start_at(partition) if self._start_at else None
            wanted = kept.next_offset if kept else committed[partition]
            oldest = bounds[partition].start
            if self._new[partition] or not oldest <= wanted <= bounds[partition].stop:
                if wanted:  # without a position a new group starts at the oldest record, whatever was trimmed before
                    say_misfit(self._group, partition, wanted=wanted, oldest=oldest)
                wanted, kept = oldest, None
            # A marked record that is gone was trimmed: what is left starts after it anyway.
            to_check = kept if wanted > oldest else None
            self._start(partition, _Place(wanted, bounds[partition], to_check))
            if wanted != committed[partition]:
                self._owed[partition] = wanted

    def _led(self, partitions: Iterable[Partition]) -> list[Partition]:
        """Those that a broker leads. What is asked of any other is not answered, and of the rest with it neither."""
        name = self._naming.topic(self._topic)
        topic = metadata_of(self._asker).topics.get(name)
        if topic is None:
            raise Transient(f"Kafka has no topic {name}")
        led = {number for number, known in topic.partitions.items() if known.leader >= 0}
        return sorted(partition for partition in partitions if partition.number in led)

    def _start(self, partition: Partition, place: _Place) -> None:
        there = self._naming.place(partition, place.stored - (place.to_check is not None))
        if partition in self._assigned:
            asked(lambda: self._client.incremental_unassign([there]))
            self._assigned.discard(partition)
        asked(lambda: self._client.incremental_assign([there]))
        self._assigned.add(partition)
        del self._new[partition]
        self._places[partition] = place

    # --- records come -------------------------------------------------------------------------------------------------

    def take(self, records_max: int, timeout_seconds: float) -> list[StoredRecord]:
        """What comes next; waits until there is something or the time is up."""
        if self._at_hand < records_max:
            self._fetch(records_max, 0 if self._at_hand else timeout_seconds)
        taken = self._unstored[self._given : self._given + records_max]
        self._given += len(taken)
        return taken

    @property
    def _at_hand(self) -> int:
        return len(self._unstored) - self._given

    def _fetch(self, records_max: int, timeout_seconds: float) -> None:
        """Take in what lies ready, or what comes first; a failure counts once all records that came before it are given."""
        while self._at_hand < records_max and self._listen(timeout_seconds):
            timeout_seconds = 0
        if self._failure is not None and not self._at_hand:
            failure, self._failure = self._failure, None
            raise failure
        self._make_sure()
        self._place()
        if self._owed and self._clock.monotonic_seconds() >= self._say_at_seconds:
            self._say()  # no record may come for hours: without this the group would seem to be behind for as long

    def _listen(self, timeout_seconds: float) -> bool:
        """Hear what the client has to say, one message at most; whether there was one."""
        # One at a time: where this raises, the client had no record in hand that would be lost with it.
        message = asked(lambda: self._client.poll(timeout_seconds))
        if message is not None:
            self._failure = self._hear(message) or self._failure
        return message is not None

    def _hear(self, message: Message) -> NullsenderError | None:
        """Take in one message; what it says of trouble that is not dealt with."""
        partition = Partition(self._topic, message.partition() or 0)
        error = message.error()
        if error is None:
            self._accept(partition, message)
        elif error.code() == KafkaError._AUTO_OFFSET_RESET:  # what should come next is not there: trimmed, or the log was lost
            if partition in self._places:
                self._hold(partition, at_oldest=False)
        elif error.code() == KafkaError._MAX_POLL_EXCEEDED:
            _log.warning("was away for too long and joins its group again", extra={"facts": {"group": self._group}})
        else:
            return failure_of(error)
        return None

    def _accept(self, partition: Partition, message: Message) -> None:
        self._heard_at_seconds = self._clock.monotonic_seconds()
        place = self._places.get(partition)
        if place is None:
            return  # it is another's now, or held
        record = stored_record(message, partition)
        kept, place.to_check = place.to_check, None
        if kept is None or record.offset >= kept.next_offset:
            self._unstored.append(record)
        elif mark_of(record) != kept.mark:
            self._hold(partition, at_oldest=True)

    # --- and are dealt with -------------------------------------------------------------------------------------------

    def store(self, next_offsets: Mapping[Partition, int]) -> None:
        """As the interface says. `Transient`: Kafka has trouble, or is not heard of in time."""
        ours = {partition: offset for partition, offset in next_offsets.items() if partition in self._places}
        if not ours:
            return
        self._owed.update(ours)
        self._say()
        deadline_seconds = self._clock.monotonic_seconds() + KAFKA_COMMIT_SECONDS_MAX
        look_seconds = KAFKA_COMMIT_LOOK_SECONDS_MIN
        while self._owed and not self._is_given_up():
            if self._clock.monotonic_seconds() >= deadline_seconds:
                raise Transient(f"Kafka did not confirm an offset within {KAFKA_COMMIT_SECONDS_MAX:.0f} s")
            # Each look may bring a record along, so they become rarer: few are taken in while nothing can be stored.
            self._clock.sleep(look_seconds)
            look_seconds = min(look_seconds * 2, KAFKA_COMMIT_LOOK_SECONDS_MAX)
            self._listen(0)

    def _is_given_up(self) -> bool:
        """Whether the answer was that we are no member any more. `Transient`: Kafka has trouble."""
        refusal, self._refusal = self._refusal, None
        if refusal is None:
            return False
        if refusal.code() in _NOT_OURS:
            _log.info("no longer ours to store", extra={"facts": {"group": self._group, "why": refusal.str()}})
            return True
        if refusal.code() != KafkaError.REBALANCE_IN_PROGRESS:
            raise failure_of(refusal)
        self._say()
        return False

    def _say(self) -> None:
        """Send off what is owed; `_on_commit` hears what came of it."""
        self._refusal = None
        self._say_at_seconds = self._clock.monotonic_seconds() + KAFKA_COMMIT_SECONDS_MAX
        places = [self._naming.place(partition, offset) for partition, offset in self._owed.items()]
        if places:
            asked(lambda: self._client.commit(offsets=places, asynchronous=True))

    def _on_commit(self, error: KafkaError | None, places: list[TopicPartition]) -> None:
        """Hear an answer, which may be late: it counts for what is owed at the very offset that it names."""
        now_seconds = self._clock.monotonic_seconds()
        self._say_at_seconds = now_seconds + KAFKA_COMMIT_RETRY_SECONDS
        if error is None:
            self._heard_at_seconds = now_seconds
        for answer in places:
            partition = self._naming.partition(answer)
            refusal = error or answer.error
            if self._owed.get(partition) == answer.offset:
                if refusal is None:
                    self._paid(partition)
                else:
                    self._refusal = refusal
            elif refusal is None and partition in self._places and answer.offset != self._places[partition].stored:
                self._owed.setdefault(partition, self._places[partition].stored)  # a late one may have set the group back

    def _paid(self, partition: Partition) -> None:
        offset = self._places[partition].stored = self._owed.pop(partition)
        self._keep(lambda record: record.partition != partition or record.offset >= offset)

    def rewind(self) -> None:
        """As the interface says."""
        self._given = 0

    def lag(self) -> Mapping[Partition, int]:
        """As the interface says."""
        led = self._led(self._places)
        for partition, bounds in bounds_of(self._asker, self._naming, led).items():
            self._places[partition].bounds = bounds
        # Where nobody leads, nothing is appended either.
        return {partition: lag_records(place.bounds, place.stored) for partition, place in self._places.items()}

    def close(self) -> None:
        """Leave the group.

        While the group waits for a busy member before it shares its partitions out, Kafka hears nobody who has joined, not
        even one who leaves. Then this one is gone without a word, and the group notices that by itself.
        """
        self._leaving(self._client).join(KAFKA_LEAVE_SECONDS_MAX)

    def _leaving(self, client: Client) -> threading.Thread:
        """What closes a client, for as long as that takes."""
        leaving = threading.Thread(target=client.close, name="kafka leaving", daemon=True)
        leaving.start()
        return leaving


class KafkaConsumer(Consumer):
    """A member that reads one topic, or several in turns."""

    def __init__(self, members: Sequence[KafkaTopicConsumer], *, clock: Clock) -> None:
        self._members = deque(members)
        self._clock = clock
        self._closed = False

    def poll(self, *, records_max: int, timeout_seconds: float) -> Sequence[StoredRecord]:
        """As the interface says; about LOG_POLL_BYTES_MAX at once."""
        deadline_seconds = self._clock.monotonic_seconds() + timeout_seconds
        turn_records = records_max if len(self._members) == 1 else min(records_max, LOG_TURN_RECORDS)
        wait_seconds = 0.0  # first whoever has records at hand
        while not (records := self._turn(turn_records, wait_seconds)):
            left_seconds = deadline_seconds - self._clock.monotonic_seconds()
            if left_seconds <= 0:
                break
            wait_seconds = min(left_seconds, KAFKA_POLL_SECONDS / len(self._members))
        return records

    def _turn(self, records_max: int, wait_seconds: float) -> Sequence[StoredRecord]:
        """What the first member gives that has any; it goes to the end of the queue."""
        for _ in range(len(self._members)):
            member = self._members[0]
            self._members.rotate(-1)
            if records := member.take(records_max, wait_seconds):
                return records
        return ()

    def store(self, next_offsets: Mapping[Partition, int]) -> None:
        """As the interface says."""
        for member in self._members:
            member.store(next_offsets)

    def rewind(self) -> None:
        """As the interface says."""
        for member in self._members:
            member.rewind()

    def lag(self) -> Mapping[Partition, int]:
        """As the interface says."""
        return {partition: lag for member in self._members for partition, lag in member.lag().items()}

    def close(self) -> None:
        """Leave the groups."""
        if not self._closed:
            self._closed = True
            for member in self._members:
                member.close()
