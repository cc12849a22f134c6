"""The plain addresses that the store knows, for what can not ask by our hash: files of addresses, zones of other hashes.

Asked in pages, so that nobody keeps a transaction open however long the list is. An address that was erased is known by its
hash alone, and comes without a name.
"""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import select

from suppression.engine import reading
from suppression.models import addresses, changes, entries
from suppression.store.base import StoreBase
from suppression.store.rows import is_live


class Named(NamedTuple):
    """An address as the list knows it, and as people write it (canonical; None where it was erased)."""

    address_hash: bytes
    address: str | None


class NamedChange(NamedTuple):
    """A change of the list, and whom it is about. The first three together tell one store's past from another's."""

    seq: int
    entry_id: int
    address_hash: bytes
    address: str | None  # None where it was erased


class StoreNames(StoreBase):
    """The questions; `Transient` where they can not be asked."""

    def names(self, after: bytes, limit: int) -> Sequence[Named]:
        """Every plain address of every tenant, in the order of their hashes, those after the hash `after` (b"": all)."""
        asked = select(addresses.c.address_hash, addresses.c.address).where(addresses.c.address_hash > after)
        with reading(self._engine) as connection:
            rows = connection.execute(asked.order_by(addresses.c.address_hash).limit(limit))
            return [Named._make(row) for row in rows.all()]

    def named_changes(self, after_seq: int, limit: int) -> Sequence[NamedChange]:
        """The changes after that number, oldest first, of every tenant."""
        asked = (
            select(changes.c.seq, changes.c.entry_id, changes.c.address_hash, addresses.c.address)
            .join_from(changes, addresses, changes.c.address_hash == addresses.c.address_hash, isouter=True)
            .where(changes.c.seq > after_seq)
        )
        with reading(self._engine) as connection:
            rows = connection.execute(asked.order_by(changes.c.seq).limit(limit))
            return [NamedChange._make(row) for row in rows.all()]

    def suppressed_names(self, tenant: str, scopes: Sequence[str], after: bytes, limit: int) -> Sequence[Named]:
        """Every address of a tenant that entries of these scopes stop mail to now, in the order of their hashes.

        Those after the hash `after` (b"": all). One that several entries stop comes several times, side by side.
        """
        asked = (
            select(entries.c.address_hash, addresses.c.address)
            .join_from(entries, addresses, entries.c.address_hash == addresses.c.address_hash, isouter=True)
            .where(
                entries.c.tenant == tenant,
                entries.c.address_hash > after,
                entries.c.scope.in_(scopes),
                is_live(self._clock.now()),
            )
        )
        with reading(self._engine) as connection:
            rows = connection.execute(asked.order_by(entries.c.address_hash).limit(limit))
            return [Named._make(row) for row in rows.all()]
