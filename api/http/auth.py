"""Who asks: the key in `Authorization: Bearer ns_…`, which belongs to one tenant and opens what its scopes say.

A route names what it needs by the type of a parameter: `caller: MayCheck`.
"""

from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Annotated

import msgspec
from fastapi import Depends, Header, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.http.clients import ClientAddress, client_address
from api.http.keys import KnownKey
from api.http.parts import Parts, UsedParts
from api.http.problems import Problem, ProblemKind, over_limit
from api.http.rates import Bucket
from api.http.schemas import TenantName
from nullsender.limits import API_KEY_CHARACTERS_MAX
from suppression.records import ApiKey


class Scope(StrEnum):
    """What a key may do."""

    CHECK = "check"  # ask whether an address may be sent to
    READ = "read"  # see entries and histories
    LINKS = "links"  # make unsubscribe links
    WRITE = "write"  # add and lift entries
    EXPORT = "export"  # take the list, or a part of it, away as a file
    ADMIN = "admin"  # all of these


class Caller(msgspec.Struct, frozen=True):
    """Who asks: the key's id, which stands in the history of what it changes, and the tenant whose list is meant."""

    key_id: str
    tenant: str
    bucket: Bucket


def allow(caller: Caller, addresses: int) -> float | None:
    """None: the caller may ask about so many addresses, and they are counted. Else how many seconds to wait."""
    return caller.bucket.take(addresses)


def require(caller: Caller, addresses: int) -> None:
    """The same, as a 429 where there is to be waited."""
    wait_seconds = allow(caller, addresses)
    if wait_seconds is not None:
        raise over_limit(ProblemKind.RATE_EXCEEDED, f"The key {caller.key_id} has asked for more than its rate.", wait_seconds)


TENANT_HEADER = "Nullsender-Tenant"
_TENANT_MEANING = "For a key of every tenant: whose list is meant (`default` without it)."

_bearer = HTTPBearer(
    auto_error=False,
    description=(
        "A key that `nullsender keys create` printed. It belongs to one tenant or to all. Scopes: `check` (lookups), `read` "
        "(entries and histories), `links` (make unsubscribe links), `write` (add and lift), `export` (files of "
        "the list), `admin` (all of these)."
    ),
)


def allows(key: ApiKey, scope: Scope) -> bool:
    """Whether `key` opens what needs `scope`."""
    return scope in key.scopes or Scope.ADMIN in key.scopes


def _guard(scope: Scope, *, addresses: int = 1) -> Callable[..., Awaitable[Caller]]:
    """A dependency that says who asks, and counts `addresses`.

    401 without a good key; 403 where it lacks `scope`, belongs to another tenant or may not be used from there; 429 past its
    rate, or where too many wrong ones came from there.
    """

    async def authenticated(
        request: Request,
        parts: UsedParts,
        credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
        tenant: Annotated[TenantName | None, Header(alias=TENANT_HEADER, description=_TENANT_MEANING)] = None,
    ) -> Caller:
        plain = credentials.credentials if credentials else ""
        if not plain:
            raise _unauthorized("Send a key: `Authorization: Bearer ns_…`. `nullsender keys create` makes one.")
        client = client_address(request.client.host if request.client else None)
        known = await _known(parts, plain, client)
        key = known.key
        if not known.opens_from(client):
            detail = f"The key {key.id} may not be used from your address: `nullsender keys create --from` makes one that may."
            raise _forbidden(ProblemKind.NETWORK_REFUSED, detail, scope)
        if not allows(key, scope):
            held = ", ".join(sorted(key.scopes)) or "none"
            raise _forbidden(ProblemKind.SCOPE_MISSING, f"This needs the scope `{scope}`; the key {key.id} has {held}.", scope)
        if key.tenant is not None and tenant not in (None, key.tenant):
            detail = (
                f"The key {key.id} is not one of the tenant that {TENANT_HEADER} names: leave the field out, or use that one's."
            )
            raise _forbidden(ProblemKind.TENANT_MISMATCH, detail, scope)
        caller = Caller(key.id, known.tenant if tenant is None else tenant, known.bucket)
        if addresses:
            require(caller, addresses)
        return caller

    return authenticated


async def _known(parts: Parts, plain: str, client: ClientAddress | None) -> KnownKey:
    """The key; a `Problem` where it is wrong. Where too many wrong ones came from `client` the store is not asked about more.

    Who shares an address with whoever sends wrong ones (behind a proxy that is everybody) goes on with keys that are good.
    """
    if not parts.keys.was_good(plain):
        wait_seconds = parts.wrong_keys.wait_seconds(client)
        if wait_seconds is not None and not await parts.keys.may_be_good(plain):
            raise over_limit(ProblemKind.TOO_MANY_WRONG_KEYS, "Too many wrong keys came from your address.", wait_seconds)
    known = await parts.keys.find(plain) if len(plain) <= API_KEY_CHARACTERS_MAX else None
    if known is None:
        parts.wrong_keys.count(client)
        raise _unauthorized("This key is not known, or was revoked, or has expired.", error="invalid_token")
    return known


def _unauthorized(detail: str, error: str | None = None) -> Problem:
    # RFC 6750 3: a request without any key gets no error code.
    challenge = 'Bearer realm="nullsender"' + (f', error="{error}"' if error else "")
    return Problem(ProblemKind.KEY_NEEDED, detail, {"WWW-Authenticate": challenge})


def _forbidden(kind: ProblemKind, detail: str, scope: Scope) -> Problem:
    challenge = f'Bearer realm="nullsender", error="insufficient_scope", scope="{scope}"'
    return Problem(kind, detail, {"WWW-Authenticate": challenge})


MayCheck = Annotated[Caller, Depends(_guard(Scope.CHECK, addresses=0))]  # the route knows how many
MayRead = Annotated[Caller, Depends(_guard(Scope.READ))]
MayMakeLinks = Annotated[Caller, Depends(_guard(Scope.LINKS))]
MayExport = Annotated[Caller, Depends(_guard(Scope.EXPORT))]
MayWrite = Annotated[Caller, Depends(_guard(Scope.WRITE))]
