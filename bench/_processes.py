"""What processes cost, as the kernel counts it: CPU seconds, and memory of their own."""

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_LOOK_EVERY_SECONDS = 0.2


def roles_of(supervisor: int) -> Mapping[str, int]:
    """The process id of each role that `nullsender up`, which is process `supervisor`, keeps running."""
    return {_words(pid)[3]: pid for pid in children_of(supervisor)}


def children_of(pid: int) -> Sequence[int]:
    """The processes that this one started and that still run."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def cpu_seconds(pid: int) -> float:
    """What the process, those of its children that have ended and those that run have used so far."""
    user, system, ended_user, ended_system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:15]
    own_ticks = int(user) + int(system) + int(ended_user) + int(ended_system)
    return own_ticks / _TICKS_PER_SECOND + sum(map(cpu_seconds, children_of(pid)))


def own_bytes(pid: int) -> int:
    """Memory of the process and its children that is in RAM and no page of a file, which the kernel could drop."""
    return _status_bytes(pid, "RssAnon") + sum(map(own_bytes, children_of(pid)))


def _status_bytes(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return 0


def _words(pid: int) -> Sequence[str]:
    return Path(f"/proc/{pid}/cmdline").read_text().split("\0")


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
        while not self._ended.wait(_LOOK_EVERY_SECONDS):
            for name, held in self._of_each(own_bytes).items():
                self.peak_bytes[name] = max(self.peak_bytes[name], held)

    def _of_each(self, question: Callable[[int], float]) -> dict[str, float]:
        return {name: question(pid) for name, pid in self._processes.items()}

    def __enter__(self) -> Self:
        self._started = self._of_each(cpu_seconds)
        self._looking.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.cpu_seconds = {name: used - self._started[name] for name, used in self._of_each(cpu_seconds).items()}
        self._ended.set()
        self._looking.join()
