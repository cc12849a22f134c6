"""An address has one canonical form, and the list knows it by a keyed hash of that form.

Canonical: NFC, trimmed, wholly lower-cased, the domain as A-labels. Nothing else is folded: dots and +tags stay, because
two such addresses may be two people. Everyone who takes an address apart does it here.
"""

import hashlib
import re
import unicodedata

import idna

from nullsender.errors import Invalid
from nullsender.limits import ADDRESS_CHARACTERS_MAX

# RFC 5322 3.2.3: what may not stand in an unquoted local part or a domain, because it means something around an address.
_SPECIALS = r"<>()\[\],;:\\\"@"
_PLAIN = re.compile(rf"[^\x00-\x20\x7f{_SPECIALS}]+@[^\x00-\x20\x7f{_SPECIALS}]*[^\x00-\x20\x7f{_SPECIALS}.]")
# RFC 5321 4.1.2 Quoted-string: a space (nothing else of that kind) may stand between quotes.
_QUOTED_LOCAL = re.compile(r'"(?:[^\x00-\x1f\x7f"\\]|\\[\x20-\x7e])+"')
_NEEDS_NO_QUOTES = re.compile(rf'"([^\s{_SPECIALS}.]+(?:\.[^\s{_SPECIALS}.]+)*)"')
_LITERAL_DOMAIN = re.compile(r"\[[0-9a-z.:-]+\]")
# Characters that nobody sees. The two joiners stay: some scripts spell with them.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zs", "Zl", "Zp"})
_JOINERS = frozenset("\u200c\u200d")


def canonical(address: str) -> str:
    """The form under which the list knows `address`.

    Raises `Invalid` where the text is no address alone: brackets, a comma or a scheme around one would make it another address,
    which nobody has suppressed. This is the hot path, and leaves the rest of RFC 5321's grammar to those who add addresses.
    """
    text = address.strip().lower()
    if text.isascii():
        return text if _PLAIN.fullmatch(text) and len(text) <= ADDRESS_CHARACTERS_MAX else _unusual(text)
    return _unusual(unicodedata.normalize("NFC", unicodedata.normalize("NFC", address.strip()).lower()))


def _unusual(text: str) -> str:
    """International addresses, quoted local parts, literal domains, a domain with its final dot; `Invalid` for all others."""
    local, _, domain = text.rpartition("@")
    domain = domain.removesuffix(".")
    if not local or not domain:
        raise Invalid("not an address: it needs something on both sides of an @")
    if len(text) > ADDRESS_CHARACTERS_MAX:
        raise Invalid(f"not an address: longer than {ADDRESS_CHARACTERS_MAX} characters")
    literal = _LITERAL_DOMAIN.fullmatch(domain) is not None
    if not literal:
        domain = domain_to_ascii(domain)
    local = _without_needless_quotes(local)
    quoted = _QUOTED_LOCAL.fullmatch(local) is not None
    plain = _PLAIN.fullmatch(f"{'x' if quoted else local}@{'x' if literal else domain}")
    if plain is None or _has_unseen(local.replace(" ", "") if quoted else local):
        raise Invalid("not an address alone: it holds white space, brackets, or something else that stands around an address")
    return f"{local}@{domain}"


def _without_needless_quotes(local: str) -> str:
    """RFC 5321 4.1.2: quotes that nothing needs name the same mailbox as none."""
    match = _NEEDS_NO_QUOTES.fullmatch(local)
    return match[1] if match else local


def _has_unseen(text: str) -> bool:
    return any(unicodedata.category(c) in _UNSEEN and c not in _JOINERS for c in text)


def domain_to_ascii(domain: str) -> str:
    """`domain` as lower-case A-labels (RFC 5890); one that IDNA 2008 does not allow raises `Invalid`."""
    try:
        return idna.encode(domain, uts46=True).decode("ascii").lower() if not domain.isascii() else domain.lower()
    except (idna.IDNAError, UnicodeError) as error:
        raise Invalid(f"not an address: its domain is not a valid internationalised name ({error})") from error


def domain_of(address: str) -> str:
    """What stands behind the last `@`, or `""`."""
    return address.rpartition("@")[2] if "@" in address else ""


#: The end of every key of the list that was made of another hash. One of four billion addresses' own hashes ends like that too,
#: and costs a look in vain.
_PREHASHED = bytes(4)


def is_prehashed(address_hash: bytes) -> bool:
    """Whether a key of the list was made by `AddressHasher.hash_prehashed`; once in four billion it was not."""
    return address_hash.endswith(_PREHASHED)


class AddressHasher:
    """Turns canonical addresses into the keys of the list.

    The hash is keyed so that a stolen list can not be tried against a dictionary of addresses, and so that erasing the
    plain address leaves nothing that identifies a person without the key.
    """

    HASH_BYTES = 16
    PERSON = b"ns-address"

    def __init__(self, key: bytes) -> None:
        if not 16 <= len(key) <= hashlib.blake2b.MAX_KEY_SIZE:
            raise ValueError("an address key has 16 to 64 bytes")
        self.key = key  # secret: for those who hash many at once (api/batch)
        self._keyed = hashlib.blake2b(key=key, digest_size=self.HASH_BYTES, person=self.PERSON)

    def hash(self, canonical_address: str) -> bytes:
        """16 bytes for one canonical address; the same for the same key on every machine."""
        return self.hash_bytes(canonical_address.encode("utf-8"))

    def hash_bytes(self, canonical_address: bytes) -> bytes:
        """The same for its UTF-8."""
        digest = self._keyed.copy()
        digest.update(canonical_address)
        return digest.digest()

    def prehashed(self, canonical_address: str) -> tuple[bytes, bytes]:
        """How the list knows an address of which somebody brought only the hash: its MD5, or its SHA-256.

        Two keys of the list, as `hash` makes them. Such lists are made of the trimmed, lower-cased address in UTF-8.
        """
        text = canonical_address.encode("utf-8")
        md5, sha256 = hashlib.md5(text, usedforsecurity=False), hashlib.sha256(text)
        return self.hash_prehashed(f"md5:{md5.hexdigest()}"), self.hash_prehashed(f"sha256:{sha256.hexdigest()}")

    def hash_prehashed(self, name: str) -> bytes:
        """The same for one such hash, `md5:HEX` or `sha256:HEX` in lower case.

        That it is no address's own hash can be seen of it (`is_prehashed`), so that whoever keeps a copy of the list knows
        whether it has any, and asks for them only then.
        """
        return self.hash(name)[: -len(_PREHASHED)] + _PREHASHED

    def fingerprint(self) -> str:
        """Says which key this is without giving it away; a store refuses to be opened with another one."""
        return self.hash("fingerprint of the key, not an address").hex()
