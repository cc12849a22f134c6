"""Feedback reports: RFC 5965 and its relatives (RFC 6430, 6591, 9477) as providers really send them.

Every feedback report is of kind complaint but for an opt-out, which is an unsubscribe. Which types of feedback mean
anything for the address (abuse does, not-spam and auth-failure do not) is for the classifiers to say: the type is kept.
Whom it is about says `complainer.py`, where the mail came from `origin.py`.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from ingest.reading.complainer import complainers
from ingest.reading.dates import parse_date
from ingest.reading.finding import Finding, Findings, TooManyRecipients
from ingest.reading.headers import Headers, read_fields
from ingest.reading.mailboxes import address_in_field, mailboxes_in
from ingest.reading.mentions import is_address
from ingest.reading.mime import Part
from ingest.reading.origin import origin_of
from ingest.reading.redaction import is_redacted
from ingest.reading.report_fields import host_name
from ingest.reading.returned import Returned
from nullsender.events import DerivedFrom, Kind
from nullsender.limits import NAME_CHARACTERS_MAX

# RFC 5965 section 2 registers message/feedback-report; the type before the slash and an ending come in other forms too.
_TYPE = "feedback-report"
_TYPE_FIELD = b"\nfeedback-type:"
# How far into a part with a wrong type the field is looked for that makes it a report; it is one of the first lines.
_FIELD_BYTES = 2_000

# Before RFC 5965 some providers reported an unsubscribe button as feedback of this type.
_OPT_OUT = frozenset({"opt-out", "opt-out-list", "optout", "unsubscribe"})
# The fields that name a recipient, most telling first; an opt-out says itself who is to be removed.
_NAMES = (
    ("original-rcpt-to", DerivedFrom.ORIGINAL_RCPT_TO),
    ("original-recipient", DerivedFrom.ORIGINAL_RECIPIENT),
    ("removal-recipient", DerivedFrom.REMOVAL_RECIPIENT),
)
_NAMES_OF_OPT_OUT = (_NAMES[2], *_NAMES[:2])


def read_arf(message: Part, parts: Sequence[Part], returned: Returned) -> Findings | None:
    """What the feedback report `message` says, or None where it is none; `parts` are its leaves."""
    part = _report_part(message, parts)
    return None if part is None else _read(_all_fields(part), message, returned)


def _report_part(message: Part, parts: Sequence[Part]) -> Part | None:
    """The report part; some providers mislabel it, but then the message says that it is a report of some kind."""
    for part in parts:
        if _TYPE in part.media_type:
            return part
    if message.media_type != "multipart/report" and _TYPE not in message.headers.get("content-type").lower():
        return None
    called = message.parameters.get("report-type", "").lower()
    if called != _TYPE and (called or message.media_type != "multipart/report"):
        return None
    return next((part for part in parts if _TYPE_FIELD in b"\n" + part.content()[:_FIELD_BYTES].lower()), None)


def _all_fields(part: Part) -> Headers:
    """The fields of the report, none left out: each may name another recipient."""
    fields = read_fields(part.content().strip(b"\n"), keep_stray_lines=True)
    if fields.is_cut:
        raise TooManyRecipients
    return fields


def _read(fields: Headers, message: Part, returned: Returned) -> Findings:
    feedback_type = _feedback_type(fields.get("feedback-type"))
    dates = (fields.get("arrival-date"), fields.get("received-date"), returned.headers.get("date"), message.headers.get("date"))
    origin = origin_of(fields, returned.headers)
    named = _named(fields, _NAMES_OF_OPT_OUT if feedback_type in _OPT_OUT else _NAMES)
    found = complainers(named, returned, redacted="redacted-address" in fields)
    unread = ("its report in JSON can not be read",) if feedback_type == "xarf" else ()
    common = Finding(
        feedback_type=feedback_type,
        reporting_mta=host_name(fields.get("reporting-mta")),
        occurred_at=next(filter(None, map(parse_date, dates)), None),
        original_envelope_id=fields.get("original-envelope-id")[:NAME_CHARACTERS_MAX] or None,
        original_source_ip=origin.source_ip,
        original_mail_from=origin.mail_from,
        notes=(*found.notes, *unread, *_failed_authentication(fields), *origin.notes),
    )
    return Findings(
        kind=Kind.UNSUBSCRIBE if feedback_type in _OPT_OUT else Kind.COMPLAINT,
        format="arf",
        findings=tuple(
            msgspec.structs.replace(common, recipient=place.recipient, derived_from=place.derived_from)
            for place in found.places
        ),
    )


_TYPE_WORD = re.compile(r"[a-z][\w.+-]{0,60}")


def _feedback_type(value: str) -> str:
    """RFC 5965 3.1: one word, whatever stands around it. A report that does not say what it is complains."""
    word = _TYPE_WORD.search(value.lower())
    return word.group().replace("_", "-") if word else "abuse"


def _failed_authentication(fields: Headers) -> tuple[str, ...]:
    """RFC 6591 3.1 and 3.2.2 in words: what failed, and what became of the mail."""
    failed = fields.get("auth-failure")[:NAME_CHARACTERS_MAX]
    became = fields.get("delivery-result")[:NAME_CHARACTERS_MAX]
    return (f"authentication failed: {failed}{f', delivery: {became}' if became else ''}",) if failed else ()


def _named(fields: Headers, names: Iterable[tuple[str, DerivedFrom]]) -> Iterator[tuple[str, DerivedFrom]]:
    """What the first of the fields `names` that names somebody calls the recipients (RFC 5965 3.2 allows several)."""
    for name, derived_from in names:
        addresses = [address for value in fields.all(name) for address in _addresses_in(value)]
        yield from ((address, derived_from) for address in addresses)
        if any(is_address(address) and not is_redacted(address) for address in addresses):
            return


def _addresses_in(value: str) -> Iterable[str]:
    """The address of a field; some write several into one."""
    return [mailbox.address for mailbox in mailboxes_in(value)] if "," in value else [address_in_field(value)]
