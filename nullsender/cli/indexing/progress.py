"""How far a long command is: a bar for a person, a line now and then for a log."""

import sys
from typing import NoReturn, TextIO

from tqdm import tqdm

from nullsender.clock import Clock
from nullsender.limits import PROGRESS_LINE_SECONDS


class Progress:
    """Counts entries, or what `unit` says, on standard error."""

    def __init__(self, what: str, clock: Clock, *, unit: str = "entries", stream: TextIO | None = None) -> None:
        self._what = what
        self._unit = unit
        self._clock = clock
        self._stream = stream or sys.stderr
        self._said_at_seconds = clock.monotonic_seconds()
        self._done = 0
        self._bar: tqdm[NoReturn] | None = None
        if self._stream.isatty():
            self._bar = tqdm(desc=what, total=0, unit=f" {unit}", unit_scale=True, file=self._stream, leave=False)

    def set(self, done: int, total: int) -> None:
        """So many are done of so many."""
        if self._bar is not None:
            self._bar.total = total
            self._bar.update(done - self._done)
        self._done = done
        now_seconds = self._clock.monotonic_seconds()
        if self._bar is None and now_seconds - self._said_at_seconds >= PROGRESS_LINE_SECONDS:
            self._said_at_seconds = now_seconds
            print(f"{self._what}: {done:,} of {total:,} {self._unit}", file=self._stream, flush=True)

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
