"""What every part of the store starts from: a database that is ours, in the schema that this process knows."""

import random
from collections.abc import Callable
from typing import Self, TypeVar

from sqlalchemy import Connection, Engine, insert

from nullsender import telemetry
from nullsender.address import AddressHasher
from nullsender.clock import Clock
from nullsender.errors import Misconfigured, Transient
from nullsender.limits import STORE_RETRY_SECONDS, STORE_TRIES_MAX, STORE_WRITE_SECONDS_MAX
from suppression.engine import reading, writing
from suppression.giving_way import GivingWay
from suppression.incidents.breaker import BreakerSettings
from suppression.models import meta
from suppression.policy import Policy
from suppression.privacy.retention import Kept
from suppression.schema import FINGERPRINT, KNOWN_FINGERPRINT, require_schema
from suppression.store.rows import take_pen
from suppression.trouble import Conflict, UnknownCommit
from suppression.unsubscribes.deadlines import Deadlines

Done = TypeVar("Done")


class StoreBase:
    """An open store.

    `Misconfigured` where the schema is not the one that this process knows, or where the list was made with another address
    key: it would be looked up in vain. `Transient` where the database can not be asked.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        hasher: AddressHasher,
        clock: Clock,
        policy: Policy,
        deadlines: Deadlines | None = None,
        breaker: BreakerSettings | None = None,
        kept: Kept | None = None,
        chance: Callable[[], float] = random.random,  # 0 to 1
    ) -> None:
        self._engine = engine
        self._hasher = hasher
        self._clock = clock
        self.policy = policy
        self._deadlines = deadlines or Deadlines()
        self._breaker = breaker or BreakerSettings()
        self.kept = kept or Kept()
        self._chance = chance
        self._way = GivingWay()
        with reading(engine) as connection:
            require_schema(connection)
        self._require_our_key()

    @classmethod
    def beside(cls, other: "StoreBase") -> Self:
        """Another part of the store that `other` is a part of: over the same connections, giving way to the same writers."""
        part = cls.__new__(cls)
        vars(part).update(vars(other))
        return part

    @property
    def key_fingerprint(self) -> str:
        """Says which address key the hashes were made with, without giving it away."""
        return self._hasher.fingerprint()

    def _hashes_of(self, canonical_address: str) -> tuple[bytes, ...]:
        """Under which hashes the list may know an address: its own first, then those that somebody brought only a hash of."""
        return self._hasher.hash(canonical_address), *self._hasher.prehashed(canonical_address)

    def _write(self, work: Callable[[Connection], Done], *, patient: bool = False) -> Done:
        """What `work` answers, done in one transaction. A `patient` one gives way to all that are not.

        Where another transaction undid it, or nobody knows whether the commit happened, it is done again, after a short wait:
        `work` has to look first whether it was done already. `UnknownCommit` where that is never learned.
        """
        unknown: UnknownCommit | None = None
        started_seconds = self._clock.monotonic_seconds()
        for tried in range(STORE_TRIES_MAX):
            if tried:
                if self._clock.monotonic_seconds() - started_seconds > STORE_WRITE_SECONDS_MAX:
                    break
                self._clock.sleep(STORE_RETRY_SECONDS * 2 ** (tried - 1) * (1 + self._chance() / 2))
            try:
                with self._way.writing(patient=patient), writing(self._engine, patient=patient) as connection:
                    return work(connection)
            except Transient as trouble:
                if isinstance(trouble, UnknownCommit):
                    unknown = trouble
                elif not isinstance(trouble, Conflict) and unknown is None:
                    raise
                telemetry.STORE_RETRIES.inc()
                last = unknown or trouble
        raise last

    def _require_our_key(self) -> None:
        with reading(self._engine) as connection:
            known = connection.execute(KNOWN_FINGERPRINT).scalar()
        if known is None:
            known = self._write(self._claim_list)
        if known != self.key_fingerprint:
            raise Misconfigured(
                "this list was made with another address key, so nothing would be found in it: restore the secret keys that "
                "belong to it from the backup"
            )

    def _claim_list(self, connection: Connection) -> str:
        """Write our key's fingerprint down, unless another process was quicker; the one that stands there then."""
        take_pen(connection)
        known = connection.execute(KNOWN_FINGERPRINT).scalar()
        if known is None:
            connection.execute(insert(meta).values(name=FINGERPRINT, value=self.key_fingerprint))
        return known or self.key_fingerprint
