"""The store's API keys, remembered for a few seconds so that a lookup costs no SQL.

They are remembered under a hash, as the store does it. A revoked key works until it is forgotten here.
"""

import hashlib

import msgspec

from api.threads import StoreThreads
from nullsender.clock import Clock
from nullsender.limits import API_KEY_CACHE_ENTRIES_MAX, API_KEY_CACHE_SECONDS
from suppression.records import ApiKey
from suppression.store import Store


class _Remembered(msgspec.Struct, frozen=True):
    key: ApiKey | None
    until_seconds: float


class Keys:
    """The store's keys, remembered briefly. Used on one event loop."""

    def __init__(self, store: Store, threads: StoreThreads, clock: Clock) -> None:
        self._store = store
        self._threads = threads
        self._clock = clock
        self._good: dict[bytes, _Remembered] = {}
        self._bad: dict[bytes, _Remembered] = {}

    def remembered(self, plain: str) -> ApiKey | None:
        """The key, if it was found good a moment ago. Never waits."""
        found = self._good.get(_digest(plain))
        return found.key if found is not None and found.until_seconds > self._clock.monotonic_seconds() else None

    async def find(self, plain: str) -> ApiKey | None:
        """The key that is good now; None: there is no such key, or no more. `Transient`: it can not be told."""
        digest = _digest(plain)
        known = self._good.get(digest) or self._bad.get(digest)
        if known is not None and known.until_seconds > self._clock.monotonic_seconds():
            return known.key
        key = await self._threads.run(self._store.find_key, plain)
        self._remember(digest, key)
        return key

    def _remember(self, digest: bytes, key: ApiKey | None) -> None:
        self._good.pop(digest, None)
        self._bad.pop(digest, None)
        memory = self._bad if key is None else self._good
        if len(memory) >= API_KEY_CACHE_ENTRIES_MAX:
            del memory[next(iter(memory))]  # the one that was asked for longest ago
        memory[digest] = _Remembered(key, self._clock.monotonic_seconds() + API_KEY_CACHE_SECONDS)


def _digest(plain: str) -> bytes:
    return hashlib.blake2b(plain.encode("utf-8", "replace"), digest_size=32).digest()
