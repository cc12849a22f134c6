"""Keeps files of suppressed addresses for mail servers that can not ask (`files_writing.py`), and tells them of new ones.

All are looked at when the list has changed since the last time, at most every so many seconds. What has ended stands in a file
until the change that notes it comes by: of an entry that expires the role `suppress` notes it within seconds.
"""

import logging
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from api.doors.files_writing import write_addresses
from api.view import View
from nullsender import telemetry
from nullsender.clock import Clock
from nullsender.errors import Misconfigured, Transient
from nullsender.limits import FILES_COMMAND_SECONDS_MAX
from suppression.store.store import Store

_log = logging.getLogger("doors")
_LOOK_SECONDS = 0.2  # how soon a stop is heard
_SAID_BYTES_MAX = 500  # what the log shows of what the command said


class AddressFiles:
    """The files, by their path, and the command that tells a mail server to read them again (no shell; empty: none)."""

    def __init__(
        self, store: Store, files: Mapping[Path, View], *, command: Sequence[str], every_seconds: float, clock: Clock
    ) -> None:
        self._store = store
        self._files = files
        self._command = command
        self._every_seconds = every_seconds
        self._clock = clock
        self._position: int | None = None  # of the newest change that the files know of
        self._command_is_due = False

    def keep(self, stopping: Callable[[], bool]) -> None:
        """Keep them until `stopping()`. What goes wrong is logged, counted and tried again."""
        due_seconds = self._clock.monotonic_seconds()
        while not stopping():
            if self._clock.monotonic_seconds() >= due_seconds:
                self.look(stopping)
                due_seconds = self._clock.monotonic_seconds() + self._every_seconds
            self._clock.sleep(_LOOK_SECONDS)

    def look(self, stopping: Callable[[], bool] = lambda: False) -> None:
        """Write what has changed, and run the command where that is due."""
        try:
            position = self._store.feed_head()
        except Transient as trouble:
            _log.warning("the address files are left as they are", extra={"facts": {"trouble": trouble}})
            return
        if position != self._position:
            done = [self._write(path, view, stopping) for path, view in self._files.items()]
            self._position = position if all(done) else None
        if self._command and self._command_is_due:
            self._command_is_due = not self._run()

    def _write(self, path: Path, view: View, stopping: Callable[[], bool]) -> bool:
        """Whether it is up to date now."""
        try:
            written = write_addresses(self._store, view, path, stopping)
        except (Transient, Misconfigured) as trouble:
            telemetry.ADDRESS_FILES.labels("failed").inc()
            _log.error("an address file is left as it is", extra={"facts": {"file": path, "trouble": trouble}})
            return False
        telemetry.ADDRESS_FILES.labels("written" if written.is_new else "same").inc()
        telemetry.ADDRESS_FILE_ADDRESSES.labels(str(path)).set(written.addresses)
        telemetry.ADDRESS_FILE_LEFT_OUT.labels(str(path)).set(written.left_out)
        if written.is_new:
            self._command_is_due = True
            facts = {"file": path, "view": view, "addresses": written.addresses, "left_out": written.left_out}
            _log.info("wrote an address file", extra={"facts": facts})
        return True

    def _run(self) -> bool:
        """Whether the command did what it is for."""
        try:
            done = subprocess.run(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=FILES_COMMAND_SECONDS_MAX,
                check=False,
            )
            trouble = (
                f"it ended with {done.returncode}: {done.stdout[-_SAID_BYTES_MAX:].decode(errors='replace').strip()}"
                if done.returncode
                else None
            )
        except subprocess.TimeoutExpired:
            trouble = f"it was not done after {FILES_COMMAND_SECONDS_MAX:.0f} s"
        except OSError as error:
            trouble = f"it can not be started: {error.strerror}"
        telemetry.ADDRESS_FILE_COMMANDS.labels("failed" if trouble else "done").inc()
        if trouble is not None:
            facts = {"command": " ".join(self._command), "trouble": trouble}
            _log.error("the mail server was not told of new address files", extra={"facts": facts})
        return trouble is None
