"""How the whole pipeline is, for /readyz. A thread of its own looks at it, so that it costs the same however many ask.

Anybody may ask: what is said names stages and topics, never hosts, files or people. What the log or the disk said stands in our
own log.
"""

import logging
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from nullsender.cli.running.beats import living
from nullsender.clock import Clock
from nullsender.errors import NullsenderError
from nullsender.limits import (
    READY_DISK_FREE_BYTES_MIN,
    READY_EVERY_SECONDS,
    READY_LAG_RECORDS_MAX,
    READY_LOOK_SECONDS_MAX,
)
from nullsender.log import Log, Topic

_log = logging.getLogger("api")


class Pipeline:
    """The last look at the log, at the roles of this machine and at its disk."""

    def __init__(
        self,
        open_log: Callable[[], Log],
        readers: Mapping[str, Sequence[Topic]],
        *,
        data: Path,
        health_folder: Path,
        clock: Clock,
    ) -> None:
        self._open_log = open_log
        self._opened: Log | None = None
        self._readers = readers
        self._data = data
        self._health_folder = health_folder
        self._clock = clock
        self._looked_at_seconds = clock.monotonic_seconds()
        self._troubles: Sequence[str] = ["nobody has looked at the pipeline yet"]

    def watch(self, stopping: Callable[[], bool]) -> None:
        """Look again and again, in a thread that goes with the process."""
        threading.Thread(target=self._run, args=(stopping,), daemon=True, name="pipeline").start()

    def _run(self, stopping: Callable[[], bool]) -> None:
        while not stopping():
            self.look()
            self._clock.sleep(READY_EVERY_SECONDS)
        if self._opened is not None:
            self._opened.close()

    def look(self) -> None:
        """Look at everything once."""
        try:
            troubles = list(dict.fromkeys([*self._of_log(), *self._roles(), *self._disk()]))
        except Exception:  # without this thread /readyz would repeat the last word for ever
            _log.exception("our own code failed on looking at the pipeline")
            troubles = ["a bug of ours: the log of `nullsender api` has it"]
        self._troubles = troubles
        self._looked_at_seconds = self._clock.monotonic_seconds()

    def trouble(self) -> str | None:
        """What is wrong, or None. Thread-safe, and at once."""
        silent_seconds = self._clock.monotonic_seconds() - self._looked_at_seconds
        if silent_seconds > READY_LOOK_SECONDS_MAX:
            return f"the log has not said for {silent_seconds:.0f} s how it is"
        return "; ".join(self._troubles) or None

    def _of_log(self) -> Sequence[str]:
        try:
            self._opened = log = self._opened or self._open_log()
            trouble = log.trouble()
            return [*([trouble] if trouble else []), *self._stages(log)]
        except NullsenderError as error:
            _log.warning("not ready", extra={"facts": {"trouble": error}})
            return ["the log does not answer"]

    def _stages(self, log: Log) -> Iterator[str]:
        """One that stands still shows as records that nobody deals with, wherever it should run."""
        for group, topics in self._readers.items():
            lag = sum(log.group_lag(group, topics).values())
            unread = log.unread(group, topics)
            if unread:
                yield f"nobody reads {unread[0].topic} for `nullsender {group}`: is it running?"
            elif lag > READY_LAG_RECORDS_MAX:
                yield f"{lag} records wait for `nullsender {group}`: does its log say why it is slow?"

    def _roles(self) -> Iterator[str]:
        now_seconds = self._clock.monotonic_seconds()
        for beat in living(self._health_folder):
            if beat.is_fresh(now_seconds):
                yield from beat.troubles
            else:
                yield f"a process of `nullsender {beat.role}` has not beaten for {beat.silent_seconds(now_seconds):.0f} s"

    def _disk(self) -> Iterator[str]:
        try:
            free_bytes = shutil.disk_usage(self._data).free
        except OSError as trouble:
            _log.warning("not ready", extra={"facts": {"trouble": trouble}})
            yield "the data folder can not be looked at"
        else:
            if free_bytes < READY_DISK_FREE_BYTES_MIN:
                yield f"the disk is nearly full: {free_bytes // 2**20} MiB are free for the data folder"
