"""One message in, its reports out: the door of the reading half of ingest.

The readers are asked in order of how sure a format is of itself: report parts first (RFC 3464, RFC 5965), then fields and
words that only some software writes, then words that any notice may hold. A message that none of them knows is an
auto-reply or ordinary mail, and gets one report all the same, so that counts add up (G2). Nothing here raises, whatever
the bytes (G8).
"""

import hashlib
from datetime import datetime
from typing import NamedTuple

import msgspec

from ingest.reading.finding import Finding, Findings, TooManyRecipients, one_line
from ingest.reading.mime import parse
from ingest.reading.readers import Mail, read_mail
from nullsender.events import Kind, Report, Source
from nullsender.limits import DIAGNOSTICS_CHARACTERS_MAX, NAME_CHARACTERS_MAX, READ_BYTES_MAX, REPORT_RECIPIENTS_KEPT_MAX
from nullsender.signing.return_path import is_return_path

_MESSAGE_ID_HEX_DIGITS = 32


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What was read in a message: at least one report, and the returned mail that proof is looked for in.

    `returned` are the bytes of the mail that came back inside the report (line ends LF; perhaps only its head; `b""` where
    none came back).
    """

    kind: Kind
    format: str
    reports: tuple[Report, ...]
    returned: bytes = b""


class Unreadable(msgspec.Struct, frozen=True):
    """Bytes in which nothing can be read as mail, or more than we read; `reason` says what was found, and where it stopped."""

    reason: str


def read_message(content: bytes, *, source: Source, received_at: datetime) -> Reading | Unreadable:
    """The reports in one message. Any bytes at all give an answer; none raise.

    Pure: the same bytes from the same envelope give the same reports with the same identifiers (G3).
    """
    message = parse(content)
    if not message.headers:
        return Unreadable(_what_stands_there(content))
    mail = Mail(message, source, is_cut=len(content) > READ_BYTES_MAX)
    try:
        found = read_mail(mail)
    except TooManyRecipients as too_many:
        return Unreadable(too_many.reason)
    returned = found.returned or mail.returned
    subject = returned.headers.text("subject") or message.headers.text("subject")
    common = _Common(
        message_id=message_id_of(content, source),
        received_at=received_at,
        source=_kept(source),
        subject=_text(subject),
        original_message_id=_text(returned.message_id()),
        returned_token=_text(returned.token()),
        diagnostic_characters_max=DIAGNOSTICS_CHARACTERS_MAX // len(found.findings),
    )
    numbers = found.numbers or range(len(found.findings))
    reports = tuple(_report(finding, number, found, common) for number, finding in zip(numbers, found.findings, strict=True))
    return Reading(kind=found.kind, format=found.format, reports=reports, returned=returned.content)


def message_id_of(content: bytes, source: Source) -> str:
    """The name of a message: 32 hexadecimal digits made from its bytes and its envelope's recipients."""
    digest = hashlib.sha256("\n".join(source.rcpt_to).encode("utf-8", "surrogatepass"))
    digest.update(b"\n\n")
    digest.update(content)
    return digest.hexdigest()[:_MESSAGE_ID_HEX_DIGITS]


def _kept(source: Source) -> Source:
    """What each report repeats of `source`: a few RCPTs, return paths first because those may prove something."""
    if len(source.rcpt_to) <= REPORT_RECIPIENTS_KEPT_MAX:
        return source
    telling = sorted(source.rcpt_to, key=lambda address: not is_return_path(address.rpartition("@")[0]))
    return msgspec.structs.replace(source, rcpt_to=tuple(telling[:REPORT_RECIPIENTS_KEPT_MAX]))


def _what_stands_there(content: bytes) -> str:
    if not content.strip():
        return f"not mail: {len(content)} bytes, all of them white space" if content else "not mail: no bytes at all"
    return f"not mail: no header field in the first line, which begins with {content.lstrip()[:60]!r}"


class _Common(NamedTuple):
    """What all reports of one message have in common."""

    message_id: str
    received_at: datetime
    source: Source
    subject: str | None
    original_message_id: str | None
    returned_token: str | None
    diagnostic_characters_max: int  # the share of each recipient


def _report(finding: Finding, number: int, found: Findings, common: _Common) -> Report:
    return Report(
        id=f"{common.message_id}-{number}",
        message_id=common.message_id,
        received_at=common.received_at,
        kind=found.kind,
        format=found.format,
        recipient=_text(finding.recipient),
        derived_from=finding.derived_from,
        action=finding.action,
        status=finding.status,
        reply_code=finding.reply_code,
        diagnostic=finding.diagnostic[: common.diagnostic_characters_max] if finding.diagnostic else None,
        remote_mta=_text(finding.remote_mta),
        reporting_mta=_text(finding.reporting_mta),
        feedback_type=_text(finding.feedback_type),
        occurred_at=finding.occurred_at,
        subject=common.subject,
        original_message_id=common.original_message_id,
        original_envelope_id=_text(finding.original_envelope_id),
        original_source_ip=_text(finding.original_source_ip),
        original_mail_from=_text(finding.original_mail_from),
        source=common.source,
        returned_token=common.returned_token,
        notes=finding.notes,
    )


def _text(value: str | None) -> str | None:
    """What stood in a field, as it may be kept: on one line and bounded."""
    return one_line(value)[:NAME_CHARACTERS_MAX] or None if value else None
