"""The token: our signed claims in a header of the mail that we send, `X-Nullsender-Token`.

A report that returns the headers of its mail returns the token too, and so proves what it is about, even where the provider
blackened every address: the recipient stands there in base32, which no redaction takes for an address.

    1.KEY.DAY.SIGNATURE.CLAIMS

It may also stand in CFBL-Feedback-ID, which every report returns (RFC 9477), with colons: a dot is not allowed there.
"""

import base64
import binascii
import re
from datetime import date

import msgspec

from nullsender.errors import Invalid
from nullsender.limits import NAME_CHARACTERS_MAX, TOKEN_DAYS
from nullsender.signing.keys import Claims, SigningKeys, base32, canonical_claims, day_of, days_since_epoch, require_fresh

TOKEN_HEADER = "X-Nullsender-Token"  # noqa: S105  (the name of the field)
FEEDBACK_ID_HEADER = "CFBL-Feedback-ID"
_VERSION = "1"
_WITH_COLONS = re.compile(r"1:[a-z0-9]{1,8}:[0-9]{1,5}:[a-z2-7]{12}:[a-z2-7]{1,1000}", re.IGNORECASE)


def token_in_feedback_id(value: str) -> str | None:
    """The token that the value of a CFBL-Feedback-ID looks like, not yet checked; None where it is some other name."""
    text = "".join(value.split())  # RFC 9477: white space means nothing
    return text.replace(":", ".") if _WITH_COLONS.fullmatch(text) else None


class Tokens:
    """Makes and verifies tokens."""

    def __init__(self, keys: SigningKeys) -> None:
        self._keys = keys

    def make(self, claims: Claims) -> str:
        """The header's value for one message to one recipient.

        Raises `Invalid` where a name can be none, or all is longer than readers keep.
        """
        claims = canonical_claims(claims)
        names = base32(msgspec.json.encode((claims.tenant, claims.stream, claims.recipient, claims.message)))
        days = str(days_since_epoch(claims.sent_on))
        token = ".".join((_VERSION, self._keys.signing_id, days, self._keys.sign(TOKEN_HEADER, claims), names))
        if len(token) > NAME_CHARACTERS_MAX:
            raise Invalid("tenant, stream, recipient and message are too long for a token together")
        return token

    def verify(self, token: str, *, today: date) -> Claims:
        """What the token proves. Raises `Invalid`, saying why, where we did not make it or it is older than TOKEN_DAYS."""
        fields = "".join(token.split()).lower().split(".")  # a header may have been folded on its way
        if len(fields) != 5 or fields[0] != _VERSION or not _is_day(fields[2]):
            raise Invalid("it is no token of ours")
        _, key_id, days, signature, names = fields
        tenant, stream, recipient, message = _decode(names)
        claims = Claims(tenant, stream, recipient, day_of(int(days)), message)
        self._keys.check(key_id, signature, TOKEN_HEADER, claims)
        require_fresh(claims, today=today, days_max=TOKEN_DAYS)
        return claims


def _is_day(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 5


def _decode(names: str) -> tuple[str, str | None, str, str]:
    try:
        octets = base64.b32decode(names.upper() + "=" * (-len(names) % 8))
        return msgspec.json.decode(octets, type=tuple[str, str | None, str, str])
    except (binascii.Error, ValueError, msgspec.MsgspecError) as error:
        raise Invalid("its claims can not be read") from error
