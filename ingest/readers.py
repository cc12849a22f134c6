"""The readers in the order in which they are asked, surest first; the first that knows the message has it.

1. what says itself what it is     Apple's unsubscribe, a delivery status part, a feedback report, a receipt, SES's JSON
2. what looks like a bounce        a report that was wrapped or whose parts were lost, then the words of the notice
3. what is left                    an automatic answer, mail to an unsubscribe address, any other mail
"""

from collections.abc import Iterator
from functools import cached_property

import msgspec

from ingest.amazon import read_amazon
from ingest.arf import read_arf
from ingest.auto_reply import is_challenge, read_auto_reply, read_receipt
from ingest.bounce_signs import looks_like_a_bounce
from ingest.dsn import REPORT_TYPES, read_dsn, read_dsn_in_text
from ingest.finding import Finding, Findings
from ingest.mime import Part, parse
from ingest.notice import explained, read_words
from ingest.notice_words import Notice, read_notice
from ingest.returned import NOTHING_RETURNED, Returned, returned_message
from ingest.unsubscribe import read_client_unsubscribe, read_unsubscribe
from nullsender.events import Kind, Source


class Mail:
    """One message, with what the readers need of it, found when the first of them asks."""

    def __init__(self, message: Part, source: Source) -> None:
        self.message = message
        self.source = source

    @cached_property
    def notice(self) -> Notice:
        """The words before the returned mail."""
        return read_notice(self.message)

    @cached_property
    def returned(self) -> Returned:
        """The returned mail, from a part of its own or from behind the words."""
        inside = returned_message(self.message)
        return inside if inside is not NOTHING_RETURNED else self.notice.returned


def read_mail(mail: Mail) -> Findings:
    """What the message says; always something, of kind `other` if need be."""
    message, source = mail.message, mail.source
    return (
        read_client_unsubscribe(message)
        or _read_status_part(mail)
        or read_arf(message, mail.returned)
        or read_receipt(message, mail.notice)
        or read_amazon(message, mail.notice.text)
        or _read_bounce_without_report(mail)
        or read_auto_reply(message, mail.notice, source)
        or read_unsubscribe(message, source)
        or Findings(kind=Kind.OTHER, format="mail", findings=(Finding(),))
    )


def _read_status_part(mail: Mail) -> Findings | None:
    """A DSN as RFC 3464 has it. What its fields leave out is looked for in its words and in the returned mail."""
    found = _first_dsn(mail.message.walk_outside())
    if found is None:
        return None
    if found.kind is Kind.BOUNCE and _is_disguised_challenge(found, mail):
        return Findings(kind=Kind.AUTO_REPLY, format="challenge-response", findings=(Finding(),))
    return _completed(found, mail)


def _first_dsn(parts: Iterator[Part]) -> Findings | None:
    return next((found for part in parts if part.media_type in REPORT_TYPES and (found := read_dsn(part))), None)


def _is_disguised_challenge(found: Findings, mail: Mail) -> bool:
    """Whether a challenge system wrote the DSN: nothing in it has failed for good, and its words want a proof."""
    temporary = all((finding.status or "5").startswith("4") for finding in found.findings)
    return temporary and is_challenge(mail.message, mail.notice)


def _completed(found: Findings, mail: Mail) -> Findings:
    if found.kind is not Kind.BOUNCE or all(finding.recipient and finding.diagnostic for finding in found.findings):
        return found
    return msgspec.structs.replace(
        found, findings=explained(found.findings, mail.message, mail.notice, mail.returned, mail.source)
    )


def _read_bounce_without_report(mail: Mail) -> Findings | None:
    if not looks_like_a_bounce(mail.message, mail.notice, mail.source):
        return None
    found = read_dsn_in_text(mail.notice.text) or _first_dsn(parse(mail.returned.content).walk_outside())
    if found is not None and found.kind is Kind.BOUNCE:
        return _completed(found, mail)
    return read_words(mail.message, mail.notice, mail.returned, mail.source)
