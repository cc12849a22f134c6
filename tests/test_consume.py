"""The one consume loop, on the real embedded log: done, later and never."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from nullsender.clock import FakeClock, SystemClock
from nullsender.consume import ConsumeLoop
from nullsender.errors import Invalid, Misconfigured, Transient
from nullsender.events import DeadLetter, decode
from nullsender.limits import DEAD_LETTERS_IN_A_ROW_MAX, RECORD_ATTEMPTS_MAX
from nullsender.log import Log, Partition, Record, StoredRecord, Topic, wait_until_durable
from nullsender.log_embedded import EmbeddedLog

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
        self._trouble = trouble

    def handle(self, batch: Sequence[StoredRecord], next_offsets: Mapping[Partition, int]) -> None:
        """All or nothing, as a stage must."""
        self.calls += 1
        for record in batch:
            self._trouble(record.value)
        self.done += [record.value for record in batch]


def publish(log: Log, *values: bytes) -> None:
    with log.producer() as producer:
        wait_until_durable(producer.publish([Record(Topic.BOUNCES, b"key", value) for value in values]))


def consume(log: Log, stage: Stage, *, rounds: int = 4) -> None:
    with log.consumer(GROUP, [Topic.BOUNCES]) as consumer, log.producer() as producer:
        loop = ConsumeLoop(
            GROUP, consumer=consumer, handler=stage, dead_letters=producer, clock=FakeClock(), stopping=lambda: False
        )
        for _ in range(rounds):
            loop.run_once()


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
    with log.consumer("other", [Topic.BOUNCES]) as consumer, log.producer() as producer:
        clock = FakeClock()
        loop = ConsumeLoop(
            GROUP, consumer=consumer, handler=Stage(trouble), dead_letters=producer, clock=clock, stopping=lambda: False
        )
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
    with log.consumer(GROUP, [Topic.BOUNCES]) as consumer, log.producer() as producer:
        loop = ConsumeLoop(
            GROUP, consumer=consumer, handler=stage, dead_letters=producer, clock=FakeClock(), stopping=lambda: False
        )
        for _ in range(5):
            loop.run_once()
        assert len(dead(log)) == DEAD_LETTERS_IN_A_ROW_MAX
        assert lag(log) == 5

        mended = True
        loop.run_once()

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

    with log.consumer(GROUP, [Topic.BOUNCES]) as consumer, log.producer() as producer:
        ConsumeLoop(
            GROUP, consumer=consumer, handler=stage, dead_letters=producer, clock=FakeClock(), stopping=lambda: next(looks)
        ).run()

    assert stage.done == [b"1"]
