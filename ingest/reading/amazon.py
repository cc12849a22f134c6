"""Amazon SES by way of SNS by way of e-mail: a bounce or complaint as JSON in the text of a message.

An SNS topic with an e-mail subscription writes the JSON of the SES notification as the mail's text, either alone or as a
string inside the JSON of the SNS notification.
"""

from typing import TypeVar

import msgspec

from ingest.reading.dates import parse_timestamp
from ingest.reading.dsn import action_of, host_name
from ingest.reading.finding import Finding, Findings, TooManyRecipients, with_diagnostic
from ingest.reading.mentions import is_address
from ingest.reading.mime import Part
from ingest.reading.notice_words import Notice
from nullsender.events import Action, DerivedFrom, Kind
from nullsender.limits import REPORTS_MAX


class _Recipient(msgspec.Struct, rename="camel"):
    email_address: str = ""
    action: str = ""
    status: str = ""
    diagnostic_code: str = ""


class _Bounce(msgspec.Struct, rename={"reporting_mta": "reportingMTA", "recipients": "bouncedRecipients"}):
    recipients: list[_Recipient] = []
    timestamp: str = ""
    reporting_mta: str = ""


class _Complaint(msgspec.Struct, rename={"recipients": "complainedRecipients", "feedback_type": "complaintFeedbackType"}):
    recipients: list[_Recipient] = []
    timestamp: str = ""
    feedback_type: str | None = None


class _Notification(msgspec.Struct, rename={"message": "Message"}):
    """The notification itself, or SNS's envelope around it (then `message` holds it)."""

    message: str = ""
    bounce: _Bounce | None = None
    complaint: _Complaint | None = None


_Shape = TypeVar("_Shape")


def read_amazon(message: Part, notice: Notice) -> Findings | None:
    """What the SES notification in the words says, or None where there is none."""
    text = notice.text
    if not text.lstrip().startswith("{") or "amazon" not in message.headers.get("from").lower():
        return None
    notification = _first_json(text.lstrip(), _Notification)
    if notification is not None and notification.message:
        notification = _first_json(notification.message, _Notification)
    if notification is None and notice.is_cut:
        raise TooManyRecipients
    if notification is None:
        return None
    reported = notification.bounce or notification.complaint
    if reported is not None and len(reported.recipients) > REPORTS_MAX:
        raise TooManyRecipients
    if notification.bounce is not None:
        findings = tuple(_bounced(recipient, notification.bounce) for recipient in notification.bounce.recipients)
        return Findings(kind=Kind.BOUNCE, format="amazon-ses", findings=findings) if findings else None
    if notification.complaint is not None:
        findings = tuple(_complained(who, notification.complaint) for who in notification.complaint.recipients)
        return Findings(kind=Kind.COMPLAINT, format="amazon-ses", findings=findings) if findings else None
    return None


def _first_json(text: str, shape: type[_Shape]) -> _Shape | None:
    """The JSON object that `text` begins with; SNS puts words behind it, and Sendmail cuts long lines with `!` and a fold."""
    text = text.replace("!\n ", "")
    for end in (len(text), text.rfind("}", 0, max(text.find("\n--\n"), 0)) + 1):
        try:
            return msgspec.json.decode(text[:end], type=shape)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            continue
    return None


def _bounced(recipient: _Recipient, bounce: _Bounce) -> Finding:
    finding = Finding(
        recipient=_address(recipient),
        derived_from=DerivedFrom.REPORT_JSON if _address(recipient) else DerivedFrom.NOWHERE,
        action=action_of(recipient.action, recipient.status) if recipient.action else Action.FAILED,
        status=recipient.status or None,
        reporting_mta=host_name(bounce.reporting_mta),
        occurred_at=parse_timestamp(bounce.timestamp),
    )
    return with_diagnostic(finding, recipient.diagnostic_code.partition(";")[2] or recipient.diagnostic_code)


def _complained(recipient: _Recipient, complaint: _Complaint) -> Finding:
    return Finding(
        recipient=_address(recipient),
        derived_from=DerivedFrom.REPORT_JSON if _address(recipient) else DerivedFrom.NOWHERE,
        feedback_type=complaint.feedback_type or "abuse",
        occurred_at=parse_timestamp(complaint.timestamp),
    )


def _address(recipient: _Recipient) -> str | None:
    return recipient.email_address if is_address(recipient.email_address) else None
