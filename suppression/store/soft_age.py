"""What of soft bounces and deliveries is not kept for ever: strikes that count for nothing any more, deliveries after days."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, select, tuple_

from nullsender.limits import SOFT_LATE_DAYS, STRIKES_KEPT_DAYS
from suppression.models import deliveries, strikes


def forget_soft(connection: Connection, now: datetime, limit: int) -> int:
    """Forget at most `limit` of each; how many there were of the kind that had most."""
    return max(
        _drop_strikes(connection, now - timedelta(days=STRIKES_KEPT_DAYS), limit),
        _drop_deliveries(connection, now - timedelta(days=SOFT_LATE_DAYS), limit),
    )


def _drop_strikes(connection: Connection, before: datetime, limit: int) -> int:
    key = tuple_(*strikes.primary_key.columns)
    oldest = select(*strikes.primary_key.columns).where(strikes.c.newest_at < before).order_by(strikes.c.newest_at).limit(limit)
    return connection.execute(delete(strikes).where(key.in_(oldest))).rowcount


def _drop_deliveries(connection: Connection, before: datetime, limit: int) -> int:
    at, columns = deliveries.c.delivered_at, deliveries.primary_key.columns
    oldest = select(*columns).where(at < before).order_by(at).limit(limit)
    return connection.execute(delete(deliveries).where(tuple_(*columns).in_(oldest))).rowcount
