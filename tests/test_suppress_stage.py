"""The suppression stage on a real log and a real store: where it goes on."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from nullsender.clock import FakeClock, SystemClock
from nullsender.consume import ConsumeLoop
from nullsender.errors import Misconfigured
from nullsender.events import encode
from nullsender.log import Log, Partition, Position, Record, StoredRecord, Topic, mark_of, wait_until_durable
from nullsender.log_embedded import EmbeddedLog
from suppression.consumer import GROUP, TOPICS, SuppressStage
from suppression.store.store import Store
from tests.outcomes import an_outcome
from tests.store_fixtures import BOTH_DATABASES

pytestmark = pytest.mark.parametrize("database", BOTH_DATABASES)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the log lies."""
    return tmp_path / "log"


@pytest.fixture
def log(folder: Path) -> Iterator[Log]:
    """A log with one partition a topic."""
    with opened(folder) as log:
        yield log


def opened(folder: Path) -> Log:
    """The log that lies there, or a new one."""
    return EmbeddedLog(folder, clock=SystemClock(), partitions=1)


def publish(log: Log, *names: str) -> None:
    """The outcomes of reports on these people."""
    outcomes = [an_outcome(f"report on {name}", recipient=f"{name}@example.com") for name in names]
    with log.producer() as producer:
        wait_until_durable(producer.publish([Record(Topic.OUTCOMES, b"key", encode(outcome)) for outcome in outcomes]))


def consume(log: Log, store: Store) -> None:
    """What a run of the role does."""
    stage = SuppressStage(store)
    with log.producer() as producer, log.consumer(GROUP, TOPICS, start_at=stage.start_at) as consumer:
        loop = ConsumeLoop(
            GROUP, consumer=consumer, handler=stage, dead_letters=producer, clock=FakeClock(), stopping=lambda: False
        )
        for _ in range(3):
            loop.run_once()


def suppressed(store: Store, *names: str) -> set[str]:
    """Those of these people who are on the list."""
    return {names[index] for index in store.check("default", None, [f"{name}@example.com" for name in names])}


def test_a_second_run_goes_on_where_the_first_left_off(log: Log, store: Store) -> None:
    publish(log, "ada", "ben")
    consume(log, store)
    publish(log, "eve")
    [_, _, last] = log.read(Topic.OUTCOMES)
    assert SuppressStage(store).start_at(last.partition) is not None
    with log.consumer(GROUP, TOPICS, start_at=SuppressStage(store).start_at) as consumer:
        assert consumer.poll(records_max=10, timeout_seconds=5) == [last]


def test_a_list_that_was_put_back_from_a_copy_hears_again_what_it_had_not_heard_yet(log: Log, store: Store) -> None:
    """The log knows that the group has dealt with everything; the copy is from before the partition's first outcome."""
    publish(log, "ada")
    with log.consumer(GROUP, TOPICS) as consumer:
        [record] = consumer.poll(records_max=10, timeout_seconds=5)
        consumer.store({record.partition: 1})

    consume(log, store)

    assert suppressed(store, "ada") == {"ada"}


def test_a_list_that_forgets_what_it_had_committed_ends_the_role_and_the_next_start_tells_it_again(
    log: Log, store: Store
) -> None:
    """A failover to a standby that lacks the last commits, in the middle of the work."""
    publish(log, "ada", "ben")
    with log.producer() as producer, log.consumer(GROUP, TOPICS, start_at=(stage := SuppressStage(store)).start_at) as consumer:
        loop = ConsumeLoop(
            GROUP, consumer=consumer, handler=stage, dead_letters=producer, clock=FakeClock(), stopping=lambda: False
        )
        loop.run_once()
        [record, _] = log.read(Topic.OUTCOMES)
        store.apply([], group=GROUP, positions={record.partition: Position(1, mark_of(record))})
        publish(log, "eve")

        with pytest.raises(Misconfigured, match="forgotten"):
            loop.run_once()
    assert suppressed(store, "eve") == set()

    consume(log, store)

    assert suppressed(store, "ada", "ben", "eve") == {"ada", "ben", "eve"}
    assert store.positions(GROUP)[record.partition].next_offset == 3


def test_a_member_that_wakes_up_late_troubles_nobody(store: Store) -> None:
    """It stood still, another took its partition over and went on, and then it finishes what it had begun."""
    place = Partition(Topic.OUTCOMES, 0)
    records = [
        StoredRecord(place, number, datetime.now(UTC), b"key", encode(an_outcome(f"{number}", recipient=f"{name}@example.com")))
        for number, name in enumerate(("ada", "ben", "eve"))
    ]
    late, other = SuppressStage(store), SuppressStage(store)
    for stage in (late, other):
        stage.start_at(place)
    for record in records[:2]:
        other.handle([record], {place: record.offset + 1})

    late.handle(records[:1], {place: 1})

    assert store.positions(GROUP)[place].next_offset == 2
    other.handle(records[2:], {place: 3})
    assert store.positions(GROUP)[place].next_offset == 3
    assert suppressed(store, "ada", "ben", "eve") == {"ada", "ben", "eve"}


def test_a_dead_letter_moves_the_stores_position_so_that_the_next_start_finds_nothing_amiss(
    log: Log, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    publish(log, "ada")
    with log.producer() as producer:
        wait_until_durable(producer.publish([Record(Topic.OUTCOMES, b"key", b"this is no outcome")]))
    consume(log, store)
    [_, last] = log.read(Topic.OUTCOMES)

    position = SuppressStage(store).start_at(last.partition)
    assert position == Position(last.offset + 1, mark_of(last))
    caplog.clear()
    with log.consumer(GROUP, TOPICS, start_at=SuppressStage(store).start_at) as consumer:
        assert consumer.poll(records_max=10, timeout_seconds=0.1) == ()
    assert "does not fit the log" not in caplog.text


def test_after_the_loss_of_the_log_nothing_new_is_skipped(folder: Path, store: Store) -> None:
    """The store's position lies within the new log, which has more records than the stage had dealt with on the old one."""
    with opened(folder) as log:
        publish(log, "ada", "ben")
        consume(log, store)
    shutil.rmtree(folder)

    with opened(folder) as log:
        publish(log, "cleo", "dan", "eve")
        consume(log, store)

    assert suppressed(store, "cleo", "dan", "eve") == {"cleo", "dan", "eve"}


def test_after_the_log_was_put_back_from_a_copy_nothing_new_is_skipped(folder: Path, tmp_path: Path, store: Store) -> None:
    with opened(folder) as log:
        publish(log, "ada")
        consume(log, store)
    shutil.copytree(folder, tmp_path / "copy")
    with opened(folder) as log:
        publish(log, "ben")
        consume(log, store)
    shutil.rmtree(folder)
    (tmp_path / "copy").rename(folder)

    with opened(folder) as log:
        publish(log, "cleo", "dan")
        consume(log, store)

    assert suppressed(store, "cleo", "dan") == {"cleo", "dan"}
