"""XARF: reports of abuse in JSON (version 4, and 3 with those before it), as a feedback report's third part or attached.

They are about anything that a host may do. Those about mail that somebody did not want are complaints; all others are no report
on mail of ours, and say in a note what they are about. Only the fields that are needed are read.
"""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from ingest.reading.charsets import decode_base64
from ingest.reading.complainer import complainers
from ingest.reading.dates import parse_timestamp
from ingest.reading.finding import Finding, Findings, one_line
from ingest.reading.headers import NO_HEADERS, read_fields
from ingest.reading.mailboxes import address_in_field
from ingest.reading.mime import Part
from ingest.reading.origin import ip_in, origin_of
from ingest.reading.returned import NOTHING_RETURNED, Returned
from nullsender.events import DerivedFrom, Kind
from nullsender.limits import NAME_CHARACTERS_MAX, XARF_OBJECTS_MAX, XARF_SAMPLES_MAX

_JSON_TYPES = frozenset({"application/json", "application/xarf+json", "text/json"})
# The types of the class `messaging` (of `Activity` in version 3), and the protocols of those that are mail.
_SPAM = frozenset({"spam", "bulk_messaging"})
_MAIL = frozenset({"", "smtp"})


class _Evidence(msgspec.Struct):
    """Version 4: the mail itself, in base64."""

    content_type: str = ""
    payload: str = ""


class _Sample(msgspec.Struct, rename="pascal"):
    """Version 3: the mail itself, as `Payload` with a word on its encoding, or as `Data` in base64."""

    content_type: str = ""
    payload: str = ""
    data: str = ""
    base64_encoded: bool = msgspec.field(default=True, name="Base64Encoded")


class _Source(msgspec.Struct, frozen=True):
    ip: str = msgspec.field(default="", name="IP")


class _Report(msgspec.Struct, rename="pascal"):
    """Version 3: what it says under `Report`."""

    report_type: str = ""
    date: str = ""
    source_ip: str = ""
    source: _Source = _Source()
    smtp_mail_from_address: str = ""
    smtp_rcpt_to_address: str = ""
    samples: list[_Sample] = []
    attachment: list[_Sample] = []


class _Xarf(msgspec.Struct):
    """Both versions: the first has everything under `report`, the second on top."""

    report: _Report | None = msgspec.field(default=None, name="Report")
    xarf_version: str = ""
    timestamp: str = ""
    source_identifier: str = ""
    type: str = ""
    protocol: str = ""
    smtp_from: str = ""
    smtp_to: str = ""
    evidence: list[_Evidence] = []


class _Abuse(NamedTuple):
    """What either version says."""

    type: str
    protocol: str
    at: str
    source_ip: str
    mail_from: str
    recipient: str
    samples: tuple[bytes, ...]


_decode = msgspec.json.Decoder(_Xarf).decode


def read_xarf(parts: Iterable[Part]) -> Findings | None:
    """What the report in JSON says that is one of `parts`, or None where none of them is one that can be read."""
    attached = (part for part in parts if part.media_type in _JSON_TYPES)
    abuse = next(filter(None, (_abuse(part.content()) for part in attached)), None)
    return None if abuse is None else _findings(abuse)


def _abuse(content: bytes) -> _Abuse | None:
    if content.count(b"{") > XARF_OBJECTS_MAX:
        return None
    try:
        xarf = _decode(content)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    report = xarf.report
    if report is not None and report.report_type:
        return _Abuse(
            type=report.report_type.lower(),
            protocol="",
            at=report.date,
            source_ip=report.source_ip or report.source.ip,
            mail_from=report.smtp_mail_from_address,
            recipient=report.smtp_rcpt_to_address,
            samples=tuple(_payload(sample) for sample in (*report.samples, *report.attachment)[:XARF_SAMPLES_MAX]),
        )
    if not xarf.xarf_version:
        return None
    return _Abuse(
        type=xarf.type.lower(),
        protocol=xarf.protocol.lower(),
        at=xarf.timestamp,
        source_ip=xarf.source_identifier,
        mail_from=xarf.smtp_from,
        recipient=xarf.smtp_to,
        samples=tuple(decode_base64(evidence.payload.encode()) for evidence in xarf.evidence[:XARF_SAMPLES_MAX]),
    )


def _payload(sample: _Sample) -> bytes:
    payload = (sample.payload or sample.data).encode()
    return decode_base64(payload) if sample.base64_encoded else payload


def _findings(abuse: _Abuse) -> Findings:
    if abuse.type not in _SPAM or abuse.protocol not in _MAIL:
        about = (
            f"a report of abuse that is not about mail: {one_line(abuse.type)[:NAME_CHARACTERS_MAX] or 'it does not say what'}"
        )
        return Findings(kind=Kind.OTHER, format="xarf", findings=(Finding(notes=(about,)),))
    returned = next(filter(None, map(_mail_in, abuse.samples)), NOTHING_RETURNED)
    (place,), notes = complainers(((address_in_field(abuse.recipient), DerivedFrom.REPORT_JSON),), returned)
    origin = origin_of(NO_HEADERS, returned.headers)
    finding = Finding(
        recipient=place.recipient,
        derived_from=place.derived_from,
        feedback_type="abuse",
        occurred_at=parse_timestamp(abuse.at),
        original_source_ip=ip_in(abuse.source_ip) or origin.source_ip,
        original_mail_from=abuse.mail_from[:NAME_CHARACTERS_MAX] or origin.mail_from,
        notes=notes,
    )
    return Findings(kind=Kind.COMPLAINT, format="xarf", findings=(finding,), returned=returned)


def _mail_in(sample: bytes) -> Returned | None:
    """The mail that a sample is; None where it is something else, such as lines of a log."""
    content = sample.replace(b"\r\n", b"\n").lstrip(b"\n")
    fields = read_fields(content.partition(b"\n\n")[0])
    return Returned(content, fields) if fields.has_several else None
