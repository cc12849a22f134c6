"""Rows in the memory of a turn: what was read of a table, what is to stand there, and how that is written.

Whoever has the turn knows which rows there are, so a row is either inserted or updated, and the SQL is the same on every
database.
"""

from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, Table

from suppression.store.bulk import Columns, insert_rows, update_rows

KeyType = TypeVar("KeyType", bound=tuple[Any, ...])
Value = TypeVar("Value")


class Held(Generic[KeyType, Value]):
    """What a turn knows of one table; `columns_of` makes a row of a key and its value."""

    def __init__(self, table: Table, columns_of: Callable[[KeyType, Value], Columns]) -> None:
        self._table = table
        self._columns_of = columns_of
        self._values: dict[KeyType, Value] = {}
        self._stored: set[KeyType] = set()
        self._changed: set[KeyType] = set()

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
        self._changed.add(key)

    def items(self) -> Iterable[tuple[KeyType, Value]]:
        """Everything that is held."""
        return self._values.items()

    def save(self, connection: Connection) -> None:
        """Write what was changed, in the order of the keys: neighbours share pages, and nobody locks in two orders."""
        new = [self._columns_of(key, self._values[key]) for key in sorted(self._changed - self._stored)]
        known = [self._columns_of(key, self._values[key]) for key in sorted(self._changed & self._stored)]
        insert_rows(connection, self._table, new)
        update_rows(connection, self._table, known)
