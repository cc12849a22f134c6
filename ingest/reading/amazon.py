"""Amazon SES by way of SNS by way of e-mail: a bounce or complaint as JSON in the text of a message.

An SNS topic with an e-mail subscription writes the JSON of the SES notification as the mail's text, either alone or as a
string inside the JSON of the SNS notification. It may list the fields of the mail that it is about: those are returned mail
like any other, and carry our token.
"""

from collections.abc import Iterator
from typing import TypeVar

import msgspec

from ingest.reading.codes import status_code_in
from ingest.reading.complainer import complainers
from ingest.reading.dates import parse_timestamp
from ingest.reading.finding import Finding, Findings, TooManyRecipients, one_line, with_diagnostic
from ingest.reading.headers import read_fields
from ingest.reading.mentions import is_address
from ingest.reading.mime import Part
from ingest.reading.report_fields import action_of, host_name
from ingest.reading.returned import NOTHING_RETURNED, Returned
from nullsender.events import Action, DerivedFrom, Kind
from nullsender.limits import HEADER_FIELDS_MAX, NAME_CHARACTERS_MAX, REPORTS_MAX, TEXT_BYTES_MAX


class _Recipient(msgspec.Struct, rename="camel"):
    email_address: str = ""
    action: str = ""
    status: str = ""
    diagnostic_code: str = ""


class _Bounce(
    msgspec.Struct, rename={"reporting_mta": "reportingMTA", "recipients": "bouncedRecipients", "type": "bounceType"}
):
    recipients: list[_Recipient] = []
    timestamp: str = ""
    reporting_mta: str = ""
    type: str = ""
    sub_type: str = msgspec.field(default="", name="bounceSubType")


class _Complaint(msgspec.Struct, rename={"recipients": "complainedRecipients", "feedback_type": "complaintFeedbackType"}):
    recipients: list[_Recipient] = []
    timestamp: str = ""
    feedback_type: str | None = None


class _Field(msgspec.Struct):
    name: str = ""
    value: str = ""


class _Mail(msgspec.Struct):
    """The mail that it is about: its reverse-path, and its fields where the operator asked SES for them."""

    source: str = ""
    headers: list[_Field] = []


class _Notification(msgspec.Struct, rename={"message": "Message"}):
    """The notification itself, or SNS's envelope around it (then `message` holds it)."""

    message: str = ""
    bounce: _Bounce | None = None
    complaint: _Complaint | None = None
    mail: _Mail | None = None


# What SES says of a bounce that brought no status: its type, and some of its subtypes, as RFC 3463 has it.
_STATUSES = {
    "Permanent": "5.0.0",
    "Permanent/NoEmail": "5.1.1",
    "Transient": "4.0.0",
    "Transient/MailboxFull": "4.2.2",
    "Transient/MessageTooLarge": "4.3.4",
    "Transient/ContentRejected": "4.6.0",
    "Transient/AttachmentRejected": "4.6.0",
}
# SES did not send, because of what it knows of the address: nothing new has happened.
_NOT_TRIED = frozenset({"Suppressed", "OnAccountSuppressionList"})

_Shape = TypeVar("_Shape")


def read_amazon(message: Part) -> Findings | None:
    """What the SES notification in the words says, or None where there is none."""
    if "amazon" not in message.headers.get("from").lower():
        return None
    part = next((part for part in message.walk() if part.media_type == "text/plain"), None)
    text = part.text().lstrip() if part else ""
    if part is None or not text.startswith("{"):
        return None
    notification = _first_json(text, _Notification)
    if notification is not None and notification.message:
        notification = _first_json(notification.message, _Notification)
    if notification is None and len(part.body) > TEXT_BYTES_MAX:
        raise TooManyRecipients
    return None if notification is None else _read(notification)


def _read(notification: _Notification) -> Findings | None:
    reported = notification.bounce or notification.complaint
    if reported is None or not reported.recipients:
        return None
    if len(reported.recipients) > REPORTS_MAX:
        raise TooManyRecipients
    returned = _returned(notification.mail) if notification.mail else NOTHING_RETURNED
    mail_from = notification.mail.source[:NAME_CHARACTERS_MAX] if notification.mail else ""
    found = _bounced(reported) if isinstance(reported, _Bounce) else _complained(reported, returned)
    return Findings(
        kind=Kind.BOUNCE if isinstance(reported, _Bounce) else Kind.COMPLAINT,
        format="amazon-ses",
        findings=tuple(msgspec.structs.replace(finding, original_mail_from=mail_from or None) for finding in found),
        returned=returned,
    )


def _returned(mail: _Mail) -> Returned:
    """The fields of the mail as a head, each on one line."""
    lines = (f"{one_line(field.name)}: {one_line(field.value)}\n" for field in mail.headers[:HEADER_FIELDS_MAX])
    head = "".join(lines).encode("utf-8", "replace")
    return Returned(head, read_fields(head)) if head else NOTHING_RETURNED


def _first_json(text: str, shape: type[_Shape]) -> _Shape | None:
    """The JSON object that `text` begins with; SNS puts words behind it, and Sendmail cuts long lines with `!` and a fold."""
    text = text.replace("!\n ", "")
    for end in (len(text), text.rfind("}", 0, max(text.find("\n--\n"), 0)) + 1):
        try:
            return msgspec.json.decode(text[:end], type=shape)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            continue
    return None


def _bounced(bounce: _Bounce) -> Iterator[Finding]:
    what = one_line(f"{bounce.type}/{bounce.sub_type}")[:NAME_CHARACTERS_MAX]
    status = _STATUSES.get(what) or _STATUSES.get(bounce.type)
    notes = (f"SES did not send it, because of what it knew of the address before ({what})",)
    for recipient in bounce.recipients:
        finding = Finding(
            recipient=_address(recipient),
            derived_from=DerivedFrom.REPORT_JSON if _address(recipient) else DerivedFrom.NOWHERE,
            action=action_of(recipient.action, recipient.status) if recipient.action else Action.FAILED,
            status=status_code_in(recipient.status),
            reporting_mta=host_name(bounce.reporting_mta),
            occurred_at=parse_timestamp(bounce.timestamp),
            notes=notes if bounce.sub_type in _NOT_TRIED else (),
        )
        finding = with_diagnostic(finding, recipient.diagnostic_code.partition(";")[2] or recipient.diagnostic_code)
        yield finding if finding.status or finding.reply_code else msgspec.structs.replace(finding, status=status)


def _complained(complaint: _Complaint, returned: Returned) -> Iterator[Finding]:
    """One finding for each whom SES names: all whom the mail went to at that provider, of whom one complained."""
    found = complainers(((who.email_address, DerivedFrom.REPORT_JSON) for who in complaint.recipients), returned)
    for place in found.places:
        yield Finding(
            recipient=place.recipient,
            derived_from=place.derived_from,
            feedback_type=complaint.feedback_type or "abuse",
            occurred_at=parse_timestamp(complaint.timestamp),
            notes=found.notes,
        )


def _address(recipient: _Recipient) -> str | None:
    return recipient.email_address if is_address(recipient.email_address) else None
