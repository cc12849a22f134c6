"""Answers that no person wrote and that say nothing of the address: out-of-office notes, receipts, challenges.

They come back to the same addresses as bounces do, from the same null sender. Told apart, they change nothing on the list and
still end somewhere (G2). A rejection that is dressed as a receipt, as Dovecot's Sieve sends it, is a bounce after all.
"""

import re

from ingest.reading.answer_signs import is_marked_as_answer
from ingest.reading.bounce_signs import is_from_daemon, is_from_null_sender
from ingest.reading.explanation import whole_of
from ingest.reading.finding import Finding, Findings, with_diagnostic
from ingest.reading.headers import read_fields
from ingest.reading.mime import Part
from ingest.reading.notice_words import Notice
from ingest.reading.report_fields import address_of_report, host_name
from ingest.reading.said import Says
from nullsender.events import Action, Kind, Source

# RFC 8098 section 3.
RECEIPT_TYPES = frozenset({"message/disposition-notification", "message/global-disposition-notification"})


def read_receipt(message: Part, notice: Notice) -> Findings | None:
    """What a message disposition notification says (RFC 8098), or None where `message` is none."""
    part = next((part for part in message.walk() if part.media_type in RECEIPT_TYPES), None)
    if part is None:
        return None
    fields = read_fields(part.content().strip(b"\n"), keep_stray_lines=True)
    # A person who deletes unread sends manual-action; software that deletes on its own and says why has rejected.
    disposition = fields.get("disposition").lower()
    rejects = disposition.startswith("automatic-action") and ("deleted" in disposition or "denied" in disposition)
    if not rejects or Says.WORDS not in notice.words_say:
        return Findings(kind=Kind.AUTO_REPLY, format="mdn", findings=(Finding(),))
    recipient, derived_from = address_of_report(fields.get("original-recipient"), fields.get("final-recipient"))
    finding = Finding(
        recipient=recipient,
        derived_from=derived_from,
        action=Action.FAILED,
        reporting_mta=host_name(fields.get("reporting-ua")),
    )
    return Findings(kind=Kind.BOUNCE, format="mdn", findings=(with_diagnostic(finding, whole_of(notice)),))


def read_auto_reply(message: Part, notice: Notice, source: Source) -> Findings | None:
    """A finding without a recipient where `message` is an automatic answer; None where a person may have written it."""
    if is_challenge(notice):
        return Findings(kind=Kind.AUTO_REPLY, format="challenge-response", findings=(Finding(),))
    if _is_automatic(message, notice) or is_from_null_sender(message, source):
        return Findings(kind=Kind.AUTO_REPLY, format="auto-reply", findings=(Finding(),))
    return None


def is_challenge(notice: Notice) -> bool:
    """Whether it asks its sender to prove himself: the mail waits, and the address is good."""
    return notice.says(Says.CHALLENGE) and not notice.has_reply and not is_from_daemon(notice)


# "Your server requires confirmation. Visit https://… to confirm it": a reply to RCPT TO by which a gateway asks its sender.
_WANTS_PROOF = re.compile(
    r"\b(?:requires?|needs?|awaits?|awaiting|pending)\s(?:\w{1,20}\s){0,3}(?:confirmation|verification)\b", re.IGNORECASE
)


def is_challenge_in_reply(reply: str) -> bool:
    """Whether an SMTP reply asks the sender to prove himself at a web address; like other challenges it blames nobody."""
    return "http" in reply and _WANTS_PROOF.search(reply) is not None


def _is_automatic(message: Part, notice: Notice) -> bool:
    submitted = message.headers.get("auto-submitted").lower()
    return (submitted != "" and not submitted.startswith("no")) or is_marked_as_answer(message, notice)
