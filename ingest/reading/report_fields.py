"""What single fields of a report say: their values as RFC 3464 has them, and as software writes them instead."""

import re

from ingest.reading.codes import reply_code_in, status_code_in
from ingest.reading.mailboxes import address_in_field
from ingest.reading.mentions import is_address
from nullsender.events import Action, DerivedFrom
from nullsender.limits import NAME_CHARACTERS_MAX

_ORIGINAL_RECIPIENT, _FINAL_RECIPIENT = DerivedFrom.ORIGINAL_RECIPIENT, DerivedFrom.FINAL_RECIPIENT  # slow to reach by class


def address_of_report(original: str, final: str, actual: str = "") -> tuple[str | None, DerivedFrom]:
    """The recipient that Original-Recipient, Final-Recipient and X-Actual-Recipient name (RFC 3464 2.3.1, 2.3.2), or None.

    The original one is the address that the sender gave; forwarding changes the final one.
    """
    original_address = address_of(original)
    final_address = address_of(final) or address_of(actual)
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


def address_of(value: str) -> str | None:
    """The address in one of these fields (RFC 3464 2.3.1: address-type ";" address), or None where there stands none."""
    if not value:
        return None
    if usual := _USUAL_ADDRESS.fullmatch(value):
        return usual[1]
    address = address_in_field(value)
    return address if is_address(address) else None


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


def diagnostic_of(value: str) -> str:
    """RFC 3464 2.3.6: diagnostic-type ";" text. The type says nothing that the text does not."""
    typed = _DIAGNOSTIC_TYPE.match(value)
    return value[typed.end() :] if typed else value


def reason_in_status(status: str) -> str:
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
