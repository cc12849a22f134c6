"""When mail to a person who unsubscribed was first refused: the end of the clock that the law starts (docs/unsubscribes.md).

A lookup that is refused leaves the person's hash here, which costs it nothing that it would notice; a thread writes them to the
store every few seconds. What a crash loses is noted by the next refusal.
"""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from nullsender.clock import Clock
from nullsender.errors import Transient
from nullsender.limits import (
    REFUSALS_KNOWN_MAX,
    REFUSALS_KNOWN_SECONDS,
    REFUSALS_WAITING_MAX,
    REFUSALS_WRITE_SECONDS,
)
from suppression.store.rows import Person

_log = logging.getLogger("lookup")


class RefusalStore(Protocol):
    """Where they are written (`suppression/store/unsubscribes.py`)."""

    def note_refused(self, refused: Mapping[Person, datetime]) -> None:
        """Write down of these people that a lookup was first refused then, where that is not written yet."""


class Refusals:
    """What one process has refused. Thread-safe."""

    def __init__(self, store: RefusalStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()
        self._waiting: dict[Person, datetime] = {}
        self._known: set[Person] = set()  # who needs not be written again soon: they may have come back and left again
        self._known_since_seconds = clock.monotonic_seconds()

    def note(self, tenant: str, keys: Sequence[bytes]) -> None:
        """Mail to whom the list knows under one of these keys was refused, because they unsubscribed."""
        new = [person for key in keys if (person := Person(tenant, key)) not in self._known]
        if not new:
            return
        with self._lock:
            for person in new:
                if len(self._waiting) < REFUSALS_WAITING_MAX:
                    self._waiting.setdefault(person, self._clock.now())

    def write(self) -> None:
        """Write down what has been noted. Where the store has trouble it waits for the next time."""
        with self._lock:
            waiting, self._waiting = self._waiting, {}
        try:
            if waiting:
                self._store.note_refused(waiting)
        except Transient as trouble:
            _log.warning("first refusals will be written later", extra={"facts": {"people": len(waiting), "trouble": trouble}})
            with self._lock:
                self._waiting = {**self._waiting, **waiting}
            return
        self._remember(waiting)

    def keep(self, stopping: Callable[[], bool]) -> None:
        """Write again and again, in a thread that goes with the process."""
        threading.Thread(target=self._run, args=(stopping,), daemon=True, name="refusals").start()

    def _run(self, stopping: Callable[[], bool]) -> None:
        while not stopping():
            self._clock.sleep(REFUSALS_WRITE_SECONDS)
            try:
                self.write()
            except Exception:
                _log.exception("our own code failed on writing down refusals")

    def _remember(self, written: Mapping[Person, datetime]) -> None:
        now_seconds = self._clock.monotonic_seconds()
        is_old = now_seconds - self._known_since_seconds > REFUSALS_KNOWN_SECONDS
        if is_old or len(self._known) + len(written) > REFUSALS_KNOWN_MAX:
            self._known, self._known_since_seconds = set(), now_seconds
        self._known.update(written)
