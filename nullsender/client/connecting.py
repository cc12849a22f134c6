"""What both clients are made with: where the API is, how it is spoken to, and how its failures on the wire are told."""

from collections.abc import Callable
from typing import Any, NamedTuple

import httpx

from nullsender.client.answers import OnUnknown
from nullsender.client.errors import ApiError, Refused, not_understood, unreachable
from nullsender.client.retrying import Retries


class Manner(NamedTuple):
    """How a client goes about its calls."""

    on_unknown: OnUnknown
    timeout_seconds: float
    retry_seconds: float
    monotonic_seconds: Callable[[], float]
    chance: Callable[[], float]

    def retries(self) -> Retries:
        """The tries of one call, which begins now."""
        return Retries(self.retry_seconds, self.monotonic_seconds, self.chance)


def options(url: str, key: str, tenant: str | None) -> dict[str, Any]:
    """The arguments of httpx's clients; `ValueError` where the address of the API or the key can not be one."""
    try:
        base = httpx.URL(url)
    except httpx.InvalidURL as wrong:
        raise ValueError(f"{url!r} is no URL: {wrong}") from wrong
    if base.scheme not in ("http", "https") or not base.host:
        raise ValueError(f"{url!r} is no URL of an API: write http://HOST:PORT or https://HOST")
    headers = {"Authorization": f"Bearer {key}", "User-Agent": "nullsender.client"}
    if tenant is not None:
        headers["Nullsender-Tenant"] = tenant
    for name, value in headers.items():
        if not value.isascii() or not value.isprintable():
            raise ValueError(f"what is sent as {name} holds characters that a header can not: is it copied whole?")
    # Reading the certificates of the world takes 30 ms: only where they are needed. Redirects are not followed.
    return {"base_url": base, "headers": headers, "verify": base.scheme == "https"}


def error_on_the_wire(trouble: httpx.HTTPError | httpx.InvalidURL) -> ApiError:
    """The error that an exception of httpx means."""
    match trouble:
        case httpx.TransportError():
            return unreachable(trouble)
        case httpx.InvalidURL():
            return Refused(str(trouble), title="This can not be asked")
        case _:
            return not_understood(trouble)
