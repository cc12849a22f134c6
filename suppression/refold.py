"""What one entry comes to when its history is read again from the start. Pure: values in, values out.

A report that is read otherwise today may have made an entry, held one that others would have made, or been a strike. So
nothing is undone step by step: everything that was ever said of the entry is put through the policy once more, in the order in
which it came, with each report as it is read today. What comes out is what would stand had all of them been read so in the
first place, whatever was read anew when, how often, and in which order.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import product
from typing import Generic, NamedTuple, TypeVar

from suppression.policy import (
    Claim,
    Did,
    PolicySettings,
    SoftHistory,
    Standing,
    Strike,
    decide,
    fold_soft,
)
from suppression.policy.soft import Word, compacted

#: What was said, as the caller knows it; the fold hands it back as what an entry rests on.
Words = TypeVar("Words")


class Heard(NamedTuple, Generic[Words]):
    """A report's claim."""

    report_id: str
    claim: Claim
    words: Words
    strike: Strike  # what it counts as where it is soft


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
    soft: SoftHistory
    did: Mapping[tuple[str, bool], Did]  # by report id and whether it is proven

    def is_like(self, other: "Folded[Words]") -> bool:
        """Whether the list is the same either way."""
        return self[:2] == other[:2]


#: What brings an entry to where it should stand, by whether it stops mail now and whether it should; None: it is there.
#: (AMENDED holds where the two differ.)
CORRECTIONS: Mapping[tuple[bool, bool], Did | None] = {
    (False, False): None,
    (False, True): Did.ADDED,
    (True, False): Did.RELEASED,
    (True, True): Did.AMENDED,
}
assert CORRECTIONS.keys() == set(product((True, False), repeat=2))


def fold(history: Sequence[Heard[Words] | Asked[Words] | Ended]) -> Folded[Words]:
    """What `history`, all that was said of one entry in its order, comes to. For all causes but soft."""
    standing: Standing | None = None
    rests_on: Words | None = None
    done: dict[tuple[str, bool], Did] = {}
    for said in history:
        if isinstance(said, Ended):
            standing = _end(standing, said)
            continue
        did, after = decide(standing, said.claim)
        if after is not standing:
            standing, rests_on = after, said.words
        if isinstance(said, Heard):
            done[said.report_id, said.claim.proven] = did
    return Folded(standing, rests_on, SoftHistory(), done)


def fold_strikes(
    history: Sequence[Heard[Words] | Asked[Words] | Ended], deliveries: Iterable[datetime], settings: PolicySettings
) -> Folded[Words]:
    """The same for a soft entry, where `deliveries` stand between the strikes: all of it in the order in which it happened."""
    heard = [said for said in history if isinstance(said, Heard)]
    soft = SoftHistory(strikes=tuple(said.strike for said in heard), deliveries=tuple(deliveries))
    words = words_of(history)
    folded = fold_soft(soft, words, settings)
    grounds: dict[object, Words] = {(said.report_id, said.claim.proven): said.words for said in heard}
    grounds |= {said.claim.at: said.words for said in history if isinstance(said, Asked)}
    because = folded.rests_on
    rests_on = None if because is None else grounds[_named(because)]
    done = {(said.report_id, said.claim.proven): Did.COUNTED for said in heard} | dict(folded.did)
    return Folded(folded.standing, rests_on, compacted(soft.with_strikes(soft.strikes), words, settings), done)


def words_of(history: Iterable[Heard[Words] | Asked[Words] | Ended]) -> Sequence[Word]:
    """What operators said; that an entry's time was over follows from the rest."""
    words: list[Word] = []
    for said in history:
        if isinstance(said, Asked):
            words.append(said.claim)
        elif isinstance(said, Ended) and said.by is Did.LIFTED:
            words.append(said.standing.end(said.at, Did.LIFTED))
    return words


def _named(because: Strike | Claim) -> object:
    return because.at if isinstance(because, Claim) else (because.report_id, because.proven)


def _end(standing: Standing | None, end: Ended) -> Standing | None:
    """A lift holds against all that came before it, though nothing had to be lifted; an expiry only where its time is over."""
    if end.by is Did.LIFTED:
        return (standing or end.standing).end(end.at, Did.LIFTED)
    if standing is None or standing.ended is not None or standing.expires is None or standing.expires > end.at:
        return standing
    return standing.end(end.at, Did.EXPIRED)
