"""The readers in the order in which they are asked, surest first; the first that knows the message has it.

1. what says itself what it is     Apple's unsubscribe, a delivery status part, a feedback report, a receipt, SES's JSON
2. what looks like a bounce        a report that was wrapped or whose parts were lost, then the words of the notice
3. what is left                    mail to a signed unsubscribe address, an automatic answer, mail to unsubscribe@, the rest
"""

import re
from collections import deque

import msgspec

from ingest.reading.amazon import read_amazon
from ingest.reading.auto_reply import is_challenge, is_challenge_in_reply, read_auto_reply, read_receipt
from ingest.reading.bounce_signs import looks_like_a_bounce
from ingest.reading.dsn import is_report, read_dsn, read_dsn_fields, where_fields_begin
from ingest.reading.explanation import is_unfinished, says_something
from ingest.reading.feedback import read_feedback
from ingest.reading.finding import Finding, Findings, TooManyRecipients
from ingest.reading.lazy import lazy
from ingest.reading.mime import Part, parse
from ingest.reading.notice import explained, read_words
from ingest.reading.notice_words import Notice, read_notice
from ingest.reading.phases import lacks_its_phase, with_phases
from ingest.reading.returned import NOTHING_RETURNED, Returned, returned_message
from ingest.reading.unsubscribe import read_client_unsubscribe, read_signed_unsubscribe, read_unsubscribe
from nullsender.events import Action, DerivedFrom, Kind, Source

_DELAYED = Action.DELAYED  # an enum's members are slow to reach by their class


class Mail:
    """One message, with what the readers need of it, found when the first of them asks."""

    def __init__(self, message: Part, source: Source, *, is_cut: bool = False) -> None:
        self.message = message
        self.source = source
        self.is_cut = is_cut  # at its end; what is missing is mostly returned mail

    @lazy
    def notice(self) -> Notice:
        """The words before the returned mail."""
        return read_notice(self.message)

    @lazy
    def returned(self) -> Returned:
        """The returned mail, from a part of its own or from behind the words."""
        inside = returned_message(self.message)
        return inside if inside is not NOTHING_RETURNED else self.notice.returned


def read_mail(mail: Mail) -> Findings:
    """What the message says; always something, of kind `other` if need be. Raises `TooManyRecipients`."""
    message, source = mail.message, mail.source
    return (
        read_client_unsubscribe(message)
        or _read_status_part(mail)
        or read_feedback(message, mail.returned)
        or read_receipt(message, mail.notice)
        or read_amazon(message)
        or _read_bounce_without_report(mail)
        or read_signed_unsubscribe(message, source)
        or read_auto_reply(message, mail.notice, source)
        or read_unsubscribe(message, source)
        or Findings(kind=Kind.OTHER, format="mail", findings=(Finding(),))
    )


def _read_status_part(mail: Mail) -> Findings | None:
    """A DSN as RFC 3464 has it. What its fields leave out is looked for in its words and in the returned mail."""
    found = _first_dsn(mail.message)
    if found is None:
        return None
    if mail.is_cut and is_report(deque(mail.message.walk(), maxlen=1)[0]):
        raise TooManyRecipients  # it is the report itself that is cut
    if found.kind is Kind.BOUNCE and _is_disguised_challenge(found, mail):
        return Findings(kind=Kind.AUTO_REPLY, format="challenge-response", findings=(Finding(),))
    return _with_other_address(_completed(found, mail), mail.returned)


def _with_other_address(found: Findings, returned: Returned) -> Findings:
    """A note where the report names one recipient and the returned mail another: a list, or somebody's forwarding.

    Which of the two we sent to is for the proofs to say; without one the report's word holds.
    """
    finding = found.findings[0]
    recipient = (finding.recipient or "").lower()
    if len(found.findings) > 1 or finding.derived_from is not DerivedFrom.FINAL_RECIPIENT:
        return found
    if recipient in returned.headers.get("to").lower():
        return found
    other, _ = returned.recipient()
    if other is None or other.lower() == recipient:
        return found
    note = f"the mail that came back was sent to {other}: a list, or it was forwarded from there"
    return msgspec.structs.replace(found, findings=(msgspec.structs.replace(finding, notes=(*finding.notes, note)),))


def _first_dsn(message: Part) -> Findings | None:
    for part in message.walk():
        if is_report(part) and (found := read_dsn(part)):
            return found
    return None


def _is_disguised_challenge(found: Findings, mail: Mail) -> bool:
    """Whether a challenge system wrote the DSN or the replies in it: they want a proof, and nothing has failed for good."""
    first = found.findings[0]
    if is_challenge_in_reply(first.diagnostic or ""):
        return all(is_challenge_in_reply(finding.diagnostic or "") for finding in found.findings)
    if not (first.status or "5").startswith("4") or _MAIL_SYSTEM in mail.message.headers.get("from").lower():
        return False
    return all((finding.status or "5").startswith("4") for finding in found.findings) and is_challenge(mail.notice)


_MAIL_SYSTEM = "mailer-daemon"  # challenges come from the name of a person or a product, or from nobody


def _completed(found: Findings, mail: Mail, notice: Notice | None = None) -> Findings:
    """The findings with their gaps filled from `notice` (the mail's own if none is given); most have none."""
    if found.kind is not Kind.BOUNCE:
        return found
    findings = found.findings
    if not all(map(_is_complete, findings)):
        findings = explained(findings, mail.message, notice or mail.notice, mail.returned, mail.source)
    if any(map(lacks_its_phase, findings)):
        findings = with_phases(findings, (notice or mail.notice).text)
    if any(map(_has_expired, findings)):
        findings = tuple(map(_as_it_means, findings))
    return found if findings is found.findings else msgspec.structs.replace(found, findings=findings)


def _has_expired(finding: Finding) -> bool:
    """Whether a delay says that the mail's time is over, not only that a certificate or a greylist entry has expired."""
    if finding.action is not _DELAYED:
        return False
    words = (finding.diagnostic or "").lower()
    return "expired" in words and (finding.status == "4.4.7" or _TIME_IS_OVER.search(words) is not None)


_TIME_IS_OVER = re.compile(
    r"\b(?:message|mail|envelope|delivery|queue|retry)(?: time| lifetime)?(?: has| have| is| was)? expired"
)


def _as_it_means(finding: Finding) -> Finding:
    """OpenSMTPD calls its last word `delayed` too (4.4.7, RFC 3463 3.5), and says that the time has expired."""
    if not _has_expired(finding):
        return finding
    note = "its action is delayed, but it says that its time has expired"
    return msgspec.structs.replace(finding, action=Action.FAILED, notes=(*finding.notes, note))


def _is_complete(finding: Finding) -> bool:
    diagnostic = finding.diagnostic or ""
    return finding.recipient is not None and says_something(diagnostic) and not is_unfinished(diagnostic)


def _read_bounce_without_report(mail: Mail) -> Findings | None:
    if not looks_like_a_bounce(mail.message, mail.notice, mail.source):
        return None
    return _read_loose_fields(mail) or _read_wrapped(mail) or read_words(mail.message, mail.notice, mail.returned, mail.source)


def _read_loose_fields(mail: Mail) -> Findings | None:
    """The fields of a DSN that stand among the words."""
    begins = where_fields_begin(mail.notice.text) if mail.notice.has_report_fields else None
    found = read_dsn_fields(mail.notice.text[begins:]) if begins is not None else None
    if found is None or found.kind is not Kind.BOUNCE:
        return None
    if mail.notice.is_cut and len(found.findings) > 1:
        raise TooManyRecipients
    return _completed(found, mail, mail.notice.until(begins))


def _read_wrapped(mail: Mail) -> Findings | None:
    """A DSN that a gateway sent on inside a notice of its own. A person who forwards one does not write like a mail system."""
    if b"delivery-status" not in mail.returned.content.lower():
        return None
    inner = parse(mail.returned.content)
    found = _first_dsn(inner)
    if found is None or found.kind is not Kind.BOUNCE:
        return None
    return msgspec.structs.replace(_completed(found, mail), returned=returned_message(inner))
