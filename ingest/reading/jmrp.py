"""Microsoft's older feedback loop (JMRP): the mail itself comes back, with a field that names the complainer.

It was sent as an attachment from staff@hotmail.com, and in its first years as the mail itself with that address as its
reverse-path. Since 2026 it is a feedback report like others (`arf.py`). A person who sends such mail on writes from an address
of his own: that is no complaint.
"""

from ingest.reading.complainer import complainers
from ingest.reading.dates import parse_date
from ingest.reading.finding import Finding, Findings
from ingest.reading.headers import NO_HEADERS, Headers
from ingest.reading.mailboxes import mailbox_in
from ingest.reading.mime import Part
from ingest.reading.origin import NO_ORIGIN, origin_of
from ingest.reading.returned import Returned
from nullsender.events import Kind

_COMPLAINER = "x-hmxmroriginalrecipient"
_SENDER = "staff@hotmail.com"
_SUBJECT = "complaint about message"


def read_jmrp(message: Part, returned: Returned) -> Findings | None:
    """What the report says, or None where `message` is none."""
    origin = NO_ORIGIN
    if _COMPLAINER in message.headers:  # its way to us stands above its way to the complainer, so neither can be told
        returned = Returned(headers=message.headers)
    elif _is_report(message.headers, attached=_COMPLAINER in returned.headers):
        origin = origin_of(NO_HEADERS, returned.headers)
    else:
        return None
    (place,), notes = complainers((), returned)
    finding = Finding(
        recipient=place.recipient,
        derived_from=place.derived_from,
        feedback_type="abuse",
        occurred_at=parse_date(message.headers.get("date")),
        original_source_ip=origin.source_ip,
        original_mail_from=origin.mail_from,
        notes=notes,
    )
    return Findings(kind=Kind.COMPLAINT, format="jmrp", findings=(finding,), returned=returned)


def _is_report(headers: Headers, *, attached: bool) -> bool:
    """Whether Microsoft wrote it, by two of three signs: its sender, its subject, and what the `attached` mail carries."""
    sender = headers.get("from").lower()
    by_microsoft = _SENDER in sender and mailbox_in(sender) == _SENDER
    if not attached and not by_microsoft:
        return False
    return (attached and by_microsoft) or headers.get("subject").lower().startswith(_SUBJECT)
