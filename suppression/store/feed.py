"""What has changed since, for those who keep a copy of the list in another shape and have to keep up with all who write it.

The driver is asked itself, as in `standing.py`, and of each change only what a copy has to know is read: a tenth of what the
whole change costs.
"""

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any, Final, NamedTuple

import msgspec

from suppression.engine import reading
from suppression.policy import Cause
from suppression.store.base import StoreBase
from suppression.store.bulk import is_postgresql
from suppression.store.driver_times import time_of
from suppression.store.standing import Kind, Standing

# No slash stands in the name of a tenant, stream or cause.
_CHANGES: Final = (
    "SELECT seq, entry_id, at, address_hash, tenant || '/' || scope || '/' || cause, after FROM changes "
    "WHERE seq > {0} ORDER BY seq LIMIT {0}"
)


class Noted(NamedTuple):
    """Which change it is: no other one has all of this."""

    seq: int
    entry_id: int
    at: datetime
    address_hash: bytes


Row = tuple[int, int, str | datetime, bytes, str, str]  # as `_CHANGES` reads them


class Changes:
    """Changes in their order. Truthy where there are any."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def noted(self, place: int) -> Noted:
        """Which change stands there; the last one at -1."""
        seq, entry_id, at, address_hash, *_ = self._rows[place]
        return Noted(seq, entry_id, time_of(at), address_hash)

    def behind_first(self) -> "Changes":
        """All but the first."""
        return Changes(self._rows[1:])

    def made(self) -> Mapping[datetime, int]:
        """How many were made when."""
        return {time_of(at): count for at, count in Counter(row[2] for row in self._rows).items()}

    @cached_property
    def states(self) -> tuple[Standing, Sequence[bool]]:
        """Each entry as it is afterwards, and whether it stands no more."""
        afters = [_AFTER.decode(row[5]) for row in self._rows]
        marks = [(row[4], after.provisional, after.expires) for row, after in zip(self._rows, afters, strict=True)]
        kinds: dict[Hashable, Kind] = {mark: _kind_of(*mark) for mark in set(marks)}
        return Standing([row[3] for row in self._rows], marks, kinds), [after.ended is not None for after in afters]


class _After(msgspec.Struct):
    """What a copy has to know of an entry."""

    provisional: bool
    expires: str | None
    ended: str | None = None


_AFTER = msgspec.json.Decoder(_After)


class FeedReader(StoreBase):
    """The feed; `Transient` where it can not be read."""

    def since(self, after_seq: int, limit: int) -> Changes:
        """The changes after that number, `limit` at most. Whoever has asked up to a number has missed none before it."""
        with reading(self._engine) as connection:
            driver: Any = connection.connection.driver_connection
            statement = _CHANGES.format("%s" if is_postgresql(connection) else "?")
            return Changes(driver.execute(statement, (after_seq, limit)).fetchall())


def _kind_of(common: str, provisional: bool, expires: str | None) -> Kind:
    tenant, scope, cause = common.split("/")
    return Kind(tenant, scope, Cause(cause), provisional, None if expires is None else datetime.fromisoformat(expires))
