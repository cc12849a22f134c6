"""The Python client: ask before you send, and keep the list, from programs of your own.

    from nullsender.client import Client

    with Client("http://127.0.0.1:8080", key) as nullsender:
        if nullsender.check("user@example.com", stream="marketing").allowed:
            ...

`Client` waits, `AsyncClient` awaits; both have the same calls, answers and errors. docs/client.md tells it by examples.

    answers     what comes back
    errors      what can go wrong: Refused, Unavailable, Failed
    calls       one call of the API as a value (pure)
    lookups     the calls that ask (pure)
    entries     the calls that keep the list and show it (pure)
    retrying    when to try again (pure)
    connecting  where the API is, and how failures on the wire are told
    blocking, awaiting   the two clients, call by call the same

Nothing here imports anything else of nullsender's: it can be lifted out and used anywhere that httpx and msgspec are.
"""

from nullsender.client.answers import Cause, Change, Check, Entry, HistoryItem, OnUnknown, Report
from nullsender.client.awaiting import AsyncClient, AsyncScrub
from nullsender.client.blocking import Client, Scrub
from nullsender.client.errors import ApiError, Failed, Refused, Unavailable

__all__ = [
    "ApiError",
    "AsyncClient",
    "AsyncScrub",
    "Cause",
    "Change",
    "Check",
    "Client",
    "Entry",
    "Failed",
    "HistoryItem",
    "OnUnknown",
    "Refused",
    "Report",
    "Scrub",
    "Unavailable",
]
