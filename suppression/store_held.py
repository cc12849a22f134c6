"""Rows in the memory of a turn: what was read of a table, what is to stand there, and how that is written.

Whoever has the turn knows which rows there are, so a row is either inserted or updated, and the SQL is the same on every
database.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, Table, and_, bindparam, insert, update

Columns = dict[str, object]  # one row: every column of the table by its name
KeyType = TypeVar("KeyType")
Value = TypeVar("Value")


class Held(Generic[KeyType, Value]):
    """What a turn knows of one table; `columns_of` makes a row of a key and its value."""

    def __init__(self, table: Table, columns_of: Callable[[KeyType, Value], Columns]) -> None:
        self._table = table
        self._columns_of = columns_of
        self._values: dict[KeyType, Value] = {}
        self._stored: set[KeyType] = set()
        self._changed: dict[KeyType, None] = {}  # a set that keeps its order

    def read(self, key: KeyType, value: Value) -> None:
        """The table holds this."""
        self._values[key] = value
        self._stored.add(key)

    def get(self, key: KeyType) -> Value | None:
        """What stands there now."""
        return self._values.get(key)

    def put(self, key: KeyType, value: Value) -> None:
        """Let this stand there."""
        self._values[key] = value
        self._changed[key] = None

    def items(self) -> Iterable[tuple[KeyType, Value]]:
        """Everything that is held."""
        return self._values.items()

    def save(self, connection: Connection) -> None:
        """Write what was changed."""
        new = [self._columns_of(key, self._values[key]) for key in self._changed if key not in self._stored]
        known = [self._columns_of(key, self._values[key]) for key in self._changed if key in self._stored]
        insert_rows(connection, self._table, new)
        _update_rows(connection, self._table, known)


def insert_rows(connection: Connection, table: Table, rows: Sequence[Columns]) -> None:
    """Insert them all."""
    if rows:
        connection.execute(insert(table), rows)


def _update_rows(connection: Connection, table: Table, rows: Sequence[Columns]) -> None:
    """Write every other column of the rows that have these primary keys."""
    if not rows:
        return
    keys = {column.name for column in table.primary_key}
    chosen = and_(*(table.c[name] == bindparam(f"key_{name}") for name in sorted(keys)))
    changed: dict[str, Any] = {name: bindparam(f"new_{name}") for name in rows[0] if name not in keys}
    renamed = [{f"key_{name}" if name in keys else f"new_{name}": value for name, value in row.items()} for row in rows]
    connection.execute(update(table).where(chosen).values(changed), renamed)
