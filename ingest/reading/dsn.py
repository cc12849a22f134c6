"""Delivery status notifications: RFC 3464, and RFC 6533 for addresses that are not ASCII.

The second part of a DSN is a list of field groups (`dsn_groups.py`): the first is about the message, each other one about a
recipient, and becomes a finding. Gateways mislabel the part, or leave its fields among the words.
"""

import re

from ingest.reading.codes import status_code_in
from ingest.reading.dates import parse_date
from ingest.reading.dsn_groups import Group, Groups, groups_in_part, groups_in_text
from ingest.reading.finding import Finding, Findings, codes_and_words
from ingest.reading.mime import Part
from ingest.reading.report_fields import action_of, address_of, address_of_report, diagnostic_of, host_name, reason_in_status
from nullsender.events import Action, Kind
from nullsender.limits import NAME_CHARACTERS_MAX

# An enum's members are slow to reach by their class.
_BOUNCE, _FAILED, _DELAYED = Kind.BOUNCE, Action.FAILED, Action.DELAYED


def is_report(part: Part) -> bool:
    """Whether `part` is a delivery status part: by its type, or by how it begins where a gateway has lost the type.

    RFC 3464 2.1 is message/delivery-status, RFC 6533 section 3 message/global-delivery-status; text/, application/ and x- are
    seen too. Notes makes application/octet-stream of it.
    """
    if part.media_type.endswith("delivery-status"):
        return True
    return part.media_type == "application/octet-stream" and _BEGINS.match(part.content()) is not None


_BEGINS = re.compile(rb"\s{0,9}(?:reporting-mta|final-recipient|original-envelope-id)[ \t]*:", re.IGNORECASE)


def read_dsn(part: Part) -> Findings | None:
    """What the delivery status part `part` says; None where no group of it is about a recipient."""
    return _read(groups_in_part(part.content()))


def where_fields_begin(text: str) -> int | None:
    """Where in `text` the fields of a DSN begin, whose parts a gateway has lost; None where there are none."""
    if _NAMES_RECIPIENT.search(text) is None:
        return None
    begins = _FIRST_FIELD.search(text)
    return begins.start() if begins else None


def read_dsn_fields(text: str) -> Findings | None:
    """What the fields say that `text` begins with."""
    return _read(groups_in_text(text))


_NAMES_RECIPIENT = re.compile(r"^(?:final|original)-recipient[ \t]*:", re.IGNORECASE | re.MULTILINE)
_FIRST_FIELD = re.compile(
    r"^(?:reporting-mta|original-envelope-id|arrival-date|received-from-mta|(?:final|original)-recipient|action|status)[ \t]*:",
    re.IGNORECASE | re.MULTILINE,
)


def _read(found: Groups) -> Findings | None:
    about_message, groups = found
    if not groups:
        return None
    findings = tuple([_finding(group, about_message) for group in groups])
    numbers: tuple[int, ...] = ()
    if len(findings) > 1:
        firsts: dict[Finding, int] = {}
        for number, finding in enumerate(findings):
            firsts.setdefault(finding, number)
        findings, numbers = tuple(firsts), tuple(firsts.values())  # what is said twice counts once
    is_bounce = any(finding.action is _FAILED or finding.action is _DELAYED for finding in findings)
    return Findings(kind=_BOUNCE if is_bounce else Kind.OTHER, format="rfc3464", findings=findings, numbers=numbers)


def _finding(fields: Group, about_message: Group) -> Finding:
    field, field_about_message = fields.get, about_message.get
    recipient, derived_from = address_of_report(
        field("original-recipient", ""), field("final-recipient", ""), field("x-actual-recipient", "")
    )
    status_field = field("status", "")
    status = status_code_in(status_field)
    diagnostic, status_in_words, reply_code = codes_and_words(
        diagnostic_of(field("diagnostic-code", "")) or reason_in_status(status_field)
    )
    action = action_of(field("action", "") or field_about_message("action", ""), status or status_in_words)
    if action is _FAILED and status and status.startswith("2"):
        status = None  # it did not fail with success
    return Finding(
        recipient=recipient,
        derived_from=derived_from,
        # Without a reason in the fields it is looked for in the words, which mostly name the address that was tried.
        final_recipient=None if diagnostic else address_of(field("final-recipient", "")),
        action=action,
        status=status or status_in_words,
        reply_code=reply_code,
        diagnostic=diagnostic,
        remote_mta=host_name(field("remote-mta", "")),
        reporting_mta=host_name(field_about_message("reporting-mta", "") or field("reporting-mta", "")),
        occurred_at=parse_date(field("last-attempt-date", "") or field_about_message("arrival-date", "")),
        original_envelope_id=field_about_message("original-envelope-id", "")[:NAME_CHARACTERS_MAX] or None,
    )
