"""Who writes next, of the threads of one process.

Two that contend for the store's pen get it in any order: SQLite lets those who wait look now and then, so that a stage with a
backlog, which is back at once, may have it again and again. Whoever has much to do and time for it therefore gives way: it
starts no write while somebody is at one who can not wait. That one only waits for the write that is under way.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from nullsender.errors import Transient
from nullsender.limits import STORE_TURN_SECONDS_MAX


class GivingWay:
    """Lets patient writers go one at a time, and only while nobody else wants to write."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._urgent = 0  # who waits for the pen or has it
        self._patient = False  # the same

    @contextmanager
    def writing(self, *, patient: bool) -> Iterator[None]:
        """Enter, at once or, where `patient`, when it is time; the block is the write with its wait for the pen.

        `Transient` where it is not time within STORE_TURN_SECONDS_MAX.
        """
        with self._changed:
            if patient:
                free = self._changed.wait_for(lambda: not self._urgent and not self._patient, STORE_TURN_SECONDS_MAX)
                if not free:
                    raise Transient(f"another write of this process takes more than {STORE_TURN_SECONDS_MAX} s")
                self._patient = True
            else:
                self._urgent += 1
        try:
            yield
        finally:
            with self._changed:
                if patient:
                    self._patient = False
                else:
                    self._urgent -= 1
                self._changed.notify_all()
