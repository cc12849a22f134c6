"""What of soft bounces and deliveries is not kept for ever: strikes that count for nothing any more, deliveries after days."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection, delete, select, tuple_

from nullsender.limits import SOFT_LATE_DAYS, STRIKES_KEPT_DAYS
from suppression.models import deliveries, strikes


class Gone(NamedTuple):
    """Whose strikes were dropped, and how many deliveries."""

    struck: Sequence[bytes]
    deliveries: int


def forget_soft(connection: Connection, now: datetime, limit: int) -> Gone:
    """Forget at most `limit` of each."""
    return Gone(
        _drop_strikes(connection, now - timedelta(days=STRIKES_KEPT_DAYS), limit),
        _drop_deliveries(connection, now - timedelta(days=SOFT_LATE_DAYS), limit),
    )


def _drop_strikes(connection: Connection, before: datetime, limit: int) -> Sequence[bytes]:
    columns = strikes.primary_key.columns
    oldest = select(*columns).where(strikes.c.newest_at < before).order_by(strikes.c.newest_at).limit(limit)
    gone = connection.execute(oldest).all()
    if gone:
        connection.execute(delete(strikes).where(tuple_(*columns).in_([tuple(row) for row in gone])))
    return [row.address_hash for row in gone]


def _drop_deliveries(connection: Connection, before: datetime, limit: int) -> int:
    at, columns = deliveries.c.delivered_at, deliveries.primary_key.columns
    oldest = select(*columns).where(at < before).order_by(at).limit(limit)
    return connection.execute(delete(deliveries).where(tuple_(*columns).in_(oldest))).rowcount
