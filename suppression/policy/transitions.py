"""The table: what a claim does to the entry of its key.

An *entry* is what stops mail to one address: tenant, scope, address and cause make its key, so causes never overwrite each
other. Two principles are behind the table. Nothing but a lift and time weakens an entry. And a report that came in before a
lift was part of what the operator judged, so it changes nothing afterwards.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from itertools import product

import msgspec

from suppression.policy.claims import Claim
from suppression.policy.words import Did, State


class Move(StrEnum):
    """What the table may say."""

    ADD = "add"  # a new period begins
    STRENGTHEN = "strengthen"  # as strong as the entry and the claim together
    KEEP = "keep"


_BY_STATE: Mapping[State, tuple[Move, Move]] = {
    #                   the claim is: proven   unproven
    State.CLEAR: (Move.ADD, Move.ADD),
    State.PROVISIONAL: (Move.STRENGTHEN, Move.KEEP),
    State.TEMPORARY: (Move.STRENGTHEN, Move.KEEP),
    State.SUPPRESSED: (Move.KEEP, Move.KEEP),
    State.EXPIRED: (Move.ADD, Move.ADD),
    State.LIFTED: (Move.ADD, Move.ADD),
    State.OVERRULED: (Move.KEEP, Move.KEEP),
}
TRANSITIONS: Mapping[tuple[State, bool], Move] = {
    (state, proven): moves[0] if proven else moves[1] for state, moves in _BY_STATE.items() for proven in (True, False)
}
assert TRANSITIONS.keys() == set(product(State, (True, False)))


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What the policy has to know of an entry."""

    since: datetime
    expires: datetime | None
    provisional: bool
    ended: datetime | None = None
    ended_by: Did | None = None  # one of ENDS; EXPIRED once the expiry was noted

    def stops(self, now: datetime) -> bool:
        """It has neither ended nor expired by then."""
        return self.ended is None and (self.expires is None or self.expires > now)


def state_of(standing: Standing | None, at: datetime) -> State:
    """How an entry stands for a claim of that time."""
    if standing is None:
        return State.CLEAR
    if standing.ended is not None and standing.ended_by is Did.LIFTED:
        return State.LIFTED if at >= standing.ended else State.OVERRULED
    if standing.ended is not None or (standing.expires is not None and standing.expires <= at):
        return State.EXPIRED
    if standing.provisional:
        return State.PROVISIONAL
    return State.SUPPRESSED if standing.expires is None else State.TEMPORARY


def decide(standing: Standing | None, claim: Claim) -> tuple[Did, Standing | None]:
    """What `claim` does to the entry of its key, and how the entry stands then.

    `Did` is one of ADDED, HARDENED, RENEWED and KEPT; with KEPT the entry stands as it did.
    """
    move = TRANSITIONS[state_of(standing, claim.at), claim.proven]
    if move is Move.ADD:
        return Did.ADDED, Standing(since=claim.at, expires=claim.expires, provisional=not claim.proven)
    if move is Move.KEEP:
        return Did.KEPT, standing
    assert standing is not None, "only an entry that there is can be strengthened"
    expires = _later(standing.expires, claim.expires)
    stronger = msgspec.structs.replace(standing, provisional=False, expires=expires)
    if standing.provisional or (standing.expires is not None and expires is None):
        return Did.HARDENED, stronger
    return (Did.KEPT, standing) if stronger == standing else (Did.RENEWED, stronger)


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    """The later of two ends, where None is never."""
    return None if one is None or other is None else max(one, other)
