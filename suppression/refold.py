"""What one entry comes to when its history is read again from the start. Pure: values in, values out.

A report that is read otherwise today may have made an entry, held one that others would have made, or been a strike. So
nothing is undone step by step: everything that was ever said of the entry is put through the policy once more, in the order in
which it came, with each report as it is read today. What comes out is what would stand had all of them been read so in the
first place, whatever was read anew when, how often, and in which order.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import product
from typing import Generic, NamedTuple, TypeVar

import msgspec

from suppression.policy import (
    Cause,
    Claim,
    Did,
    PolicySettings,
    Standing,
    Strike,
    add_strike,
    claim_of_strikes,
    decide,
)

#: What was said, as the caller knows it; the fold hands it back as what an entry rests on.
Words = TypeVar("Words")


class Heard(NamedTuple, Generic[Words]):
    """A report's claim."""

    report_id: str
    claim: Claim
    words: Words


class Asked(NamedTuple, Generic[Words]):
    """An operator's claim."""

    claim: Claim
    words: Words


class Ended(NamedTuple):
    """An operator's lift, or an expiry that was noted; `standing` is how the entry stood after it."""

    by: Did
    at: datetime
    standing: Standing


class Folded(NamedTuple, Generic[Words]):
    """What a history comes to: how the entry stands, what it rests on, the strikes that count, and what each report did."""

    standing: Standing | None
    rests_on: Words | None
    strikes: tuple[Strike, ...]
    did: Mapping[tuple[str, bool], Did]  # by report id and whether it is proven

    def is_like(self, other: "Folded[Words]") -> bool:
        """Whether the list is the same either way."""
        return self[:3] == other[:3]


#: What brings an entry to where it should stand, by whether it stops mail now and whether it should; None: it is there.
#: (AMENDED holds where the two differ.)
CORRECTIONS: Mapping[tuple[bool, bool], Did | None] = {
    (False, False): None,
    (False, True): Did.ADDED,
    (True, False): Did.RELEASED,
    (True, True): Did.AMENDED,
}
assert CORRECTIONS.keys() == set(product((True, False), repeat=2))


def fold(history: Iterable[Heard[Words] | Asked[Words] | Ended], settings: PolicySettings) -> Folded[Words]:
    """What `history`, all that was said of one entry in its order, comes to."""
    standing: Standing | None = None
    rests_on: Words | None = None
    strikes: tuple[Strike, ...] = ()
    done: dict[tuple[str, bool], Did] = {}
    weak: dict[str, Strike] = {}
    for said in history:
        if isinstance(said, Ended):
            standing = _end(standing, said)
            continue
        claim: Claim | None = said.claim
        if isinstance(said, Heard) and said.claim.cause is Cause.SOFT:
            strikes = add_strike(strikes, said.claim, standing, settings, instead_of=weak.get(said.report_id))
            if not said.claim.proven:
                weak[said.report_id] = Strike(said.claim.at, proven=False)
            claim = claim_of_strikes(strikes, said.claim, settings)
        did, after = (Did.COUNTED, standing) if claim is None else decide(standing, claim)
        if after is not standing:
            standing, rests_on = after, said.words
        if isinstance(said, Heard):
            done[said.report_id, said.claim.proven] = did
    return Folded(standing, rests_on, strikes, done)


def _end(standing: Standing | None, end: Ended) -> Standing | None:
    """A lift holds against all that came before it, though nothing had to be lifted; an expiry only where its time is over."""
    if end.by is Did.LIFTED:
        return msgspec.structs.replace(standing or end.standing, ended=end.at, ended_by=Did.LIFTED)
    if standing is None or standing.ended is not None or standing.expires is None or standing.expires > end.at:
        return standing
    return msgspec.structs.replace(standing, ended=end.at, ended_by=Did.EXPIRED)
