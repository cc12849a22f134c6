"""The list as commands open it. Apart from `parts.py` because the MX and the classifiers start in half the time without SQL."""

from nullsender.address import AddressHasher
from nullsender.cli import parts
from nullsender.config import Settings
from suppression.engine import open_engine
from suppression.migrate import upgrade
from suppression.policy import PolicySettings
from suppression.store import Store


def hasher_of(settings: Settings) -> AddressHasher:
    """What turns addresses into keys of the list."""
    return AddressHasher(parts.keys_of(settings).address_key)


def policy_of(settings: Settings) -> PolicySettings:
    """The policy as the operator set it."""
    return PolicySettings(**settings.policy.model_dump())


def open_store(settings: Settings, *, migrate: bool = False) -> Store:
    """The list. `migrate` brings its schema up to date first."""
    settings.data.mkdir(parents=True, exist_ok=True)
    hasher = hasher_of(settings)
    engine = open_engine(settings.store_url, connections=settings.store.connections)
    if migrate:
        upgrade(engine)
    policy, history_days = policy_of(settings), settings.store.history_days
    return Store(engine, hasher=hasher, clock=parts.CLOCK, policy=policy, history_days=history_days)
