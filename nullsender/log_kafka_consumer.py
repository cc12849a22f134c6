"""One member of a consumer group on Kafka.

Each topic has a Kafka group of its own, and so a client of its own here: a rebalance of one never holds up another. Partitions
change hands only inside `poll`. A partition that comes is not read before it is known where to start (`_place`); what was given
and not stored is kept at hand, so that `rewind` asks Kafka for nothing.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from confluent_kafka import Consumer as Client
from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from nullsender.clock import Clock
from nullsender.errors import NullsenderError
from nullsender.limits import (
    KAFKA_COMMIT_RETRY_SECONDS,
    KAFKA_COMMIT_SECONDS_MAX,
    KAFKA_FETCH_BYTES_MAX,
    KAFKA_FETCH_WAIT_SECONDS,
    KAFKA_HEARTBEAT_SECONDS,
    KAFKA_LEAVE_SECONDS_MAX,
    KAFKA_POLL_GAP_SECONDS_MAX,
    KAFKA_POLL_SECONDS,
    KAFKA_SESSION_SECONDS,
    LOG_LOOK_SECONDS_MAX,
    LOG_POLL_BYTES_MAX,
    LOG_TURN_RECORDS,
)
from nullsender.log import Consumer, Partition, Position, StartAt, StoredRecord, Topic, mark_of
from nullsender.log_kafka_client import EPOCH, Asker, Naming, asked, bounds_of, client_config, committed_of, error_of, failure_of
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
        self._unstored: list[StoredRecord] = []  # given at least once, or about to be
        self._given = 0  # how many of them have been given since the last rewind
        self._client = Client(
            client_config(
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
        )
        self._client.subscribe(
            [naming.topic(topic)], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_revoke
        )

    # --- partitions come and go ---------------------------------------------------------------------------------------

    def _on_assign(self, client: Client, places: list[TopicPartition]) -> None:
        """Only note what is ours now. `_place` asks where to start, outside this callback, where failing is allowed."""
        client.incremental_assign([])
        self._new.update({self._naming.partition(place): False for place in places})

    def _on_revoke(self, client: Client, places: list[TopicPartition]) -> None:
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
        if not self._new:
            return
        partitions = sorted(self._new)
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
            self._start(partition, wanted, kept if wanted > oldest else None)
            if wanted != committed[partition]:
                self._owed[partition] = wanted

    def _start(self, partition: Partition, wanted: int, to_check: Position | None) -> None:
        there = self._naming.place(partition, wanted - (to_check is not None))
        if partition in self._assigned:
            asked(lambda: self._client.incremental_unassign([there]))
            self._assigned.discard(partition)
        asked(lambda: self._client.incremental_assign([there]))
        self._assigned.add(partition)
        del self._new[partition]
        self._places[partition] = _Place(wanted, to_check)

    # --- records come -------------------------------------------------------------------------------------------------

    def take(self, records_max: int, timeout_seconds: float) -> list[StoredRecord]:
        """What comes next; waits until there is something or the time is up."""
        if self._given == len(self._unstored):
            self._fetch(records_max, timeout_seconds)
        taken = self._unstored[self._given : self._given + records_max]
        self._given += len(taken)
        return taken

    def _fetch(self, records_max: int, timeout_seconds: float) -> None:
        """Take in what lies ready, or what comes first; a failure counts once all records that came before it are given."""
        failures = []
        # One at a time: where this raises, the client had no record in hand that would be lost with it.
        while len(self._unstored) - self._given < records_max and (message := self._next(timeout_seconds)) is not None:
            timeout_seconds = 0
            if (failure := self._hear(message)) is not None:
                failures.append(failure)
        if failures and self._given == len(self._unstored):
            raise failures[0]
        self._place()
        self._pay()

    def _next(self, timeout_seconds: float) -> Message | None:
        return asked(lambda: self._client.poll(timeout_seconds))

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
        """As the interface says."""
        ours = {partition: offset for partition, offset in next_offsets.items() if partition in self._places}
        self._owed.update(ours)
        if ours and self._commit(self._owed_places()):
            self._paid()

    def _pay(self) -> None:
        """Try once to store what could not be stored while the group shared its partitions out, or what was kept elsewhere.

        No record may come for hours: without this the group would seem to be behind for as long.
        """
        if self._owed and self._try_to_commit(self._owed_places()) is None:
            self._paid()

    def _owed_places(self) -> list[TopicPartition]:
        return [self._naming.place(partition, offset) for partition, offset in self._owed.items()]

    def _paid(self) -> None:
        owed, self._owed = self._owed, {}
        for partition, offset in owed.items():
            self._places[partition].stored = offset
        self._keep(lambda record: record.offset >= owed.get(record.partition, 0))

    def _commit(self, places: list[TopicPartition]) -> bool:
        """Whether the group has it now; no: this member is none any more. `Transient`: Kafka has trouble."""
        deadline_seconds = self._clock.monotonic_seconds() + KAFKA_COMMIT_SECONDS_MAX
        while (error := self._try_to_commit(places)) is not None:
            if error.code() in _NOT_OURS:
                _log.info("no longer ours to store", extra={"facts": {"group": self._group, "why": error.str()}})
                return False
            # Sharing out passes without us: only `poll` lets partitions go.
            is_sharing = error.code() == KafkaError.REBALANCE_IN_PROGRESS
            if not is_sharing or self._clock.monotonic_seconds() >= deadline_seconds:
                raise failure_of(error)
            self._clock.sleep(KAFKA_COMMIT_RETRY_SECONDS)
        return True

    def _try_to_commit(self, places: list[TopicPartition]) -> KafkaError | None:
        try:
            answers = self._client.commit(offsets=places, asynchronous=False)
        except KafkaException as exception:
            return error_of(exception)
        return next((answer.error for answer in answers if answer.error is not None), None)

    def rewind(self) -> None:
        """As the interface says."""
        self._given = 0

    def lag(self) -> Mapping[Partition, int]:
        """As the interface says."""
        bounds = bounds_of(self._asker, self._naming, list(self._places))
        return {partition: lag_records(bounds[partition], place.stored) for partition, place in self._places.items()}

    def close(self) -> None:
        """Leave the group.

        While the group waits for a busy member before it shares its partitions out, Kafka hears nobody who has joined, not
        even one who leaves. Then this one is gone without a word, and the group notices that by itself.
        """
        leaving = threading.Thread(target=self._client.close, name="kafka leaving", daemon=True)
        leaving.start()
        leaving.join(KAFKA_LEAVE_SECONDS_MAX)


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
