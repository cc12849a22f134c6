"""Addresses as people hand them to the API.

Who asks about an address, or lifts one, may name anything that a report could have put on the list: `canonical` alone decides.
Who adds one is told of a slip of the pen: the address must be one that mail can be sent to by its grammar. DNS is never asked,
and domains for tests and inside a company (`example.com`, `x.test`, `localhost`) are as good as any.
"""

import re
from typing import Final

import email_validator
from email_validator import EmailNotValidError, validate_email
from starlette.convertors import Convertor, register_url_convertor

from nullsender.address import canonical
from nullsender.errors import Invalid

# The library refuses domains for special uses unless this list of its own, which it offers for that, says otherwise.
email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()

UNDECODABLE: Final = "\ufffd"  # what stands for bytes that were not UTF-8 once a path or a query was decoded


def asked_about(text: str) -> str:
    """The canonical form of an address in a path or a query; `Invalid` where it is none."""
    if UNDECODABLE in text:
        raise Invalid("not an address: the percent-encoded bytes are not UTF-8")
    try:
        return canonical(text)
    except Invalid as invalid:
        # What people stumble over most: `?address=a+b@example.com` is read as `a b@example.com`.
        hint = " (a plus sign in a query is written %2B)" if " " in text.strip() else ""
        raise Invalid(invalid.reason + hint) from invalid


def to_be_added(text: str) -> str:
    """The canonical form of an address that a person adds; `Invalid` where mail could not be sent to it by its grammar."""
    address = asked_about(text)
    try:
        validate_email(
            _with_lawful_dots(address),
            allow_quoted_local=True,
            allow_domain_literal=True,
            check_deliverability=False,
            globally_deliverable=False,
        )
    except EmailNotValidError as error:
        raise Invalid(f"not an address that mail can be sent to: {error}") from error
    return address


def _with_lawful_dots(address: str) -> str:
    """RFC 5321 4.1.2 allows no dot at an end of a local part nor two in a row; large providers gave out such addresses."""
    local, _, domain = address.rpartition("@")
    if local.startswith('"'):
        return address
    return re.sub(r"\.+", ".", local).strip(".") + "@" + domain


class _AddressInPath(Convertor[str]):
    """Any text. Starlette's own `path` ends at a newline, so that a bad address would be no path instead of no address."""

    regex = "(?s:.*)"

    def convert(self, value: str) -> str:
        """What stood in the path."""
        return value

    def to_string(self, value: str) -> str:
        """What is put into a path."""
        return value


register_url_convertor("address", _AddressInPath())
