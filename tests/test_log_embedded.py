"""The embedded log: the contract, and what is particular to it: other processes, full disks, trimming."""

import asyncio
import os
import random
import resource
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import pytest

import classifiers.consumer
import suppression.consumer
from nullsender.cli.parts import READERS
from nullsender.clock import FakeClock, SystemClock
from nullsender.errors import Misconfigured, Transient
from nullsender.limits import LOG_QUEUE_RECORDS_MAX, PUBLISH_SECONDS_MAX
from nullsender.log import Log, Record, Topic, wait_until_durable
from nullsender.log_embedded import RETENTION, EmbeddedLog
from nullsender.log_embedded_topic import Retention, TopicStore
from tests.log_child import number_of
from tests.log_contract import LogContract, drain, group, numbered, partitions_of, positions_after, publish, store, take
from tests.missing import give_up
from tests.waiting import wait_for

__all__ = ["group"]  # the contract's fixture

MIB = 2**20


class TestEmbeddedLog(LogContract):
    """The contract."""

    @pytest.fixture
    def log(self, tmp_path: Path) -> Iterator[Log]:
        with EmbeddedLog(tmp_path / "log", clock=SystemClock()) as log:
            yield log


def test_records_are_taken_out_by_their_keys_while_the_others_stay_where_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nullsender.log_embedded_topic.LOG_TRIM_RECORDS_MAX", 3)
    with EmbeddedLog(tmp_path / "log", clock=SystemClock()) as log:
        publish(log, *(Record(Topic.RAW, b"%d" % number, b"mail %d" % number) for number in range(100)))
        before = [record for record in log.read(Topic.RAW) if int(record.key) % 7]

        removed = log.remove(Topic.RAW, {b"%d" % number for number in range(0, 100, 7)} | {b"nobody's"})

        assert removed == 15
        assert list(log.read(Topic.RAW)) == before
        publish(log, Record(Topic.RAW, b"0", b"again"))
        assert len(list(log.read(Topic.RAW))) == 86
        assert log.remove(Topic.BOUNCES, {b"1"}) == 0


def small(bytes_max: int, *, days: float = 1000) -> Mapping[Topic, Retention]:
    """A retention under which the topic of bounces holds little."""
    return {**RETENTION, Topic.BOUNCES: Retention(days=days, bytes_max=bytes_max)}


def big(count: int, *, first: int = 0) -> list[Record]:
    """Records of 100 KiB."""
    numbers = range(first, first + count)
    return [Record(Topic.BOUNCES, b"%d" % number, b"%d " % number + bytes(100 * 1024)) for number in numbers]


def kept(log: Log) -> set[int]:
    """The numbers of the bounces that are there."""
    return {int(record.value.split(b" ")[0]) for record in log.read(Topic.BOUNCES)}


@contextmanager
def child(*arguments: object) -> Iterator["subprocess.Popen[str]"]:
    """Another process (tests/log_child.py), killed at the end if it still lives."""
    command = [sys.executable, "-m", "tests.log_child", *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def line_of(process: "subprocess.Popen[str]") -> str:
    """The next line that it prints."""
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, "the other process died by itself"
    return line


# --- other processes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_record_that_was_acknowledged_outlives_kill_9_at_any_moment(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    acknowledged: set[int] = set()
    for round_number in range(4):
        with child("publish", tmp_path / "log", round_number * 1_000_000, seed * 100 + round_number) as publisher:
            for _ in range(chance.randrange(1, 300)):
                acknowledged.add(int(line_of(publisher)))
            publisher.kill()
            assert publisher.stdout is not None
            acknowledged.update(int(line) for line in publisher.stdout if line.endswith("\n"))

    with EmbeddedLog(tmp_path / "log", clock=SystemClock()) as log:
        found = [number_of(record.value) for topic in (Topic.BOUNCES, Topic.COMPLAINTS) for record in log.read(topic)]

    assert acknowledged <= set(found)
    assert len(found) == len(set(found))


def test_several_processes_publish_at_once_while_another_is_killed(tmp_path: Path) -> None:
    with (
        EmbeddedLog(tmp_path / "log", clock=SystemClock()) as log,
        child("publish", tmp_path / "log", 0, 1) as one,
        child("publish", tmp_path / "log", 1_000_000, 2) as other,
    ):
        acknowledged = {int(line_of(process)) for _ in range(100) for process in (one, other)}
        other.kill()
        publish(log, Record(Topic.BOUNCES, b"k", b"00000000"))
        acknowledged |= {int(line_of(one)) for _ in range(100)}
        one.kill()
        one.wait()

        found = {number_of(record.value) for topic in Topic for record in log.read(topic) if record.key != b"k"}

    assert acknowledged <= found


def test_the_partitions_of_a_killed_process_move_on(tmp_path: Path, group: str) -> None:
    with EmbeddedLog(tmp_path / "log", clock=SystemClock(), partitions=4) as log:
        publish(log, *numbered(1000))
        with log.consumer(group, [Topic.BOUNCES]) as here, child("consume", tmp_path / "log", group) as there:

            def shared() -> bool:
                ours, theirs = {place.number for place in partitions_of(here)}, set(map(int, line_of(there).split()))
                return len(ours) == len(theirs) == 2 and not ours & theirs

            wait_for(shared, what="the processes to share")
            there.kill()

            wait_for(lambda: len(partitions_of(here)) == 4, what="the partitions of the dead process")


def test_a_member_more_than_there_are_partitions_waits_for_its_turn(tmp_path: Path, group: str) -> None:
    with EmbeddedLog(tmp_path / "log", clock=SystemClock(), partitions=2) as log:
        members = [log.consumer(group, [Topic.BOUNCES]) for _ in range(3)]
        wait_for(
            lambda: sorted(len(partitions_of(member)) for member in members) == [0, 1, 1], what="two members to have one each"
        )
        idle = next(member for member in members if not partitions_of(member))
        for member in members:
            if member is not idle:
                member.close()

        wait_for(lambda: len(partitions_of(idle)) == 2, what="the one that is left to have both")
        idle.close()


def test_a_reader_that_was_killed_does_not_keep_the_file_growing(tmp_path: Path) -> None:
    with EmbeddedLog(tmp_path / "log", clock=SystemClock(), retention=small(4 * MIB)) as log:
        publish(log, *big(20))
        with child("read", tmp_path / "log" / "bounces") as reader:
            line_of(reader)
        log.tend()
        for first in range(20, 620, 20):
            publish(log, *big(20, first=first))

    assert (tmp_path / "log" / "bounces" / "data.mdb").stat().st_size < 3 * 4 * MIB


# --- trouble -----------------------------------------------------------------------------------------------------------


def publish_until_refused(log: Log) -> int:
    """Publish records of 100 KiB until the log says Transient; how many it took."""
    for number in range(500):
        try:
            publish(log, *big(1, first=number))
        except Transient:
            return number
    raise AssertionError("it was never refused")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        give_up("only root can mount a small disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_refuses_and_loses_nothing_and_goes_on_when_there_is_room(small_disk: Path, group: str) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(4 * MIB))
    with EmbeddedLog(small_disk / "log", clock=SystemClock()) as log:
        taken = publish_until_refused(log)
        assert kept(log) == set(range(taken))

        ballast.unlink()
        publish(log, *big(5, first=1000))

        assert kept(log) == {*range(taken), *range(1000, 1005)}
        with log.consumer(group, [Topic.BOUNCES]) as consumer:
            assert len(take(consumer, taken + 5)) == taken + 5


def test_a_disk_that_fails_to_write_refuses_and_loses_nothing_and_goes_on_when_it_works_again(tmp_path: Path) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with EmbeddedLog(tmp_path / "log", clock=SystemClock()) as log:
        resource.setrlimit(resource.RLIMIT_FSIZE, (8 * MIB, hard))
        try:
            taken = publish_until_refused(log)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        publish(log, *big(1, first=1000))

        assert kept(log) == {*range(taken), 1000}


def test_a_record_is_not_acknowledged_before_the_disk_says_that_it_has_it(tmp_path: Path) -> None:
    """LMDB's descriptor becomes /dev/null, which takes every write and can not be synced."""
    with EmbeddedLog(tmp_path / "log", clock=SystemClock()) as log, log.producer() as producer:
        publish(log, *big(1))
        descriptor = descriptor_of(tmp_path / "log" / "bounces" / "data.mdb", synchronous=False)
        before = os.dup(descriptor)
        lead(descriptor, Path("/dev/null"))
        refused = producer.publish(big(1, first=1)).exception()
        os.dup2(before, descriptor, inheritable=False)
        os.close(before)
        publish(log, *big(1, first=2))

        assert refused is not None
        assert kept(log) == {0, 2}


def test_a_file_whose_first_page_can_not_be_written_is_opened_again(tmp_path: Path) -> None:
    """LMDB gives an environment up when the page that points to the data fails; its descriptor for that becomes /dev/full."""
    with EmbeddedLog(tmp_path / "log", clock=SystemClock()) as log:
        publish(log, *big(1))
        lead(descriptor_of(tmp_path / "log" / "bounces" / "data.mdb", synchronous=True), Path("/dev/full"))
        with pytest.raises(Transient):
            publish(log, *big(1, first=1))
        wait_for(lambda: publishes(log, 2), what="the log to take records again")

        assert {0, 2} <= kept(log)


def lead(descriptor: int, device: Path) -> None:
    """What is written to `descriptor` goes to `device` from now on."""
    other = os.open(device, os.O_WRONLY)
    os.dup2(other, descriptor, inheritable=False)
    os.close(other)


def descriptor_of(file: Path, *, synchronous: bool) -> int:
    """Where this process has `file` open, for synchronous writes or for others."""
    [found] = [found for found in descriptors_of(file) if bool(flags_of(found) & os.O_DSYNC) == synchronous]
    return found


def descriptors_of(file: Path) -> list[int]:
    """Where this process has `file` open."""
    found = []
    for link in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            if link.readlink() == file:
                found.append(int(link.name))
    return found


def flags_of(descriptor: int) -> int:
    """How it was opened."""
    lines = Path(f"/proc/self/fdinfo/{descriptor}").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("flags:")).split()[1], 8)


def publishes(log: Log, number: int) -> bool:
    """Whether the log takes a record now."""
    try:
        publish(log, *big(1, first=number))
    except Transient:
        return False
    return True


@contextmanager
def topic_held_elsewhere(folder: Path) -> Iterator[None]:
    """Another process writes to the topic of bounces and does not finish."""
    with child("write-lock", folder / "bounces") as writer:
        line_of(writer)
        yield


def test_too_many_records_that_wait_for_the_disk_are_refused_and_the_others_are_written(tmp_path: Path) -> None:
    with EmbeddedLog(tmp_path / "log", clock=SystemClock()) as log, log.producer() as producer:
        with topic_held_elsewhere(tmp_path / "log"):
            published = [producer.publish([record]) for record in numbered(LOG_QUEUE_RECORDS_MAX + 1100)]
            refused = [future for future in published if future.done()]
        for future in refused:
            with pytest.raises(Transient, match="too many"):
                future.result()
        for future in published:
            if future not in refused:
                wait_until_durable(future)

        assert refused
        assert len(kept(log)) == len(published) - len(refused)


def test_other_topics_do_not_wait_for_one_that_is_held(tmp_path: Path) -> None:
    with EmbeddedLog(tmp_path / "log", clock=SystemClock()) as log, log.producer() as producer:
        with topic_held_elsewhere(tmp_path / "log"):
            held = producer.publish(numbered(1))
            publish(log, *numbered(1, topic=Topic.COMPLAINTS))
            assert not held.done()
        wait_until_durable(held)


def test_a_publish_that_takes_too_long_fails_though_the_disk_hangs(tmp_path: Path) -> None:
    clock = FakeClock()
    with EmbeddedLog(tmp_path / "log", clock=clock) as log, log.producer() as producer:
        with topic_held_elsewhere(tmp_path / "log"):
            published = [producer.publish([record]) for record in numbered(3)]
            clock.advance(seconds=PUBLISH_SECONDS_MAX)
            for future in published:
                with pytest.raises(Transient, match="within 20 s"):
                    future.result()
        publish(log, *numbered(1, first=10))

        assert 10 in kept(log)


def test_a_waiter_that_gives_up_does_not_stop_the_write(tmp_path: Path) -> None:
    async def give_up(published: "Future[None]") -> None:
        waiting = asyncio.ensure_future(asyncio.wrap_future(published))
        await asyncio.sleep(0)
        waiting.cancel()

    with EmbeddedLog(tmp_path / "log", clock=SystemClock()) as log, log.producer() as producer:
        with topic_held_elsewhere(tmp_path / "log"):
            published = producer.publish(numbered(1))
            asyncio.run(give_up(published))
        wait_until_durable(published)

        assert kept(log) == {0}


def test_closing_writes_what_is_queued_and_refuses_what_comes_later(tmp_path: Path) -> None:
    log = EmbeddedLog(tmp_path / "log", clock=SystemClock())
    producer = log.producer()
    published = [producer.publish([record]) for record in numbered(2000)]
    log.close()

    assert all(future.done() and future.exception() is None for future in published)
    with pytest.raises(Transient, match="closed"):
        producer.publish(numbered(1)).result()


# --- trimming ----------------------------------------------------------------------------------------------------------


def test_a_topic_full_of_unread_records_refuses_until_the_group_has_dealt_with_some(tmp_path: Path, group: str) -> None:
    with EmbeddedLog(tmp_path / "log", clock=SystemClock(), retention=small(4 * MIB)) as log:
        with log.consumer(group, [Topic.BOUNCES]) as consumer:
            taken = publish_until_refused(log)
            assert kept(log) == set(range(taken))
            store(consumer, drain(consumer))

        publish(log, *big(10, first=taken))

        assert set(range(taken, taken + 10)) <= kept(log)


def test_a_group_that_is_forgotten_keeps_nothing(tmp_path: Path, group: str) -> None:
    with EmbeddedLog(tmp_path / "log", clock=SystemClock(), retention=small(4 * MIB)) as log:
        log.consumer(group, [Topic.BOUNCES]).close()
        taken = publish_until_refused(log)
        log.forget_group(group)

        publish(log, *big(1, first=taken))

        assert taken in kept(log)


def test_where_no_group_reads_the_oldest_go_when_the_topic_is_full(tmp_path: Path) -> None:
    with EmbeddedLog(tmp_path / "log", clock=SystemClock(), retention=small(4 * MIB)) as log:
        for number in range(100):
            publish(log, *big(1, first=number))

        assert 30 <= len(kept(log)) <= 40
        assert kept(log) == set(range(100 - len(kept(log)), 100))


def test_what_a_reader_of_the_log_has_not_dealt_with_is_kept_before_it_ever_started(tmp_path: Path, group: str) -> None:
    clock = FakeClock()
    with EmbeddedLog(tmp_path / "log", clock=clock, retention=small(4 * MIB, days=7), readers={group: [Topic.BOUNCES]}) as log:
        taken = publish_until_refused(log)
        clock.advance(days=8)
        log.tend()

        with log.consumer(group, [Topic.BOUNCES]) as consumer:
            assert len(take(consumer, taken)) == taken


def test_a_reader_keeps_its_offsets_when_the_log_is_opened_again(tmp_path: Path, group: str) -> None:
    for stored in (0, 10):
        with EmbeddedLog(tmp_path / "log", clock=SystemClock(), readers={group: [Topic.BOUNCES]}) as log:
            assert sum(log.group_lag(group, [Topic.BOUNCES]).values()) == 0
            publish(log, *numbered(10, first=stored))
            with log.consumer(group, [Topic.BOUNCES]) as consumer:
                store(consumer, take(consumer, 10))


def test_the_readers_that_commands_open_the_log_for_are_the_stages() -> None:
    assert {stage.GROUP: stage.TOPICS for stage in (classifiers.consumer, suppression.consumer)} == READERS


def test_a_record_larger_than_what_one_step_trims_finds_its_room(tmp_path: Path) -> None:
    with EmbeddedLog(tmp_path / "log", clock=SystemClock(), retention=small(2 * MIB)) as log:
        publish(log, *(Record(Topic.BOUNCES, b"k", b"%d " % number + bytes(500)) for number in range(2500)))
        publish(log, Record(Topic.BOUNCES, b"k", b"9999 " + bytes(1_900_000)))

        assert 9999 in kept(log)


def test_records_that_are_too_old_leave_once_every_group_has_dealt_with_them(tmp_path: Path, group: str) -> None:
    clock = FakeClock()
    with EmbeddedLog(tmp_path / "log", clock=clock, retention=small(100 * MIB, days=7)) as log:
        consumer = log.consumer(group, [Topic.BOUNCES])
        slow = log.consumer(f"{group}-slow", [Topic.BOUNCES])
        publish(log, *numbered(1500))
        clock.advance(days=8)
        publish(log, *numbered(100, first=1500))
        store(consumer, drain(consumer))
        log.tend()
        assert kept(log) == set(range(1600))

        records = drain(slow)
        store(slow, records)
        log.tend()

        assert kept(log) == set(range(1500, 1600))
        for held in (consumer, slow):
            held.close()


def test_a_position_before_the_oldest_record_is_an_error(tmp_path: Path, group: str, caplog: pytest.LogCaptureFixture) -> None:
    """The store was put back from a copy, and what it has forgotten is trimmed."""
    clock = FakeClock()
    with EmbeddedLog(tmp_path / "log", clock=clock, partitions=1) as log:
        publish(log, *numbered(10))
        records = list(log.read(Topic.BOUNCES))
        clock.advance(days=1000)
        log.tend()
        publish(log, *numbered(1, first=10))

        for kept, is_error in ((positions_after(records), False), (positions_after(records[:9]), True)):
            with log.consumer(group, [Topic.BOUNCES], start_at=kept.get) as consumer:
                assert [record.value for record in take(consumer, 1)] == [b"10"]
            assert ("does not fit the log" in caplog.text) == is_error


def test_housekeeping_outlives_any_trouble_and_trims_the_other_topics(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tend = TopicStore.tend

    def tend_but_for_bounces(store: TopicStore) -> None:
        if store.topic is Topic.BOUNCES:
            raise RuntimeError("a mistake of ours")
        tend(store)

    monkeypatch.setattr(TopicStore, "tend", tend_but_for_bounces)
    clock = FakeClock()
    with EmbeddedLog(tmp_path / "log", clock=clock) as log:
        for _ in range(2):
            publish(log, *numbered(1, topic=Topic.RAW))
            clock.advance(days=1000)
            wait_for(lambda: not list(log.read(Topic.RAW)), what="housekeeping")

    assert "a mistake of ours" in caplog.text


def test_numbering_goes_on_when_everything_was_trimmed(tmp_path: Path, group: str) -> None:
    clock = FakeClock()
    with EmbeddedLog(tmp_path / "log", clock=clock, partitions=1) as log:
        publish(log, *numbered(10))
        clock.advance(days=1000)
        log.tend()
        assert kept(log) == set()
        publish(log, *numbered(1, first=10))

        [record] = log.read(Topic.BOUNCES)
        assert record.offset == 10
        assert sum(log.group_lag(group, [Topic.BOUNCES]).values()) == 1
        with log.consumer(group, [Topic.BOUNCES]) as consumer:
            assert take(consumer, 1) == [record]


def test_what_was_appended_after_the_clock_went_back_is_not_left_out(tmp_path: Path) -> None:
    clock = FakeClock()
    with EmbeddedLog(tmp_path / "log", clock=clock, partitions=1) as log:
        for number, hours in enumerate((0, 5, -3, 1)):
            clock.advance(days=hours / 24)
            publish(log, *numbered(1, first=number))

        since = FakeClock().now() + timedelta(hours=4)
        assert [record.value for record in log.read(Topic.BOUNCES, since=since)] == [b"1", b"2", b"3"]


# --- the folder --------------------------------------------------------------------------------------------------------


def test_a_folder_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "format.json").write_text('{"version": 2, "partitions": 8, "more": true}')

    with pytest.raises(Misconfigured, match="newer version"):
        EmbeddedLog(tmp_path, clock=SystemClock())


@pytest.mark.parametrize("content", ["", "[]", '{"version": "one"}'])
def test_a_folder_whose_format_can_not_be_read_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "format.json").write_text(content)

    with pytest.raises(Misconfigured, match="can not be used"):
        EmbeddedLog(tmp_path, clock=SystemClock())


def test_a_file_that_is_no_log_is_refused(tmp_path: Path) -> None:
    EmbeddedLog(tmp_path, clock=SystemClock()).close()
    (tmp_path / "bounces" / "data.mdb").write_bytes(b"something else" * 1000)

    with pytest.raises(Misconfigured, match="can not be opened"):
        EmbeddedLog(tmp_path, clock=SystemClock())


def test_a_folder_keeps_its_number_of_partitions(tmp_path: Path, group: str) -> None:
    EmbeddedLog(tmp_path, clock=SystemClock(), partitions=3).close()

    with EmbeddedLog(tmp_path, clock=SystemClock(), partitions=5) as log:
        assert len(log.group_lag(group, [Topic.BOUNCES])) == 3


def test_nobody_else_may_look_into_the_files(tmp_path: Path) -> None:
    EmbeddedLog(tmp_path / "log", clock=SystemClock()).close()

    assert (tmp_path / "log").stat().st_mode & 0o077 == 0


def test_a_group_needs_a_name_that_can_be_a_file(tmp_path: Path) -> None:
    with EmbeddedLog(tmp_path, clock=SystemClock()) as log, pytest.raises(ValueError, match="not a group's name"):
        log.consumer("../escape", [Topic.BOUNCES])
