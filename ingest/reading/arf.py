"""Feedback reports: RFC 5965 as providers really send it, and Microsoft's older form that has no report part.

Every feedback report is of kind complaint but for an opt-out, which is an unsubscribe. Which types of feedback mean
anything for the address (abuse does, not-spam and auth-failure do not) is for the classifiers to say: the type is kept.
"""

import re

from ingest.reading.dates import parse_date
from ingest.reading.dsn import host_name
from ingest.reading.finding import Finding, Findings, TooManyRecipients
from ingest.reading.headers import Headers, read_fields
from ingest.reading.mailboxes import address_in_field, mailbox_in
from ingest.reading.mentions import is_address
from ingest.reading.mime import Part
from ingest.reading.returned import Returned
from nullsender.events import DerivedFrom, Kind
from nullsender.limits import NAME_CHARACTERS_MAX

FEEDBACK_TYPE = "message/feedback-report"

# Before RFC 5965 some providers reported an unsubscribe button as feedback of this type.
_OPT_OUT = frozenset({"opt-out", "opt-out-list"})
# RFC 6590: what providers write in place of the complainer: a word, or a hash.
_REDACTED = re.compile(
    r"(?:redacted|hashed|removed|undisclosed|unknown|anonymous|recipient|x{3,})(?:-[\w-]{1,40})?|[0-9a-f]{32,128}",
    re.IGNORECASE,
)


def read_arf(message: Part, returned: Returned) -> Findings | None:
    """What the feedback report `message` says, or None where it is none."""
    fields = _report_fields(message)
    if fields is None:
        return _read_jmrp(message, returned)
    feedback_type = fields.get("feedback-type").lower()[:NAME_CHARACTERS_MAX] or "abuse"
    common = Finding(
        feedback_type=feedback_type,
        reporting_mta=host_name(fields.get("reporting-mta")),
        occurred_at=parse_date(fields.get("arrival-date") or fields.get("received-date")),
        original_envelope_id=fields.get("original-envelope-id")[:NAME_CHARACTERS_MAX] or None,
    )
    return Findings(
        kind=Kind.UNSUBSCRIBE if feedback_type in _OPT_OUT else Kind.COMPLAINT,
        format="arf",
        findings=_for_each_recipient(fields, returned, common),
    )


def _report_fields(message: Part) -> Headers | None:
    """The fields of the report part; some providers mislabel it, but then the message says that it is a report."""
    for part in message.walk():
        if part.media_type == FEEDBACK_TYPE:
            return _all_fields(part.content().strip(b"\n"))
    if message.parameters.get("report-type", "").lower() != "feedback-report":
        return None
    for part in message.children:
        fields = read_fields(part.content().strip(b"\n"))
        if "feedback-type" in fields:
            return fields
    return None


def _all_fields(content: bytes) -> Headers:
    """The fields of a report part, none left out: each may name another recipient."""
    fields = read_fields(content, keep_stray_lines=True)
    if fields.is_cut:
        raise TooManyRecipients
    return fields


def _for_each_recipient(fields: Headers, returned: Returned, common: Finding) -> tuple[Finding, ...]:
    """One finding for each recipient that the report names (RFC 5965 3.2 allows several), else one from the returned mail."""
    named: dict[str, tuple[str, DerivedFrom]] = {}
    redacted = False
    for name, derived_from in (
        ("original-rcpt-to", DerivedFrom.ORIGINAL_RCPT_TO),
        ("removal-recipient", DerivedFrom.REMOVAL_RECIPIENT),
    ):
        for value in fields.all(name):
            address = address_in_field(value)
            redacted = redacted or is_redacted(address)
            if is_address(address) and not is_redacted(address):
                named.setdefault(address.lower(), (address, derived_from))
    if not named:
        recipient, derived_from = returned.recipient()
        if recipient and is_redacted(recipient):
            recipient, derived_from, redacted = None, DerivedFrom.NOWHERE, True
        notes = ("the provider redacted the recipient",) if redacted else ()
        return (_with_recipient(common, recipient, derived_from, notes),)
    return tuple(_with_recipient(common, address, derived_from) for address, derived_from in named.values())


def _with_recipient(common: Finding, recipient: str | None, derived_from: DerivedFrom, notes: tuple[str, ...] = ()) -> Finding:
    return Finding(
        recipient=recipient,
        derived_from=derived_from,
        feedback_type=common.feedback_type,
        reporting_mta=common.reporting_mta,
        occurred_at=common.occurred_at,
        original_envelope_id=common.original_envelope_id,
        notes=notes,
    )


def is_redacted(address: str) -> bool:
    """Whether a provider put a word or a hash in place of the address (RFC 6590)."""
    return _REDACTED.fullmatch(address.rpartition("@")[0] or address) is not None


def _read_jmrp(message: Part, returned: Returned) -> Findings | None:
    """Microsoft's older feedback loop: the mail itself comes back, with a field that names the complainer.

    Sent as an attachment from staff@hotmail.com, or as the mail itself with that address as its reverse-path.
    """
    sender = (mailbox_in(message.headers.get("from") or message.headers.get("return-path")) or "").lower()
    if "x-hmxmroriginalrecipient" in message.headers:
        returned = Returned(headers=message.headers)
    elif "x-hmxmroriginalrecipient" not in returned.headers and not _is_jmrp_sender(message, sender):
        return None
    recipient, derived_from = returned.recipient()
    finding = Finding(
        recipient=recipient,
        derived_from=derived_from,
        feedback_type="abuse",
        occurred_at=parse_date(message.headers.get("date")),
    )
    return Findings(kind=Kind.COMPLAINT, format="jmrp", findings=(finding,), returned=returned)


def _is_jmrp_sender(message: Part, sender: str) -> bool:
    return sender == "staff@hotmail.com" and "complaint about message" in message.headers.get("subject").lower()
