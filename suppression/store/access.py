"""What the list tells of one person: all of it, gathered for that person."""

from sqlalchemy import select

from nullsender.address import canonical
from nullsender.limits import ACCESS_ITEMS_MAX
from suppression.engine import reading
from suppression.models import addresses, entries, erased
from suppression.privacy.access import Access
from suppression.store.erased import EVERY_TENANT, name_of
from suppression.store.rows import entry_of
from suppression.store.stories import StoreStories
from suppression.store.unsubscribes import StoreUnsubscribes


class StoreAccess(StoreStories):
    """The question; `Transient` where it can not be asked."""

    def access(self, tenant: str, address: str) -> Access:
        """All that a tenant's list tells of an address. `Invalid` where it is none."""
        name = canonical(address)
        hashes = self._hashes_of(name)
        address_hash = hashes[0]
        theirs = entries.c.tenant == tenant, entries.c.address_hash.in_(hashes)
        both = select(entries, addresses.c.address).join_from(entries, addresses, name_of(entries), isouter=True)
        of_both = erased.c.tenant.in_([tenant, EVERY_TENANT])
        with reading(self._engine) as connection:
            rows = connection.execute(both.where(*theirs).order_by(entries.c.id.desc()).limit(ACCESS_ITEMS_MAX)).all()
            ended = select(erased.c.at).where(erased.c.address_hash == address_hash, of_both).order_by(erased.c.at.desc())
            erased_at = connection.execute(ended.limit(1)).scalar()
            named = connection.execute(select(addresses.c.address).where(addresses.c.address_hash == address_hash)).scalar()
        history = self.history(tenant, name, cursor=None, limit=ACCESS_ITEMS_MAX)
        asked = StoreUnsubscribes.beside(self).unsubscribes(tenant, address=name, cursor=None, limit=ACCESS_ITEMS_MAX)
        return Access(
            at=self._clock.now(),
            tenant=tenant,
            address=name,
            subject=address_hash.hex(),
            address_kept=named is not None and erased_at is None and bool(rows or history.items),
            erased=erased_at,
            entries=[entry_of(row, row.address) for row in rows],
            history=history.items,
            unsubscribes=asked.items,
            has_more=any(page.cursor is not None for page in (history, asked)),
        )
