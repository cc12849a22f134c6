"""Whom a complaint is about, surest first, and from where that is known.

A field that the sender's own MTA wrote into the mail, unless the provider names another address of that domain; what the
report calls its recipients; what the receiver wrote into the mail when he took it; its To, where that is one address. Where
the provider blackened all of them (RFC 6590) it is about nobody whom we could name, and a note says so.
"""

from collections.abc import Iterable
from typing import NamedTuple

from ingest.reading.finding import TooManyRecipients
from ingest.reading.mentions import is_address
from ingest.reading.redaction import is_redacted
from ingest.reading.returned import Returned
from ingest.reading.sender_trace import traced_recipient
from nullsender.address import domain_of
from nullsender.events import DerivedFrom
from nullsender.limits import REPORTS_MAX

_REDACTED = "the provider redacted the recipient"
_NOBODY = "neither the report nor the returned mail says who complained"


class Place(NamedTuple):
    """An address, or None, and where it stood."""

    recipient: str | None
    derived_from: DerivedFrom


class Complainers(NamedTuple):
    """Whom the complaint may be about, one at least, and in words what is to be known of that."""

    places: tuple[Place, ...]
    notes: tuple[str, ...] = ()


def complainers(named: Iterable[tuple[str, DerivedFrom]], returned: Returned, *, redacted: bool = False) -> Complainers:
    """Whom it is about of those that the report has `named` and of those in the mail that it returns.

    `redacted`: the report says that it names nobody. Raises `TooManyRecipients`.
    """
    plain: dict[str, Place] = {}
    for address, derived_from in named:
        if not is_address(address) or is_redacted(address):
            redacted = redacted or bool(address)
            continue
        plain.setdefault(address.lower(), Place(address, derived_from))
        if len(plain) > REPORTS_MAX:
            raise TooManyRecipients
    traced = traced_recipient(returned.headers)
    if traced is not None and _is_alias(traced, plain):
        note = f"the mail was sent to {traced}, as its sender's MTA wrote into it: a list or another name of who complained"
        return Complainers(tuple(plain.values()), (note,))
    if traced is not None:
        return Complainers((Place(traced, DerivedFrom.SENDER_TRACE),), _other_names(plain, traced))
    if plain:
        return Complainers(tuple(plain.values()))
    place, was_redacted = _in_returned(returned)
    if place.recipient is not None:
        return Complainers((place,))
    return Complainers((place,), (_REDACTED if redacted or was_redacted else _NOBODY,))


def _is_alias(traced: str, named: dict[str, Place]) -> bool:
    """Whether the provider names one other address of the domain that we sent to: he knows whom of a list he heard.

    An address of another domain is where the mail was forwarded; that is charged to the address that we sent to.
    """
    return len(named) == 1 and traced.lower() not in named and domain_of(next(iter(named))) == domain_of(traced.lower())


def _in_returned(returned: Returned) -> tuple[Place, bool]:
    """Whom the returned mail was delivered to or addressed to, and whether an address of it is redacted."""
    place = Place(*returned.recipient())
    if place.recipient is None or not is_redacted(place.recipient):
        return place, False
    plain = [address for address in returned.recipients() if not is_redacted(address)]
    return Place(plain[0], DerivedFrom.ORIGINAL_TO) if len(plain) == 1 else Place(None, DerivedFrom.NOWHERE), True


def _other_names(named: dict[str, Place], traced: str) -> tuple[str, ...]:
    others = [place.recipient for place in named.values() if (place.recipient or "").lower() != traced.lower()]
    if not others:
        return ()
    more = f" and {len(others) - 1} more" if len(others) > 1 else ""
    return (f"the report names {others[0]}{more}, but the mail was sent to {traced}, as its sender's MTA wrote into it",)
