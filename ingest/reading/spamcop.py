"""SpamCop's reports: plain words, and behind them the mail that somebody complained of.

SpamCop writes an `x` where the recipient stood, so a token of ours in that mail is all that can say who complained. It reports
to whoever sent the mail and also to whoever serves what it links to; only the first is about mail of ours.
"""

import re

from ingest.reading.complainer import complainers
from ingest.reading.dates import parse_date
from ingest.reading.finding import Finding, Findings
from ingest.reading.headers import NO_HEADERS, read_fields
from ingest.reading.mailboxes import mailbox_in
from ingest.reading.mime import Part
from ingest.reading.origin import ip_in, origin_of
from ingest.reading.returned import NOTHING_RETURNED, Returned
from nullsender.events import Kind

SPAMCOP = "@reports.spamcop.net"
# `[SpamCop (192.0.2.1) id:1234567890]` names the host that sent; a link stands there where it is about a link.
_SUBJECT = re.compile(r"\[SpamCop \(([0-9A-Fa-f.:]{3,45})\) id:\d{1,20}\]", re.IGNORECASE)
_MAIL_BEGINS = re.compile(
    r"^\[? ?Offending message:? ?\]?[ \t]*\n(?:=+ ?BEGIN FORWARDED MESSAGE ?=+\n)?", re.IGNORECASE | re.MULTILINE
)


def read_spamcop(message: Part) -> Findings | None:
    """What the report says, or None where `message` is none."""
    subject = _SUBJECT.search(message.headers.text("subject"))
    if subject is None or not (mailbox_in(message.headers.get("from")) or "").lower().endswith(SPAMCOP):
        return None
    returned = _returned(message)
    (place,), notes = complainers((), returned, redacted=True)
    finding = Finding(
        recipient=place.recipient,
        derived_from=place.derived_from,
        feedback_type="abuse",
        occurred_at=parse_date(returned.headers.get("date") or message.headers.get("date")),
        original_source_ip=ip_in(subject[1]),
        original_mail_from=origin_of(NO_HEADERS, returned.headers).mail_from,
        notes=notes,
    )
    return Findings(kind=Kind.COMPLAINT, format="spamcop", findings=(finding,), returned=returned)


def _returned(message: Part) -> Returned:
    """The mail behind the words, as far as SpamCop kept it."""
    text = next((part.text() for part in message.walk() if part.media_type == "text/plain"), "")
    begins = _MAIL_BEGINS.search(text)
    if begins is None:
        return NOTHING_RETURNED
    content = text[begins.end() :].encode("utf-8", "replace")
    fields = read_fields(content.partition(b"\n\n")[0])
    return Returned(content, fields) if fields.has_several else NOTHING_RETURNED
