"""Whom the list knows by a hash only, for they asked to be erased: reports that come later bring their address back.

What such a report does to the list is what it does for anybody. But neither its words nor the plain address are written down.
"""

from collections.abc import Collection, Mapping

from sqlalchemy import ColumnElement, Connection, Table, exists, select

from nullsender.address import domain_of
from suppression.models import addresses, erased
from suppression.store.bulk import Columns, insert_rows
from suppression.store.rows import Person, one_of

ERASED = "erased"  # what stands where words were
EVERY_TENANT = "*"  # in `erased`: from every list that there is and will be


def erased_of(connection: Connection, people: Collection[Person]) -> set[Person]:
    """Those of `people` who were erased."""
    if connection.execute(select(erased.c.at).limit(1)).first() is None:
        return set()  # hardly any list has many of them, and most have none
    found = {
        (row.tenant, row.address_hash)
        for these in one_of(connection, erased.c.address_hash, {person.address_hash for person in people})
        for row in connection.execute(select(erased.c.tenant, erased.c.address_hash).where(these))
    }
    return {one for one in people if not found.isdisjoint({one, (EVERY_TENANT, one.address_hash)})}


def name_of(table: Table) -> ColumnElement[bool]:
    """Joins `addresses` to the rows of `table`: the plain address, but not to a tenant from whose list the person was erased.

    Another tenant may need it still.
    """
    hidden = exists().where(erased.c.address_hash == table.c.address_hash, erased.c.tenant == table.c.tenant)
    return (addresses.c.address_hash == table.c.address_hash) & ~hidden


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
