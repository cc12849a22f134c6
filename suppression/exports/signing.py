"""Signing documents that leave the system: manifests of exports, certificates of erasure.

A document is a JSON object. It is signed with Ed25519 (RFC 8032) over its canonical form (RFC 8785) without its member
`signature`; with the numbers that we use, whole ones, that form is plain: names sorted, no white space, UTF-8.

The key is derived from the list's address key: every machine that keeps the list has the same one, the backup of the secrets
holds it, and nothing that is signed gives the address key away.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any, Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from nullsender.errors import Invalid

_LABEL: Final = b"nullsender: the key that signs documents"
_KEY_ID_CHARACTERS: Final = 16
Document = dict[str, Any]


class DocumentSigner:
    """Signs documents of this installation."""

    def __init__(self, address_key: bytes) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(hmac.digest(address_key, _LABEL, "sha256"))
        self.public = DocumentKey(self._private.public_key())

    def signed(self, document: Mapping[str, Any]) -> Document:
        """The document with `key_id` and `signature`."""
        named = {**document, "key_id": self.public.key_id}
        return {**named, "signature": base64.b64encode(self._private.sign(canonical_json(named))).decode("ascii")}


class DocumentKey:
    """What checks the signatures of one installation. It is public."""

    def __init__(self, key: Ed25519PublicKey) -> None:
        self._key = key
        raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.key_id = hashlib.sha256(raw).hexdigest()[:_KEY_ID_CHARACTERS]

    @classmethod
    def from_pem(cls, pem: bytes) -> "DocumentKey":
        """The key that `pem` gave once. `Invalid` where it is none of this kind."""
        try:
            key = load_pem_public_key(pem)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise Invalid("this is no public key: `nullsender export public-key` prints one (PEM)") from error
        if not isinstance(key, Ed25519PublicKey):
            raise Invalid("this is a public key of another kind: `nullsender export public-key` prints one for Ed25519")
        return cls(key)

    def pem(self) -> str:
        """RFC 8410: what OpenSSL reads too."""
        return self._key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")

    def check(self, document: Mapping[str, Any]) -> None:
        """Nothing where this key signed the document as it is; `Invalid` says what is wrong."""
        if document.get("key_id") != self.key_id:
            raise Invalid(f"it says that the key {document.get('key_id')!r} signed it, and this key is {self.key_id}")
        unsigned = {name: value for name, value in document.items() if name != "signature"}
        try:
            signature = base64.b64decode(str(document.get("signature")), validate=True)
            self._key.verify(signature, canonical_json(unsigned))
        except (ValueError, InvalidSignature) as error:  # `ValueError`: no base64, or half characters
            raise Invalid("its signature is wrong: it was changed after it was signed, or by somebody else signed") from error


def canonical_json(document: Mapping[str, Any]) -> bytes:
    """RFC 8785, for documents without fractions. `ValueError` where a text can not be written in UTF-8."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode("utf-8")
