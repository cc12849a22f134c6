"""The heart of a role: a thread that sees whether the others move, and says so.

Every loop of a role asks again and again whether it shall stop; a `Pulse` in the place of that question notes when it was last
asked. A loop that has not asked for STUCK_SECONDS is stuck: the log gets its stack, /readyz and `nullsender health` say so, and
systemd hears nothing more. After STUCK_SECONDS_MAX the process ends, so that whoever supervises it starts it again: what it had
in hand was not acknowledged, comes again, and is noted (`nullsender/in_hand.py`).

Code that keeps the interpreter to itself stops this thread too. Then the one of `faulthandler` is left, which needs no
interpreter: it writes every stack to standard error and ends the process.
"""

import faulthandler
import logging
import os
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from nullsender import counting
from nullsender.cli import EXIT_FAILED
from nullsender.cli.running.beats import BeatFile
from nullsender.cli.running.notify import Notify
from nullsender.cli.running.stopping import Stop
from nullsender.clock import Clock
from nullsender.limits import BEAT_SECONDS, STUCK_SECONDS, STUCK_SECONDS_MAX

_log = logging.getLogger("heart")

#: Says what is wrong with one part of a role, or None. Called at every beat; it must not block.
Look = Callable[[], str | None]


class Pulse:
    """A loop's question whether to stop. The answers are `stop`'s; that it was asked is noted."""

    def __init__(self, name: str, stop: Callable[[], bool], clock: Clock, *, stuck_seconds_max: float) -> None:
        self.name = name
        self.stuck_seconds_max = stuck_seconds_max
        self.has_beaten = False
        self._stop = stop
        self._clock = clock
        self._beat_at_seconds = clock.monotonic_seconds()
        self._thread_id = threading.get_ident()
        self._stack_was_shown = False

    def __call__(self) -> bool:
        """Whether to stop."""
        self._thread_id = threading.get_ident()
        self._beat_at_seconds = self._clock.monotonic_seconds()
        self.has_beaten = True
        self._stack_was_shown = False
        return self._stop()

    def silent_seconds(self) -> float:
        """For how long nobody asked."""
        return self._clock.monotonic_seconds() - self._beat_at_seconds

    def trouble(self) -> str | None:
        """That it is stuck, if it is; the first time its stack is logged."""
        silent_seconds = self.silent_seconds()
        if silent_seconds < STUCK_SECONDS:
            return None
        if not self._stack_was_shown:
            self._stack_was_shown = True
            frame = sys._current_frames().get(self._thread_id)
            stack = "".join(traceback.format_stack(frame)) if frame else "its thread is gone"
            facts = {"loop": self.name, "for_seconds": f"{silent_seconds:.0f}", "stack": stack}
            _log.error("a loop is stuck", extra={"facts": facts})
        return f"stuck: {self.name} has not moved for {silent_seconds:.0f} s"


class Heart:
    """Beats in a thread of its own from entering to leaving."""

    def __init__(self, role: str, folder: Path, *, stop: Stop, clock: Clock, notify: Notify) -> None:
        self._role = role
        self._folder = folder
        self._stop = stop
        self._clock = clock
        self._notify = notify
        self._pulses: list[Pulse] = []
        self._looks: list[Look] = []
        self._file: BeatFile | None = None
        self._was_ready = False
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="heart")

    def pulse(self, name: str, *, stuck_seconds_max: float = STUCK_SECONDS_MAX) -> Pulse:
        """What the loop called `name` asks whether to stop. The role is at work when each of its loops has asked once."""
        pulse = Pulse(name, self._stop, self._clock, stuck_seconds_max=stuck_seconds_max)
        self._pulses.append(pulse)
        return pulse

    def watch(self, look: Look) -> None:
        """Let `look` have its say at every beat."""
        self._looks.append(look)

    def beat(self) -> Sequence[str]:
        """See how everybody is, and say it; what troubles them. A loop that was stuck for too long ends the process."""
        pulses = () if self._stop() else tuple(self._pulses)  # loops that are ending have no more to ask
        stuck = [trouble for pulse in pulses if (trouble := pulse.trouble())]
        troubles = [*stuck, *(trouble for look in tuple(self._looks) if (trouble := look()))]
        ready = bool(pulses) and all(pulse.has_beaten for pulse in pulses)
        self._write(ready, troubles)
        if ready and not self._was_ready:
            self._notify("READY=1")
        self._was_ready = self._was_ready or ready
        self._notify(
            f"STATUS={'; '.join(troubles) or ('at work' if ready else 'starting')}", *([] if stuck else ["WATCHDOG=1"])
        )
        if lost := [pulse for pulse in pulses if pulse.silent_seconds() > pulse.stuck_seconds_max]:
            self._end(lost[0])
        return troubles

    def _write(self, ready: bool, troubles: Sequence[str]) -> None:
        try:
            self._file = self._file or BeatFile(self._folder, self._role)
            self._file.write(self._clock.monotonic_seconds(), ready=ready, troubles=troubles)
        except OSError as trouble:
            _log.warning("the heartbeat could not be written", extra={"facts": {"trouble": trouble}})

    def _end(self, pulse: Pulse) -> None:
        """No clean-up: what hangs would hang that too, and a process that is killed loses nothing either."""
        facts = {"loop": pulse.name, "for_seconds": f"{pulse.silent_seconds():.0f}"}
        _log.critical("a loop is stuck for good, so this process ends and has to be started again", extra={"facts": facts})
        os._exit(EXIT_FAILED)

    def _run(self) -> None:
        while not self._closed.is_set():
            faulthandler.dump_traceback_later(STUCK_SECONDS_MAX, exit=True)
            try:
                self.beat()
                counting.flush()
            except Exception:  # without a heart nobody would see anything any more
                _log.exception("our own code failed on a heartbeat")
            self._closed.wait(BEAT_SECONDS)
        faulthandler.cancel_dump_traceback_later()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._closed.set()
        self._thread.join(BEAT_SECONDS)
        counting.flush()
        self._notify("STOPPING=1")
        if self._file:
            self._file.close()
