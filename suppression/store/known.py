"""Which tenants know somebody. Every table begins with the tenant, so it is asked tenant by tenant, and that is quick."""

from collections.abc import Sequence

from sqlalchemy import Connection, Table, select, text

# Each tenant by one step in the index; a plain DISTINCT would read the whole table.
_TENANTS = """
WITH RECURSIVE known(tenant) AS (
    SELECT min(tenant) FROM {0}
    UNION ALL SELECT (SELECT min(tenant) FROM {0} WHERE tenant > known.tenant) FROM known WHERE known.tenant IS NOT NULL
) SELECT tenant FROM known WHERE tenant IS NOT NULL
"""


def tenants_with(connection: Connection, address_hash: bytes, tables: Sequence[Table]) -> list[str]:
    """The tenants that have a row about that person in one of these tables, in their order."""
    found = set()
    for table in tables:
        for tenant in connection.execute(text(_TENANTS.format(table.name))).scalars().all():
            theirs = select(table.c.tenant).where(table.c.tenant == tenant, table.c.address_hash == address_hash)
            if connection.execute(theirs.limit(1)).first() is not None:
                found.add(tenant)
    return sorted(found)
