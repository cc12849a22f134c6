"""What processes cost, as the kernel counts it: CPU seconds, and memory of their own."""

import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_LOOK_EVERY_SECONDS = 0.2


def roles_of(supervisor: int) -> Mapping[str, int]:
    """The process id of each role that `nullsender up`, which is process `supervisor`, keeps running."""
    return {_told(pid, "cmdline").split("\0")[3]: pid for pid in children_of(supervisor)}


def cores() -> tuple[int | None, int | None]:
    """The core of the server that is measured and the one of who asks it; None: there is only one core, so everybody shares."""
    mine = sorted(os.sched_getaffinity(0))
    return (mine[0], mine[1]) if len(mine) > 1 else (None, None)


def ended_children_seconds() -> float:
    """What processes used that this one has started and waited for."""
    used = os.times()
    return used.children_user + used.children_system


def children_of(pid: int) -> Sequence[int]:
    """The processes that this one started and that still run."""
    return [int(child) for child in _told(pid, f"task/{pid}/children").split()]


def cpu_seconds(pid: int) -> float:
    """What the process, those of its children that have ended and those that run have used so far."""
    fields = _told(pid, "stat").rpartition(")")[2].split()
    own_ticks = sum(map(int, fields[11:15]))
    return own_ticks / _TICKS_PER_SECOND + sum(map(cpu_seconds, children_of(pid)))


def own_bytes(pid: int) -> int:
    """Memory of the process and its children that is in RAM and no page of a file, which the kernel could drop."""
    lines = dict(line.split(":", 1) for line in _told(pid, "status").splitlines())
    own_kib = int(lines["RssAnon"].split()[0]) if "RssAnon" in lines else 0
    return own_kib * 1024 + sum(map(own_bytes, children_of(pid)))


def _told(pid: int, name: str) -> str:
    """What the kernel says of a process; nothing of one that has just ended."""
    try:
        return Path(f"/proc/{pid}/{name}").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


class Watch:
    """Looks at processes for as long as the block lasts: what each used, and the most that it had in RAM."""

    def __init__(self, processes: Mapping[str, int]) -> None:
        self._processes = processes
        self._started: Mapping[str, float] = {}
        self._ended = threading.Event()
        self._looking = threading.Thread(target=self._look, daemon=True)
        self.cpu_seconds: Mapping[str, float] = {}
        self.peak_bytes: dict[str, int] = dict.fromkeys(processes, 0)

    def _look(self) -> None:
        while True:
            for name, pid in self._processes.items():
                self.peak_bytes[name] = max(self.peak_bytes[name], own_bytes(pid))
            if self._ended.wait(_LOOK_EVERY_SECONDS):
                return

    def _used(self) -> dict[str, float]:
        return {name: cpu_seconds(pid) for name, pid in self._processes.items()}

    def __enter__(self) -> Self:
        self._started = self._used()
        self._looking.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.cpu_seconds = {name: used - self._started[name] for name, used in self._used().items()}
        self._ended.set()
        self._looking.join()
