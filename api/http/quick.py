"""The one request that is asked thousands of times a second, answered without the framework.

`GET /v1/check` with a key that was good a moment ago, about an address of which memory can tell: everything that is needed is
at hand. This knows only the plain shape of that request. Whatever is unusual about it, and whatever is wrong with it, is not
answered here but by the route in `checks.py`; a test holds all ways to the same answers.
"""

import asyncio
import re
from collections.abc import Sequence
from functools import lru_cache, partial
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from api.http.addresses import UNDECODABLE
from api.http.auth import Caller, allows, require
from api.http.auth import Scope as KeyScope
from api.http.clients import client_address
from api.http.edge import Edge
from api.http.hits import Hits, clean
from api.http.keys import Keys, KnownKey
from api.lookup import Answer, Lookup, Verdict
from api.view import View
from nullsender.address import canonical
from nullsender.clock import Clock
from nullsender.errors import Invalid
from nullsender.limits import ADDRESS_CHARACTERS_MAX
from nullsender.names import canonical_name

# No `+`, which means a space here, and nothing but these three parameters, once each and in this order. The method stands
# before the target where nobody has parsed the request.
_TARGET = re.compile(
    rb"(?:GET )?/v1/check\?address=([\w.!$'()*,;:@/?%~-]{3,1000})(?:&stream=([\w.-]{1,64}))?(?:&list=([\w.-]{1,64}))?", re.ASCII
)
# The plainest of them: an address that is canonical but for its case, and that JSON writes as it is. `api/batch/answering.py`
# has the same grammar.
_PLAIN_CHARACTER = r"[\w.!$'*/?~-]"
_PLAIN_NAME = r"[a-z0-9_.-]{1,64}"
_PLAIN = re.compile(
    rf"GET /v1/check\?address=({_PLAIN_CHARACTER}+@{_PLAIN_CHARACTER}*[\w!$'*/?~-])"
    rf"(?:&stream={_PLAIN_NAME})?(?:&list={_PLAIN_NAME})?".encode(),
    re.ASCII,
).fullmatch
_BEARER = re.compile(rb"Bearer +([\x21-\x7e]{1,200})")
# With one of these a request is not plain. `nullsender-tenant` chooses another list, the rest change how a request is read.
_UNUSUAL = frozenset({b"nullsender-tenant", b"content-length", b"transfer-encoding", b"expect", b"upgrade", b"origin"})


class _Route(NamedTuple):
    """Under which name such a request is counted."""

    path: str


_CHECK = _Route("/v1/check")


class Question(NamedTuple):
    """A plain lookup that takes the store: memory knows of an entry that it can not show, or can not tell."""

    known: KnownKey
    view: View
    address: str  # canonical
    verdict: Verdict | None  # what memory says


class QuickCheck:
    """Answers plain lookups."""

    def __init__(self, lookup: Lookup, hits: Hits, keys: Keys, clock: Clock) -> None:
        self.lookup = lookup
        self._hits = hits
        self._keys = keys
        self.clock = clock

    def known_key(self, headers: Sequence[tuple[bytes, bytes]], client: str | None) -> KnownKey | None:
        """The key that opens lookups for a request with these fields; None where that takes more than a glance to say.

        The names of `headers` are in lower case; `client` is the host that the connection comes from.
        """
        authorization = None
        for name, value in headers:
            if name in _UNUSUAL or (name == b"authorization" and authorization is not None):
                return None
            if name == b"authorization":
                authorization = value
        credentials = _BEARER.fullmatch(authorization or b"")
        known = self._keys.remembered(credentials[1].decode("ascii")) if credentials else None
        if known is None or not allows(known.key, KeyScope.CHECK) or not known.opens_from(client_address(client)):
            return None
        return known

    def clean(self, known: KnownKey, packet: bytes, end: int, now_seconds: float) -> bytes | None:
        """The canonical address that the plainest lookup asks about, if nothing stops mail to it; in few steps.

        `packet[:end]` is all of the request but what its owner, of this key, sends with each. None: `answer` it. Never waits,
        never raises.
        """
        matched = _PLAIN(packet, 0, end)
        if matched is None or known.ask_again_at_seconds <= now_seconds:
            return None
        address = matched[1].lower()
        if len(address) > ADDRESS_CHARACTERS_MAX or not self.lookup.is_clean(known.tenant, address, now_seconds):
            return None
        return address if known.bucket.take_at(now_seconds, 1) is None else None

    def answer(self, known: KnownKey, packet: bytes, end: int, now_seconds: float) -> bytes | Question | None:
        """The body of the 200 to the lookup whose target ends `packet[:end]`, for the owner of this key.

        Where the store has to be asked: what about, for `explained`. None: let the route answer. Never waits, never raises.
        """
        matched = _TARGET.fullmatch(packet, 0, end)
        if matched is None or known.ask_again_at_seconds <= now_seconds:
            return None
        written, stream, mailing_list = matched.groups()
        try:
            text = written.decode("ascii")
            address = canonical(unquote_to_bytes(text).decode("utf-8") if "%" in text else text)
            view = _view(known.tenant, stream, mailing_list)
        except (UnicodeDecodeError, Invalid):
            return None
        if UNDECODABLE in address:
            return None
        verdict = self.lookup.at_once(view, address)
        if verdict is None or not verdict.allowed:
            return Question(known, view, address, verdict)
        if known.bucket.take_at(now_seconds, 1) is not None:
            return None
        return clean(address)

    async def explained(self, question: Question) -> bytes:
        """The body of the 200; a `Problem` past the key's rate, `Transient` where nobody can tell."""
        self._require(question)
        return await self._hits.explained(question.view, question.address, question.verdict)

    def asked(self, question: Question) -> "asyncio.Future[Answer]":
        """The same in two steps, for whoever can not wait: this comes to what `told` makes the body of. `Problem` as above."""
        self._require(question)
        return self._hits.asked(question.view, question.address)

    def told(self, question: Question, asked: "asyncio.Future[Answer]") -> bytes:
        """The body of the 200; `Transient` where nobody can tell."""
        return self._hits.told(question.address, question.verdict, asked)

    def _require(self, question: Question) -> None:
        known = question.known
        require(Caller(known.key.id, known.tenant, known.bucket), 1)

    def application(self, question: Question) -> ASGIApp:
        """What answers it where the request is the application's."""
        return Edge(partial(self._answer, question))

    async def _answer(self, question: Question, scope: Scope, receive: Receive, send: Send) -> None:
        scope["route"] = _CHECK
        answer = Response(await self.explained(question), media_type="application/json")
        await answer(scope, receive, send)


@lru_cache(maxsize=1024)
def _view(tenant: str, stream: bytes | None, mailing_list: bytes | None) -> View:
    return View(tenant, _name(stream), _name(mailing_list))


def _name(written: bytes | None) -> str | None:
    return None if written is None else canonical_name(written.decode("ascii"))
