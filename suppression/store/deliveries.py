"""Deliveries: what was delivered to whom, as the sender's own mail servers report it.

There may be hundreds of millions a month, and hardly any of them matters: it has to be known whether one lies between two soft
bounces. Where strikes are kept a delivery is put among them. All are kept besides for SOFT_LATE_DAYS, one narrow row each that
is only ever inserted and dropped, for a bounce may be told of later than the delivery that followed it.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

from nullsender import telemetry
from nullsender.address import canonical
from nullsender.limits import DELIVERIES_PER_TURN_MAX, SOFT_LATE_DAYS
from suppression.models import deliveries, strikes
from suppression.policy import Cause, Did
from suppression.store.bulk import Columns, insert_new_rows
from suppression.store.rows import Key, Person, about
from suppression.store.strikes import Strikes
from suppression.store.text import clean_time, clean_words, require_name
from suppression.store.turn import Grounds, Turn
from suppression.store.turns import StoreTurns

_REASON = "mail was delivered"


class Delivery(NamedTuple):
    """One delivery; the address in any form."""

    address: str
    delivered_at: datetime | None = None  # None: now, and so is what lies ahead
    stream: str | None = None
    mailing_list: str | None = None


class Delivered(NamedTuple):
    """What deliveries did: for how many scopes strikes were reset, and how many entries changed by it."""

    reset: int
    changed: int


class StoreDeliveries(StoreTurns):
    """Takes deliveries; `Transient` where that can not be done now. Whatever was taken may be sent again."""

    def deliver(self, tenant: str, items: Sequence[Delivery], *, actor: str) -> Delivered:
        """Count them, some thousand in a turn. `Invalid` where an address or the tenant can not be: then nothing was done.

        No entry of another cause than soft is touched.
        """
        require_name(tenant, "the tenant")
        told = [(Person(tenant, self._hasher.hash(canonical(item.address))), item) for item in items]
        parts = (told[start : start + DELIVERIES_PER_TURN_MAX] for start in range(0, len(told), DELIVERIES_PER_TURN_MAX))
        done = [self._turn(partial(self._deliver, told=part, actor=actor), patient=True) for part in parts]
        telemetry.DELIVERIES.inc(len(items))
        return Delivered(sum(one.reset for one in done), sum(one.changed for one in done))

    def _deliver(self, turn: Turn, *, told: Sequence[tuple[Person, Delivery]], actor: str) -> Delivered:
        late = turn.now - timedelta(days=SOFT_LATE_DAYS)
        rows = [_row(person, item, turn.now) for person, item in told if _moment(item, turn.now) > late]
        insert_new_rows(turn.connection, deliveries, rows)
        struck = _struck(turn, {person for person, _ in told})
        if not struck:
            return Delivered(0, 0)
        times: dict[tuple[Person, str], list[datetime]] = defaultdict(list)
        for person, item in told:
            if person in struck:
                for scope in self.policy.scopes_of(person.tenant, item.stream, item.mailing_list):
                    times[person, scope].append(_moment(item, turn.now))
        turn.load(struck)
        counting = Strikes(turn, self.policy)
        counting.load_words(struck)
        grounds = Grounds(actor=clean_words(actor), reason=_REASON)
        places = [place for place in turn.soft_places() if (place.person, place.scope) in times]
        done = [
            counting.deliver(Key(place.person, place.scope, Cause.SOFT), times[place.person, place.scope], grounds)
            for place in sorted(places)
        ]
        return Delivered(sum(one.reset for one in done), sum(one.did not in (None, Did.KEPT) for one in done))


def _row(person: Person, item: Delivery, now: datetime) -> Columns:
    return {
        "tenant": person.tenant,
        "address_hash": person.address_hash,
        "stream": item.stream or "",
        "mailing_list": item.mailing_list or "",
        "delivered_at": _moment(item, now),
    }


def _moment(item: Delivery, now: datetime) -> datetime:
    return now if item.delivered_at is None else min(clean_time(item.delivered_at), now)


def _struck(turn: Turn, people: Collection[Person]) -> set[Person]:
    """Those of whom strikes are kept."""
    rows = about(turn.connection, strikes, people, ("tenant", "address_hash"))
    return {Person(row.tenant, row.address_hash) for row in rows}
