"""The table: what happens to an entry, by how it stands, by its cause, and by what is said. Total, and the only place for it.

An *entry* is what stops mail to one address: tenant, scope, address and cause make its key, so causes never overwrite each
other. Two principles are behind the table. Nothing but a lift and time weakens an entry (and a delivery, where the policy says
so, a soft one). And a report that came in before a lift was part of what the operator judged, so it changes nothing afterwards,
whatever stands there by then.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from itertools import product

import msgspec

from suppression.policy.claims import Claim
from suppression.policy.words import PROTECTED, Cause, Did, State


class Word(StrEnum):
    """What is said of an entry."""

    PROVEN = "a proven report, or an operator's word"
    UNPROVEN = "an unproven report"
    LIFT = "a lift"
    CONSENT = "a lift with the person's consent"
    DELIVERY = "a delivery"
    TIME = "its time is over"


class Move(StrEnum):
    """What the table may say."""

    ADD = "add"  # a new period begins
    STRENGTHEN = "strengthen"  # as strong as the entry and the claim together
    PROLONG = "prolong"  # until the later of both ends, and no stronger
    KEEP = "keep"
    END = "end"
    MAY_END = "may end"  # where the policy says `delivery_ends_soft`
    REFUSE = "refuse"


_ADD, _STRENGTHEN, _PROLONG, _KEEP, _END = Move.ADD, Move.STRENGTHEN, Move.PROLONG, Move.KEEP, Move.END

_BY_STATE: Mapping[State, tuple[Move, ...]] = {
    #                   PROVEN       UNPROVEN  LIFT   CONSENT DELIVERY TIME
    State.CLEAR: (_ADD, _ADD, _KEEP, _KEEP, _KEEP, _KEEP),
    State.PROVISIONAL: (_STRENGTHEN, _PROLONG, _END, _END, _KEEP, _END),
    State.TEMPORARY: (_STRENGTHEN, _KEEP, _END, _END, _KEEP, _END),
    State.SUPPRESSED: (_KEEP, _KEEP, _END, _END, _KEEP, _KEEP),
    State.EXPIRED: (_ADD, _ADD, _KEEP, _KEEP, _KEEP, _KEEP),
    State.LIFTED: (_ADD, _ADD, _KEEP, _KEEP, _KEEP, _KEEP),
    State.OVERRULED: (_KEEP, _KEEP, _KEEP, _KEEP, _KEEP, _KEEP),
}
#: How an entry stands that stops mail.
STANDING = (State.PROVISIONAL, State.TEMPORARY, State.SUPPRESSED)
_EXCEPTIONS: Mapping[tuple[State, Cause, Word], Move] = {
    **{(state, cause, Word.LIFT): Move.REFUSE for state in STANDING for cause in PROTECTED},
    **{(state, Cause.SOFT, Word.DELIVERY): Move.MAY_END for state in STANDING},
}
TRANSITIONS: Mapping[tuple[State, Cause, Word], Move] = {
    (state, cause, word): _EXCEPTIONS.get((state, cause, word), move)
    for state, moves in _BY_STATE.items()
    for word, move in zip(Word, moves, strict=True)
    for cause in Cause
}
assert TRANSITIONS.keys() == set(product(State, Cause, Word))


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What the policy has to know of an entry."""

    since: datetime
    expires: datetime | None
    provisional: bool
    ended: datetime | None = None
    ended_by: Did | None = None  # one of ENDS; EXPIRED once the expiry was noted
    lifted: datetime | None = None  # when it was lifted last, though it stands again

    def stops(self, now: datetime) -> bool:
        """It has neither ended nor expired by then."""
        return self.ended is None and (self.expires is None or self.expires > now)

    def end(self, at: datetime, by: Did) -> "Standing":
        """How it stands once it was ended."""
        lifted = at if by is Did.LIFTED else self.lifted
        return msgspec.structs.replace(self, ended=at, ended_by=by, lifted=lifted)


def state_of(standing: Standing | None, at: datetime) -> State:
    """How an entry stands for a claim of that time."""
    if standing is None:
        return State.CLEAR
    if standing.lifted is not None and at < standing.lifted:
        return State.OVERRULED
    if standing.ended is not None:
        return State.LIFTED if standing.ended_by is Did.LIFTED else State.EXPIRED
    if standing.expires is not None and standing.expires <= at:
        return State.EXPIRED
    if standing.provisional:
        return State.PROVISIONAL
    return State.SUPPRESSED if standing.expires is None else State.TEMPORARY


def decide(standing: Standing | None, claim: Claim) -> tuple[Did, Standing | None]:
    """What `claim` does to the entry of its key, and how the entry stands then.

    `Did` is one of ADDED, HARDENED, RENEWED and KEPT; with KEPT the entry stands as it did.
    """
    word = Word.PROVEN if claim.proven else Word.UNPROVEN
    move = TRANSITIONS[state_of(standing, claim.at), claim.cause, word]
    if move is Move.ADD:
        lifted = standing.lifted if standing else None
        return Did.ADDED, Standing(since=claim.at, expires=claim.expires, provisional=not claim.proven, lifted=lifted)
    if move is Move.KEEP:
        return Did.KEPT, standing
    assert standing is not None, "only an entry that there is can be strengthened"
    expires = _later(standing.expires, claim.expires)
    provisional = standing.provisional and move is Move.PROLONG
    stronger = msgspec.structs.replace(standing, provisional=provisional, expires=expires)
    if standing.provisional > provisional or (standing.expires is not None and expires is None):
        return Did.HARDENED, stronger
    return (Did.KEPT, standing) if stronger == standing else (Did.RENEWED, stronger)


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    """The later of two ends, where None is never."""
    return None if one is None or other is None else max(one, other)
