"""Everything that stands on the list, for those who keep a copy of it in another shape."""

from collections.abc import Generator, Hashable, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import Text, case, cast, func, select

from suppression.engine import reading
from suppression.models import entries
from suppression.policy import Cause
from suppression.store.base import StoreBase
from suppression.store.bulk import is_postgresql
from suppression.trouble import trouble_typed

# In one word all that many entries have in common: a column less is a tenth of a second less for a million of them. No slash
# stands in the name of a tenant, stream or cause.
_KIND = (
    entries.c.tenant
    + "/"
    + entries.c.scope
    + "/"
    + entries.c.cause
    + "/"
    + case((entries.c.provisional, "provisional"), else_="")
    + "/"
    + func.coalesce(cast(entries.c.expires_at, Text), "")
)
_STANDING = select(entries.c.address_hash, _KIND).where(entries.c.ended_at.is_(None))


class Kind(NamedTuple):
    """What an entry says, whoever it is about."""

    tenant: str
    scope: str
    cause: Cause
    provisional: bool
    expires: datetime | None


class Standing(NamedTuple):
    """Many entries: whose they are, and of which kind each is, by what stands for that kind in `kinds`."""

    hashes: Sequence[bytes]
    marks: Sequence[Hashable]
    kinds: Mapping[Hashable, Kind]


class StandingReader(StoreBase):
    """The list as a whole; `Transient` where it can not be read."""

    def standing(self, rows: int) -> Generator[Standing]:
        """All entries that have not ended, so many at once, in no order that means anything; as of one moment.

        One whose time is over counts until that is noted: the feed tells of what is noted, but not of a clock that was wrong.
        """
        with trouble_typed(), self._engine.connect() as connection:
            # The driver's own rows: SQLAlchemy's take as long as all the rest.
            driver: Any = connection.connection.driver_connection
            # PostgreSQL keeps the rest of an answer until it is asked for only under a name.
            with closing(driver.cursor("standing") if is_postgresql(connection) else driver.cursor()) as cursor:
                cursor.execute(str(_STANDING.compile(connection, compile_kwargs={"literal_binds": True})))
                while page := cursor.fetchmany(rows):
                    hashes, marks = zip(*page, strict=True)
                    yield Standing(hashes, marks, {mark: _kind_of(mark) for mark in set(marks)})

    def count_standing(self) -> int:
        """How many entries have not ended."""
        asked = select(func.count()).select_from(entries).where(entries.c.ended_at.is_(None))
        with reading(self._engine) as connection:
            return connection.execute(asked).scalar_one()


def _kind_of(mark: str) -> Kind:
    tenant, scope, cause, provisional, expires = mark.split("/")
    return Kind(tenant, scope, Cause(cause), bool(provisional), _time(expires) if expires else None)


def _time(text: str) -> datetime:
    """SQLite keeps no zone, so it is UTC there; PostgreSQL says it."""
    time = datetime.fromisoformat(text)
    return time if time.tzinfo else time.replace(tzinfo=UTC)
