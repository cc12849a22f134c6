"""The supervisor, with real processes as roles."""

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from nullsender.cli.running.supervise import Supervisor
from nullsender.clock import FakeClock, SystemClock
from nullsender.errors import Misconfigured
from nullsender.limits import HEALTHY_AFTER_SECONDS, RESTART_SECONDS_MAX, RESTART_SECONDS_MIN
from tests.waiting import wait_for

SLEEPER = [sys.executable, "-c", "import time; time.sleep(60)"]
ENDS_WITH_ITS_INPUT = [sys.executable, "-c", "import sys; sys.stdin.read()"]
DIES_AT_ONCE = [sys.executable, "-c", "raise SystemExit(7)"]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def supervisors() -> Iterator[list[Supervisor]]:
    made: list[Supervisor] = []
    yield made
    for supervisor in made:
        supervisor.stop()


def _started(roles: Mapping[str, list[str]], clock: FakeClock, supervisors: list[Supervisor]) -> Supervisor:
    supervisor = Supervisor(roles, environment=os.environ, metrics_folder=Path("nowhere"), clock=clock)
    supervisors.append(supervisor)
    supervisor.look_after()
    return supervisor


def _died(pid: int) -> bool:
    """Whether our child has ended; it stays to be reaped by the supervisor."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def test_a_role_that_is_killed_is_started_again_and_that_is_logged(
    clock: FakeClock, supervisors: list[Supervisor], caplog: pytest.LogCaptureFixture
) -> None:
    supervisor = _started({"mx": SLEEPER}, clock, supervisors)
    first = supervisor.pids()["mx"]

    os.kill(first, signal.SIGKILL)
    wait_for(lambda: _died(first), what="the role to die")
    with caplog.at_level(logging.ERROR):
        supervisor.look_after()
    assert supervisor.pids() == {}
    clock.advance(seconds=RESTART_SECONDS_MIN)
    supervisor.look_after()

    assert supervisor.pids()["mx"] != first
    assert "a role died" in caplog.text


def test_a_role_that_keeps_dying_is_started_less_and_less_often(clock: FakeClock, supervisors: list[Supervisor]) -> None:
    supervisor = _started({"mx": DIES_AT_ONCE}, clock, supervisors)
    waits = []
    for _ in range(10):
        pid = supervisor.pids()["mx"]
        wait_for(lambda pid=pid: _died(pid), what="the role to die")  # type: ignore[misc]
        supervisor.look_after()
        waited = 0.0
        while not supervisor.pids():
            clock.advance(seconds=RESTART_SECONDS_MIN)
            waited += RESTART_SECONDS_MIN
            supervisor.look_after()
        waits.append(waited)

    assert waits[:5] == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.2], abs=RESTART_SECONDS_MIN)
    assert max(waits) == pytest.approx(RESTART_SECONDS_MAX, abs=RESTART_SECONDS_MIN)


def test_a_role_that_can_not_be_started_is_tried_again_and_the_others_run(
    clock: FakeClock, supervisors: list[Supervisor], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        supervisor = _started({"mx": ["/there/is/no/such/program"], "api": SLEEPER}, clock, supervisors)

    assert set(supervisor.pids()) == {"api"}
    assert "a role died" in caplog.text


def test_a_role_that_can_not_run_as_things_are_ends_everything_and_says_so(
    clock: FakeClock, supervisors: list[Supervisor]
) -> None:
    misconfigured = [sys.executable, "-c", "raise SystemExit(3)"]
    supervisor = _started({"mx": misconfigured, "api": SLEEPER}, clock, supervisors)
    mx = supervisor.pids()["mx"]

    wait_for(lambda: _died(mx), what="the role to die")
    with pytest.raises(Misconfigured, match="mx"):
        supervisor.look_after()


def test_a_role_that_ran_before_is_tried_again_when_it_can_not_run_as_things_are_now(
    clock: FakeClock, supervisors: list[Supervisor], tmp_path: Path
) -> None:
    """The first process runs and is killed; from then on it says 3, as one does that is started while its database is away."""
    marker = tmp_path / "was here"
    runs_once = f"import pathlib, time; m = pathlib.Path({str(marker)!r}); m.exists() and exit(3); m.touch(); time.sleep(60)"
    supervisor = _started({"mx": [sys.executable, "-c", runs_once], "api": SLEEPER}, clock, supervisors)
    wait_for(marker.exists, what="the first start")
    pid = supervisor.pids()["mx"]
    os.kill(pid, signal.SIGKILL)

    for _ in range(3):
        wait_for(lambda pid=pid: _died(pid), what="the role to die")  # type: ignore[misc]
        supervisor.look_after()
        assert set(supervisor.pids()) == {"api"}
        clock.advance(seconds=RESTART_SECONDS_MAX)
        supervisor.look_after()
        pid = supervisor.pids()["mx"]


def test_one_that_keeps_dying_leaves_no_numbers_behind(clock: FakeClock, supervisors: list[Supervisor], tmp_path: Path) -> None:
    supervisor = Supervisor({"mx": DIES_AT_ONCE}, environment=os.environ, metrics_folder=tmp_path, clock=clock)
    supervisors.append(supervisor)
    supervisor.look_after()
    pid = supervisor.pids()["mx"]
    for name in (f"counter_{pid}.db", f"gauge_mostrecent_{pid}.db", f"counter_{pid}1.db"):
        (tmp_path / name).touch()

    wait_for(lambda: _died(pid), what="the role to die")
    supervisor.look_after()

    assert [file.name for file in tmp_path.iterdir()] == [f"counter_{pid}1.db"]


def test_one_that_lived_long_keeps_its_counts_and_no_gauges(
    clock: FakeClock, supervisors: list[Supervisor], tmp_path: Path
) -> None:
    supervisor = Supervisor({"mx": SLEEPER}, environment=os.environ, metrics_folder=tmp_path, clock=clock)
    supervisors.append(supervisor)
    supervisor.look_after()
    pid = supervisor.pids()["mx"]
    for name in (f"counter_{pid}.db", f"gauge_mostrecent_{pid}.db", f"gauge_livesum_{pid}.db", f"gauge_livemax_{pid}.db"):
        (tmp_path / name).touch()

    clock.advance(seconds=HEALTHY_AFTER_SECONDS)
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: _died(pid), what="the role to die")
    supervisor.look_after()

    assert {file.name for file in tmp_path.iterdir()} == {f"counter_{pid}.db", f"gauge_mostrecent_{pid}.db"}


def test_one_role_dying_leaves_the_others_alone(clock: FakeClock, supervisors: list[Supervisor]) -> None:
    supervisor = _started({"mx": DIES_AT_ONCE, "api": SLEEPER}, clock, supervisors)
    api, mx = supervisor.pids()["api"], supervisor.pids()["mx"]

    wait_for(lambda: _died(mx), what="the role to die")
    supervisor.look_after()

    assert supervisor.pids() == {"api": api}


def test_stopping_ends_every_role(clock: FakeClock, supervisors: list[Supervisor]) -> None:
    supervisor = _started({"mx": SLEEPER, "api": ENDS_WITH_ITS_INPUT}, clock, supervisors)
    pids = supervisor.pids().values()

    supervisor.stop()

    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_role_does_not_outlive_a_supervisor_that_was_killed() -> None:
    """The supervisor is killed with -9; its role notices that its standard input has ended."""
    program = f"""
import os, sys
from pathlib import Path
from nullsender.cli.running.supervise import Supervisor
from nullsender.clock import SystemClock
supervisor = Supervisor(
    {{"role": {ENDS_WITH_ITS_INPUT!r}}}, environment=os.environ, metrics_folder=Path("nowhere"), clock=SystemClock()
)
supervisor.look_after()
print(supervisor.pids()["role"], flush=True)
SystemClock().sleep(60)
"""
    supervisor = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert supervisor.stdout is not None
    role = int(supervisor.stdout.readline())

    supervisor.kill()
    supervisor.wait()
    supervisor.stdout.close()

    wait_for(lambda: not _exists(role), what="the role to end")


def _exists(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"  # nobody reaps an orphan in a container
    except FileNotFoundError:
        return False


def test_run_keeps_looking_after_roles_until_it_is_told_to_stop() -> None:
    looks = iter([False, False, True])
    supervisor = Supervisor({"mx": SLEEPER}, environment=os.environ, metrics_folder=Path("nowhere"), clock=SystemClock())

    supervisor.run(lambda: next(looks))

    assert all(not _exists(pid) for pid in supervisor.pids().values())
