"""What every log promises (nullsender/log.py), as tests that run on each making of it.

A subclass brings the fixture `log`: a fresh, empty log with more than one partition a topic. Nothing here knows where it keeps
its records, how many partitions there are, or how long sharing them out takes.
"""

import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from nullsender.errors import Invalid
from nullsender.limits import RECORD_BYTES_MAX
from nullsender.log import Consumer, Log, Partition, Position, Record, StoredRecord, Topic, mark_of, wait_until_durable
from tests.waiting import wait_for

MANY_KEYS = [b"key-%d" % number for number in range(64)]  # enough for some to lie on every partition

# The examples of one test share its log, and the one test runs on every making of it.
SAME_LOG_AND_SEVERAL_MAKINGS = [HealthCheck.function_scoped_fixture, HealthCheck.differing_executors]

KEYS_AND_VALUES = some.tuples(some.binary(max_size=3), some.binary(max_size=9))


def publish(log: Log, *records: Record) -> None:
    """Publish and wait until it is durable."""
    with log.producer() as producer:
        wait_until_durable(producer.publish(records))


def numbered(count: int, *, topic: Topic = Topic.BOUNCES, first: int = 0) -> list[Record]:
    """Records whose values are numbers, spread over keys."""
    return [Record(topic, MANY_KEYS[number % len(MANY_KEYS)], b"%d" % number) for number in range(first, first + count)]


def take(consumer: Consumer, count: int) -> list[StoredRecord]:
    """Poll until there are `count` records."""
    taken: list[StoredRecord] = []

    def enough() -> bool:
        taken.extend(consumer.poll(records_max=count - len(taken), timeout_seconds=0.1))
        return len(taken) >= count

    if count:
        wait_for(enough, what=f"{count} records")
    return taken


def drain(consumer: Consumer) -> list[StoredRecord]:
    """What is left for this member once it has been given its partitions."""
    taken: list[StoredRecord] = []
    while records := consumer.poll(records_max=100, timeout_seconds=0.5):
        taken += records
    return taken


def store(consumer: Consumer, records: Sequence[StoredRecord]) -> None:
    """Remember that `records`, in this order, have been dealt with."""
    consumer.store({record.partition: record.offset + 1 for record in records})


def positions_after(records: Iterable[StoredRecord]) -> dict[Partition, Position]:
    """What a group that has dealt with `records`, in this order, keeps elsewhere."""
    return {record.partition: Position(record.offset + 1, mark_of(record)) for record in records}


def values(records: Sequence[StoredRecord] | Iterator[StoredRecord]) -> Counter[bytes]:
    """How often each value is there."""
    return Counter(record.value for record in records)


def partitions_of(consumer: Consumer) -> set[Partition]:
    """What a member holds after it has been asked for records (which may change it)."""
    consumer.poll(records_max=1, timeout_seconds=0.05)
    return set(consumer.lag())


@pytest.fixture
def group() -> str:
    """A group that nobody has used."""
    return f"group-{uuid.uuid4().hex}"


class LogContract:
    """The behaviour of a log."""

    def test_a_published_record_comes_back_as_it_was(self, log: Log, group: str) -> None:
        before = datetime.now(UTC) - timedelta(seconds=1)
        publish(log, Record(Topic.RAW, b"k\0\xff", b"v\0\r\n\xff" * 1000))

        with log.consumer(group, [Topic.RAW]) as consumer:
            [record] = take(consumer, 1)

        assert (record.partition.topic, record.offset, record.key, record.value) == (
            Topic.RAW,
            0,
            b"k\0\xff",
            b"v\0\r\n\xff" * 1000,
        )
        assert before <= record.appended_at <= datetime.now(UTC) + timedelta(seconds=1)

    def test_a_record_of_the_largest_size_is_taken(self, log: Log, group: str) -> None:
        largest = Record(Topic.RAW, b"k", bytes(RECORD_BYTES_MAX - 1))
        publish(log, largest)

        with log.consumer(group, [Topic.RAW]) as consumer:
            [record] = take(consumer, 1)

        assert record.value == largest.value

    def test_a_record_that_is_too_large_is_invalid_and_nothing_of_its_batch_is_appended(self, log: Log) -> None:
        batch = [Record(Topic.BOUNCES, b"k", b"small"), Record(Topic.RAW, b"k", bytes(RECORD_BYTES_MAX))]

        with log.producer() as producer, pytest.raises(Invalid, match=f"up to {RECORD_BYTES_MAX}"):
            wait_until_durable(producer.publish(batch))

        assert list(log.read(Topic.BOUNCES)) == list(log.read(Topic.RAW)) == []

    def test_a_batch_lands_on_all_its_topics(self, log: Log) -> None:
        publish(log, *(Record(topic, b"k", topic.encode()) for topic in Topic))

        assert [[record.value for record in log.read(topic)] for topic in Topic] == [[topic.encode()] for topic in Topic]

    def test_an_empty_batch_is_done(self, log: Log) -> None:
        publish(log)

    def test_records_of_one_key_keep_their_order_and_keys_are_spread(self, log: Log, group: str) -> None:
        for first in range(0, 640, 64):
            publish(log, *numbered(64, first=first))

        with log.consumer(group, [Topic.BOUNCES]) as consumer:
            records = take(consumer, 640)

        for key in MANY_KEYS:
            numbers = [int(record.value) for record in records if record.key == key]
            assert numbers == sorted(numbers)
            assert len({record.partition for record in records if record.key == key}) == 1
        assert len({record.partition for record in records}) > 1

    def test_offsets_count_up_from_zero_within_a_partition(self, log: Log) -> None:
        publish(log, *numbered(200))

        offsets: dict[Partition, list[int]] = {}
        for record in log.read(Topic.BOUNCES):
            offsets.setdefault(record.partition, []).append(record.offset)

        assert all(found == list(range(len(found))) for found in offsets.values())

    def test_what_many_threads_publish_at_once_is_all_there_once(self, log: Log) -> None:
        with log.producer() as producer, ThreadPoolExecutor(16) as threads:
            list(threads.map(lambda record: wait_until_durable(producer.publish([record])), numbered(500)))

        assert values(log.read(Topic.BOUNCES)) == Counter({b"%d" % number: 1 for number in range(500)})

    @settings(max_examples=20, deadline=None, suppress_health_check=SAME_LOG_AND_SEVERAL_MAKINGS)
    @given(batches=some.lists(some.lists(KEYS_AND_VALUES, max_size=9), max_size=9))
    def test_whatever_is_published_is_read_in_the_order_of_its_key(
        self, log: Log, batches: list[list[tuple[bytes, bytes]]]
    ) -> None:
        known = {record.partition: record.offset for record in log.read(Topic.COMPLAINTS)}
        expected: dict[bytes, list[bytes]] = {}
        for batch in batches:
            publish(log, *(Record(Topic.COMPLAINTS, key, value) for key, value in batch))
            for key, value in batch:
                expected.setdefault(key, []).append(value)

        found: dict[bytes, list[bytes]] = {}
        for record in log.read(Topic.COMPLAINTS):
            if record.offset > known.get(record.partition, -1):
                found.setdefault(record.key, []).append(record.value)

        assert found == expected

    def test_a_poll_without_records_answers_nothing(self, log: Log, group: str) -> None:
        with log.consumer(group, [Topic.BOUNCES]) as consumer:
            assert list(consumer.poll(records_max=10, timeout_seconds=0.05)) == []

    def test_a_poll_gives_no_more_than_it_was_asked_for_and_nothing_twice(self, log: Log, group: str) -> None:
        publish(log, *numbered(100))

        with log.consumer(group, [Topic.BOUNCES]) as consumer:
            first = take(consumer, 7)
            rest = take(consumer, 93)

        assert len(first) == 7
        assert values(first + rest) == values(log.read(Topic.BOUNCES))

    def test_a_waiting_poll_gets_what_is_published_meanwhile(self, log: Log, group: str) -> None:
        with log.consumer(group, [Topic.BOUNCES]) as consumer, ThreadPoolExecutor(1) as thread:
            waiting = thread.submit(take, consumer, 1)
            publish(log, *numbered(1))

            assert [record.value for record in waiting.result()] == [b"0"]

    def test_what_was_not_stored_comes_again_to_the_next_member(self, log: Log, group: str) -> None:
        publish(log, *numbered(100))
        with log.consumer(group, [Topic.BOUNCES]) as consumer:
            store(consumer, take(consumer, 40))
            unstored = take(consumer, 60)

        with log.consumer(group, [Topic.BOUNCES]) as consumer:
            again = take(consumer, 60)

            assert values(again) == values(unstored)
            assert drain(consumer) == []

    def test_a_rewind_gives_again_what_was_not_stored_and_only_that(self, log: Log, group: str) -> None:
        publish(log, *numbered(100))

        with log.consumer(group, [Topic.BOUNCES]) as consumer:
            store(consumer, take(consumer, 40))
            unstored = take(consumer, 30)
            consumer.rewind()
            again = take(consumer, 60)

        assert values(unstored) < values(again)
        assert len(values(again)) == 60

    def test_every_group_gets_every_record(self, log: Log, group: str) -> None:
        publish(log, *numbered(50))

        with log.consumer(group, [Topic.BOUNCES]) as one, log.consumer(f"{group}-2", [Topic.BOUNCES]) as other:
            assert values(take(one, 50)) == values(take(other, 50))

    def test_a_member_reads_all_its_topics(self, log: Log, group: str) -> None:
        publish(log, *numbered(20), *numbered(20, topic=Topic.COMPLAINTS), *numbered(20, topic=Topic.OUTCOMES))

        with log.consumer(group, [Topic.BOUNCES, Topic.COMPLAINTS]) as consumer:
            topics = Counter(record.partition.topic for record in take(consumer, 40))

        assert topics == {Topic.BOUNCES: 20, Topic.COMPLAINTS: 20}

    def test_a_few_records_do_not_wait_behind_a_flood_on_another_topic(self, log: Log, group: str) -> None:
        publish(log, *numbered(3000))
        publish(log, *numbered(1, topic=Topic.COMPLAINTS))

        with log.consumer(group, [Topic.BOUNCES, Topic.COMPLAINTS]) as consumer:
            both = log.group_lag(group, [Topic.BOUNCES, Topic.COMPLAINTS]).keys()
            wait_for(lambda: partitions_of(consumer) == both, what="the member to have all partitions")
            consumer.rewind()
            topics = [record.partition.topic for record in take(consumer, 2000)]

        assert Topic.COMPLAINTS in topics

    def test_members_divide_the_partitions_and_a_closed_one_leaves_its_own_to_the_others(self, log: Log, group: str) -> None:
        publish(log, *numbered(1000))
        everything = {record.partition for record in log.read(Topic.BOUNCES)}

        with ExitStack() as members:
            one = members.enter_context(log.consumer(group, [Topic.BOUNCES]))
            wait_for(lambda: partitions_of(one) >= everything, what="one member to have all partitions")
            with log.consumer(group, [Topic.BOUNCES]) as other:

                def divided() -> bool:
                    ones, others = partitions_of(one), partitions_of(other)
                    return not ones & others and ones | others >= everything and abs(len(ones) - len(others)) <= 1

                wait_for(divided, what="both members to have their share")

            wait_for(lambda: partitions_of(one) >= everything, what="the first member to have all partitions again")

    def test_members_that_come_and_go_leave_no_record_out(self, log: Log, group: str) -> None:
        publish(log, *numbered(2000))
        done: Counter[bytes] = Counter()

        with ExitStack() as members:
            consumers = [members.enter_context(log.consumer(group, [Topic.BOUNCES])) for _ in range(3)]

            def all_done() -> bool:
                for consumer in consumers:
                    records = consumer.poll(records_max=20, timeout_seconds=0.02)
                    store(consumer, records)
                    done.update(record.value for record in records)
                if len(done) > 700 and len(consumers) > 1:
                    consumers.pop().close()
                return len(done) == 2000

            wait_for(all_done, what="every record to be dealt with")
            assert sum(log.group_lag(group, [Topic.BOUNCES]).values()) == 0

    def test_an_offset_for_a_partition_that_another_member_holds_is_ignored(self, log: Log, group: str) -> None:
        publish(log, *numbered(1000))
        everything = {record.partition for record in log.read(Topic.BOUNCES)}

        with log.consumer(group, [Topic.BOUNCES]) as one, log.consumer(group, [Topic.BOUNCES]) as other:

            def divided() -> set[Partition]:
                ones, others = partitions_of(one), partitions_of(other)
                return others & everything if ones and not ones & others else set()

            theirs = wait_for(divided, what="both members to have a share")
            before = log.group_lag(group, [Topic.BOUNCES])
            one.store(dict.fromkeys(theirs, 1))

            assert log.group_lag(group, [Topic.BOUNCES]) == before

    def test_a_group_that_keeps_its_positions_elsewhere_starts_there(self, log: Log, group: str) -> None:
        publish(log, *numbered(100))
        kept = positions_after(log.read(Topic.BOUNCES))
        publish(log, *numbered(100, first=100))

        with log.consumer(group, [Topic.BOUNCES], start_at=kept.get) as consumer:
            assert values(take(consumer, 100)) == Counter({b"%d" % number: 1 for number in range(100, 200)})
            assert drain(consumer) == []

    def test_where_nothing_is_kept_elsewhere_the_stored_offset_holds(self, log: Log, group: str) -> None:
        publish(log, *numbered(100))
        with log.consumer(group, [Topic.BOUNCES]) as consumer:
            store(consumer, take(consumer, 70))

        with log.consumer(group, [Topic.BOUNCES], start_at=lambda _: None) as consumer:
            assert len(take(consumer, 30)) == 30
            assert drain(consumer) == []

    def test_a_position_past_the_end_counts_as_none_and_is_an_error(
        self, log: Log, group: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        """The log was lost and the store was not: what is on the new log must not be taken for dealt with."""
        publish(log, *numbered(100))

        with log.consumer(group, [Topic.BOUNCES], start_at=lambda _: Position(1_000_000, b"mark")) as consumer:
            assert values(take(consumer, 100)) == values(log.read(Topic.BOUNCES))
        assert "does not fit the log" in caplog.text

    def test_a_position_where_another_record_lies_now_counts_as_none_and_is_an_error(
        self, log: Log, group: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        """The log was lost, and has more records again than the group had dealt with, of the same keys and values even."""
        publish(log, *numbered(100))
        lost = [
            msgspec.structs.replace(record, appended_at=record.appended_at - timedelta(days=1))
            for record in log.read(Topic.BOUNCES)
        ]

        with log.consumer(group, [Topic.BOUNCES], start_at=positions_after(lost).get) as consumer:
            assert values(take(consumer, 100)) == values(log.read(Topic.BOUNCES))
        assert "does not fit the log" in caplog.text

    def test_a_group_that_starts_where_it_left_off_is_no_error(
        self, log: Log, group: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        publish(log, *numbered(100))
        kept = positions_after(log.read(Topic.BOUNCES))

        for start_at in (None, kept.get):
            with log.consumer(group, [Topic.BOUNCES], start_at=start_at) as consumer:
                store(consumer, drain(consumer))
        assert caplog.text == ""

    def test_a_mark_tells_records_apart_by_all_that_they_hold(self, log: Log) -> None:
        publish(log, Record(Topic.RAW, b"k", b"kv"))
        [record] = log.read(Topic.RAW)
        others = [
            msgspec.structs.replace(record, key=b"kk", value=b"v"),
            msgspec.structs.replace(record, value=b"kw"),
            msgspec.structs.replace(record, appended_at=record.appended_at + timedelta(milliseconds=1)),
        ]

        assert len({mark_of(one) for one in [record, *log.read(Topic.RAW), *others]}) == 4

    def test_the_lag_counts_what_lies_behind_the_stored_offset(self, log: Log, group: str) -> None:
        publish(log, *numbered(100))
        assert sum(log.group_lag(group, [Topic.BOUNCES]).values()) == 100

        with log.consumer(group, [Topic.BOUNCES]) as consumer:
            records = take(consumer, 60)
            assert sum(consumer.lag().values()) == 100
            store(consumer, records)

            assert sum(consumer.lag().values()) == 40
            assert {place: lag for place, lag in log.group_lag(group, [Topic.BOUNCES]).items() if lag} == {
                place: lag for place, lag in consumer.lag().items() if lag
            }

    def test_the_lag_of_a_group_names_every_partition(self, log: Log, group: str) -> None:
        publish(log, *numbered(1000))

        assert set(log.group_lag(group, [Topic.BOUNCES])) >= {record.partition for record in log.read(Topic.BOUNCES)}
        assert len(log.group_lag(group, [Topic.BOUNCES, Topic.RAW])) == 2 * len(log.group_lag(group, [Topic.RAW]))

    def test_partitions_that_nobody_reads_are_named(self, log: Log, group: str) -> None:
        everything = set(log.group_lag(group, [Topic.BOUNCES]))
        assert set(log.unread(group, [Topic.BOUNCES])) == everything

        with log.consumer(group, [Topic.BOUNCES]) as consumer:
            wait_for(
                lambda: consumer.poll(records_max=1, timeout_seconds=0.1) or not log.unread(group, [Topic.BOUNCES]),
                what="it to read",
            )
            assert log.unread(group, [Topic.BOUNCES]) == []
            assert set(log.unread(group, [Topic.RAW])) == set(log.group_lag(group, [Topic.RAW]))

        assert set(log.unread(group, [Topic.BOUNCES])) == everything

    def test_reading_shows_everything_in_order_and_moves_no_group(self, log: Log, group: str) -> None:
        publish(log, *numbered(100))

        records = list(log.read(Topic.BOUNCES))

        assert len(records) == 100
        for partition in {record.partition for record in records}:
            offsets = [record.offset for record in records if record.partition == partition]
            assert offsets == sorted(offsets)
        assert sum(log.group_lag(group, [Topic.BOUNCES]).values()) == 100

    def test_reading_since_a_moment_leaves_out_what_lies_before_it(self, log: Log) -> None:
        publish(log, *numbered(200))
        in_time = sorted({record.appended_at for record in log.read(Topic.BOUNCES)})
        wait_for(lambda: datetime.now(UTC) > in_time[-1] + timedelta(milliseconds=5), what="the clock to go on")
        moment = datetime.now(UTC)
        wait_for(lambda: datetime.now(UTC) > moment + timedelta(milliseconds=5), what="the clock to go on")
        publish(log, *numbered(200, first=200))

        later = Counter({b"%d" % number: 1 for number in range(200, 400)})
        assert values(log.read(Topic.BOUNCES, since=moment)) == later
        assert values(log.read(Topic.BOUNCES, since=in_time[0])) == values(log.read(Topic.BOUNCES))
        assert list(log.read(Topic.BOUNCES, since=datetime.now(UTC) + timedelta(hours=1))) == []

    def test_closing_twice_does_nothing(self, log: Log, group: str) -> None:
        producer, consumer = log.producer(), log.consumer(group, [Topic.BOUNCES])
        for held in (producer, consumer, producer, consumer):
            held.close()
