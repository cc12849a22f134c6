"""Whom the list knows by a hash only, for they asked to be erased: reports that come later bring their address back.

What such a report does to the list is what it does for anybody. But neither its words nor the plain address are written down.
"""

from collections.abc import Collection, Mapping

from sqlalchemy import Connection, select

from nullsender.address import domain_of
from suppression.models import addresses, erased
from suppression.store.bulk import Columns, insert_rows
from suppression.store.rows import Person, about, one_of


def erased_of(connection: Connection, people: Collection[Person]) -> set[Person]:
    """Those of `people` who were erased."""
    if connection.execute(select(erased.c.at).limit(1)).first() is None:
        return set()  # hardly any list has many of them, and most have none
    return {Person(row.tenant, row.address_hash) for row in about(connection, erased, people)}


def insert_names(connection: Connection, named: Mapping[bytes, str]) -> None:
    """Keep the plain addresses behind these hashes, where they are not kept yet."""
    column = addresses.c.address_hash
    new = dict(named)
    for these in one_of(connection, column, named):
        for known in connection.execute(select(column).where(these)).scalars():
            del new[known]
    rows: list[Columns] = [
        {"address_hash": key, "address": name, "domain": domain_of(name)} for key, name in sorted(new.items())
    ]
    insert_rows(connection, addresses, rows)
