"""What is true of reading and deciding any message at all, and what one costs.

`read_and_decide` holds an answer to its promises. `cost_of` has a process of its own do it, so that memory is counted as the
kernel counts it, and a reader that does not end is ended.

`python -m tests.bounded` reads a megabyte of each hostile family and what fuzzing found that way, and prints a JSON line each.
"""

import json
import os
import resource
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from classifiers.rules import Rules
from ingest.reading.report import Reading, Unreadable, read_message
from nullsender.events import Decision, Fault, Outcome, Report, Result, Source, decode, encode
from nullsender.limits import ADDRESS_CHARACTERS_MAX, DIAGNOSTIC_CHARACTERS_MAX, NAME_CHARACTERS_MAX, REPORTS_MAX
from tests.hostile import FAMILIES, MEGABYTE, flood
from tests.readings import MAIL, RECEIVED_AT

SOURCE = Source(ip="192.0.2.1", rcpt_to=("bounces@bounces.example.com",))
RULES = Rules.load()
HOSTILE = MAIL.parent / "hostile"  # what fuzzing found

MEMORY_BYTES_MAX = 64 * MEGABYTE
# What reading and deciding anything is to take at most (no more than a megabyte is read). It is CPU time of one core that has
# nothing else to do, so only a bench and a search hold mail to it, and both try again before they say that it took longer.
CPU_SECONDS_AIM = 0.1
# What ends a process: a reader that is quadratic anywhere takes minutes, and a slow machine is not taken for a slow reader.
CPU_SECONDS_MAX = 2

_CHARACTERS_MAX = {
    "recipient": ADDRESS_CHARACTERS_MAX,
    "diagnostic": DIAGNOSTIC_CHARACTERS_MAX,
    "notes": DIAGNOSTIC_CHARACTERS_MAX,
}


class Cost(NamedTuple):
    """What a message cost: CPU time, memory past what the process had before, and how it went wrong ("" where it did not)."""

    cpu_seconds: float
    memory_bytes: int
    trouble: str


def read_and_decide(content: bytes) -> None:
    """Read and decide as the pipeline does; `AssertionError` where the answer breaks a bound or a promise (G2, G7, G8)."""
    require_promises(*decided(content))


def decided(content: bytes) -> tuple[Reading | Unreadable, list[Decision]]:
    """A message's reading, and the decision on each of its reports."""
    reading = read_message(content, source=SOURCE, received_at=RECEIVED_AT)
    reports = reading.reports if isinstance(reading, Reading) else ()
    return reading, [RULES.decide(report) for report in reports]


def require_promises(reading: Reading | Unreadable, decisions: Sequence[Decision]) -> None:
    """`AssertionError` where the answer breaks a bound or a promise."""
    if not isinstance(reading, Reading):
        assert reading.reason
        assert _is_bounded_line(reading.reason, NAME_CHARACTERS_MAX)
        return
    assert 1 <= len(reading.reports) <= REPORTS_MAX
    assert len({report.id for report in reading.reports}) == len(reading.reports)
    assert len(reading.returned) <= MEGABYTE
    for report, decision in zip(reading.reports, decisions, strict=True):
        _require_bounded(report)
        if decision.outcome is Result.HARD:
            assert decision.fault is Fault.RECIPIENT
        outcome = Outcome(report=report, decision=decision, decided_at=RECEIVED_AT)
        assert decode(Outcome, encode(outcome)) == outcome


def _require_bounded(report: Report) -> None:
    for name, value in msgspec.structs.asdict(report).items():
        for text in value if name == "notes" else (value,):
            if isinstance(text, str):
                assert _is_bounded_line(text, _CHARACTERS_MAX.get(name, NAME_CHARACTERS_MAX)), name


def _is_bounded_line(text: str, characters_max: int) -> bool:
    text.encode()  # half a character raises: stores refuse them
    return len(text) <= characters_max and not any(c in text for c in "\0\r\n")


def cost_of(content: bytes) -> Cost:
    """What `content` costs; a process that takes too long or too much is ended, and its trouble says so.

    The process is a copy of this one, which must have no threads.
    """
    reading_end, writing_end = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading_end)
        _report_cost(content, writing_end)
    os.close(writing_end)
    with os.fdopen(reading_end) as pipe:
        told = pipe.read()
    _, status, used = os.wait4(child, 0)
    cpu_seconds = used.ru_utime + used.ru_stime
    if not told:
        return Cost(cpu_seconds, 0, f"ended by signal {os.WTERMSIG(status)} after {cpu_seconds:.1f} s of CPU time")
    return Cost(*json.loads(told))


def _report_cost(content: bytes, pipe: int) -> None:
    """Read in this process, which ends with it. Its address space is bounded, so that memory without end is MemoryError."""
    size_bytes = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size_bytes + MEMORY_BYTES_MAX,) * 2)
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS_MAX,) * 2)
    memory_bytes, cpu_seconds = memory_used_bytes(), time.process_time()
    trouble = ""
    try:
        answer = decided(content)
        memory_bytes, cpu_seconds = memory_used_bytes() - memory_bytes, time.process_time() - cpu_seconds
        require_promises(*answer)
    except Exception:
        trouble = traceback.format_exc(limit=-4)
    os.write(pipe, json.dumps([cpu_seconds, memory_bytes, trouble]).encode())
    os._exit(0)


def memory_used_bytes() -> int:
    """The most memory that this process has had at once so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def costs() -> Iterator[tuple[str, Cost]]:
    """What a megabyte of each family costs, and each message that fuzzing found."""
    read_and_decide(flood("recipients"))  # what is made at the first message is made
    for name in FAMILIES:
        yield name, cost_of(flood(name))
    for path in sorted(HOSTILE.glob("*.eml")):
        yield path.name, cost_of(path.read_bytes())


if __name__ == "__main__":
    for name, cost in costs():
        json.dump([name, *cost], sys.stdout)
        print(flush=True)
