"""What every part of the store starts from: a database that is ours, in the schema that this process knows."""

from sqlalchemy import Engine, insert, inspect, select, text

from nullsender.address import AddressHasher
from nullsender.clock import Clock
from nullsender.errors import Misconfigured
from suppression.engine import reading, writing
from suppression.models import SCHEMA_REVISION, meta
from suppression.policy import PolicySettings
from suppression.store_rows import take_pen

_FINGERPRINT = "address_key_fingerprint"


class StoreBase:
    """An open store.

    `Misconfigured` where the schema is not the one that this process knows, or where the list was made with another address
    key: it would be looked up in vain. `Transient` where the database can not be asked.
    """

    def __init__(self, engine: Engine, *, hasher: AddressHasher, clock: Clock, policy: PolicySettings) -> None:
        self._engine = engine
        self._hasher = hasher
        self._clock = clock
        self._policy = policy
        self._require_schema()
        self._require_our_key()

    @property
    def key_fingerprint(self) -> str:
        """Says which address key the hashes were made with, without giving it away."""
        return self._hasher.fingerprint()

    def _require_schema(self) -> None:
        with reading(self._engine) as connection:
            if not inspect(connection).has_table("alembic_version"):
                raise Misconfigured("the store has no tables yet: run `nullsender migrate`")
            revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        if revision != SCHEMA_REVISION:
            raise Misconfigured(
                f"the store's schema is {revision}, this process knows {SCHEMA_REVISION}: "
                "run `nullsender migrate`, or upgrade this process where the schema is the newer one"
            )

    def _require_our_key(self) -> None:
        asked = select(meta.c.value).where(meta.c.name == _FINGERPRINT)
        with reading(self._engine) as connection:
            known = connection.execute(asked).scalar()
        if known is None:
            with writing(self._engine) as connection:
                take_pen(connection)  # two may start at once
                known = connection.execute(asked).scalar()
                if known is None:
                    connection.execute(insert(meta).values(name=_FINGERPRINT, value=self.key_fingerprint))
                    return
        if known != self.key_fingerprint:
            raise Misconfigured(
                "this list was made with another address key, so nothing would be found in it: restore the secret keys that "
                "belong to it from the backup"
            )
