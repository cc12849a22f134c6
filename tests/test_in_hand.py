"""A record that kills the process is found out, and no other is blamed for it: with real processes that are really killed."""

import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from nullsender.clock import FakeClock, SystemClock
from nullsender.consume import ConsumeLoop
from nullsender.errors import Transient
from nullsender.events import DeadLetter, decode
from nullsender.in_hand import InHandFiles
from nullsender.limits import RECORD_DEATHS_MAX, RECORD_TRIAL_AFTER_SECONDS, RECORD_WAITS_SECONDS_MAX
from nullsender.log import Log, Partition, Record, StoredRecord, Topic, wait_until_durable
from nullsender.log_embedded import EmbeddedLog
from tests.consume_child import GROUP, DeadlyStage
from tests.waiting import wait_for

STARTS_MAX = 20


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    with EmbeddedLog(tmp_path / "log", clock=SystemClock(), partitions=1) as opened:
        yield opened


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    return tmp_path / "notes"


def publish(log: Log, *values: str, topic: Topic = Topic.BOUNCES) -> None:
    with log.producer() as producer:
        wait_until_durable(producer.publish([Record(topic, b"key", value.encode()) for value in values]))


def dead(log: Log) -> list[DeadLetter]:
    return [decode(DeadLetter, record.value) for record in log.read(Topic.DEAD_LETTERS)]


def command(tmp_path: Path) -> list[str]:
    return [sys.executable, "-m", "tests.consume_child", *(str(tmp_path / name) for name in ("log", "notes", "away"))]


def run_until_it_ends(tmp_path: Path) -> tuple[int, list[str]]:
    """Start the child again and again, as a supervisor would: how often it died, and every value that it dealt with."""
    done: list[str] = []
    for deaths in range(STARTS_MAX):
        child = subprocess.run(command(tmp_path), stdout=subprocess.PIPE, text=True, timeout=60, check=False)
        done += child.stdout.split()
        if child.returncode != -signal.SIGKILL:
            assert child.returncode == 0
            return deaths, done
    raise AssertionError("it dies for ever")


def kill_while_it_waits(tmp_path: Path, seen: InHandFiles, record: StoredRecord) -> None:
    """Start the child and kill it when it has waited for so long that the record is on trial no more, if it ever was."""
    with subprocess.Popen(command(tmp_path), stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "waiting\n"
        wait_for(lambda: not seen.deaths_on_trial(record), what="the end of the trial")
        child.kill()


def test_a_record_that_kills_the_process_is_set_aside_and_its_neighbours_are_not(log: Log, tmp_path: Path) -> None:
    publish(log, *(f"good-{n}" for n in range(5)), "poison", *(f"good-{n}" for n in range(5, 10)))

    deaths, done = run_until_it_ends(tmp_path)

    assert sorted(done) == [f"good-{n}" for n in range(10)]
    [letter] = dead(log)
    assert (letter.content, letter.attempts) == (b"poison", RECORD_DEATHS_MAX)
    assert deaths == 2 + RECORD_DEATHS_MAX


def test_what_another_loop_has_in_hand_at_every_death_is_not_blamed(log: Log, tmp_path: Path) -> None:
    publish(log, "slow-poison")
    publish(log, "good", topic=Topic.COMPLAINTS)

    _deaths, done = run_until_it_ends(tmp_path)

    assert done == ["good"]
    assert [letter.content for letter in dead(log)] == [b"slow-poison"]


def test_a_record_that_waits_for_an_absent_store_is_not_blamed_however_often_its_process_is_killed(
    log: Log, tmp_path: Path, notes: Path
) -> None:
    publish(log, "good")
    [record] = log.read(Topic.BOUNCES)
    (tmp_path / "away").touch()
    seen = InHandFiles(notes, GROUP)

    trials = 0
    for _ in range(RECORD_DEATHS_MAX):
        trials += seen.suspects([record])
        kill_while_it_waits(tmp_path, seen, record)
    (tmp_path / "away").unlink()

    assert trials == 1
    assert run_until_it_ends(tmp_path) == (0, ["good"])
    assert dead(log) == []


def test_a_process_that_dies_before_it_tries_the_record_again_does_not_count(log: Log, tmp_path: Path, notes: Path) -> None:
    publish(log, "poison")
    [record] = log.read(Topic.BOUNCES)
    die_with(notes, record, on_trial=True)
    clock = FakeClock()
    with log.consumer(GROUP, [Topic.BOUNCES]) as consumer, log.producer() as producer:
        ConsumeLoop(
            GROUP,
            consumer=consumer,
            handler=DeadlyStage(tmp_path / "away"),  # it would kill us
            dead_letters=producer,
            clock=clock,
            stopping=lambda: clock.monotonic_seconds() > RECORD_TRIAL_AFTER_SECONDS / 2,
            in_hand=InHandFiles(notes, GROUP),
        ).run()

    assert InHandFiles(notes, GROUP).deaths_on_trial(record) == 1
    assert dead(log) == []


def stored(offset: int, number: int = 0, value: bytes = b"value") -> StoredRecord:
    return StoredRecord(Partition(Topic.BOUNCES, number), offset, datetime(2026, 1, 1, tzinfo=UTC), b"key", value)


BATCH = [stored(5), stored(6), stored(9, number=1)]


def die_with(notes: Path, *batch: StoredRecord, on_trial: bool = False) -> None:
    """Leave the notes that a process leaves which dies while it deals with the batch: nobody takes them back."""
    in_hand = InHandFiles(notes, GROUP)
    left = notes.with_name("left")
    with in_hand.trying(batch[0]) if on_trial else in_hand.holding(batch):
        shutil.copytree(notes, left)
    shutil.rmtree(notes)
    left.rename(notes)


def test_one_death_is_chance_and_casts_no_suspicion(notes: Path) -> None:
    die_with(notes, *BATCH)

    assert not InHandFiles(notes, GROUP).suspects(BATCH)


def test_two_deaths_cast_suspicion_on_the_batch_and_count_against_no_record(notes: Path) -> None:
    die_with(notes, *BATCH)
    die_with(notes, *BATCH)

    in_hand = InHandFiles(notes, GROUP)
    assert in_hand.suspects(BATCH)
    assert in_hand.suspects([stored(9, number=1)])
    assert [in_hand.deaths_on_trial(record) for record in BATCH] == [0, 0, 0]


def test_a_record_that_came_alone_by_chance_was_not_on_trial(notes: Path) -> None:
    for _ in range(RECORD_DEATHS_MAX + 1):
        die_with(notes, stored(5))

    assert InHandFiles(notes, GROUP).deaths_on_trial(stored(5)) == 0


def test_deaths_on_trial_are_counted_for_this_record_only(notes: Path) -> None:
    for deaths in range(1, 4):
        die_with(notes, stored(5), on_trial=True)
        assert InHandFiles(notes, GROUP).deaths_on_trial(stored(5)) == deaths

    in_hand = InHandFiles(notes, GROUP)
    assert in_hand.suspects([stored(5)])
    assert in_hand.deaths_on_trial(stored(6)) == 0
    assert in_hand.deaths_on_trial(stored(5, value=b"of another log")) == 0


def test_whatever_a_trial_came_to_the_record_killed_nobody(notes: Path) -> None:
    die_with(notes, stored(5), on_trial=True)
    in_hand = InHandFiles(notes, GROUP)
    with pytest.raises(Transient), in_hand.trying(stored(5)):
        raise Transient("the store is away")

    assert not in_hand.suspects([stored(5)])


def test_where_nothing_can_be_noted_the_work_goes_on(notes: Path, caplog: pytest.LogCaptureFixture) -> None:
    notes.write_text("in the way of a folder")
    in_hand = InHandFiles(notes, GROUP)

    with in_hand.holding([stored(5)]):
        assert not in_hand.suspects([stored(5)])

    assert "can not be noted" in caplog.text


class Idle:
    """A process whose idle time a test sets."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        """For how long it has waited."""
        return self.seconds


def test_a_trial_that_only_waits_is_over_and_the_others_go_on(notes: Path) -> None:
    idle = Idle()
    in_hand = InHandFiles(notes, GROUP, idle_seconds=idle)
    other_is_in = threading.Event()

    def other() -> None:
        with in_hand.holding([stored(9, number=1)]):
            other_is_in.set()

    thread = threading.Thread(target=other)
    with in_hand.trying(stored(5)):
        thread.start()
        assert not other_is_in.wait(0.3)  # the process works all the time, so nobody else begins
        assert in_hand.deaths_on_trial(stored(5)) == 1  # if it died now
        idle.seconds = RECORD_WAITS_SECONDS_MAX
        wait_for(other_is_in.is_set, what="the other loop")
        assert in_hand.deaths_on_trial(stored(5)) == 0
    thread.join()


def test_a_trial_begins_when_the_others_are_done_and_nobody_begins_before_it(notes: Path) -> None:
    in_hand = InHandFiles(notes, GROUP)
    seen: list[str] = []

    def trial() -> None:
        with in_hand.trying(stored(5)):
            seen.append("trial")

    thread = threading.Thread(target=trial)
    with in_hand.holding([stored(9, number=1)]):
        thread.start()
        thread.join(0.1)
        assert in_hand.deaths_on_trial(stored(5)) == 0
        seen.append("batch")
    thread.join()

    assert seen == ["batch", "trial"]


def test_a_loop_that_tries_one_record_after_the_other_lets_the_others_in_between(notes: Path) -> None:
    in_hand = InHandFiles(notes, GROUP, idle_seconds=Idle())
    seen: list[str] = []

    def other() -> None:
        with in_hand.holding([stored(9, number=1)]):
            seen.append("batch")

    thread = threading.Thread(target=other)
    with in_hand.trying(stored(5)):
        thread.start()
        wait_for(lambda: in_hand._room._waiting, what="the other loop at the door")
    with in_hand.trying(stored(6)):
        seen.append("second trial")
    thread.join()

    assert seen == ["batch", "second trial"]
