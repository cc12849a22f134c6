"""A room for threads: many are in it together, or one alone."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Room:
    """Who wants to be alone lets in first who waits already, so that nobody waits for ever."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting = 0
        self._inside = 0
        self._is_taken = False  # by one who is alone, or will be when the others have left

    @contextmanager
    def together(self) -> Iterator[None]:
        """Be in it with others; wait while somebody is alone in it, or about to be."""
        with self._changed:
            self._waiting += 1
            self._changed.wait_for(lambda: not self._is_taken)
            self._waiting -= 1
            self._inside += 1
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Be in it with nobody; wait until all have left. Any thread may leave for the one that came."""
        with self._changed:
            self._changed.wait_for(lambda: not self._is_taken and not self._waiting)
            self._is_taken = True
            self._changed.wait_for(lambda: not self._inside)
        try:
            yield
        finally:
            with self._changed:
                self._is_taken = False
                self._changed.notify_all()
