"""The keys of the API: who may ask, for which tenant, and what.

A key is shown once, when it is made. Kept is its SHA-256: a key has 256 random bits, so there is nothing to guess and nothing
that a slow hash would protect.
"""

import hashlib
import hmac
import json
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, insert, select, update

from nullsender.errors import Invalid
from suppression.audit.chain import Act
from suppression.engine import reading
from suppression.models import api_keys
from suppression.records import ApiKey
from suppression.store.text import clean_name, clean_words
from suppression.store.turn import Turn
from suppression.store.turns import StoreTurns

PREFIX = "ns_"  # lets people and secret scanners recognise one of our keys
_KEY_BYTES = 32
_ID_BYTES = 6
_OPERATOR = "operator"  # who acts where the caller does not say it more exactly


class _Rights(NamedTuple):
    """What a key opens, to whom, from where, how often."""

    name: str
    scopes: Sequence[str]
    tenant: str | None
    expires: datetime | None
    rate: int | None
    networks: Sequence[str]


class StoreKeys(StoreTurns):
    """Making, finding and ending keys; each stands in the audit trail.

    A call that ends with `UnknownCommit` may have made a key that nobody was shown: it can not be used, and `list_keys` has it.
    """

    def create_key(
        self,
        name: str,
        *,
        scopes: Sequence[str],
        tenant: str | None,
        expires: datetime | None,
        rate: int | None = None,
        networks: Sequence[str] = (),
        plain: str | None = None,
        actor: str = _OPERATOR,
    ) -> tuple[str, str]:
        """Make a key; its id, and the key itself, which can not be shown again.

        `tenant` None: every tenant. `rate`: addresses a second; None: the installation's default. `networks`: CIDR; none: it
        works from anywhere. `plain` is a key that the operator chose; where it is known already, nothing happens.
        """
        key = plain or _new_key()
        rights = _Rights(name, tuple(scopes), tenant, expires, rate, tuple(networks))

        def create(turn: Turn) -> str:
            return _known(turn.connection, key) or _insert(turn, key, rights, actor, "a new key")

        return self._turn(create), key

    def find_key(self, plain: str) -> ApiKey | None:
        """The key, where it is one of ours and works."""
        digest = key_digest(plain)
        with reading(self._engine) as connection:
            row = connection.execute(select(api_keys).where(api_keys.c.sha256 == digest)).one_or_none()
        if row is None or not hmac.compare_digest(row.sha256, digest):
            return None
        key = _key_of(row)
        return key if key.works(self._clock.now()) else None

    def key_digests(self) -> frozenset[bytes]:
        """What `key_digest` makes of every key there ever was: enough to know that a key is none of ours."""
        with reading(self._engine) as connection:
            return frozenset(connection.execute(select(api_keys.c.sha256)).scalars())

    def list_keys(self) -> Sequence[ApiKey]:
        """Every key there ever was, oldest first."""
        with reading(self._engine) as connection:
            return [_key_of(row) for row in connection.execute(select(api_keys).order_by(api_keys.c.created_at, api_keys.c.id))]

    def revoke_key(self, key_id: str, *, actor: str = _OPERATOR) -> None:
        """End a key at once; once more does nothing. `Invalid` where there is none of that id."""

        def revoke(turn: Turn) -> None:
            revoked = _require_key(turn.connection, key_id).revoked
            if revoked is None or revoked > turn.now:
                _end(turn, key_id, turn.now)
                turn.tell(Act(kind="key-revoked", actor=actor, reason="revoked", subject=key_id))

        self._turn(revoke)

    def rotate_key(self, key_id: str, *, overlap: timedelta, actor: str = _OPERATOR) -> tuple[str, str]:
        """A new key with the rights of an old one, like `create_key`; the old one is revoked `overlap` from now.

        `Invalid` where there is none of that id, or it has ended or been rotated: its successor is the one to rotate.
        """
        plain = _new_key()

        def rotate(turn: Turn) -> str:
            old = _require_key(turn.connection, key_id)
            if old.revoked is not None or (old.expires is not None and old.expires <= turn.now):
                raise Invalid(
                    f"the key {key_id} was rotated or revoked, or has expired: rotate its successor, or make a new one"
                )
            _end(turn, key_id, turn.now + overlap)
            rights = _Rights(old.name, old.scopes, old.tenant, old.expires, old.rate, old.networks)
            return _insert(turn, plain, rights, actor, f"in place of {key_id}, which ends in {overlap}")

        return self._turn(rotate), plain


def _insert(turn: Turn, plain: str, rights: _Rights, actor: str, reason: str) -> str:
    key_id = secrets.token_hex(_ID_BYTES)
    row = {
        "id": key_id,
        "sha256": key_digest(plain),
        "name": clean_words(rights.name),
        "scopes": json.dumps(sorted(set(rights.scopes))),
        "tenant": rights.tenant,
        "created_at": turn.now,
        "expires_at": rights.expires,
        "rate": rights.rate,
        "networks": json.dumps(rights.networks) if rights.networks else None,
    }
    turn.connection.execute(insert(api_keys).values(row))
    opens = {name: value for name, value in rights._asdict().items() if name != "tenant"}
    turn.tell(Act(kind="key-created", tenant=rights.tenant, actor=actor, reason=reason, subject=key_id, body=opens))
    return key_id


def _end(turn: Turn, key_id: str, at: datetime) -> None:
    turn.connection.execute(update(api_keys).where(api_keys.c.id == clean_name(key_id)).values(revoked_at=at))


def _new_key() -> str:
    return PREFIX + secrets.token_urlsafe(_KEY_BYTES)


def key_digest(plain: str) -> bytes:
    """How a key is known."""
    return hashlib.sha256(plain.encode("utf-8", "replace")).digest()


def _known(connection: Connection, plain: str) -> str | None:
    """The id of that key, where there is one."""
    return connection.execute(select(api_keys.c.id).where(api_keys.c.sha256 == key_digest(plain))).scalar()


def _require_key(connection: Connection, key_id: str) -> ApiKey:
    row = connection.execute(select(api_keys).where(api_keys.c.id == clean_name(key_id)).with_for_update()).one_or_none()
    if row is None:
        raise Invalid(f"there is no key {key_id!r}")
    return _key_of(row)


def _key_of(row: Row[Any]) -> ApiKey:
    return ApiKey(
        id=row.id,
        name=row.name,
        scopes=tuple(json.loads(row.scopes)),
        tenant=row.tenant,
        created=row.created_at,
        expires=row.expires_at,
        revoked=row.revoked_at,
        rate=row.rate,
        networks=tuple(json.loads(row.networks or "[]")),
    )
