"""Parts of a file, so that a download that broke goes on where it was (RFC 9110 14). Pure.

One range of bytes is understood. Whatever else a `Range` says is passed over and the whole file given, as 14.2 allows.
"""

import re
from typing import NamedTuple

_ONE_RANGE = re.compile(r"bytes=(?:(\d{1,18})-(\d{0,18})|-(\d{1,18}))", re.ASCII | re.IGNORECASE)


class Part(NamedTuple):
    """The bytes from `start` on that are before `end`."""

    start: int
    end: int


class NotSatisfiable(ValueError):
    """The range lies behind the end of the file (RFC 9110 15.5.17)."""


def part_of(asked: str | None, if_range: str | None, *, size_bytes: int, etag: str) -> Part | None:
    """The part that a request's `Range` and `If-Range` ask for; None: the whole. `NotSatisfiable` where there is none such."""
    match = _ONE_RANGE.fullmatch(asked.strip()) if asked else None
    if match is None or if_range not in (None, etag):
        return None
    first, last, final = match.groups()
    if final is not None:
        start, end = max(size_bytes - int(final), 0), size_bytes
    else:
        start, end = int(first), min(int(last) + 1, size_bytes) if last else size_bytes
        if last and int(last) < int(first):
            return None  # 14.1.1: no range at all
    if start >= size_bytes:
        raise NotSatisfiable
    return Part(start, end)
