"""Keeps the roles of one machine running: each is a process, and one that dies is started again, later each time.

A role is never restarted silently: its death is a log line and a metric. It stops when its standard input ends, so a role never
outlives the supervisor, even one that was killed with -9.

A role that says at its very first start that it can not run as things are ends everything: somebody stands there and can change
them. Later the same word may be due to a database or a broker that is away just then, so it is tried again like any death.
"""

import logging
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nullsender import telemetry
from nullsender.cli import EXIT_MISCONFIGURED
from nullsender.clock import Clock
from nullsender.errors import Misconfigured
from nullsender.limits import HEALTHY_AFTER_SECONDS, RESTART_SECONDS_MAX, RESTART_SECONDS_MIN, STOP_SECONDS_MAX

_LOOK_EVERY_SECONDS = 0.05


@dataclass
class Supervised:
    """One role: how it is started and how it is doing."""

    name: str
    command: Sequence[str]
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0
    started_at_seconds: float = 0.0
    start_due_at_seconds: float = 0.0
    wait_seconds: float = field(default=RESTART_SECONDS_MIN)


class Supervisor:
    """Starts roles, restarts those that die, stops them all."""

    def __init__(
        self, roles: Mapping[str, Sequence[str]], *, environment: Mapping[str, str], metrics_folder: Path, clock: Clock
    ) -> None:
        self._roles = [Supervised(name, command) for name, command in roles.items()]
        self._environment = dict(environment)
        self._metrics_folder = metrics_folder
        self._clock = clock
        self._log = logging.getLogger("supervisor")

    def run(self, stopping: Callable[[], bool]) -> None:
        """Keep every role running until `stopping()`; all have ended when this returns."""
        try:
            while not stopping():
                self.look_after()
                self._clock.sleep(_LOOK_EVERY_SECONDS)
        finally:
            self.stop()

    def look_after(self) -> None:
        """Note who died and start who is due."""
        now_seconds = self._clock.monotonic_seconds()
        for role in self._roles:
            if role.process is not None and role.process.poll() is not None:
                self._note_death(role, role.process, now_seconds)
            if role.process is None and now_seconds >= role.start_due_at_seconds:
                self._start(role, now_seconds)

    def pids(self) -> Mapping[str, int]:
        """The process id of every role that runs."""
        return {role.name: role.process.pid for role in self._roles if role.process is not None}

    def stop(self) -> None:
        """Let every role finish what it has in hand; kill those that have not ended after STOP_SECONDS_MAX."""
        running = [role.process for role in self._roles if role.process is not None]
        for process in running:
            process.terminate()
        deadline_seconds = self._clock.monotonic_seconds() + STOP_SECONDS_MAX
        for process in running:
            try:
                process.wait(timeout=max(deadline_seconds - self._clock.monotonic_seconds(), 0.1))
            except subprocess.TimeoutExpired:
                self._log.error("a role did not stop in time and is killed", extra={"facts": {"pid": process.pid}})
                process.kill()
                process.wait()
            if process.stdin is not None:
                process.stdin.close()

    def _start(self, role: Supervised, now_seconds: float) -> None:
        try:
            # A session of its own: Ctrl-C reaches the supervisor alone, which then stops the roles in its own way.
            role.process = subprocess.Popen(role.command, env=self._environment, stdin=subprocess.PIPE, start_new_session=True)
        except OSError as error:  # no memory for one more process, as a rule just when the kernel has killed one
            self._start_later(role, now_seconds, f"it could not be started: {error.strerror}")
            return
        role.starts += 1
        role.started_at_seconds = now_seconds
        self._log.info("started", extra={"facts": {"role": role.name, "pid": role.process.pid}})

    def _note_death(self, role: Supervised, process: subprocess.Popen[bytes], now_seconds: float) -> None:
        died_young = now_seconds - role.started_at_seconds < HEALTHY_AFTER_SECONDS
        if not died_young:
            role.wait_seconds = RESTART_SECONDS_MIN
        telemetry.bury_process(self._metrics_folder, process.pid, died_young=died_young)
        if process.stdin is not None:
            process.stdin.close()
        role.process = None
        if process.returncode == EXIT_MISCONFIGURED and died_young and role.starts == 1:
            raise Misconfigured(f"the role {role.name} can not run as things are; its last line says what to change")
        self._start_later(role, now_seconds, f"exit {process.returncode}")

    def _start_later(self, role: Supervised, now_seconds: float, reason: str) -> None:
        telemetry.ROLE_RESTARTS.labels(role.name).inc()
        facts = {"role": role.name, "reason": reason, "starting_again_in_seconds": role.wait_seconds}
        self._log.error("a role died", extra={"facts": facts})
        role.start_due_at_seconds = now_seconds + role.wait_seconds
        role.wait_seconds = min(role.wait_seconds * 2, RESTART_SECONDS_MAX)
