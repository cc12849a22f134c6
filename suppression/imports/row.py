"""What a row of another system's list comes to: a suppression as it is told there, or why it is none."""

import re
from datetime import datetime
from typing import Final, NamedTuple

from nullsender.address import canonical
from nullsender.errors import Invalid
from suppression.policy import Cause

#: An address that was brought as a hash is named like this: `md5:` or `sha256:`, and the digits in lower case.
_HASHES: Final = {32: "md5", 64: "sha256"}
_HEX = re.compile(r"[0-9a-fA-F]{32,128}")


class Said(NamedTuple):
    """What a record says about its address. What it leaves open is None, and is then as the operator says."""

    words: str  # the system's own word for why; it names nobody
    cause: Cause | None
    scope: str | None = None
    since: datetime | None = None
    expires: datetime | None = None
    is_transactional: bool = False  # it stops the mail of transactional streams, and no other
    tenant: str | None = None  # whose row it is, in a list of several


class Row(NamedTuple):
    """One suppression out of a file."""

    line: int  # where it stands, from 1; in Parquet, the row
    address: str  # canonical, or the name of a hash
    said: Said


class Refused(NamedTuple):
    """A row that is not taken, and why."""

    line: int
    address: str  # as it stands there; "" where none was found
    reason: str


def is_hash(address: str) -> bool:
    """Whether a row's address is the name of a hash."""
    return address.startswith(("md5:", "sha256:")) and "@" not in address


def looks_like_hash(text: str) -> bool:
    """Whether `text` is nothing but hexadecimal digits, as many as some hash has."""
    return _HEX.fullmatch(text) is not None


def address_of(text: str) -> str:
    """The canonical address, or the name of the hash, that stands in a field; `Invalid` where it is neither."""
    if "@" in text:
        if text.lstrip().startswith("*@"):
            raise Invalid("a pattern for a whole domain, not an address")
        return canonical(text)
    text = text.strip().removeprefix("md5:").removeprefix("sha256:")
    if not looks_like_hash(text):
        raise Invalid("not an address: it has no @" if text else "there is no address in this row")
    if len(text) not in _HASHES:
        raise Invalid(f"a hash of {len(text)} digits: the list takes MD5 (32) and SHA-256 (64)")
    return f"{_HASHES[len(text)]}:{text.lower()}"
