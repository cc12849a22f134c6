"""The one consume loop, on the real embedded log: done, later and never."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from nullsender import telemetry
from nullsender.clock import FakeClock, SystemClock
from nullsender.consume import ConsumeLoop, Handler, Status
from nullsender.errors import Invalid, Misconfigured, Transient
from nullsender.events import DeadLetter, decode
from nullsender.in_hand import InHand
from nullsender.limits import (
    DEAD_LETTERS_IN_A_ROW_MAX,
    RECORD_ATTEMPTS_MAX,
    RETRY_SECONDS_MAX,
    RETRY_SECONDS_MIN,
)
from nullsender.log import Log, Partition, Record, StoredRecord, Topic, wait_until_durable
from nullsender.log_embedded import EmbeddedLog
from nullsender.log_embedded_consumer import EmbeddedConsumer

GROUP = "stage"


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    with EmbeddedLog(tmp_path / "log", clock=SystemClock(), partitions=1) as opened:
        yield opened


class Stage:
    """A handler that keeps what it was given and does with a value what `trouble` says."""

    def __init__(self, trouble: Callable[[bytes], None] = lambda value: None) -> None:
        self.done: list[bytes] = []
        self.calls = 0
        self.passed_over: list[bytes] = []
        self._trouble = trouble

    def handle(self, batch: Sequence[StoredRecord], next_offsets: Mapping[Partition, int]) -> None:
        """All or nothing, as a stage must."""
        self.calls += 1
        for record in batch:
            self._trouble(record.value)
        self.done += [record.value for record in batch]

    def pass_over(self, record: StoredRecord) -> None:
        """Written down."""
        self.passed_over.append(record.value)


def publish(log: Log, *values: bytes) -> None:
    with log.producer() as producer:
        wait_until_durable(producer.publish([Record(Topic.BOUNCES, b"key", value) for value in values]))


@contextmanager
def a_loop(
    log: Log,
    stage: Handler,
    *,
    group: str = GROUP,
    clock: FakeClock | None = None,
    in_hand: InHand | None = None,
    stopping: Callable[[], bool] = lambda: False,
) -> Iterator[ConsumeLoop]:
    """A loop of `stage` over the bounces."""
    with log.consumer(group, [Topic.BOUNCES]) as consumer, log.producer() as producer:
        yield ConsumeLoop(
            GROUP,
            consumer=consumer,
            handler=stage,
            dead_letters=producer,
            clock=clock or FakeClock(),
            stopping=stopping,
            in_hand=in_hand,
            chance=lambda: 0.5,
        )


def consume(log: Log, stage: Stage, *, rounds: int = 4, in_hand: InHand | None = None) -> None:
    with a_loop(log, stage, in_hand=in_hand) as loop:
        for _ in range(rounds):
            loop.run_once()


class _Uncountable(EmbeddedConsumer):
    """Its records can be read and not counted."""

    def lag(self) -> Mapping[Partition, int]:
        raise Transient("a broker that knows the offsets does not answer")


def test_a_lag_that_can_not_be_counted_keeps_no_record_waiting(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(log, b"1", b"2")
    monkeypatch.setattr("nullsender.log_embedded.EmbeddedConsumer", _Uncountable)
    stage = Stage()

    clock = FakeClock()
    with a_loop(log, stage, clock=clock) as loop:
        loop.run_once()

        assert stage.done == [b"1", b"2"]
        clock.advance(seconds=40)
        assert loop.status().silent_seconds == 40
        monkeypatch.setattr(_Uncountable, "lag", EmbeddedConsumer.lag)
        loop.run_once()
        assert loop.status().silent_seconds == 0


def lag(log: Log) -> int:
    return sum(log.group_lag(GROUP, [Topic.BOUNCES]).values())


def dead(log: Log) -> list[DeadLetter]:
    return [decode(DeadLetter, record.value) for record in log.read(Topic.DEAD_LETTERS)]


def test_records_are_dealt_with_in_order_and_then_not_again(log: Log) -> None:
    publish(log, b"1", b"2", b"3")
    stage = Stage()

    consume(log, stage)
    consume(log, stage)

    assert stage.done == [b"1", b"2", b"3"]
    assert lag(log) == 0


def test_a_batch_that_may_work_later_is_tried_again_until_it_does(log: Log) -> None:
    publish(log, b"1", b"2")
    tries = iter([Transient("the store is away"), Transient("still"), None])

    def trouble(_value: bytes) -> None:
        if failure := next(tries, None):
            raise failure

    stage = Stage(trouble)
    consume(log, stage)

    assert stage.done == [b"1", b"2"]
    assert dead(log) == []


def test_nothing_is_stored_while_a_batch_does_not_work(log: Log) -> None:
    publish(log, b"1")

    def trouble(_value: bytes) -> None:
        raise Transient("the store is away")

    consume(log, Stage(trouble))

    assert lag(log) == 1


def test_a_record_that_never_works_is_set_aside_whole_and_the_others_go_on(log: Log) -> None:
    publish(log, b"good", b"bad \xff", b"better")

    def trouble(value: bytes) -> None:
        if value.startswith(b"bad"):
            raise Invalid("it is no report")

    stage = Stage(trouble)
    consume(log, stage)

    assert stage.done == [b"good", b"better"]
    assert lag(log) == 0
    [letter] = dead(log)
    assert (letter.content, letter.key, letter.reason, letter.topic) == (b"bad \xff", b"key", "it is no report", "bounces")


def test_a_record_on_which_our_own_code_fails_does_not_stop_the_stage(log: Log) -> None:
    publish(log, b"poison", b"good")

    def trouble(value: bytes) -> None:
        if value == b"poison":
            raise ZeroDivisionError("a mistake of ours")

    stage = Stage(trouble)
    consume(log, stage)

    assert stage.done == [b"good"]
    [letter] = dead(log)
    assert letter.reason == "our bug: ZeroDivisionError: a mistake of ours"
    assert letter.attempts == RECORD_ATTEMPTS_MAX


def test_setting_a_record_aside_twice_makes_one_id(log: Log) -> None:
    publish(log, b"bad")

    def trouble(_value: bytes) -> None:
        raise Invalid("no")

    consume(log, Stage(trouble))
    with a_loop(log, Stage(trouble), group="other") as loop:
        loop.run_once()

    first, second = dead(log)
    assert first.id == second.id


def test_what_the_operator_has_to_mend_ends_the_role_and_blames_no_record(log: Log) -> None:
    publish(log, b"1", b"2")

    def trouble(_value: bytes) -> None:
        raise Misconfigured("the store's schema is another one")

    with pytest.raises(Misconfigured):
        consume(log, Stage(trouble))

    assert dead(log) == []
    assert lag(log) == 2


def test_too_many_dead_records_in_a_row_stop_the_consumer_with_nothing_lost(log: Log) -> None:
    publish(log, *[b"bad"] * (DEAD_LETTERS_IN_A_ROW_MAX + 5))
    mended = False

    def trouble(_value: bytes) -> None:
        if not mended:
            raise Invalid("no")

    stage = Stage(trouble)
    with a_loop(log, stage) as loop:
        for _ in range(5):
            loop.run_once()
        assert len(dead(log)) == DEAD_LETTERS_IN_A_ROW_MAX
        assert lag(log) == 5
        assert loop.status().braked

        mended = True
        loop.run_once()
        assert not loop.status().braked

    assert stage.done == [b"bad"] * 5
    assert len(dead(log)) == DEAD_LETTERS_IN_A_ROW_MAX
    assert lag(log) == 0


def test_a_good_record_releases_the_brake(log: Log) -> None:
    publish(log, *[b"bad"] * DEAD_LETTERS_IN_A_ROW_MAX, b"good", *[b"bad"] * DEAD_LETTERS_IN_A_ROW_MAX)

    def trouble(value: bytes) -> None:
        if value == b"bad":
            raise Invalid("no")

    stage = Stage(trouble)
    consume(log, stage)

    assert stage.done == [b"good"]
    assert lag(log) == 0


def test_a_stopped_loop_returns(log: Log) -> None:
    publish(log, b"1")
    stage = Stage()
    looks = iter([False, True])

    with a_loop(log, stage, stopping=lambda: next(looks)) as loop:
        loop.run()

    assert stage.done == [b"1"]


def test_a_stage_that_keeps_its_own_offsets_is_told_of_a_dead_letter_when_that_is_durable(log: Log) -> None:
    publish(log, b"bad", b"good")

    def trouble(value: bytes) -> None:
        if value == b"bad":
            raise Invalid("no")

    class Store(Stage):
        def pass_over(self, record: StoredRecord) -> None:
            assert [letter.content for letter in dead(log)] == [record.value]
            super().pass_over(record)

    stage = Store(trouble)
    consume(log, stage)

    assert (stage.passed_over, stage.done) == ([b"bad"], [b"good"])


def test_a_dead_letter_that_the_store_can_not_pass_over_comes_again_as_the_same_one(log: Log) -> None:
    publish(log, b"bad")
    away = iter([True, False])

    def trouble(_value: bytes) -> None:
        raise Invalid("no")

    class Store(Stage):
        def pass_over(self, record: StoredRecord) -> None:
            if next(away):
                raise Transient("the store is away")

    with a_loop(log, Store(trouble)) as loop:
        loop.run_once()
        assert lag(log) == 1
        loop.run_once()

    assert lag(log) == 0
    assert len({letter.id for letter in dead(log)}) == 1


def test_waits_double_up_to_a_bound_and_vary_by_chance(log: Log) -> None:
    publish(log, b"1")
    clock = FakeClock()
    waits: list[float] = []

    def trouble(_value: bytes) -> None:
        raise Transient("the store is away")

    with a_loop(log, Stage(trouble), clock=clock) as loop:
        for _ in range(10):
            before_seconds = clock.monotonic_seconds()
            loop.run_once()
            waits.append(clock.monotonic_seconds() - before_seconds)

    assert waits == pytest.approx([0.75 * min(RETRY_SECONDS_MIN * 2**n, RETRY_SECONDS_MAX) for n in range(10)])


def test_a_loop_tells_for_how_long_it_has_not_moved_and_how_old_its_work_is(log: Log) -> None:
    publish(log, b"1")
    [record] = log.read(Topic.BOUNCES)
    clock = FakeClock()
    away = True

    def trouble(_value: bytes) -> None:
        if away:
            raise Transient("the store is away")

    with a_loop(log, Stage(trouble), clock=clock) as loop:
        assert loop.status() == Status(0.0, None, braked=False)
        loop.run_once()
        clock.advance(seconds=30)
        loop.run_once()
        busy_seconds, oldest_record_at, *_ = loop.status()
        assert busy_seconds == clock.monotonic_seconds()
        assert oldest_record_at == record.appended_at

        away = False
        loop.run_once()
        loop.run_once()
        assert loop.status() == Status(0.0, None, braked=False)


def test_a_stop_does_not_wait_for_the_rest_of_a_batch_that_is_taken_one_at_a_time(log: Log) -> None:
    publish(log, b"1", b"2", b"3")

    def trouble(value: bytes) -> None:
        if value == b"3" and not stage.done:
            raise Invalid("for now")

    stage = Stage(trouble)
    with a_loop(log, stage, stopping=lambda: bool(stage.done)) as loop:
        loop.run_once()

    assert stage.done == [b"1"]
    assert lag(log) == 2


def test_the_lag_is_counted_for_each_topic(log: Log) -> None:
    publish(log, b"1", b"2", b"3")
    with log.consumer("lagging", [Topic.BOUNCES]) as consumer, log.producer() as producer:
        loop = ConsumeLoop(
            "lagging", consumer=consumer, handler=Stage(), dead_letters=producer, clock=FakeClock(), stopping=lambda: False
        )
        consumer.poll(records_max=1, timeout_seconds=5)
        consumer.rewind()
        loop.run_once()

    assert b'nullsender_consumer_lag_records{group="lagging",topic="bounces"} 3.0' in telemetry.exposition()
