"""What a publisher waits for: one future for all the records that it gave at once."""

import threading
from concurrent.futures import Future


class Publication:
    """One call of `publish`: done when each of its parts is durable, failed when one is not."""

    def __init__(self, *, parts: int, deadline_seconds: float) -> None:
        """`deadline_seconds` on the clock's monotonic hand."""
        self.deadline_seconds = deadline_seconds
        self.future: Future[None] = Future()
        self.future.set_running_or_notify_cancel()  # a waiter that is cancelled must not cancel what may be written already
        self._parts_left = parts
        self._settled = False
        self._lock = threading.Lock()

    def settle(self, failure: BaseException | None = None) -> None:
        """One more part is durable, or has failed. Once the future is done nothing changes it."""
        with self._lock:
            self._parts_left -= 1
            if self._settled or (failure is None and self._parts_left > 0):
                return
            self._settled = True
        if failure is not None:
            self.future.set_exception(failure)
        else:
            self.future.set_result(None)
