"""An address has one canonical form, and the list knows it by a keyed hash of that form.

Canonical: NFC, trimmed, wholly lower-cased, the domain as A-labels. Nothing else is folded: dots and +tags stay, because
two such addresses may be two people. Everyone who takes an address apart does it here.
"""

import hashlib
import unicodedata

import idna

from nullsender.errors import Invalid
from nullsender.limits import ADDRESS_CHARACTERS_MAX

_NEVER_IN_AN_ADDRESS = frozenset(chr(c) for c in (*range(0x21), 0x7F, 0x85, 0xA0, 0x2028, 0x2029, 0xFEFF))


def canonical(address: str) -> str:
    """The form under which the list knows `address`.

    Raises `Invalid` where the text can not be an address at all. This is the hot path: it asks for one `@` with something
    on both sides and no white space or control character, and leaves the rest of RFC 5321's grammar to those who add addresses.
    """
    text = address.strip()
    if not text.isascii():
        return _canonical_international(text)
    text = text.lower()
    _require_address(text)
    return text


def _canonical_international(text: str) -> str:
    text = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).lower())
    _require_address(text)
    local, _, domain = text.rpartition("@")
    return f"{local}@{domain_to_ascii(domain)}"


def _require_address(text: str) -> None:
    local, _, domain = text.rpartition("@")
    if not local or not domain:
        raise Invalid("not an address: it needs something on both sides of an @")
    if len(text) > ADDRESS_CHARACTERS_MAX:
        raise Invalid(f"not an address: longer than {ADDRESS_CHARACTERS_MAX} characters")
    if not _NEVER_IN_AN_ADDRESS.isdisjoint(text) and not _is_quoted(local, domain):
        raise Invalid("not an address: it holds white space or a control character")
    if not text.isascii() and any(0xD800 <= ord(c) < 0xE000 for c in text):
        raise Invalid("not an address: it holds half a character (a lone surrogate)")


def _is_quoted(local: str, domain: str) -> bool:
    """RFC 5321 4.1.2 Quoted-string: a space (nothing else of that kind) may stand between quotes in the local part."""
    bare = local.replace(" ", "")
    return local[:1] == '"' == local[-1:] and len(local) > 2 and _NEVER_IN_AN_ADDRESS.isdisjoint(bare + domain)


def domain_to_ascii(domain: str) -> str:
    """`domain` as lower-case A-labels (RFC 5890); one that IDNA 2008 does not allow raises `Invalid`."""
    try:
        return idna.encode(domain, uts46=True).decode("ascii").lower() if not domain.isascii() else domain.lower()
    except (idna.IDNAError, UnicodeError) as error:
        raise Invalid(f"not an address: its domain is not a valid internationalised name ({error})") from error


def domain_of(address: str) -> str:
    """What stands behind the last `@`, or `""`."""
    return address.rpartition("@")[2] if "@" in address else ""


class AddressHasher:
    """Turns canonical addresses into the keys of the list.

    The hash is keyed so that a stolen list can not be tried against a dictionary of addresses, and so that erasing the
    plain address leaves nothing that identifies a person without the key.
    """

    HASH_BYTES = 16

    def __init__(self, key: bytes) -> None:
        if not 16 <= len(key) <= hashlib.blake2b.MAX_KEY_SIZE:
            raise ValueError("an address key has 16 to 64 bytes")
        self._keyed = hashlib.blake2b(key=key, digest_size=self.HASH_BYTES, person=b"ns-address")

    def hash(self, canonical_address: str) -> bytes:
        """16 bytes for one canonical address; the same for the same key on every machine."""
        digest = self._keyed.copy()
        digest.update(canonical_address.encode("utf-8"))
        return digest.digest()

    def fingerprint(self) -> str:
        """Says which key this is without giving it away; a store refuses to be opened with another one."""
        return self.hash("fingerprint of the key, not an address").hex()
