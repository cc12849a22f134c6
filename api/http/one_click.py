"""The body of a POST that unsubscribes: `List-Unsubscribe=One-Click` (RFC 8058 3.1), and what our own page adds to it. Pure.

It comes as `multipart/form-data` or as `application/x-www-form-urlencoded`. Other fields are passed over; any bytes give an
answer.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl

from nullsender.limits import UNSUBSCRIBE_FIELDS_MAX

_BOUNDARY = re.compile(r';\s*boundary\s*=\s*(?:"([^"]{1,70})"|([^\s;"]{1,70}))', re.IGNORECASE)  # RFC 2046 5.1.1
_NAME = re.compile(rb'content-disposition\s*:[^\r\n]*?;\s*name\s*=\s*(?:"([^"\r\n]*)"|([^\s;"]+))', re.IGNORECASE)
_HEAD_ENDS = re.compile(rb"\r?\n\r?\n")
_KEY, _VALUE = "list-unsubscribe", "one-click"


class Wish(NamedTuple):
    """What is asked for."""

    everything: bool  # not only the list or stream that the link is about
    by_page: bool  # a person pressed the button of our page, not that of their mail provider


def read_wish(content_type: str, body: bytes) -> Wish | None:
    """What the body of this type asks for; None where it asks for nothing."""
    fields = _fields(content_type, body)
    if fields.get(_KEY, "").strip().lower() != _VALUE:
        return None
    return Wish(everything=fields.get("scope") == "all", by_page=fields.get("from") == "page")


def _fields(content_type: str, body: bytes) -> Mapping[str, str]:
    """The fields by their names in lower case."""
    if content_type.strip().lower().startswith("multipart/"):
        return _multipart(content_type, body)
    try:
        pairs = parse_qsl(body.decode("latin-1"), keep_blank_values=True, max_num_fields=UNSUBSCRIBE_FIELDS_MAX)
    except ValueError:
        return {}
    return {name.strip().lower(): value for name, value in pairs}


def _multipart(content_type: str, body: bytes) -> Mapping[str, str]:
    """RFC 7578, as far as short text fields need it."""
    boundary = _BOUNDARY.search(content_type)
    if boundary is None:
        return {}
    fields: dict[str, str] = {}
    for part in body.split(b"--" + (boundary[1] or boundary[2]).encode("latin-1", "replace"))[1 : UNSUBSCRIBE_FIELDS_MAX + 1]:
        head, *rest = _HEAD_ENDS.split(part, maxsplit=1)
        name = _NAME.search(head)
        if name is not None and rest:
            fields[(name[1] or name[2] or b"").decode("latin-1").lower()] = rest[0].strip().decode("latin-1")
    return fields
