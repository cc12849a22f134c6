"""Which entries stop mail to these addresses: the question behind every lookup that memory can not answer alone.

It is put to the driver itself. SQLAlchemy's work on the statement and on each row takes ten times as long as the database's.
"""

import json
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.dialects import sqlite

from nullsender.limits import SCOPES_OF_MAIL_MAX
from suppression.models import entries
from suppression.policy import Cause
from suppression.records import Entry
from suppression.store.bulk import is_postgresql
from suppression.store.driver_times import time_of
from suppression.store.rows import parts_of

_ROWS = (  # as `_entry_of` takes them
    "SELECT address_hash, id, scope, cause, since, expires_at, provisional, reason, evidence, category, rule, created_by "
    "FROM entries WHERE tenant = {0} AND scope IN ({0}, {0}, {0}, {0}) AND ended_at IS NULL "
    "AND (expires_at IS NULL OR expires_at > {0}) AND address_hash {1}"
)
_ON_SQLITE = _ROWS.format("?", "IN (SELECT unhex(value) FROM json_each(?))")
# Hash by hash, behind a fence (OFFSET 0), as in `rows_about`.
_EACH = "SELECT found.* FROM unnest(%s::bytea[]) AS asked (hash) JOIN LATERAL ({}) AS found ON true"
_ON_POSTGRESQL = _EACH.format(_ROWS.format("%s", "= asked.hash OFFSET 0"))
_time_on_sqlite: Any = entries.c.expires_at.type.dialect_impl(sqlite.dialect()).bind_processor(sqlite.dialect())
_CAUSES = {cause.value: cause for cause in Cause}


def stopping(
    connection: Connection, tenant: str, scopes: Sequence[str], hashes: Collection[bytes], now: datetime
) -> Iterator[tuple[bytes, Entry]]:
    """Every entry of these scopes that stops mail at `now`, without its plain address, and the hash of that address."""
    driver: Any = connection.connection.driver_connection
    four = *scopes, *[scopes[0]] * (SCOPES_OF_MAIL_MAX - len(scopes))  # so that there is one statement
    for part in parts_of(hashes):
        if is_postgresql(connection):
            rows = driver.execute(_ON_POSTGRESQL, (part, tenant, *four, now))
        else:
            asked = json.dumps([address_hash.hex() for address_hash in part])
            rows = driver.execute(_ON_SQLITE, (tenant, *four, _time_on_sqlite(now), asked))
        for row in rows.fetchall():
            yield row[0], _entry_of(tenant, row)


def _entry_of(tenant: str, row: Sequence[Any]) -> Entry:
    _, number, scope, cause, since, expires, provisional, reason, evidence, category, rule, created_by = row
    return Entry(
        id=number,
        tenant=tenant,
        scope=scope,
        address=None,
        cause=_CAUSES[cause],
        since=time_of(since),
        expires=None if expires is None else time_of(expires),
        provisional=bool(provisional),
        reason=reason,
        evidence=evidence,
        category=category,
        rule=rule,
        created_by=created_by,
    )
