"""`nullsender up` as an operator meets it: what it says, how it stops, what it survives."""

import os
import re
import signal
import socket
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pysqlite3.dbapi2 as sqlite
import pytest

from nullsender.cli.running.beats import BeatFile
from nullsender.clock import SystemClock
from tests.system import System
from tests.waiting import wait_for

pytestmark = pytest.mark.xdist_group("up")

ROLES = ("mx", "classify", "suppress", "follow", "api")
TEMPLATE = (Path(__file__).parent.parent / "fixtures" / "mail" / "postfix" / "unknown-user.eml").read_bytes()


def bounce(address: str) -> bytes:
    """A bounce that Postfix wrote, about another address."""
    return TEMPLATE.replace(b"unknown-user@example.net", address.encode())


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with System(tmp_path_factory.mktemp("up") / "data") as system:
        yield system


def pid_of(system: System, role: str) -> int:
    """The process id under which the supervisor last started the role."""
    return int(re.findall(rf"started role={role} pid=(\d+)", system.said())[-1])


@pytest.mark.parametrize("role", ROLES)
def test_a_role_that_is_killed_comes_back_and_what_was_acknowledged_reaches_the_list(running: System, role: str) -> None:
    victim = pid_of(running, role)
    running.send(bounce(f"before-{role}-died@example.net"))

    os.kill(victim, signal.SIGKILL)

    wait_for(lambda: pid_of(running, role) != victim, what=f"{role} to be started again")
    running.wait_until_ready()
    running.send(bounce(f"after-{role}-died@example.net"))
    running.wait_until_suppressed(f"before-{role}-died@example.net")
    running.wait_until_suppressed(f"after-{role}-died@example.net")
    assert re.search(rf'"a role died" role={role} reason="exit -9"', running.said())


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Two processes of each stage."""
    settings = {"NULLSENDER_UP_CLASSIFY": "2", "NULLSENDER_UP_SUPPRESS": "2"}
    with System(tmp_path_factory.mktemp("several") / "data", settings=settings) as system:
        yield system


def readers_of(system: System, group: str, topic: str) -> Mapping[int, int]:
    """Which process reads which partition, by the locks that the kernel knows of."""
    words = [line.replace("->", "").split() for line in Path("/proc/locks").read_text().splitlines()]
    held = {int(file.rpartition(":")[2]): int(pid) for _, kind, _, _, pid, file, *_ in words if kind == "FLOCK"}
    locks = (system.data / "log" / "groups" / group).glob(f"{topic}.partition.*")
    return {int(lock.suffix[1:]): pid for lock in locks if (pid := held.get(lock.stat().st_ino))}


@pytest.mark.parametrize(("group", "topic"), [("classify", "bounces"), ("suppress", "outcomes")])
def test_several_processes_of_a_stage_share_its_partitions_and_one_that_dies_is_replaced_by_the_others(
    several: System, group: str, topic: str
) -> None:
    assert several.process is not None
    first, second = (pid_of(several, f"{group}-{number}") for number in (1, 2))

    def shares() -> list[int]:
        return sorted(Counter(readers_of(several, group, topic).values()).values())

    wait_for(lambda: shares() == [4, 4], what="both to read")
    several.process.send_signal(signal.SIGSTOP)  # a supervisor that sleeps restarts nobody
    try:
        os.kill(first, signal.SIGKILL)
        wait_for(lambda: set(readers_of(several, group, topic).values()) == {second}, what="the other to read everything")
        for number in range(10):
            several.send(bounce(f"{group}-{number}@example.net"))
        for number in range(10):
            several.wait_until_suppressed(f"{group}-{number}@example.net")
    finally:
        several.process.send_signal(signal.SIGCONT)

    wait_for(lambda: pid_of(several, f"{group}-1") != first, what="the first to be started again")
    wait_for(lambda: shares() == [4, 4], what="both to read again")


def test_a_schema_from_the_future_is_a_sentence_and_nothing_is_done(tmp_path: Path) -> None:
    system = System(tmp_path / "data")
    assert system.command("migrate").returncode == 0
    with closing(sqlite.connect(str(system.data / "nullsender.sqlite"))) as store, store:
        store.execute("UPDATE alembic_version SET version_num = '9999'")
        store.execute("UPDATE meta SET value = '9999' WHERE name = 'schema_serves'")
    before = {file.name for file in system.data.iterdir()}

    for command in ("suppress", "follow", "api", "up"):
        refused = system.command(command)
        assert refused.returncode == 3, (command, refused.stderr)
        assert "9999 is from a newer version" in refused.stderr
        assert "Traceback" not in refused.stderr
        assert "started" not in refused.stderr
    told = system.command("doctor")
    assert told.returncode == 3
    assert "9999 is from a newer version" in told.stdout

    with closing(sqlite.connect(str(system.data / "nullsender.sqlite"))) as store:
        assert store.execute("SELECT version_num FROM alembic_version").fetchall() == [("9999",)]
        assert store.execute("SELECT count(*) FROM api_keys").fetchall() == [(0,)]
    assert {file.name for file in system.data.iterdir()} - before <= {"health", "log", "up.lock", "secret-keys.json", "metrics"}


def test_health_says_of_a_running_system_that_every_role_is_at_work(running: System) -> None:
    told = wait_for(lambda: _well(running), what="every role to be at work")

    assert len(told.splitlines()) == len(ROLES) + 1


def _well(system: System) -> str | None:
    told = system.command("health", *ROLES, "up")
    return told.stdout if told.returncode == 0 else None


def test_what_troubles_a_role_is_said_by_readiness_until_it_is_gone(running: System) -> None:
    with BeatFile(running.data / "health", "classify") as file:
        file.write(SystemClock().monotonic_seconds(), ready=True, troubles=["the brake is on"])
        wait_for(lambda: "the brake is on" in running.http.get("/readyz").text, what="the trouble to be said")
        assert running.http.get("/readyz").status_code == 503
        assert running.command("doctor").returncode == 3

    running.wait_until_ready()


def test_a_second_one_on_the_same_data_is_refused_with_what_to_do(running: System) -> None:
    second = running.command("up", "--smtp", "127.0.0.1:0", "--http", "127.0.0.1:0")

    assert second.returncode == 3
    assert "already runs on" in second.stderr
    assert "--data" in second.stderr


def test_a_port_that_is_taken_is_named_before_anything_starts(running: System, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        endpoint = f"127.0.0.1:{taken.getsockname()[1]}"
        refused = running.command("up", "--data", str(tmp_path / "other"), "--http", endpoint, "--smtp", "127.0.0.1:0")

    assert refused.returncode == 3
    assert endpoint in refused.stderr
    assert "--http" in refused.stderr


def test_a_mistake_in_the_settings_is_a_sentence_and_exit_code_3(running: System, tmp_path: Path) -> None:
    file = tmp_path / "nullsender.toml"
    file.write_text("[policy]\nsoft_limit = 'many'\n")

    refused = running.command("up", "--config", str(file))

    assert refused.returncode == 3
    assert "policy.soft_limit" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_the_first_start_prints_a_key_once_and_the_next_goes_on_where_it_was(tmp_path: Path) -> None:
    system = System(tmp_path / "data")
    del system.environment["NULLSENDER_BOOTSTRAP_KEY"]
    with system:
        wait_for(lambda: "nullsender is ready" in system.said(), what="the greeting")
        key = re.findall(r"ns_[\w-]{30,}", system.said())[0]
        system.http.headers["Authorization"] = f"Bearer {key}"
        assert system.check("before@example.net")["allowed"]
        system.send(bounce("before@example.net"))
        assert system.stop() == 0
    first_output = system.said()

    again = System(tmp_path / "data")
    del again.environment["NULLSENDER_BOOTSTRAP_KEY"]
    again.http.headers["Authorization"] = f"Bearer {key}"
    with again:
        again.wait_until_suppressed("before@example.net")
        wait_for(lambda: again.said().count("nullsender is ready") == 2, what="the second greeting")
        assert key not in again.said()[len(first_output) :]


def test_stopping_leaves_no_process_behind(tmp_path: Path) -> None:
    with System(tmp_path / "data") as system:
        pids = [pid_of(system, role) for role in ROLES]

        assert system.stop() == 0

    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_doctor_finds_nothing_wrong_with_a_running_system(running: System) -> None:
    told = running.command("doctor")

    assert told.returncode == 0, told.stdout
    assert "WRONG" not in told.stdout
    assert "********" in told.stdout
    assert running.environment["NULLSENDER_BOOTSTRAP_KEY"] not in told.stdout


def test_keys_are_made_listed_rotated_and_revoked(running: System) -> None:
    made = running.command("keys", "create", "mta-1", "--scopes", "check")
    key, key_id = re.findall(r"ns_[\w-]+", made.stdout)[0], re.findall(r"id (\w+)", made.stdout)[0]

    def status(method: str, path: str, bearer: str) -> int:
        return running.http.request(method, path, headers={"Authorization": f"Bearer {bearer}"}).status_code

    assert status("GET", "/v1/check?address=a@example.net", key) == 200
    assert status("GET", "/v1/suppressions", key) == 403
    rotated = re.findall(r"ns_[\w-]+", running.command("keys", "rotate", key_id).stdout)[0]
    assert status("GET", "/v1/check?address=a@example.net", rotated) == 200
    assert status("GET", "/v1/check?address=a@example.net", key) == 200
    assert running.command("keys", "revoke", key_id).returncode == 0
    wait_for(lambda: status("GET", "/v1/check?address=a@example.net", key) == 401, what="the revoked key to be refused")
    assert key not in running.command("keys", "list").stdout


def test_a_scope_that_does_not_exist_is_refused_with_those_that_do(running: System) -> None:
    refused = running.command("keys", "create", "mta-2", "--scopes", "everything")

    assert refused.returncode == 1
    assert "there are check, read, links, write, export, admin" in refused.stderr
