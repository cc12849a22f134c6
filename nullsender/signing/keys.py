"""What we sign when we send, and believe when it comes back: who sent what to whom, and when (design: proof, G5).

A signature is short, because it has to fit into a local part with the address that it protects: 60 bits, each guess of which
costs a whole SMTP transaction. It is written in lower-case base32, because local parts come back in other cases than they left.
"""

import base64
import hmac
import re
from collections.abc import Mapping
from datetime import date, timedelta
from typing import NamedTuple

import msgspec

from nullsender.address import canonical
from nullsender.errors import Invalid, Misconfigured
from nullsender.names import canonical_name

SIGNATURE_CHARACTERS = 12  # of five bits each
_SECRET_BYTES_MIN = 16
_KEY_ID = re.compile(r"[a-z0-9]{1,8}")
_EPOCH = date(1970, 1, 1)


class Claims(NamedTuple):
    """What we say of one message that we sent. `recipient` is a canonical address, `message` the sender's own name for it.

    `mailing_list` is said by unsubscribe links alone: elsewhere there is no room for it.
    """

    tenant: str
    stream: str | None
    recipient: str
    sent_on: date
    message: str
    mailing_list: str | None = None


class Expired(Invalid):
    """We signed it, but longer ago than we believe in it; `claims` is what it said."""

    def __init__(self, reason: str, claims: Claims) -> None:
        super().__init__(reason)
        self.claims = claims


class SigningKeys:
    """Secrets by key id. The first one signs, all of them verify, so that a new one can be put in front while mail is out."""

    def __init__(self, secrets: Mapping[str, bytes]) -> None:
        """Raises `Misconfigured` where an id is not 1 to 8 of a-z and 0-9, a secret is under 16 bytes, or there is none."""
        if not secrets:
            raise Misconfigured("signing needs one key at least")
        for key_id, secret in secrets.items():
            if not _KEY_ID.fullmatch(key_id):
                raise Misconfigured(f"the signing key {key_id!r} needs another name: 1 to 8 of a-z and 0-9")
            if len(secret) < _SECRET_BYTES_MIN:
                raise Misconfigured(f"the signing key {key_id!r} is too short: {_SECRET_BYTES_MIN} bytes at least")
        self._secrets = dict(secrets)
        self._nobodys = hmac.digest(b"".join(secrets.values()), b"a key that signs nothing", "sha256")
        self.signing_id = next(iter(secrets))

    def sign(self, label: str, claims: Claims) -> str:
        """The signature of `claims` by the first key; `label` keeps apart what is signed for different uses."""
        return _signature(self._secrets[self.signing_id], label, claims)

    def derive(self, key_id: str, label: str) -> bytes:
        """A key of 32 bytes for one use, made of the key `key_id`: it says nothing about that one or about its other uses.

        Where we have no such key, one that nobody knows: what is checked with it is wrong, and takes as long to be found so.
        """
        return hmac.digest(self._secrets.get(key_id, self._nobodys), label.encode(), "sha256")

    def check(self, key_id: str, signature: str, label: str, claims: Claims) -> None:
        """Raises `Invalid` unless `signature` is what the key `key_id` makes of `label` and `claims`."""
        secret = self._secrets.get(key_id)
        if secret is None:
            raise Invalid("it is signed with a key that we do not have")
        expected = _signature(secret, label, claims)
        if not hmac.compare_digest(expected.encode(), signature.encode("utf-8", "replace")):
            raise Invalid("its signature is wrong")


def _signature(secret: bytes, label: str, claims: Claims) -> str:
    # JSON keeps the fields apart whatever they hold: no two different claims make the same octets.
    signed = msgspec.json.encode((label, *claims[:5]))
    return base32(hmac.digest(secret, signed, "sha256"))[:SIGNATURE_CHARACTERS]


def canonical_claims(claims: Claims) -> Claims:
    """Recipient and names in the one form in which everybody knows them. `Invalid` where one of them has none."""
    return claims._replace(
        tenant=canonical_name(claims.tenant),
        stream=None if claims.stream is None else canonical_name(claims.stream),
        recipient=canonical(claims.recipient),
        mailing_list=None if claims.mailing_list is None else canonical_name(claims.mailing_list),
    )


def base32(octets: bytes) -> str:
    """RFC 4648 6, in lower case and without padding."""
    return base64.b32encode(octets).decode("ascii").rstrip("=").lower()


def days_since_epoch(day: date) -> int:
    """Five digits from 1997 to 2243."""
    return (day - _EPOCH).days


def day_of(days: int) -> date:
    """The inverse of `days_since_epoch`, for up to five digits."""
    return _EPOCH + timedelta(days=days)


def require_fresh(claims: Claims, *, today: date, days_max: int) -> None:
    """Raises `Expired` where the claims are older than `days_max`, `Invalid` where they are from after tomorrow.

    Tomorrow is allowed because clocks and zones differ by a day.
    """
    age_days = (today - claims.sent_on).days
    if age_days > days_max:
        raise Expired(f"it is {age_days} days old and was good for {days_max}", claims)
    if age_days < -1:
        raise Invalid("it was signed for a day that has not come")
