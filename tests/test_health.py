"""How a role shows that it lives, and what is said of one that does not."""

import os
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from nullsender import telemetry
from nullsender.cli import main
from nullsender.cli.running.beats import BeatFile, living
from nullsender.cli.running.heart import Heart
from nullsender.cli.running.notify import Notify
from nullsender.cli.running.pipeline import Pipeline
from nullsender.cli.running.stages import LoopWatch
from nullsender.cli.running.stopping import Stop
from nullsender.clock import FakeClock, SystemClock
from nullsender.consume import Status
from nullsender.errors import Misconfigured, Transient
from nullsender.limits import (
    BEAT_SECONDS_MAX,
    READY_AGE_SECONDS_MAX,
    READY_BUSY_SECONDS_MAX,
    READY_DISK_FREE_BYTES_MIN,
    READY_LAG_RECORDS_MAX,
    READY_LOOK_SECONDS_MAX,
    STUCK_SECONDS,
    STUCK_SECONDS_MAX,
)
from nullsender.log import Log, Partition, Record, Topic, wait_until_durable
from nullsender.log_embedded import EmbeddedLog
from tests.ports import free_ports
from tests.waiting import wait_for


class Systemd:
    """A socket as systemd gives one, and what it was told."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(path)
        self._socket.setblocking(False)

    def heard(self) -> list[str]:
        """Every word since it was last asked."""
        words: list[str] = []
        while True:
            try:
                words += self._socket.recv(4096).decode().split("\n")
            except BlockingIOError:
                return words

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    opened = Systemd(str(tmp_path / "notify"))
    yield opened
    opened.close()


def a_heart(folder: Path, clock: FakeClock, *, stop: Stop | None = None, notify: str | None = None) -> Heart:
    return Heart("classify", folder, stop=stop or Stop(), clock=clock, notify=Notify(notify))


def test_a_role_is_at_work_when_each_of_its_loops_has_moved(tmp_path: Path, systemd: Systemd) -> None:
    heart = a_heart(tmp_path / "health", FakeClock(), notify=str(tmp_path / "notify"))
    first, second = heart.pulse("first"), heart.pulse("second")

    first()
    heart.beat()
    [beat] = living(tmp_path / "health")
    assert (beat.role, beat.pid, beat.ready) == ("classify", os.getpid(), False)
    assert systemd.heard() == ["STATUS=starting", "WATCHDOG=1"]

    second()
    heart.beat()
    heart.beat()
    [beat] = living(tmp_path / "health")
    assert beat.ready
    assert systemd.heard() == ["READY=1", *["STATUS=at work", "WATCHDOG=1"] * 2]


def test_an_abstract_name_reaches_systemd_too(tmp_path: Path) -> None:
    name = f"nullsender-test-{os.getpid()}"
    systemd = Systemd(f"\0{name}")

    Notify(f"@{name}")("READY=1")

    assert systemd.heard() == ["READY=1"]
    systemd.close()


def test_a_systemd_that_is_gone_is_no_reason_to_stop(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Notify(str(tmp_path / "nobody"))("READY=1")

    assert "systemd could not be told" in caplog.text


def test_a_loop_that_does_not_move_is_said_to_be_stuck_and_shows_its_stack_once(
    tmp_path: Path, systemd: Systemd, caplog: pytest.LogCaptureFixture
) -> None:
    clock = FakeClock()
    heart = a_heart(tmp_path / "health", clock, notify=str(tmp_path / "notify"))
    pulse = heart.pulse("classify on bounces")
    free = threading.Event()

    def hang_in_a_parser() -> None:
        pulse()
        free.wait()

    thread = threading.Thread(target=hang_in_a_parser)
    thread.start()
    wait_for(lambda: pulse.has_beaten, what="the loop to start")
    assert heart.beat() == []
    systemd.heard()

    clock.advance(seconds=STUCK_SECONDS)
    assert heart.beat() == ["stuck: classify on bounces has not moved for 60 s"]
    heart.beat()
    assert "WATCHDOG=1" not in systemd.heard()
    assert living(tmp_path / "health")[0].troubles
    assert [getattr(record, "facts", {}).get("stack", "").count("hang_in_a_parser") for record in caplog.records] == [1]

    free.set()
    thread.join()
    pulse()
    assert heart.beat() == []


def test_a_loop_that_is_told_to_stop_is_not_stuck(tmp_path: Path) -> None:
    clock, stop = FakeClock(), Stop()
    heart = a_heart(tmp_path, clock, stop=stop)
    heart.pulse("the only loop")()

    stop.request()
    clock.advance(seconds=2 * STUCK_SECONDS_MAX)

    assert heart.beat() == []


STUCK_ROLE = """
import re, sys, threading
from pathlib import Path
from nullsender.cli.running import heart
from nullsender.cli.running.notify import Notify
from nullsender.cli.running.stopping import Stop
from nullsender.clock import SystemClock

heart.STUCK_SECONDS, heart.STUCK_SECONDS_MAX, heart.BEAT_SECONDS = 0.2, 1.0, 0.1
with heart.Heart("mx", Path(sys.argv[1]), stop=Stop(), clock=SystemClock(), notify=Notify(None)) as ours:
    pulse = ours.pulse("the only loop", stuck_seconds_max=1.0)
    pulse()
    {hang}
"""


@pytest.mark.parametrize("hang", ["threading.Event().wait()", "re.match('(a*)*b', 'a' * 64)"])
def test_a_process_whose_loop_is_stuck_for_good_ends_by_itself(tmp_path: Path, hang: str) -> None:
    """The second one keeps the interpreter to itself, as a regular expression does: no thread of Python runs beside it."""
    child = subprocess.run(
        [sys.executable, "-c", STUCK_ROLE.format(hang=hang), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert child.returncode == 1
    assert "a loop is stuck" in child.stderr or "Timeout" in child.stderr


def test_a_role_that_ends_in_order_leaves_no_beat_behind(tmp_path: Path) -> None:
    with a_heart(tmp_path, FakeClock()):
        wait_for(lambda: living(tmp_path), what="a beat")

    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_counts_for_nothing_and_is_swept_away(tmp_path: Path) -> None:
    program = f"""
import time
from pathlib import Path
from nullsender.cli.running.beats import BeatFile
BeatFile(Path({str(tmp_path)!r}), "mx").write(0.0, ready=True, troubles=[])
print(flush=True)
time.sleep(60)
"""
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    assert [beat.pid for beat in living(tmp_path)] == [child.pid]

    child.kill()
    child.wait()
    child.stdout.close()
    assert living(tmp_path) == []

    [left] = tmp_path.iterdir()
    os.utime(left, (0, 0))
    with BeatFile(tmp_path, "api") as file:
        file.write(0.0, ready=True, troubles=[])
        assert [beat.role for beat in living(tmp_path)] == ["api"]
        assert not left.exists()


# --- nullsender health ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("silent_seconds", "ready", "troubles", "code", "words"),
    [
        (0.0, True, [], 0, "is at work"),
        (0.0, False, [], 1, "is starting"),
        (0.0, True, ["the brake is on"], 1, "is in trouble: the brake is on"),
        (BEAT_SECONDS_MAX + 5, True, [], 1, "has not beaten for 20 s"),
    ],
)
def test_health_says_how_each_process_is(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    silent_seconds: float,
    ready: bool,
    troubles: Sequence[str],
    code: int,
    words: str,
) -> None:
    with BeatFile(tmp_path / "health", "classify") as file:
        file.write(SystemClock().monotonic_seconds() - silent_seconds, ready=ready, troubles=troubles)

        assert main(["health", "classify", "--data", str(tmp_path)]) == code

    assert capsys.readouterr().out == f"classify: process {os.getpid()} {words}\n"


def test_health_misses_a_role_of_which_no_process_lives(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with BeatFile(tmp_path / "health", "mx") as file:
        file.write(SystemClock().monotonic_seconds(), ready=True, troubles=[])

        assert main(["health", "mx", "follow", "--data", str(tmp_path)]) == 1

    assert "follow: no process of this role lives here" in capsys.readouterr().out


# --- a role that stands alone ----------------------------------------------------------------------------------------------


def test_a_role_that_stands_alone_shows_its_numbers_and_ends_when_it_is_told(tmp_path: Path) -> None:
    [port] = free_ports(1)
    environment = os.environ | {"NULLSENDER_DATA": str(tmp_path), "NULLSENDER_METRICS": f"127.0.0.1:{port}"}
    role = subprocess.Popen([sys.executable, "-m", "nullsender.cli", "classify"], env=environment, stderr=subprocess.PIPE)

    def numbers() -> str | None:
        """All of them, once the loops have counted."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
                said = str(answer.read().decode())
        except OSError:
            return None
        return said if said.count("lag_records{") == 3 else None

    try:
        shown = wait_for(numbers, what="the numbers")
        assert 'nullsender_consumer_lag_records{group="classify",topic="complaints"} 0.0' in shown
        second = subprocess.run(role.args, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert second.returncode == 3
        assert "can not be listened on" in second.stderr
    finally:
        role.terminate()
        _, said = role.communicate(timeout=30)

    assert role.returncode == 0, said
    assert living(tmp_path / "health") == []


# --- a consumer's loop ---------------------------------------------------------------------------------------------------


class Loop:
    """Stands for a `ConsumeLoop` of which only the status is asked."""

    def __init__(self, status: Status) -> None:
        self._status = status

    def status(self) -> Status:
        return self._status


NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (Status(0.0, None, braked=False), None),
        (Status(READY_BUSY_SECONDS_MAX, NOW - timedelta(seconds=READY_AGE_SECONDS_MAX), braked=False), None),
        (Status(0.0, NOW + timedelta(days=1), braked=False), None),
        (Status(1.0, NOW, braked=True), "classify goes no further on bounces"),
        (Status(READY_BUSY_SECONDS_MAX + 1, NOW, braked=False), "has dealt with nothing of bounces for 31 s"),
        (Status(1.0, NOW - timedelta(hours=1), braked=False), "a record of bounces has waited for 3600 s"),
        (Status(0.0, None, braked=False, silent_seconds=READY_BUSY_SECONDS_MAX), None),
        (Status(0.0, None, braked=False, silent_seconds=40.0), "has had no answer from the log about bounces for 40 s"),
    ],
)
def test_what_troubles_a_loop_is_said_and_counted(status: Status, words: str | None) -> None:
    said = LoopWatch("classify", Topic.BOUNCES, Loop(status), FakeClock(NOW))()

    assert words in said if said and words else said is words
    shown = telemetry.exposition().decode()
    labels = '{group="classify",topic="bounces"}'
    assert f"nullsender_consumer_braked{labels} {float(status.braked)}" in shown
    assert f"nullsender_consumer_busy_seconds{labels} {status.busy_seconds}" in shown
    age_seconds = max((NOW - status.oldest_record_at).total_seconds(), 0.0) if status.oldest_record_at else 0.0
    assert f"nullsender_consumer_oldest_record_seconds{labels} {age_seconds}" in shown


# --- readiness -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EmbeddedLog]:
    with EmbeddedLog(tmp_path / "log", clock=SystemClock(), partitions=1) as opened:
        yield opened


def a_pipeline(log: Log, tmp_path: Path, clock: FakeClock | None = None) -> Pipeline:
    readers = {"classify": [Topic.BOUNCES]}
    return Pipeline(lambda: log, readers, data=tmp_path, health_folder=tmp_path / "health", clock=clock or FakeClock())


def looked(pipeline: Pipeline) -> str | None:
    pipeline.look()
    return pipeline.trouble()


def test_a_pipeline_that_nobody_looked_at_is_not_ready(log: EmbeddedLog, tmp_path: Path) -> None:
    assert a_pipeline(log, tmp_path).trouble() == "nobody has looked at the pipeline yet"


def test_a_log_that_can_not_be_opened_yet_is_opened_when_it_can(log: EmbeddedLog, tmp_path: Path) -> None:
    """Lookups go on meanwhile: the API does not wait for the log."""
    there = False

    def open_log() -> EmbeddedLog:
        if not there:
            raise Misconfigured("no Kafka answers at kafka.example.com:9092")
        return log

    pipeline = Pipeline(open_log, {}, data=tmp_path, health_folder=tmp_path / "health", clock=FakeClock())
    assert looked(pipeline) == "the log does not answer"

    there = True

    assert looked(pipeline) is None


def test_a_partition_that_nobody_reads_makes_the_pipeline_not_ready(log: EmbeddedLog, tmp_path: Path) -> None:
    pipeline = a_pipeline(log, tmp_path)
    assert "nobody reads bounces for `nullsender classify`" in (looked(pipeline) or "")

    with log.consumer("classify", [Topic.BOUNCES]) as consumer:
        consumer.poll(records_max=1, timeout_seconds=0)
        assert looked(pipeline) is None


def test_too_many_records_that_wait_make_the_pipeline_not_ready(log: EmbeddedLog, tmp_path: Path) -> None:
    with log.producer() as producer:
        for _ in range(0, READY_LAG_RECORDS_MAX + 1, 10_000):
            wait_until_durable(producer.publish([Record(Topic.BOUNCES, b"key", b"")] * 10_000))
    with log.consumer("classify", [Topic.BOUNCES]) as consumer:
        consumer.poll(records_max=1, timeout_seconds=0)

        assert "110000 records wait for `nullsender classify`" in (looked(a_pipeline(log, tmp_path)) or "")


def quiet(log: EmbeddedLog, tmp_path: Path, then: Callable[[Pipeline, FakeClock], None]) -> None:
    """Run `then` where all but what it does is well."""
    clock = FakeClock()
    with log.consumer("classify", [Topic.BOUNCES]) as consumer:
        consumer.poll(records_max=1, timeout_seconds=0)
        pipeline = a_pipeline(log, tmp_path, clock)
        assert looked(pipeline) is None
        then(pipeline, clock)


def test_what_troubles_a_role_makes_the_pipeline_not_ready_and_is_said_once(log: EmbeddedLog, tmp_path: Path) -> None:
    def then(pipeline: Pipeline, _clock: FakeClock) -> None:
        with BeatFile(tmp_path / "health", "classify") as one, BeatFile(tmp_path / "health", "suppress") as other:
            for file in (one, other):
                file.write(0.0, ready=True, troubles=["the brake is on"])
            assert looked(pipeline) == "the brake is on"
        assert looked(pipeline) is None

    quiet(log, tmp_path, then)


def test_a_frozen_role_makes_the_pipeline_not_ready(log: EmbeddedLog, tmp_path: Path) -> None:
    def then(pipeline: Pipeline, clock: FakeClock) -> None:
        with BeatFile(tmp_path / "health", "suppress") as file:
            file.write(0.0, ready=True, troubles=[])
            clock.advance(seconds=BEAT_SECONDS_MAX + 1)
            assert looked(pipeline) == "a process of `nullsender suppress` has not beaten for 16 s"

    quiet(log, tmp_path, then)


def test_a_disk_that_is_nearly_full_makes_the_pipeline_not_ready(
    log: EmbeddedLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def then(pipeline: Pipeline, _clock: FakeClock) -> None:
        full = type("Usage", (), {"free": READY_DISK_FREE_BYTES_MIN - 1})
        monkeypatch.setattr("shutil.disk_usage", lambda _path: full)
        assert looked(pipeline) == "the disk is nearly full: 511 MiB are free for the data folder"

    quiet(log, tmp_path, then)


def test_a_log_in_trouble_makes_the_pipeline_not_ready_without_its_words(
    log: EmbeddedLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def trouble(*_arguments: object) -> None:
        raise Transient("/var/lib/nullsender/log can not be read")

    def then(pipeline: Pipeline, _clock: FakeClock) -> None:
        monkeypatch.setattr(log, "group_lag", trouble)
        assert looked(pipeline) == "the log does not answer"
        assert "/var/lib" in str([getattr(record, "facts", "") for record in caplog.records])

    quiet(log, tmp_path, then)


def test_a_log_that_takes_no_records_makes_the_pipeline_not_ready(
    log: EmbeddedLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def then(pipeline: Pipeline, _clock: FakeClock) -> None:
        monkeypatch.setattr(log, "trouble", lambda: "too few replicas are in sync")
        assert looked(pipeline) == "too few replicas are in sync"

    quiet(log, tmp_path, then)


def test_a_look_that_does_not_come_to_its_end_makes_the_pipeline_not_ready(log: EmbeddedLog, tmp_path: Path) -> None:
    def then(pipeline: Pipeline, clock: FakeClock) -> None:
        clock.advance(seconds=READY_LOOK_SECONDS_MAX + 1)
        assert pipeline.trouble() == "the log has not said for 31 s how it is"

    quiet(log, tmp_path, then)


def test_a_mistake_of_ours_in_looking_is_no_good_news(
    log: EmbeddedLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bug(*_arguments: object) -> Sequence[Partition]:
        raise ZeroDivisionError("a mistake of ours")

    def then(pipeline: Pipeline, _clock: FakeClock) -> None:
        monkeypatch.setattr(log, "unread", bug)
        assert "a bug of ours" in (looked(pipeline) or "")

    quiet(log, tmp_path, then)
