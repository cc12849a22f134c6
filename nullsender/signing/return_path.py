"""Signed return paths: the envelope sender that we send with, so that a bounce proves by its address what it is about (VERP).

    b+KEY+DAY+SIGNATURE+MESSAGE+TENANT+STREAM+USER=DOMAIN@bounces.example.com
    b+KEY+DAY+SIGNATURE+MESSAGE+TENANT+STREAM@bounces.example.com

The second form is for recipients that do not fit into 64 octets: its signature covers the recipient all the same, and it is
verified against those that the report names. `unsubscribe+…` is the same for `List-Unsubscribe: <mailto:…>`. Everything is
lower-case, and an empty TENANT is `default`.
"""

import re
from collections.abc import Iterable
from datetime import date
from enum import StrEnum

from nullsender.errors import Invalid
from nullsender.limits import LOCAL_PART_OCTETS_MAX, RETURN_PATH_DAYS, UNSUBSCRIBE_DAYS
from nullsender.signing.keys import (
    SIGNATURE_CHARACTERS,
    Claims,
    SigningKeys,
    canonical_claims,
    day_of,
    days_since_epoch,
    require_fresh,
)

_DEFAULT_TENANT = "default"
_MESSAGE = re.compile(r"[a-z0-9_-]*")
_SHAPE = re.compile(
    rf"(?P<purpose>b|unsubscribe)\+(?P<key>[a-z0-9]{{1,8}})\+(?P<days>[0-9]{{1,5}})\+(?P<signature>[a-z2-7]{{{SIGNATURE_CHARACTERS}}})"
    r"\+(?P<message>[a-z0-9_-]*+)\+(?P<tenant>[a-z0-9_.-]*+)\+(?P<stream>[a-z0-9_.-]*+)(?:\+(?P<recipient>.+=.+))?"
)
# What a local part may be made of: other characters are legal there, and refused here and there. RFC 5321 4.1.2: a dot stands
# between two other characters.
_PLAIN = re.compile(r"(?!.*\.\.)[a-z0-9+=_.-]+(?<!\.)")


class Purpose(StrEnum):
    """What the address is for; the word before the first `+`."""

    BOUNCE = "b"
    UNSUBSCRIBE = "unsubscribe"


#: For how many days each is believed.
_DAYS_MAX = {Purpose.BOUNCE: RETURN_PATH_DAYS, Purpose.UNSUBSCRIBE: UNSUBSCRIBE_DAYS}


def is_return_path(local_part: str) -> bool:
    """Whether `local_part` looks like one of ours; whether it is says `ReturnPaths.verify`."""
    return _SHAPE.fullmatch(local_part.lower()) is not None


def is_unsubscribe_address(local_part: str) -> bool:
    """Whether `local_part` looks like one of ours for unsubscribing, which is meant to be shown and believed for long."""
    match = _SHAPE.fullmatch(local_part.lower())
    return match is not None and match["purpose"] == Purpose.UNSUBSCRIBE


def is_short_return_path(local_part: str) -> bool:
    """Whether `local_part` looks like one of ours without a recipient inside: each candidate costs a signature to try."""
    match = _SHAPE.fullmatch(local_part.lower())
    return match is not None and match["recipient"] is None


class ReturnPaths:
    """Makes and verifies the local parts of signed return paths."""

    def __init__(self, keys: SigningKeys) -> None:
        self._keys = keys

    def make(self, claims: Claims, *, purpose: Purpose = Purpose.BOUNCE) -> str:
        """The local part for one message to one recipient, with the recipient inside where it fits.

        Raises `Invalid` where recipient, tenant or stream can be none, where the message's name is not made of a-z, 0-9, `_`
        and `-`, and where they do not fit.
        """
        claims = canonical_claims(claims)
        if _MESSAGE.fullmatch(claims.message) is None:
            raise Invalid("the message's name in a return path is made of a-z, 0-9, _ and -")
        names = (claims.message, "" if claims.tenant == _DEFAULT_TENANT else claims.tenant, claims.stream or "")
        signature = self._keys.sign(purpose, claims)
        days = str(days_since_epoch(claims.sent_on))
        short = "+".join((purpose, self._keys.signing_id, days, signature, *names))
        verp = f"{short}+{'='.join(claims.recipient.rsplit('@', 1))}"
        if len(verp) <= LOCAL_PART_OCTETS_MAX and _PLAIN.fullmatch(verp):
            return verp
        if len(short) > LOCAL_PART_OCTETS_MAX:
            raise Invalid("message, tenant and stream are too long for a return path together")
        if _PLAIN.fullmatch(short) is None:
            raise Invalid("a tenant or stream with '..', or a stream that ends in '.', can not stand in a return path")
        return short

    def verify(self, local_part: str, *, today: date, recipients: Iterable[str] = ()) -> Claims:
        """What the return path proves. `recipients` are canonical addresses that may stand behind the short form.

        Raises `Invalid`, saying why, where it was not made by us, and `Expired` where it is too old for its purpose.
        """
        match = _SHAPE.fullmatch(local_part.lower())
        if match is None:
            raise Invalid("it is no return path of ours")
        user, _, domain = (match["recipient"] or "").rpartition("=")
        candidates = [f"{user}@{domain}"] if user else list(recipients)
        claims = self._first_that_holds(match, candidates)
        require_fresh(claims, today=today, days_max=_DAYS_MAX[Purpose(match["purpose"])])
        return claims

    def _first_that_holds(self, match: re.Match[str], candidates: Iterable[str]) -> Claims:
        reason = "it carries no recipient, and the report names none"
        for recipient in candidates:
            claims = Claims(
                tenant=match["tenant"] or _DEFAULT_TENANT,
                stream=match["stream"] or None,
                recipient=recipient,
                sent_on=day_of(int(match["days"])),
                message=match["message"],
            )
            try:
                self._keys.check(match["key"], match["signature"], match["purpose"], claims)
            except Invalid as invalid:
                reason = invalid.reason
            else:
                return claims
        raise Invalid(reason)
