"""What else stands in a message: addresses that the report is not charged to, parts that were not asked, where it was cut.

Only a person asks for this, so it is looked for in the message again and not carried along by every report.
"""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ingest.reading.dsn import is_report
from ingest.reading.headers import Headers
from ingest.reading.mailboxes import address_in_field, mailboxes_of
from ingest.reading.mentions import is_address
from ingest.reading.mime import Part, parse
from ingest.reading.returned import returned_message
from nullsender.cli.explaining.marks import shown
from nullsender.events import DerivedFrom, Report
from nullsender.limits import EXPLAINED_ADDRESSES_MAX, PARTS_SHOWN_MAX, READ_BYTES_MAX

_FIELD = re.compile(rb"^(original-recipient|final-recipient)[ \t]*:([^\n]{0,1000})", re.IGNORECASE | re.MULTILINE)
_FIELDS = {b"original-recipient": DerivedFrom.ORIGINAL_RECIPIENT, b"final-recipient": DerivedFrom.FINAL_RECIPIENT}
_TRUST = list(DerivedFrom)
#: Parts that say by themselves, as a delivery status does, what a message is; a message should have one of them.
_TELLING = frozenset({"message/feedback-report", "message/disposition-notification"})


class Named(NamedTuple):
    """An address that the message names, and where."""

    address: str
    place: DerivedFrom


class Contents:
    """What one message holds."""

    def __init__(self, content: bytes) -> None:
        self._message = parse(content)
        self._content = content

    def addresses_beside(self, reports: Iterable[Report]) -> list[Named]:
        """Addresses in the places where recipients stand that none of `reports` is about, most trusted place first."""
        known = {(report.recipient or "").lower() for report in reports}
        beside: dict[str, Named] = {}
        for named in sorted(self._named(), key=lambda named: _TRUST.index(named.place)):
            if named.address.lower() not in known:
                beside.setdefault(named.address.lower(), named)
        return list(beside.values())[:EXPLAINED_ADDRESSES_MAX]

    def summary(self) -> str:
        """The types of its parts in order, from whom it is and what it is about, as it says itself; "" where it is no mail."""
        headers = self._message.headers
        if not headers:
            return ""
        types = [part.media_type for part in self._message.walk()]
        more = f" and {len(types) - PARTS_SHOWN_MAX} more" if len(types) > PARTS_SHOWN_MAX else ""
        said = [f"{name}: {shown(text)}" for name in ("From", "Subject") if (text := headers.text(name.lower()))]
        return "; ".join([", ".join(types[:PARTS_SHOWN_MAX]) + more, *said])

    def remarks(self) -> Iterator[str]:
        """Where reading stopped before the end, and what the message is besides what it was taken for."""
        if len(self._content) > READ_BYTES_MAX:
            yield f"read up to byte {READ_BYTES_MAX:,} of {len(self._content):,}; what stands behind that was not looked at"
        elif self._is_cut():
            yield "the message is cut: the end of its last part is missing"
        telling = [part.media_type for part in self._message.walk() if part.media_type in _TELLING or is_report(part)]
        if len(telling) > 1:
            yield f"the message is several things at once ({', '.join(telling[:PARTS_SHOWN_MAX])}); the surest was read"

    def _is_cut(self) -> bool:
        boundary = self._message.parameters.get("boundary", "")
        return bool(self._message.children) and b"--" + boundary.encode("utf-8", "replace") + b"--" not in self._content

    def _named(self) -> Iterator[Named]:
        for part in self._message.walk():
            if is_report(part):
                yield from _in_fields(part)
        yield from _in(self._message.headers, DerivedFrom.FAILED_RECIPIENTS, "x-failed-recipients")
        returned = returned_message(self._message).headers
        yield from _in(returned, DerivedFrom.DELIVERED_TO, "x-delivered-to", "delivered-to", "envelope-to", "x-original-to")
        yield from _in(returned, DerivedFrom.ORIGINAL_TO, "to")


def _in_fields(part: Part) -> Iterator[Named]:
    for name, value in _FIELD.findall(part.content()):
        address = address_in_field(value.decode("utf-8", "replace"))
        if is_address(address):
            yield Named(address, _FIELDS[name.lower()])


def _in(headers: Headers, place: DerivedFrom, *names: str) -> Iterator[Named]:
    return (Named(address, place) for address in mailboxes_of(headers, *names))
