"""The token of an unsubscribe link: opaque, the same for the same mail, and forged by nobody (RFC 8058 3.1).

    1.KEY.BODY            of the tenant `default`
    1.KEY.TENANT.BODY     of another one

BODY hides who and which list, and proves that the holder of the key wrote it. It is the SIV construction (RFC 5297) with
HMAC-SHA-256 in place of AES, so that the standard library of any language makes it: the tag is made of the text, the text is
hidden under a stream that is made of the tag.

Each tenant has a link key of its own, made of the signing key: whoever makes links in their own program needs that one, and can
not sign return paths or another tenant's links with it. docs/unsubscribes.md has the recipe, and test vectors.
"""

import base64
import binascii
import hmac
import re
from datetime import date

from nullsender.errors import Invalid
from nullsender.limits import UNSUBSCRIBE_DAYS, UNSUBSCRIBE_MESSAGE_CHARACTERS_MAX, UNSUBSCRIBE_TOKEN_CHARACTERS_MAX
from nullsender.names import canonical_name
from nullsender.signing.keys import Claims, SigningKeys, canonical_claims, day_of, days_since_epoch, require_fresh

DEFAULT_TENANT = "default"
_VERSION = "1"
_TAG_BYTES = 16
_DAY_BYTES = 2
_FIELDS = 4  # stream, list, message, recipient
_MESSAGE = re.compile(rf"[!-~]{{0,{UNSUBSCRIBE_MESSAGE_CHARACTERS_MAX}}}")
_SHAPE = re.compile(r"1\.(?P<key>[a-z0-9]{1,8})\.(?:(?P<tenant>[a-z0-9_.-]{1,64})\.)?(?P<body>[A-Za-z0-9_-]{32,})", re.ASCII)
_ANYWHERE = re.compile(r"(?<![\w.-])1\.[a-z0-9]{1,8}\.(?:[a-z0-9_.-]{1,64}\.)?[A-Za-z0-9_-]{32,}+(?![\w.-])", re.ASCII)


def tokens_in(text: str) -> list[str]:
    """What looks like such a token in a text, in its order; whether it is one says `UnsubscribeLinks.verify`."""
    return [match[0] for match in _ANYWHERE.finditer(text)] if "1." in text else []


def tenant_of(token: str) -> str:
    """Whose link it says that it is; nothing is proven by that. The tenant `default` where it says nothing that can be read."""
    match = _SHAPE.fullmatch(token)
    return (match["tenant"] if match else None) or DEFAULT_TENANT


def token_id(token: str) -> str:
    """A short name of a token, for evidence: its tag, by which no other token has to be kept."""
    return token.rpartition(".")[2][:22]


class UnsubscribeLinks:
    """Makes and verifies the tokens of unsubscribe links."""

    def __init__(self, keys: SigningKeys) -> None:
        self._keys = keys

    def key_of(self, tenant: str) -> tuple[str, bytes]:
        """The key that signs the links of a tenant, by its id: for those who make links in their own program."""
        key_id = self._keys.signing_id
        return key_id, self._link_key(key_id, canonical_name(tenant))

    def make(self, claims: Claims) -> str:
        """The token for one mail to one recipient.

        Raises `Invalid` where a name or the recipient can be none, or the message's name is not plain ASCII without spaces.
        """
        claims = _canonical(claims)
        key_id = self._keys.signing_id
        body = seal(self._link_key(key_id, claims.tenant), _plain(claims))
        tenant = () if claims.tenant == DEFAULT_TENANT else (claims.tenant,)
        return ".".join((_VERSION, key_id, *tenant, body))

    def verify(self, token: str, *, today: date) -> Claims:
        """What the token proves.

        Raises `Invalid`, saying why, where we did not make it, and `Expired` where it is older than UNSUBSCRIBE_DAYS.
        Any text at all may come in.
        """
        match = _SHAPE.fullmatch(token) if len(token) <= UNSUBSCRIBE_TOKEN_CHARACTERS_MAX else None
        if match is None:
            raise Invalid("it is no token of ours")
        tenant = match["tenant"] or DEFAULT_TENANT
        plain = unseal(self._link_key(match["key"], tenant), match["body"])
        claims = _read(tenant, plain)
        require_fresh(claims, today=today, days_max=UNSUBSCRIBE_DAYS)
        return claims

    def _link_key(self, key_id: str, tenant: str) -> bytes:
        return self._keys.derive(key_id, f"unsubscribe-link/{tenant}")


def seal(link_key: bytes, plain: bytes) -> str:
    """`plain` authenticated and hidden, as base64url without padding."""
    tag = _tag(link_key, plain)
    return base64.urlsafe_b64encode(tag + _hidden(link_key, tag, plain)).rstrip(b"=").decode("ascii")


def unseal(link_key: bytes, body: str) -> bytes:
    """The inverse of `seal`; `Invalid` where this key did not make `body`."""
    try:
        octets = base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise Invalid("it is no token of ours") from error
    tag, hidden = octets[:_TAG_BYTES], octets[_TAG_BYTES:]
    plain = _hidden(link_key, tag, hidden)
    # One token has one form: base64 leaves bits over at the end, which would make others that mean the same.
    if not hmac.compare_digest(tag, _tag(link_key, plain)) or seal(link_key, plain) != body:
        raise Invalid("its signature is wrong")
    return plain


def _tag(link_key: bytes, plain: bytes) -> bytes:
    return hmac.digest(hmac.digest(link_key, b"tag", "sha256"), plain, "sha256")[:_TAG_BYTES]


def _hidden(link_key: bytes, tag: bytes, text: bytes) -> bytes:
    """`text` under the stream that belongs to `tag`; the same again takes it off."""
    stream_key = hmac.digest(link_key, b"stream", "sha256")
    blocks = range(-(-len(text) // 32))
    stream = b"".join(hmac.digest(stream_key, tag + bytes([block]), "sha256") for block in blocks)
    return bytes(one ^ other for one, other in zip(text, stream, strict=False))


def _plain(claims: Claims) -> bytes:
    fields = (claims.stream or "", claims.mailing_list or "", claims.message, claims.recipient)
    return days_since_epoch(claims.sent_on).to_bytes(_DAY_BYTES, "big") + "\0".join(fields).encode()


def _read(tenant: str, plain: bytes) -> Claims:
    """What stands in a text that our key has signed; `Invalid` where whoever holds the key wrote something else into it."""
    try:
        fields = plain[_DAY_BYTES:].decode().split("\0")
    except UnicodeDecodeError as error:
        raise Invalid("its claims can not be read") from error
    if len(fields) != _FIELDS:
        raise Invalid("its claims can not be read")
    stream, mailing_list, message, recipient = fields
    sent_on = day_of(int.from_bytes(plain[:_DAY_BYTES], "big"))
    return _canonical(Claims(tenant, stream or None, recipient, sent_on, message, mailing_list or None))


def _canonical(claims: Claims) -> Claims:
    """Every name in the one form in which everybody knows it."""
    if _MESSAGE.fullmatch(claims.message) is None:
        raise Invalid(
            f"the message's name is at most {UNSUBSCRIBE_MESSAGE_CHARACTERS_MAX} characters of plain ASCII without spaces"
        )
    return canonical_claims(claims)
