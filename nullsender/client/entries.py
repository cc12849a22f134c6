"""The calls that keep the list and show it."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

import msgspec

from nullsender.client.answers import Cause, Entry, HistoryItem
from nullsender.client.calls import Call, query, quoted
from nullsender.client.errors import Refused

T = TypeVar("T")

PAGE_ITEMS = 1_000  # the most that a page may have


class _Entries(msgspec.Struct):
    entries: list[Entry]


class _Lifted(msgspec.Struct):
    lifted: list[Entry]


class ListPage(msgspec.Struct):
    """One page of the list."""

    items: list[Entry] = msgspec.field(name="entries")
    next: int | None


class HistoryPage(msgspec.Struct):
    """One page of an address's history."""

    items: list[HistoryItem]
    next: int | None


def suppress(address: str, cause: Cause, reason: str, scope: str, expires: datetime | None) -> Call[Entry]:
    """PUT /v1/suppressions/{address}."""
    body = {"cause": cause, "reason": reason, "expires": None if expires is None else expires.isoformat()}
    return Call("PUT", _of_address(address) + query(scope=scope), _reader(Entry), json.dumps(body).encode("ascii"))


def lift(address: str, reason: str, consent: str | None, scope: str | None, cause: Cause | None) -> Call[Sequence[Entry]]:
    """DELETE /v1/suppressions/{address}."""
    body = json.dumps({"reason": reason, "consent": consent}).encode("ascii")
    read = _reader(_Lifted)
    target = _of_address(address) + query(scope=scope, cause=cause)
    return Call("DELETE", target, lambda content: read(content).lifted, body, excuse=_nothing)


def show(address: str) -> Call[Sequence[Entry]]:
    """GET /v1/suppressions/{address}."""
    read = _reader(_Entries)
    return Call("GET", _of_address(address), lambda content: read(content).entries, excuse=_nothing)


def _nothing(refused: Refused) -> Sequence[Entry] | None:
    """404 for an address that is not on the list: there is nothing, which is an answer."""
    return [] if refused.kind == "not-on-the-list" else None


def list_page(filters: Mapping[str, object], cursor: int | None) -> Call[ListPage]:
    """GET /v1/suppressions."""
    return Call("GET", "/v1/suppressions" + query(**filters, cursor=cursor, limit=PAGE_ITEMS), _reader(ListPage))


def history_page(address: str, cursor: int | None) -> Call[HistoryPage]:
    """GET /v1/addresses/{address}/history."""
    target = f"/v1/addresses/{quoted(address)}/history" + query(cursor=cursor, limit=PAGE_ITEMS)
    return Call("GET", target, _reader(HistoryPage))


def _reader(type_: type[T]) -> Callable[[bytes], T]:
    return msgspec.json.Decoder(type_).decode


def _of_address(address: str) -> str:
    return f"/v1/suppressions/{quoted(address)}"
