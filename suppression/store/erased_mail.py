"""Which raw mail on the log tells of people who were erased. Their reports name it, also when their words are gone."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection, func, insert, or_, select, update

from nullsender.limits import LOG_RAW_DAYS
from suppression.engine import reading
from suppression.models import erased, meta, outcomes
from suppression.store.base import StoreBase
from suppression.store.erased import EVERY_TENANT

_REMOVED_TO = meta.c.name == "raw_mail_removed_to"  # the time of the newest erasure that was seen to


class ErasedMail(NamedTuple):
    """Raw mail that is to go: the ids of the messages, for all erasures up to a moment."""

    message_ids: Collection[str]
    up_to: datetime


class StoreErasedMail(StoreBase):
    """The question, and that it was seen to. `Transient` where the store can not be asked."""

    def erased_mail(self) -> ErasedMail | None:
        """What was erased since this was seen to last; None: nothing."""
        row = outcomes.c
        about = (row.address_hash == erased.c.address_hash) & or_(
            erased.c.tenant == EVERY_TENANT, erased.c.tenant == row.tenant
        )
        with reading(self._engine) as connection:
            newest = connection.execute(select(func.max(erased.c.at))).scalar()
            seen_to = _seen_to(connection)
            if newest is None or (seen_to is not None and newest <= seen_to):
                return None
            asked = select(row.report_id).select_from(erased).join(outcomes, about)
            asked = asked.where(row.received_at > newest - timedelta(days=LOG_RAW_DAYS + 1))
            if seen_to is not None:
                asked = asked.where(erased.c.at >= seen_to)
            # A report's id is that of its message and a number.
            messages = {report_id.rpartition("-")[0] for report_id in connection.execute(asked).scalars()}
        return ErasedMail(messages, newest)

    def mail_was_removed(self, up_to: datetime) -> None:
        """All of it is gone up to that erasure."""

        def note(connection: Connection) -> None:
            if not connection.execute(update(meta).where(_REMOVED_TO).values(value=up_to.isoformat())).rowcount:
                connection.execute(insert(meta).values(name=_REMOVED_TO.right.value, value=up_to.isoformat()))

        self._write(note, patient=True)


def _seen_to(connection: Connection) -> datetime | None:
    value = connection.execute(select(meta.c.value).where(_REMOVED_TO)).scalar()
    return value and datetime.fromisoformat(value)
