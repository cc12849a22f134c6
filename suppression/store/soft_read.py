"""What is counted of one address: strikes and deliveries, as the next soft report would find them."""

from collections.abc import Mapping

from nullsender.address import canonical
from suppression.engine import reading
from suppression.policy import Cause
from suppression.policy.explaining import Soft
from suppression.store.base import StoreBase
from suppression.store.rows import Key, Person
from suppression.store.strikes import Strikes
from suppression.store.turn import Turn


class StoreSoft(StoreBase):
    """The question; `Transient` where it can not be asked, `Invalid` where the address is none."""

    def soft_of(self, tenant: str, address: str) -> Mapping[str, Soft]:
        """What is kept of soft bounces, by scope."""
        person = Person(tenant, self._hasher.hash(canonical(address)))
        with reading(self._engine) as connection:
            turn = Turn(connection, last=0, now=self._clock.now(), deadlines=self._deadlines)
            turn.load([person])
            strikes = Strikes(turn, self.policy)
            strikes.load([person])
            keys = [Key(person, place.scope, Cause.SOFT) for place in turn.soft_places()]
            return {key.scope: Soft(*strikes.known(key)) for key in sorted(keys)}
