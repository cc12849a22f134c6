"""A reader's view of the lookup table: the table while it is fresh, and nothing otherwise.

It opens the table when the follower has made one, opens the next one when it was superseded, and never waits: without a fresh
table the caller asks the store.
"""

import math
from pathlib import Path

from api.index.table import Table, file_at, open_table
from nullsender.clock import Clock
from nullsender.limits import TABLE_REOPEN_SECONDS


class TableReader:
    """The table at `path` as one process reads it. Safe to use from several threads: the worst is that two of them open it."""

    def __init__(self, path: Path, *, identity: bytes, clock: Clock, staleness_seconds_max: float) -> None:
        self._path = path
        self._identity = identity
        self._monotonic_seconds = clock.monotonic_seconds
        self.staleness_seconds_max = staleness_seconds_max
        self._table: Table | None = None
        self._file: tuple[int, int] | None = None
        self._look_again_at_seconds = -math.inf

    def fresh(self) -> Table | None:
        """The table, if it had everything at most `staleness_seconds_max` ago; None: ask the store."""
        return self.fresh_at(self._monotonic_seconds())

    def fresh_at(self, now_seconds: float) -> Table | None:
        """The same for those who have just looked at the clock."""
        table = self._table
        if table is not None:
            # On the way of every lookup: `_age_seconds`, without the call. A superseded table has no time. The age may be less
            # than nothing: the writer may have checked after the caller looked at the clock.
            age_seconds = now_seconds - table.checked_at[0]
            if -self.staleness_seconds_max <= age_seconds <= self.staleness_seconds_max:
                return table
        return self._renewed()

    def _renewed(self) -> Table | None:
        """The table at the path now, if it is fresh. Looked for only now and then, or where the last one was superseded."""
        table, now_seconds = self._table, self._monotonic_seconds()
        if now_seconds < self._look_again_at_seconds and not (table is not None and table.superseded):
            return None
        self._look_again_at_seconds = now_seconds + TABLE_REOPEN_SECONDS
        table = self._opened()
        return table if table is not None and 0.0 <= self._age_seconds(table) <= self.staleness_seconds_max else None

    def latest(self) -> Table | None:
        """The table, fresh or not, of which the others on this machine may have a fresh view; None where there is none."""
        table = self._table
        return self._opened() if table is None or table.superseded else table

    def age_seconds(self) -> float:
        """How long ago the table is known to have had everything; infinite where there is none."""
        table = self.fresh() or self.latest()
        return math.inf if table is None else self._age_seconds(table)

    def _age_seconds(self, table: Table) -> float:
        # The table's time first: read after ours, it could already be a later one.
        checked_at_seconds = table.checked_at_seconds
        return self._monotonic_seconds() - checked_at_seconds

    def _opened(self) -> Table | None:
        """The table at the path now: mapped anew only where it is another file, because mapping a big one takes its time."""
        file = file_at(self._path)
        if self._table is None or file != self._file:
            self._table, self._file = open_table(self._path, identity=self._identity), file
        return self._table
