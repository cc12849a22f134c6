"""How a process learns that it shall stop: SIGTERM, SIGINT, or (under the supervisor) the end of its standard input."""

import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType


class Stop:
    """Called, it says whether this process shall stop. A plain flag: it may be set from within a signal handler."""

    def __init__(self) -> None:
        self._requested = False
        self._listeners: list[Callable[[], object]] = []

    def __call__(self) -> bool:
        """Whether to stop."""
        return self._requested

    def request(self) -> None:
        """Stop, please; a second time changes nothing."""
        if not self._requested:
            self._requested = True
            for listener in self._listeners:
                listener()

    def when_requested(self, listener: Callable[[], object]) -> None:
        """Call `listener` once, from a signal handler or a helper thread, when the request comes (at once if it came)."""
        self._listeners.append(listener)
        if self._requested:
            listener()


def stop_on_signals(*, supervised: bool) -> Stop:
    """A `Stop` that SIGTERM and SIGINT request; with `supervised` the end of standard input does too."""
    stop = Stop()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stop.request()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    if supervised:
        threading.Thread(target=_wait_for_the_end_of_input, args=(stop,), daemon=True, name="lifeline").start()
    return stop


def _wait_for_the_end_of_input(stop: Stop) -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass  # nobody writes there; what counts is that the supervisor holds the other end
    stop.request()
