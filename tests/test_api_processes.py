"""Several API processes share one port of a machine, and one list: what one writes, each of them sees."""

from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx
import pytest

from tests.system import KEY, System

pytestmark = pytest.mark.xdist_group("up")
CONNECTIONS = 10  # the kernel chooses a process for each: that all get the same one happens once in five hundred times


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with System(tmp_path_factory.mktemp("up") / "data", settings={"NULLSENDER_UP_API": "2"}) as system:
        yield system


@pytest.fixture
def callers(running: System) -> Iterator[list[httpx.Client]]:
    """Callers, each on a connection of its own, which it keeps."""
    with ExitStack() as stack:
        headers = {"authorization": f"Bearer {KEY}"}
        yield [
            stack.enter_context(httpx.Client(base_url=running.http.base_url, headers=headers, timeout=30, verify=False))
            for _ in range(CONNECTIONS)
        ]


def _is_connected(pid: int, port: int) -> bool:
    """Whether this process has a connection that came in at `port` (proc(5): a row of `net/tcp` for each; 01: established)."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    ours = {f"socket:[{row[9]}]" for row in rows if row[1].endswith(f":{port:04X}") and row[3] == "01"}
    held = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed while we look
            held.add(str(descriptor.readlink()))
    return bool(ours & held)


def test_what_one_process_writes_the_next_question_to_any_other_sees(running: System, callers: list[httpx.Client]) -> None:
    assert {caller.get("/healthz").status_code for caller in callers} == {200}
    port = running.http.base_url.port
    assert port is not None
    assert all(_is_connected(running.pids()[role], port) for role in ("api-1", "api-2")), "the callers met one process alone"
    for number, writer in enumerate(callers):
        path, question = f"/v1/suppressions/{number}@example.com", f"/v1/check?address={number}@example.com"
        assert writer.put(path, json={"cause": "hard", "reason": "a test"}).status_code == 201
        assert [reader.get(question).json()["allowed"] for reader in callers] == [False] * CONNECTIONS
        assert writer.request("DELETE", path, json={"reason": "a test"}).status_code == 200
        assert [reader.get(question).json()["allowed"] for reader in callers] == [True] * CONNECTIONS


def test_while_one_process_is_gone_the_other_serves(running: System, callers: list[httpx.Client]) -> None:
    victim = running.kill("api-1")

    running.wait_until_started_again("api-1", victim)
    assert [caller.get("/healthz").status_code for caller in callers] == [200] * CONNECTIONS
