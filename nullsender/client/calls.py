"""One call of the API as a value: what is sent, and how its answer is read. No I/O: both clients share this."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Generic, NamedTuple, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from nullsender.client.errors import Refused, error_of, not_understood

T = TypeVar("T")

# No address is as long as this. What is longer is cut, so that what is endless does not make a request too large, and ends in
# what can stand in no address: its beginning may be somebody else's.
ADDRESS_CHARACTERS_MAX = 1_000
_CUT = "\0"


class Call(NamedTuple, Generic[T]):
    """One request, and how to read its answer."""

    method: str
    target: str  # path and query
    read: Callable[[bytes], T]  # the body of a 200 or 201; may raise what decoding raises
    body: bytes | None = None
    content_type: str = "application/json"
    excuse: Callable[[Refused], T | None] = lambda _refused: None  # an answer that a refusal stands for, if it does
    patience_seconds: float = 0.0  # one try may wait so long for the network, and not only the client's own time-out


def answer_of(call: Call[T], status: int, headers: Mapping[str, str], content: bytes) -> T:
    """What `call` is answered with; raises the `ApiError` that the answer means."""
    if status not in (200, 201):
        error = error_of(status, headers, content)
        answer = call.excuse(error) if isinstance(error, Refused) else None
        if answer is None:
            raise error
        return answer
    try:
        return call.read(content)
    except (msgspec.MsgspecError, ValueError, LookupError) as wrong:
        raise not_understood(wrong) from wrong


def bounded(address: str) -> str:
    """An address as it is sent: itself, or where it is too long to be one a shorter text that is none either."""
    return address if len(address) <= ADDRESS_CHARACTERS_MAX else address[: ADDRESS_CHARACTERS_MAX - len(_CUT)] + _CUT


def quoted(address: str) -> str:
    """An address in a path."""
    # The server says that half a character is no address.
    return quote(bounded(address), safe="@", errors="surrogatepass")


def query(**parameters: object) -> str:
    """A query with those parameters that are not None; nothing where there is none."""
    given = {name: _parameter(value) for name, value in parameters.items() if value is not None}
    return "?" + urlencode(given, quote_via=quote, safe="@*", errors="surrogatepass") if given else ""


def _parameter(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
