"""Who asks: the key in `Authorization: Bearer ns_…`, which belongs to one tenant and opens what its scopes say.

A route names what it needs by the type of a parameter: `caller: MayCheck`.
"""

from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Annotated

import msgspec
from fastapi import Depends, Header, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.http.parts import UsedParts
from api.http.problems import Problem, ProblemKind
from api.http.schemas import TenantName
from nullsender.limits import API_KEY_CHARACTERS_MAX
from suppression.records import ApiKey


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


DEFAULT_TENANT = "default"
TENANT_HEADER = "Nullsender-Tenant"
_TENANT_MEANING = "For a key of every tenant: whose list is meant (`default` without it)."

_bearer = HTTPBearer(
    auto_error=False,
    description=(
        "A key that `nullsender keys create` printed. It belongs to one tenant or to all. Scopes: `check` (lookups), `read` "
        "(entries and histories), `write` (add and lift), `admin` (all of these)."
    ),
)


def allows(key: ApiKey, scope: Scope) -> bool:
    """Whether `key` opens what needs `scope`."""
    return scope in key.scopes or Scope.ADMIN in key.scopes


def tenant_of(key: ApiKey) -> str:
    """Whose list `key` means where the request names no tenant."""
    return DEFAULT_TENANT if key.tenant is None else key.tenant


def _guard(scope: Scope) -> Callable[..., Awaitable[Caller]]:
    """A dependency that says who asks; 401 without a good key, 403 where it lacks `scope` or belongs to another tenant."""

    async def authenticated(
        parts: UsedParts,
        credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
        tenant: Annotated[TenantName | None, Header(alias=TENANT_HEADER, description=_TENANT_MEANING)] = None,
    ) -> Caller:
        plain = credentials.credentials if credentials else ""
        if not plain:
            raise _unauthorized("Send a key: `Authorization: Bearer ns_…`. `nullsender keys create` makes one.")
        key = await parts.keys.find(plain) if len(plain) <= API_KEY_CHARACTERS_MAX else None
        if key is None:
            raise _unauthorized("This key is not known, or was revoked, or has expired.", error="invalid_token")
        if not allows(key, scope):
            held = ", ".join(sorted(key.scopes)) or "none"
            raise _forbidden(ProblemKind.SCOPE_MISSING, f"This needs the scope `{scope}`; the key {key.id} has {held}.", scope)
        if key.tenant is not None and tenant not in (None, key.tenant):
            raise _forbidden(
                ProblemKind.TENANT_MISMATCH, f"The key {key.id} is not one of the tenant that {TENANT_HEADER} names.", scope
            )
        return Caller(key.id, tenant_of(key) if tenant is None else tenant)

    return authenticated


def _unauthorized(detail: str, error: str | None = None) -> Problem:
    # RFC 6750 3: a request without any key gets no error code.
    challenge = 'Bearer realm="nullsender"' + (f', error="{error}"' if error else "")
    return Problem(ProblemKind.KEY_NEEDED, detail, {"WWW-Authenticate": challenge})


def _forbidden(kind: ProblemKind, detail: str, scope: Scope) -> Problem:
    challenge = f'Bearer realm="nullsender", error="insufficient_scope", scope="{scope}"'
    return Problem(kind, detail, {"WWW-Authenticate": challenge})


MayCheck = Annotated[Caller, Depends(_guard(Scope.CHECK))]
MayRead = Annotated[Caller, Depends(_guard(Scope.READ))]
MayWrite = Annotated[Caller, Depends(_guard(Scope.WRITE))]
