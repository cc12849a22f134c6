"""The one request that is asked thousands of times a second, answered without the framework.

`GET /v1/check` for an address that is surely not on the list, with a key that was good a moment ago: everything that is needed
is in memory. This knows only the plain shape of that request. Whatever is unusual about it, and whatever is wrong with it, is
not answered here but by the route in `checks.py`; a test holds the two to the same answers.
"""

import re
from collections.abc import Sequence
from urllib.parse import unquote_to_bytes

import msgspec

from api.http.auth import Scope, allows, tenant_of
from api.http.keys import Keys
from api.lookup import Lookup
from api.view import View
from nullsender.address import canonical
from nullsender.errors import Invalid

# No `+`, which means a space here, and nothing but these two parameters, once each and in this order.
_TARGET = re.compile(rb"/v1/check\?address=([\w.!$'()*,;:@/?%~-]{3,1000})(?:&stream=([\w.-]{1,64}))?", re.ASCII)
_BEARER = re.compile(rb"Bearer +([\x21-\x7e]{1,200})")
# With one of these a request is not plain. `nullsender-tenant` chooses another list, the rest change how a request is read.
_UNUSUAL = frozenset({b"nullsender-tenant", b"content-length", b"transfer-encoding", b"expect", b"upgrade", b"origin"})


class QuickCheck:
    """Answers plain lookups from memory."""

    def __init__(self, lookup: Lookup, keys: Keys) -> None:
        self._lookup = lookup
        self._keys = keys

    def answer(self, target: bytes, headers: Sequence[tuple[bytes, bytes]]) -> bytes | None:
        """The body of the 200 to `GET target`; None: let the route answer. Never waits, never raises.

        The names of `headers` are in lower case.
        """
        matched = _TARGET.fullmatch(target)
        if matched is None:
            return None
        tenant = self._tenant(headers)
        if tenant is None:
            return None
        try:
            address = canonical(unquote_to_bytes(matched[1]).decode("utf-8"))
        except (UnicodeDecodeError, Invalid):
            return None
        if "\ufffd" in address:
            return None
        verdict = self._lookup.at_once(View(tenant, matched[2] and matched[2].decode("ascii").lower()), address)
        if verdict is None or not verdict.allowed:
            return None
        return b'{"address":%b,"allowed":true,%b}' % (msgspec.json.encode(address), _NO_ENTRY)

    def _tenant(self, headers: Sequence[tuple[bytes, bytes]]) -> str | None:
        """Whose list the key opens for lookups; None where that takes more than a glance to say."""
        authorization = None
        for name, value in headers:
            if name in _UNUSUAL or (name == b"authorization" and authorization is not None):
                return None
            if name == b"authorization":
                authorization = value
        credentials = _BEARER.fullmatch(authorization or b"")
        key = self._keys.remembered(credentials[1].decode("ascii")) if credentials else None
        return tenant_of(key) if key is not None and allows(key, Scope.CHECK) else None


_NO_ENTRY = b'"cause":null,"scope":null,"since":null,"expires":null,"entry":null'
