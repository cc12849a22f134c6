"""The words of the policy: why an entry stands, how it stands, and what came of a report."""

from collections.abc import Mapping
from enum import StrEnum


class Cause(StrEnum):
    """Why an entry stands, gravest first."""

    COMPLAINT = "complaint"
    UNSUBSCRIBE = "unsubscribe"
    HARD = "hard"
    MANUAL = "manual"
    SOFT = "soft"


GRAVITY: Mapping[Cause, int] = {cause: -place for place, cause in enumerate(Cause)}

#: A person asked us to stop: such an entry is lifted only with that person's consent.
PROTECTED = frozenset({Cause.COMPLAINT, Cause.UNSUBSCRIBE})


class State(StrEnum):
    """How an entry stands at the moment that a claim speaks of."""

    CLEAR = "clear"  # there never was one
    PROVISIONAL = "provisional"  # from an unproven report, until it expires
    TEMPORARY = "temporary"  # in full, until it expires
    SUPPRESSED = "suppressed"  # in full, for good
    EXPIRED = "expired"  # or released: it ended without a word against it
    LIFTED = "lifted"  # before the claim
    OVERRULED = "overruled"  # lifted, and the claim is older than the lift


class Did(StrEnum):
    """What came of a report or an operator's word. The first eight are changes of the list, the others are not."""

    ADDED = "added"  # a new entry, or a new period of one that had ended
    HARDENED = "hardened"  # provisional before and full now, or until a day before and for good now
    RENEWED = "renewed"  # expires later than before
    LIFTED = "lifted"
    EXPIRED = "expired"
    RELEASED = "released"  # the reports that it rested on are read otherwise today, and nothing else holds it
    AMENDED = "amended"  # it stands, but otherwise or on other grounds, for a report that it rested on is read otherwise today
    CONFIRMED = "confirmed"  # an operator asked for what stood on reports: it rests on that word from now on
    KEPT = "kept"  # the entry was as strong already
    COUNTED = "counted"  # a strike, not enough of them yet
    HELD = "held"  # the breaker holds it for a review; it asks for nothing until it is released
    CAPPED = "capped"  # its source has made too many provisional entries within the hour
    RECORDED = "recorded"  # nothing was asked for, or nobody may ask for it
    REPEATED = "repeated"  # the report was known; not even recorded again


#: What ends an entry and leaves its grounds as they were.
ENDS = frozenset({Did.LIFTED, Did.EXPIRED, Did.RELEASED})
