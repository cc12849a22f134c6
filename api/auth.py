"""Who asks: the key in `Authorization: Bearer ns_…`, which belongs to one tenant and opens what its scopes say.

The store knows keys by their hash only. What it said is remembered for a few seconds, under a hash again, so that a lookup
costs no SQL; a revoked key therefore works that much longer.
"""

import hashlib
from collections.abc import Awaitable, Callable
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated

import msgspec
from fastapi import Header, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.problems import Problem
from api.schemas import Name
from api.threads import StoreThreads
from nullsender.clock import Clock
from nullsender.limits import API_KEY_CACHE_ENTRIES_MAX, API_KEY_CACHE_SECONDS, API_KEY_CHARACTERS_MAX
from suppression.records import ApiKey
from suppression.store import Store


class Scope(StrEnum):
    """What a key may do."""

    CHECK = "check"  # ask whether an address may be sent to
    READ = "read"  # see entries and histories
    WRITE = "write"  # add and lift entries
    ADMIN = "admin"  # all of these


class Caller(msgspec.Struct, frozen=True):
    """Who asks: the key's id, which stands in the history of what it changes, and the tenant whose list is meant."""

    key_id: str
    tenant: str


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


DEFAULT_TENANT = "default"
TENANT_HEADER = "Nullsender-Tenant"
_TENANT_MEANING = "For a key of every tenant: whose list is meant (`default` without it)."

_bearer = HTTPBearer(
    auto_error=False,
    description=(
        "A key that `nullsender keys create` printed. It belongs to one tenant. Scopes: `check` (lookups), `read` (entries and "
        "histories), `write` (add and lift), `admin` (all of these)."
    ),
)


def allows(key: ApiKey, scope: Scope) -> bool:
    """Whether `key` opens what needs `scope`."""
    return scope in key.scopes or Scope.ADMIN in key.scopes


def guard(keys: Keys, scope: Scope) -> Callable[..., Awaitable[Caller]]:
    """A dependency that says who asks; 401 without a good key, 403 where it lacks `scope` or belongs to another tenant."""

    async def authenticated(
        credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
        tenant: Annotated[Name | None, Header(alias=TENANT_HEADER, description=_TENANT_MEANING)] = None,
    ) -> Caller:
        plain = credentials.credentials if credentials else ""
        if not plain:
            raise _unauthorized("Send a key: `Authorization: Bearer ns_…`. `nullsender keys create` makes one.")
        key = await keys.find(plain) if len(plain) <= API_KEY_CHARACTERS_MAX else None
        if key is None:
            raise _unauthorized("This key is not known, or was revoked, or has expired.", error="invalid_token")
        if not allows(key, scope):
            held = ", ".join(sorted(key.scopes)) or "none"
            raise _forbidden("scope-missing", f"This needs the scope `{scope}`; the key {key.id} has {held}.", scope)
        if key.tenant is not None and tenant not in (None, key.tenant):
            raise _forbidden("tenant-mismatch", f"The key {key.id} is not one of the tenant that {TENANT_HEADER} names.", scope)
        return Caller(key.id, key.tenant or tenant or DEFAULT_TENANT)

    return authenticated


def _unauthorized(detail: str, error: str | None = None) -> Problem:
    # RFC 6750 3: a request without any key gets no error code.
    challenge = 'Bearer realm="nullsender"' + (f', error="{error}"' if error else "")
    return Problem(HTTPStatus.UNAUTHORIZED, "key-needed", detail, {"WWW-Authenticate": challenge})


def _forbidden(kind: str, detail: str, scope: Scope) -> Problem:
    challenge = f'Bearer realm="nullsender", error="insufficient_scope", scope="{scope}"'
    return Problem(HTTPStatus.FORBIDDEN, kind, detail, {"WWW-Authenticate": challenge})
