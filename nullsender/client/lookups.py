"""The calls that ask: may I send to this address, to these, to which of these lines?

A list of any length is sent in requests of bounded size, so a client's memory does not grow with it.
"""

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from itertools import islice
from typing import NamedTuple, TypeVar

import msgspec

from nullsender.client.answers import Check, OnUnknown
from nullsender.client.calls import Call, bounded, query
from nullsender.client.errors import ApiError, Refused, Unavailable

Item = TypeVar("Item")
_log = logging.getLogger("nullsender.client")

# What one request to check may hold; a test compares them with the server's bounds.
CHECK_ADDRESSES_MAX = 10_000
CHECK_BODY_BYTES_MAX = 3 * 2**20
# What one request to scrub holds. The server answers while it reads, httpx reads when it has sent all: an answer of this size
# finds room in the buffers between the two, so that neither waits for the other.
SCRUB_LINES = 5_000
SCRUB_BODY_BYTES_MAX = 128 * 2**10
# A key that has a rate is not refused a scrub: the server lets it wait. So many lines take this long at a hundred a second.
SCRUB_PATIENCE_SECONDS = 60.0

_SUMMARY = b"# checked="


class Mail(NamedTuple):
    """Which mail is asked about: the stream that it goes out on, and the mailing list that it is for."""

    stream: str | None
    mailing_list: str | None

    def named(self) -> dict[str, str]:
        """What there is of it, by the API's names."""
        return {name: it for name, it in zip(("stream", "list"), self, strict=True) if it is not None}


class _Stopped(msgspec.Struct):
    index: int
    cause: str
    scope: str
    since: datetime | None = None
    expires: datetime | None = None
    entry: int | None = None


class _Invalid(msgspec.Struct):
    index: int
    reason: str


class _Batch(msgspec.Struct):
    checked: int
    suppressed: list[_Stopped]
    invalid: list[_Invalid]
    known: bool = True


def check(address: str, mail: Mail) -> Call[Check]:
    """GET /v1/check."""

    def read(content: bytes) -> Check:
        return msgspec.structs.replace(msgspec.json.decode(content, type=Check), address=address)

    def excuse(refused: Refused) -> Check | None:
        return Check(address, allowed=False, invalid=refused.detail) if refused.kind == "invalid" else None

    return Call("GET", "/v1/check" + query(address=bounded(address), **mail.named()), read, excuse=excuse)


def check_many(addresses: Sequence[str], mail: Mail, explain: bool) -> Iterator[tuple[Sequence[str], Call[Sequence[Check]]]]:
    """POST /v1/check for up to `CHECK_ADDRESSES_MAX`: as a rule one request, several where the addresses are very long."""

    def body(part: Sequence[str]) -> bytes:
        question: dict[str, object] = {"addresses": [bounded(address) for address in part], **mail.named()}
        if explain:
            question["explain"] = True
        return json.dumps(question).encode("ascii")  # escapes half characters (lone surrogates), which no UTF-8 can hold

    for part, encoded in _fitting(addresses, body, CHECK_BODY_BYTES_MAX):
        yield part, Call("POST", "/v1/check", partial(_checks, part), encoded)


def _checks(addresses: Sequence[str], content: bytes) -> Sequence[Check]:
    """The answers in the order of the questions."""
    batch = msgspec.json.decode(content, type=_Batch)
    if batch.checked != len(addresses):
        raise ValueError(f"{len(addresses)} addresses were asked about and {batch.checked} checked")
    checks = [Check(address, allowed=True, known=batch.known) for address in addresses]
    places = [no.index for no in batch.suppressed] + [wrong.index for wrong in batch.invalid]
    if min(places, default=0) < 0:
        raise ValueError("an answer is about no place in the list")  # counted from its end it would be another one's
    for no in batch.suppressed:
        address = addresses[no.index]
        checks[no.index] = Check(address, False, no.cause, no.scope, no.since, no.expires, no.entry)
    for wrong in batch.invalid:
        checks[wrong.index] = Check(addresses[wrong.index], False, invalid=wrong.reason)
    return checks


def unknown(addresses: Sequence[str], on_unknown: OnUnknown, trouble: ApiError) -> Sequence[Check]:
    """The marked answers where nobody can tell, which are logged; raises `trouble` where that was chosen, or it was refused.

    A refusal (a wrong key, say) is the caller's to mend, and no reason to send.
    """
    if on_unknown == "raise" or isinstance(trouble, Refused):
        raise trouble
    word = "allowed" if on_unknown == "allow" else "deferred"
    _log.warning("nobody can tell whether mail may be sent: %s without an answer: %d (%s)", word, len(addresses), trouble)
    return [Check(address, allowed=on_unknown == "allow", known=False) for address in addresses]


class Scrubbed(NamedTuple):
    """One answer of a scrub: the lines that may be sent to, and how many there were of each kind."""

    lines: Sequence[str]
    counts: Mapping[str, int]


def scrub(lines: Sequence[str | bytes], mail: Mail) -> Iterator[Call[Scrubbed]]:
    """POST /v1/scrub for up to `SCRUB_LINES`."""
    target = "/v1/scrub" + query(**mail.named())
    for _, body in _fitting([_line(line) for line in lines], b"".join, SCRUB_BODY_BYTES_MAX):
        read = partial(_scrubbed, sum(1 for line in body.split(b"\n") if line.strip(b" \t\r")))
        yield Call("POST", target, read, body, "text/plain", patience_seconds=SCRUB_PATIENCE_SECONDS)


def _line(line: str | bytes) -> bytes:
    encoded = line.encode("utf-8", "surrogatepass") if isinstance(line, str) else line
    return encoded.rstrip(b"\r\n") + b"\n"


def _scrubbed(asked: int, content: bytes) -> Scrubbed:
    """The answer to so many lines that are not blank.

    Raises `Unavailable` where the summary is missing, which is the last line of an answer that is whole.
    """
    *lines, summary, end = content.split(b"\n") if b"\n" in content else (b"", b"")
    if end or not summary.startswith(_SUMMARY):
        raise Unavailable("the answer ends without its summary, so some of it is missing", title="Incomplete answer")
    words = summary.decode("ascii").removeprefix("# ").split()
    counts = {name: int(count) for name, _, count in (word.partition("=") for word in words)}
    if counts["checked"] != asked:
        raise ValueError(f"{asked} lines were asked about and {counts['checked']} checked")
    if counts["allowed"] != len(lines):
        raise ValueError(f"{counts['allowed']} lines are said to be allowed and {len(lines)} came")
    return Scrubbed([line.decode("utf-8") for line in lines], counts)


def in_batches(items: Iterable[Item], count: int) -> Iterator[Sequence[Item]]:
    """`count` at a time, the last ones fewer."""
    iterator = iter(items)
    while batch := list(islice(iterator, count)):
        yield batch


def _fitting(
    items: Sequence[Item], encode: Callable[[Sequence[Item]], bytes], bytes_max: int
) -> Iterator[tuple[Sequence[Item], bytes]]:
    """The items with their encoding, in as many parts as it takes for each to fit; one item alone always counts as fitting."""
    encoded = encode(items)
    if len(encoded) <= bytes_max or len(items) == 1:
        yield items, encoded
        return
    middle = len(items) // 2
    yield from _fitting(items[:middle], encode, bytes_max)
    yield from _fitting(items[middle:], encode, bytes_max)
