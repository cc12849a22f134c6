"""What a report, or an operator, does to the list. Pure: values in, values out; times are passed in.

An *entry* is what stops mail to one address: tenant, scope, address and cause make its key, so causes never overwrite each
other. What happens to an entry follows from two tables, both total:

    REACH        what each outcome asks for: which cause, on which scope, and whose fault it has to be
    TRANSITIONS  what a claim does to the entry of its key, by the entry's state and by how well the claim is proven

Two principles are behind them. Nothing but a lift and time weakens an entry. And a report that came in before a lift was part
of what the operator judged, so it changes nothing afterwards.

A soft report alone suppresses nobody. It is a *strike*; when `soft_limit` strikes fall within `soft_window_days`, they are a
claim together. The newest `soft_limit` strikes are all that is kept of an address, however many come.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from ipaddress import IPv6Address, ip_address, ip_network
from itertools import product
from typing import Literal, NamedTuple

import msgspec

from nullsender import limits
from nullsender.events import Fault, Outcome, Proof, Report, Result

EVERYWHERE = "*"


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


class Reach(NamedTuple):
    """What an outcome asks for."""

    cause: Cause
    everywhere: bool  # else the stream that the report is about, where it says which
    only_for_fault: Fault | None


REACH: Mapping[Result, Reach | None] = {
    Result.HARD: Reach(Cause.HARD, everywhere=True, only_for_fault=Fault.RECIPIENT),
    Result.SOFT: Reach(Cause.SOFT, everywhere=False, only_for_fault=Fault.RECIPIENT),
    Result.COMPLAINT: Reach(Cause.COMPLAINT, everywhere=True, only_for_fault=None),
    Result.UNSUBSCRIBE: Reach(Cause.UNSUBSCRIBE, everywhere=False, only_for_fault=None),
    Result.NONE: None,
}
assert REACH.keys() == set(Result)


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
    CAPPED = "capped"  # its source has made too many provisional entries within the hour
    RECORDED = "recorded"  # nothing was asked for, or nobody may ask for it
    REPEATED = "repeated"  # the report was known; not even recorded again


#: What ends an entry and leaves its grounds as they were.
ENDS = frozenset({Did.LIFTED, Did.EXPIRED, Did.RELEASED})


class PolicySettings(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator may move; the reasons for the defaults stand in `nullsender/limits.py`."""

    unproven: Literal["ignore", "provisional", "full"] = "provisional"
    provisional_days: int = limits.PROVISIONAL_DAYS
    provisional_per_source_and_hour_max: int = limits.PROVISIONAL_PER_SOURCE_AND_HOUR_MAX
    soft_limit: int = limits.SOFT_BOUNCES_MAX
    soft_window_days: int = limits.SOFT_WINDOW_DAYS
    soft_entry_days: int = limits.SOFT_ENTRY_DAYS


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody asks of the list: an entry of this cause on this scope."""

    cause: Cause
    scope: str
    at: datetime  # when the report reached us, or the operator spoke
    proven: bool  # an unproven claim makes a provisional entry
    expires: datetime | None = None


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


class Strike(NamedTuple):
    """One soft report that counts."""

    at: datetime
    proven: bool


def claim_of(outcome: Outcome, received_at: datetime, settings: PolicySettings) -> Claim | str:
    """What `outcome` asks of the list, or in words why it asks for nothing.

    A soft outcome's claim is that of its strike alone: see `claim_of_strikes`.
    """
    report, decision = outcome.report, outcome.decision
    reach = REACH[decision.outcome]
    if reach is None:
        return "the outcome is none"
    if report.withheld:
        return f"withheld: {report.withheld}"
    if reach.only_for_fault not in (None, decision.fault):
        return f"the fault is the {decision.fault}'s" if decision.fault else "nobody knows whose fault it is"
    proven = counts_as_proven(report, settings)
    if not proven and settings.unproven == "ignore":
        return "nothing ties the report to mail that we sent"
    return claim_for(reach, report.stream, received_at, proven=proven, settings=settings)


def claim_for(reach: Reach, stream: str | None, at: datetime, *, proven: bool, settings: PolicySettings) -> Claim:
    """The claim of a report that may make one."""
    return Claim(
        cause=reach.cause,
        scope=EVERYWHERE if reach.everywhere else stream or EVERYWHERE,
        at=at,
        proven=proven,
        expires=None if proven else at + timedelta(days=settings.provisional_days),
    )


def counts_as_proven(report: Report, settings: PolicySettings) -> bool:
    """Whether `report` acts in full."""
    return report.proof is not Proof.NONE or settings.unproven == "full"


def add_strike(
    strikes: Sequence[Strike],
    claim: Claim,
    standing: Standing | None,
    settings: PolicySettings,
    *,
    instead_of: Strike | None = None,
) -> tuple[Strike, ...]:
    """The newest `soft_limit` strikes, this one among them; those from before a lift no longer count.

    `instead_of` is the strike of the same report, which came without proof before.
    """
    others = list(strikes)
    if instead_of in others:
        others.remove(instead_of)
    counting = sorted((*others, Strike(claim.at, claim.proven)))
    if standing is not None and standing.ended is not None and standing.ended_by is Did.LIFTED:
        counting = [strike for strike in counting if strike.at >= standing.ended]
    return tuple(counting[-settings.soft_limit :])


def claim_of_strikes(strikes: Sequence[Strike], claim: Claim, settings: PolicySettings) -> Claim | None:
    """What the strikes ask for together, `claim` being that of the one that came last; None while there are too few."""
    window = timedelta(days=settings.soft_window_days)
    if len(strikes) < settings.soft_limit or strikes[-1].at - strikes[0].at > window:
        return None
    return msgspec.structs.replace(
        claim,
        proven=all(strike.proven for strike in strikes),
        expires=strikes[-1].at + timedelta(days=settings.soft_entry_days),
    )


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


def source_of(ip: str) -> str:
    """Whose cap a report counts against: the address, or for IPv6 its /64, which is what one host is given."""
    try:
        address = ip_address(ip)
    except ValueError:
        return "unknown"
    if isinstance(address, IPv6Address):
        mapped = address.ipv4_mapped
        return str(mapped) if mapped else str(ip_network((int(address), 64), strict=False))
    return str(address)
