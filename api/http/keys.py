"""The store's API keys, remembered for a few seconds so that a lookup costs no SQL.

They are remembered under a hash, as the store does it. A revoked key works until it is forgotten here. One that is in use is
asked for again before that, by one request, while the others go on with what is remembered.
"""

import asyncio
import hashlib
from typing import Final

import msgspec

from api.http.clients import ClientAddress, ClientNetwork, network_of
from api.http.rates import Bucket, Rates
from api.threads import StoreThreads
from api.view import DEFAULT_TENANT
from nullsender.clock import Clock
from nullsender.errors import Transient
from nullsender.limits import API_KEY_CACHE_ENTRIES_MAX, API_KEY_CACHE_SECONDS
from suppression.records import ApiKey
from suppression.store.keys import key_digest
from suppression.store.store import Store

_ASK_AGAIN_SECONDS: Final = API_KEY_CACHE_SECONDS / 2


class KnownKey(msgspec.Struct):
    """A key that was good a moment ago, and what it may ask for."""

    key: ApiKey
    tenant: str  # whose list it means where the request names none
    bucket: Bucket
    networks: tuple[ClientNetwork, ...]
    ask_again_at_seconds: float
    until_seconds: float

    def opens_from(self, client: ClientAddress | None) -> bool:
        """Whether the key may be used from there; None: nobody knows where that is."""
        return not self.networks or (client is not None and any(client in network for network in self.networks))


class Keys:
    """The store's keys, remembered briefly. Used on one event loop."""

    def __init__(self, store: Store, threads: StoreThreads, clock: Clock, rates: Rates) -> None:
        self._store = store
        self._threads = threads
        self._clock = clock
        self._rates = rates
        self._good: dict[bytes, KnownKey] = {}
        self._bad_until_seconds: dict[bytes, float] = {}
        self._all: frozenset[bytes] = frozenset()  # the digests of all keys that the store had when it was last asked for them
        self._all_until_seconds = 0.0
        self._asking_for_all = asyncio.Lock()

    def remembered(self, plain: str) -> KnownKey | None:
        """The key, if it was found good a moment ago and nobody needs to ask again. Never waits."""
        known = self._good.get(_digest(plain))
        return known if known is not None and known.ask_again_at_seconds > self._clock.monotonic_seconds() else None

    def was_good(self, plain: str) -> bool:
        """Whether the key was good when it was last asked for: nobody guesses it."""
        return _digest(plain) in self._good

    async def may_be_good(self, plain: str) -> bool:
        """Whether the store had this key a few seconds ago. However many ask, it is asked itself once in that time."""
        async with self._asking_for_all:
            if self._all_until_seconds <= self._clock.monotonic_seconds():
                try:
                    self._all = await self._threads.run(self._store.key_digests)
                finally:
                    self._all_until_seconds = self._clock.monotonic_seconds() + API_KEY_CACHE_SECONDS
        return key_digest(plain) in self._all

    async def find(self, plain: str) -> KnownKey | None:
        """The key that is good now; None: there is no such key, or no more. `Transient`: it can not be told."""
        digest, now_seconds = _digest(plain), self._clock.monotonic_seconds()
        known = self._good.get(digest)
        if known is not None and known.ask_again_at_seconds > now_seconds:
            return known
        if self._bad_until_seconds.get(digest, 0.0) > now_seconds:
            return None
        if known is not None:
            known.ask_again_at_seconds = known.until_seconds  # the others need not ask too
        try:
            key = await self._threads.run(self._store.find_key, plain)
        except Transient:
            if known is not None and known.until_seconds > self._clock.monotonic_seconds():
                return known
            raise
        return self._remember(digest, key)

    def _remember(self, digest: bytes, key: ApiKey | None) -> KnownKey | None:
        now_seconds = self._clock.monotonic_seconds()
        until_seconds = now_seconds + API_KEY_CACHE_SECONDS
        known = self._good.get(digest)
        if key is None:
            if known is not None:
                known.ask_again_at_seconds = known.until_seconds = now_seconds  # whoever holds it hears of it
                del self._good[digest]
            _make_room(self._bad_until_seconds)
            self._bad_until_seconds[digest] = until_seconds
            return None
        if known is None:
            _make_room(self._good)
            networks = tuple(map(network_of, key.networks))
            known = self._good[digest] = KnownKey(key, _tenant_of(key), self._rates.bucket_of(key), networks, 0.0, 0.0)
            self._bad_until_seconds.pop(digest, None)
        known.key = key
        known.ask_again_at_seconds, known.until_seconds = now_seconds + _ASK_AGAIN_SECONDS, until_seconds
        return known


def _tenant_of(key: ApiKey) -> str:
    return DEFAULT_TENANT if key.tenant is None else key.tenant


def _make_room(memory: dict[bytes, KnownKey] | dict[bytes, float]) -> None:
    if len(memory) >= API_KEY_CACHE_ENTRIES_MAX:
        del memory[next(iter(memory))]  # the one that came longest ago


def _digest(plain: str) -> bytes:
    return hashlib.blake2b(plain.encode("utf-8", "replace"), digest_size=32).digest()
