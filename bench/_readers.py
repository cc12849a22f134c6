"""Three readers of bounces, each a process of its own on the same core, that read the same messages when they are told to.

`ours` is what `ingest` and `classifiers` do to a message between the socket and the log: its reports, and the decision on
each. `Sisimai` (bench/sisimai.pl) parses a message and decides its reason. `flufl.bounce` finds the addresses that failed, for
good or for now, and knows no reasons: it does the least. All have their messages in memory before anything is timed.
"""

import email
import gc
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from flufl.bounce import all_failures

from classifiers.rules import Rules
from ingest.reading.report import Unreadable, read_message
from nullsender.events import Kind, Source

OURS, SISIMAI, FLUFL = "ours", "Sisimai", "flufl.bounce"
RECEIVED_AT = datetime(2026, 3, 3, 12, tzinfo=UTC)
_SOURCE = Source(ip="192.0.2.1", rcpt_to=("bounces@bounces.example.com",))


class Pass(NamedTuple):
    """One time through a list of messages."""

    found: int  # messages that gave a result
    cpu_seconds: float
    elapsed_seconds: float


def our_reader() -> Callable[[bytes], bool]:
    """Reads a message and decides its reports; the answer is whether they are about mail of ours."""
    rules = Rules.load()
    gc.collect()
    gc.freeze()  # as the roles do (nullsender/cli/running/role.py)

    def read(content: bytes) -> bool:
        reading = read_message(content, source=_SOURCE, received_at=RECEIVED_AT)
        if isinstance(reading, Unreadable):
            return False
        for report in reading.reports:
            rules.decide(report)
        return reading.kind in (Kind.BOUNCE, Kind.COMPLAINT, Kind.UNSUBSCRIBE)

    return read


def _flufl_reader() -> Callable[[bytes], bool]:
    logging.disable(logging.CRITICAL)  # its detectors log what they trip over

    def read(content: bytes) -> bool:
        with suppress(Exception):  # it raises on some
            return any(all_failures(email.message_from_bytes(content)))
        return False

    return read


class Reader:
    """A process that reads lists of messages on one core. Use it in a `with` block."""

    def __init__(self, name: str, core: int, lists: Sequence[Path]) -> None:
        command = [sys.executable, "-m", __name__, name] if name != SISIMAI else ["perl", "bench/sisimai.pl"]
        self.name = name
        self._process = subprocess.Popen(
            ["taskset", "--cpu-list", str(core), *command, *map(str, lists)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._process.terminate()
        self._process.communicate()

    def read(self, number: int) -> Pass:
        """Read the list with this number once, from beginning to end."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{number}\n")
        self._process.stdin.flush()
        found, cpu_seconds, elapsed_seconds = self._process.stdout.readline().split()
        return Pass(int(found), float(cpu_seconds), float(elapsed_seconds))


def _work(name: str, lists: Sequence[str]) -> None:
    read = our_reader() if name == OURS else _flufl_reader()
    contents = [[Path(path).read_bytes() for path in Path(listed).read_text().splitlines()] for listed in lists]
    for line in sys.stdin:
        cpu_seconds, elapsed_seconds = time.process_time(), time.perf_counter()
        found = sum(map(read, contents[int(line)]))
        cpu_seconds, elapsed_seconds = time.process_time() - cpu_seconds, time.perf_counter() - elapsed_seconds
        print(found, cpu_seconds, elapsed_seconds, flush=True)


def a_core() -> int:
    """The core that the readers share: the last one that this process may use."""
    return max(os.sched_getaffinity(0))


if __name__ == "__main__":
    _work(sys.argv[1], sys.argv[2:])
