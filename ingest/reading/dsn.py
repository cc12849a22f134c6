"""Delivery status notifications: RFC 3464, and RFC 6533 for addresses that are not ASCII.

The second part of a DSN is a list of field groups: the first is about the message, each other one about a recipient. Real
MTAs leave out empty lines between the groups or put them inside one, forget required fields and the folding of long
ones, and mislabel the part; so a group begins where a Final-Recipient begins, wherever that is.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import islice, pairwise

from ingest.reading.charsets import decode_bytes
from ingest.reading.codes import reply_code_in, status_code_in
from ingest.reading.dates import parse_date
from ingest.reading.finding import Finding, Findings, TooManyRecipients, codes_and_words
from ingest.reading.headers import first_values_of
from ingest.reading.mailboxes import address_in_field
from ingest.reading.mentions import is_address
from ingest.reading.mime import Part
from nullsender.events import Action, DerivedFrom, Kind
from nullsender.limits import NAME_CHARACTERS_MAX, REPORTS_MAX

# The fields of one group: the first value of each by its name.
_Group = dict[str, str]

# An enum's members are slow to reach by their class.
_BOUNCE, _FAILED, _DELAYED = Kind.BOUNCE, Action.FAILED, Action.DELAYED
_ORIGINAL_RECIPIENT, _FINAL_RECIPIENT = DerivedFrom.ORIGINAL_RECIPIENT, DerivedFrom.FINAL_RECIPIENT

_ACTIONS = {action.value: action for action in Action} | {
    "failure": Action.FAILED,
    "fail": Action.FAILED,
    "error": Action.FAILED,
    "expired": Action.FAILED,
    "undeliverable": Action.FAILED,
    "deliverable": Action.DELIVERED,
    "delivery": Action.DELIVERED,
    "warning": Action.DELAYED,
    "deferred": Action.DELAYED,
    "delay": Action.DELAYED,
}


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
    return _read_blocks(_decoded_blocks(part.content()))


def where_fields_begin(text: str) -> int | None:
    """Where in `text` the fields of a DSN begin, whose parts a gateway has lost; None where there are none."""
    if _NAMES_RECIPIENT.search(text) is None:
        return None
    begins = _FIRST_FIELD.search(text)
    return begins.start() if begins else None


def read_dsn_fields(text: str) -> Findings | None:
    """What the fields say that `text` begins with."""
    return _read_blocks(_blocks(text.strip()))


_NAMES_RECIPIENT = re.compile(r"^(?:final|original)-recipient[ \t]*:", re.IGNORECASE | re.MULTILINE)
_FIRST_FIELD = re.compile(
    r"^(?:reporting-mta|original-envelope-id|arrival-date|received-from-mta|(?:final|original)-recipient|action|status)[ \t]*:",
    re.IGNORECASE | re.MULTILINE,
)


def _read_blocks(blocks: Sequence[str]) -> Findings | None:
    about_message, groups = _groups(blocks)
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


def _groups(blocks: Sequence[str]) -> tuple[_Group, list[_Group]]:
    """The fields about the message, and one group of fields for each recipient."""
    about_message: _Group = {}
    groups: list[_Group] = []
    for block in blocks:
        fields = first_values_of(block)
        names = fields.keys()
        if names.isdisjoint(_ABOUT_RECIPIENT) or (not groups and _is_about_message(fields)):
            about_message = about_message or fields
        elif groups and "final-recipient" not in fields and not names & _ESSENTIAL & groups[-1].keys():
            for name in names & _OF_RECIPIENT:  # an empty line inside a group
                groups[-1].setdefault(name, fields[name])
        else:
            groups.append(fields)
            if "reporting-mta" in fields:  # the empty line after the fields about the message is missing
                about_message = fields
            if len(groups) > REPORTS_MAX:
                raise TooManyRecipients
    return about_message, groups


# An empty line inside each group makes two blocks of it; one block is about the message.
_BLOCKS_MAX = 2 * REPORTS_MAX + 1
_ESSENTIAL = frozenset({"final-recipient", "original-recipient", "action", "status"})
_ABOUT_RECIPIENT = _ESSENTIAL | {"diagnostic-code", "x-actual-recipient"}
_OF_RECIPIENT = _ABOUT_RECIPIENT | {"remote-mta", "last-attempt-date"}
_EMPTY_LINES = re.compile(r"\n[ \t]*\n\s*", re.ASCII)
# Where a group begins that no empty line announces. The original recipient stands behind the final one or before it; the
# block's first group shows which.
_FINAL = re.compile(r"\nfinal-recipient[ \t]*:", re.IGNORECASE)
_ORIGINAL_AND_FINAL = re.compile(r"(?:\noriginal-recipient[ \t]*:[^\n]*)?\nfinal-recipient[ \t]*:", re.IGNORECASE)


def _decoded_blocks(content: bytes) -> Sequence[str]:
    """The blocks of a report part. Each is decoded by itself: one recipient's server writes UTF-8, the next one's Latin-1."""
    if content.isascii() and _ESCAPE not in content:
        return _blocks(content.decode().strip())
    return [decode_bytes(block.encode("latin-1")) for block in _blocks(content.strip().decode("latin-1"))]


_ESCAPE = 0x1B  # begins a charset in ASCII clothing (ISO-2022)


def _blocks(text: str) -> Sequence[str]:
    """The field groups of the part: what stands between empty lines, and cut again where it names a second recipient.

    `TooManyRecipients` where there are more blocks than so many recipients can need.
    """
    blocks = _EMPTY_LINES.split(text, _BLOCKS_MAX)
    if _lower(text).count(b"final-recipient") > 1:
        blocks = [group for block in blocks for group in _groups_in_block(block)]
    if len(blocks) > _BLOCKS_MAX:
        raise TooManyRecipients
    return blocks


def _groups_in_block(block: str) -> Iterator[str]:
    lower = _lower(block)
    if lower.count(b"final-recipient") < 2:
        yield block
        return
    original_is_first = 0 <= lower.find(b"original-recipient") < lower.find(b"final-recipient")
    groups = (_ORIGINAL_AND_FINAL if original_is_first else _FINAL).finditer("\n" + block)
    begins = [match.start() for match in islice(groups, _BLOCKS_MAX)]
    # What stands before the first recipient is about the message or about him.
    yield from (block[begin:end] for begin, end in pairwise([0, *begins[1:], len(block)]))


def _lower(text: str) -> bytes:
    """`text` with ASCII's letters in lower case, which are all that names are made of, in a fraction of the time."""
    return text.encode("utf-8", "surrogatepass").lower()


def _is_about_message(fields: _Group) -> bool:
    """Whether a first group that has an Action or a Status all the same is the one about the message."""
    return "reporting-mta" in fields and "final-recipient" not in fields and "original-recipient" not in fields


def _finding(fields: _Group, about_message: _Group) -> Finding:
    field, field_about_message = fields.get, about_message.get
    recipient, derived_from = address_of_report(
        field("original-recipient", ""), field("final-recipient", ""), field("x-actual-recipient", "")
    )
    status_field = field("status", "")
    status = status_code_in(status_field)
    diagnostic, status_in_words, reply_code = codes_and_words(
        _diagnostic(field("diagnostic-code", "")) or _comment(status_field)
    )
    action = action_of(field("action", "") or field_about_message("action", ""), status or status_in_words)
    if action is _FAILED and status and status.startswith("2"):
        status = None  # it did not fail with success
    return Finding(
        recipient=recipient,
        derived_from=derived_from,
        # Without a reason in the fields it is looked for in the words, which mostly name the address that was tried.
        final_recipient=None if diagnostic else _address(field("final-recipient", "")),
        action=action,
        status=status or status_in_words,
        reply_code=reply_code,
        diagnostic=diagnostic,
        remote_mta=host_name(field("remote-mta", "")),
        reporting_mta=host_name(field_about_message("reporting-mta", "") or field("reporting-mta", "")),
        occurred_at=parse_date(field("last-attempt-date", "") or field_about_message("arrival-date", "")),
        original_envelope_id=field_about_message("original-envelope-id", "")[:NAME_CHARACTERS_MAX] or None,
    )


def address_of_report(original: str, final: str, actual: str = "") -> tuple[str | None, DerivedFrom]:
    """The recipient that Original-Recipient, Final-Recipient and X-Actual-Recipient name (RFC 3464 2.3.1, 2.3.2), or None.

    The original one is the address that the sender gave; forwarding changes the final one.
    """
    original_address = _address(original)
    final_address = _address(final) or _address(actual)
    if original_address and not (final_address and _is_spoilt(original_address, final_address)):
        return original_address, _ORIGINAL_RECIPIENT
    return final_address, _FINAL_RECIPIENT if final_address else DerivedFrom.NOWHERE


# RFC 3461 section 4: xtext writes "+" as +2B.
_XTEXT = re.compile(r"\+([2-7][0-9A-F])")


def _is_spoilt(original: str, final: str) -> bool:
    """Whether both are one address, of which the original lost the quotes that it needs, or is still in xtext."""
    if original == final:
        return False
    return final.replace('"', "") == original or _XTEXT.sub(lambda octet: chr(int(octet[1], 16)), original) == final


# As nearly every MTA writes it: nothing around the address but its type.
_USUAL_ADDRESS = re.compile(
    r"rfc822; ?([a-z0-9_][a-z0-9_.+=-]{0,63}@[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){1,5})", re.IGNORECASE | re.ASCII
)


def _address(value: str) -> str | None:
    if not value:
        return None
    if usual := _USUAL_ADDRESS.fullmatch(value):
        return usual[1]
    address = address_in_field(value)
    return address if is_address(address) else None


_ACTION_WORD = re.compile(r"[a-z]{1,20}")


def action_of(value: str, status: str | None) -> Action:
    """The action that the field's value names; where it names none, what the status's class says (RFC 3463 3.1)."""
    value = value.lower()
    action = _ACTIONS.get(value)
    if action is None and (word := _ACTION_WORD.search(value)):
        action = _ACTIONS.get(word.group())
    if action is not None:
        return action
    by_class = {"2": Action.DELIVERED, "4": Action.DELAYED}
    return by_class.get((status or "5")[0], Action.FAILED)


_DIAGNOSTIC_TYPE = re.compile(r"\s{0,20}[\w.+-]{1,40}\s{0,20};\s{0,20}")


def _diagnostic(value: str) -> str:
    """RFC 3464 2.3.6: diagnostic-type ";" text. The type says nothing that the text does not."""
    typed = _DIAGNOSTIC_TYPE.match(value)
    return value[typed.end() :] if typed else value


def _comment(status: str) -> str:
    """What stands in brackets behind a status code: MTAs that send no Diagnostic-Code write the reason there.

    Some write a reply instead of the code, `Status: 553 Too large`, which is all reason. Any other word there, such as
    `failed`, gives none, and must not keep the words of the notice from being asked.
    """
    if status_code_in(status) is None and reply_code_in(status) is not None:
        return status
    return status.partition("(")[2].rpartition(")")[0]


def host_name(value: str) -> str | None:
    """The name in a field such as Reporting-MTA (RFC 3464 2.2.2: mta-name-type ";" name), or None. Comments stay."""
    kind, semicolon, name = value.partition(";")
    return (name if semicolon else kind).strip()[:NAME_CHARACTERS_MAX] or None
