"""What can be asked of the list: may this address be sent to, what stands there, what happened, what has changed since."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Select, func, select

from nullsender.address import canonical, domain_to_ascii
from nullsender.log import Partition, Position
from suppression.engine import reading
from suppression.gravity import gravity
from suppression.models import addresses, changes, entries
from suppression.policy import Cause
from suppression.records import Entry, Page
from suppression.schema import require_schema
from suppression.store.erased import name_of
from suppression.store.feed import FeedReader
from suppression.store.rows import entry_of, is_live
from suppression.store.standing import StandingReader
from suppression.store.stopping import stopping
from suppression.store.turn import positions_of

_WITH_ADDRESS = select(entries, addresses.c.address).join_from(entries, addresses, name_of(entries), isouter=True)


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """Which entries a list shows; None: any."""

    cause: Cause | None = None
    scope: str | None = None
    since_from: datetime | None = None  # this moment included
    since_to: datetime | None = None  # this moment not
    domain: str | None = None


class StoreReader(StandingReader, FeedReader):
    """The questions; `Transient` where they can not be asked."""

    def check(
        self, tenant: str, stream: str | None, canonical_addresses: Sequence[str], *, mailing_list: str | None = None
    ) -> Mapping[int, Entry]:
        """Index -> the entry that stops mail to that address; an index that is missing may be sent to.

        An entry stops where its scope is one of those that the policy names for such mail and it has neither expired nor been
        lifted; of several the gravest is given. Exact, as of now; 10,000 addresses are two queries.
        """
        hashes = [self._hasher.hash(address) for address in canonical_addresses]
        found = self.check_hashes(tenant, self.policy.scopes_of(tenant, stream, mailing_list), hashes)
        return {
            index: msgspec.structs.replace(found[address_hash], address=canonical_addresses[index])
            for index, address_hash in enumerate(hashes)
            if address_hash in found
        }

    def check_hashes(self, tenant: str, scopes: Sequence[str], hashes: Collection[bytes]) -> Mapping[bytes, Entry]:
        """The same for hashes of addresses and the scopes that stop mail: hash -> the entry that does, without its address."""
        stopped: dict[bytes, Entry] = {}
        with reading(self._engine) as connection:
            for address_hash, entry in stopping(connection, tenant, scopes, hashes, self._clock.now()):
                other = stopped.get(address_hash)
                if other is None or gravity(entry) > gravity(other):
                    stopped[address_hash] = entry
        return stopped

    def entries_of(self, tenant: str, address: str) -> Sequence[Entry]:
        """Every entry of an address that stands now, the gravest first. `Invalid` where it is no address.

        One of which somebody brought only the hash is among them.
        """
        name = canonical(address)
        own, *brought = self._hashes_of(name)
        asked = _WITH_ADDRESS.where(
            entries.c.tenant == tenant, entries.c.address_hash.in_([own, *brought]), is_live(self._clock.now())
        )
        with reading(self._engine) as connection:
            found = [entry_of(row, row.address if row.address_hash == own else name) for row in connection.execute(asked)]
        return sorted(found, key=gravity, reverse=True)

    def list(self, tenant: str, filters: Filters, *, cursor: int | None, limit: int) -> Page[Entry]:
        """The entries that stand now, newest first, `limit` a page."""
        asked = _filtered(_WITH_ADDRESS, filters).where(entries.c.tenant == tenant, is_live(self._clock.now()))
        if cursor is not None:
            asked = asked.where(entries.c.id < cursor)
        with reading(self._engine) as connection:
            rows = connection.execute(asked.order_by(entries.c.id.desc()).limit(limit + 1)).all()
        return Page([entry_of(row, row.address) for row in rows[:limit]], rows[limit - 1].id if len(rows) > limit else None)

    def feed_head(self) -> int:
        """The number of the newest change; 0 where there is none."""
        with reading(self._engine) as connection:
            return connection.execute(select(func.max(changes.c.seq))).scalar() or 0

    def positions(self, group: str) -> Mapping[Partition, Position]:
        """How far a consumer group has come on each partition."""
        with reading(self._engine) as connection:
            return positions_of(connection, group)

    def ready(self) -> None:
        """Nothing, where the store answers and this process may use it; else `Transient`, or `Misconfigured`."""
        with reading(self._engine) as connection:
            require_schema(connection)


def _filtered(asked: Select[Any], filters: Filters) -> Select[Any]:
    if filters.cause is not None:
        asked = asked.where(entries.c.cause == filters.cause.value)
    if filters.scope is not None:
        asked = asked.where(entries.c.scope == filters.scope)
    if filters.since_from is not None:
        asked = asked.where(entries.c.since >= filters.since_from)
    if filters.since_to is not None:
        asked = asked.where(entries.c.since < filters.since_to)
    if filters.domain is not None:
        asked = asked.where(addresses.c.domain == domain_to_ascii(filters.domain))
    return asked
