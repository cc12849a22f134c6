"""Addresses that were brought as an MD5 or SHA-256: which hash stands behind a key of the list.

Their entries are entries as any other. Only the plain address is not known, so what is kept in its place is the hash that came.
"""

from collections.abc import Mapping

from sqlalchemy import Connection, select

from suppression.models import prehashed
from suppression.store.bulk import Columns, insert_rows
from suppression.store.rows import one_of


def insert_prehashed(connection: Connection, named: Mapping[bytes, str]) -> None:
    """Keep the hashes behind these keys, where they are not kept yet."""
    column, new = prehashed.c.address_hash, dict(named)
    for these in one_of(connection, column, named):
        for known in connection.execute(select(column).where(these)).scalars():
            del new[known]
    rows: list[Columns] = [{"address_hash": key, "name": name} for key, name in sorted(new.items())]
    insert_rows(connection, prehashed, rows)
