"""The feedback loops from before RFC 5965, which have no report part: the mail itself comes back, as an attachment.

Microsoft (JMRP) sent it from staff@hotmail.com with a field in it that names the complainer, in the first years as the mail
itself with that address as its reverse-path; since 2026 it sends a feedback report like others (`arf.py`). AOL (scomp)
blackened the complainer. Each is known by two of three signs, so that a person who sends such mail on complains of nothing.
"""

from ingest.reading.complainer import complainers
from ingest.reading.dates import parse_date
from ingest.reading.finding import Finding, Findings
from ingest.reading.headers import NO_HEADERS, Headers
from ingest.reading.mailboxes import mailbox_in
from ingest.reading.mime import Part
from ingest.reading.origin import NO_ORIGIN, Origin, ip_in, origin_of
from ingest.reading.returned import NOTHING_RETURNED, Returned
from nullsender.events import Kind

_MICROSOFT = "staff@hotmail.com"
_COMPLAINER = "x-hmxmroriginalrecipient"
_MICROSOFT_SUBJECT = "complaint about message from "
_AOL = "scomp@"
_AOL_SUBJECT = "client tos notification"
_AOL_LOOP = "scomp"


def read_older_loop(message: Part, sender: str, returned: Returned) -> Findings | None:
    """What the report says, or None where `message` is none; `sender` is its From in lower case."""
    fields = message.headers
    if _COMPLAINER in fields:  # its way to us stands above its way to the complainer, so where it came from can not be told
        return _complaint("jmrp", fields, Returned(headers=fields), NO_ORIGIN)
    if _is_microsofts(fields, sender, returned):
        origin = origin_of(NO_HEADERS, returned.headers)
        reported = fields.get("subject").lower().removeprefix(_MICROSOFT_SUBJECT)
        return _complaint("jmrp", fields, returned, origin._replace(source_ip=ip_in(reported) or origin.source_ip))
    if _is_aols(fields, sender, returned):
        return _complaint("scomp", fields, returned, origin_of(NO_HEADERS, returned.headers))
    return None


def _is_microsofts(fields: Headers, sender: str, returned: Returned) -> bool:
    """By its sender, its subject, and the field in the attached mail."""
    attached = _COMPLAINER in returned.headers
    by_microsoft = _MICROSOFT in sender and mailbox_in(sender) == _MICROSOFT
    if not attached and not by_microsoft:
        return False
    return (attached and by_microsoft) or fields.get("subject").lower().startswith(_MICROSOFT_SUBJECT)


def _is_aols(fields: Headers, sender: str, returned: Returned) -> bool:
    """By its sender, its subject, and the field against loops; there is nothing to complain of where no mail came back."""
    if _AOL not in sender or returned is NOTHING_RETURNED or not (mailbox_in(sender) or "").startswith(_AOL):
        return False
    return fields.get("x-loop").lower() == _AOL_LOOP or fields.get("subject").lower().startswith(_AOL_SUBJECT)


def _complaint(format_name: str, fields: Headers, returned: Returned, origin: Origin) -> Findings:
    (place,), notes = complainers((), returned)
    finding = Finding(
        recipient=place.recipient,
        derived_from=place.derived_from,
        feedback_type="abuse",
        occurred_at=parse_date(fields.get("date")),
        original_source_ip=origin.source_ip,
        original_mail_from=origin.mail_from,
        notes=notes,
    )
    return Findings(kind=Kind.COMPLAINT, format=format_name, findings=(finding,), returned=returned)
