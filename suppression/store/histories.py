"""All that was ever said of entries, out of the rows that the store keeps, ready to be folded (`refold.py`).

A row of `outcomes` tells by what the report did whether it asked for an entry; its body may be erased. A change of the list
that is no report's is an operator's or the clock's, and what a settling changed follows from the rest.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias

import msgspec

from nullsender.events import Result
from suppression.policy import EVERYWHERE, REACH, Cause, Claim, Did, Policy, Strike, claim_for
from suppression.policy.strikes import event_time
from suppression.records import Entry
from suppression.refold import Asked, Ended, Heard
from suppression.store.rows import Key, Person
from suppression.store.text import clean_name

#: Who changes the list when reports count otherwise than before, as the history names it.
REPLAY_ACTOR = "replay"
INCIDENT_ACTOR = "incident"
REVIEW_ACTOR = "review"
_SETTLERS = frozenset({REPLAY_ACTOR, INCIDENT_ACTOR, REVIEW_ACTOR})

Row: TypeAlias = dict[str, Any]  # of a table, by the names of its columns

#: What is read of `outcomes` and of `changes`. No bodies: anybody can send reports of any length about an address.
REPORTED_COLUMNS = (
    "report_id",
    "proven",
    "seq",
    "tenant",
    "stream",
    "scope",
    "address_hash",
    "received_at",
    "occurred_at",
    "send",
    "outcome",
    "category",
    "rule",
    "did",
)
CHANGED_COLUMNS = ("seq", "at", "tenant", "address_hash", "action", "cause", "scope", "actor", "after")

_ASKED_NOTHING = frozenset({Did.RECORDED, Did.RELEASED, Did.HELD})
_BY_STREAM = frozenset({Result.SOFT, Result.UNSUBSCRIBE})  # before the policy said so
_OPERATOR_DID = frozenset({Did.ADDED, Did.HARDENED, Did.RENEWED, Did.CONFIRMED})
_ENTRY = msgspec.json.Decoder(Entry)


class Basis(NamedTuple):
    """What an entry rests on: a report with its category and rule, or an operator's word."""

    evidence: str | None
    category: str | None
    rule: str | None
    reason: str


Said: TypeAlias = Heard[Basis] | Asked[Basis] | Ended


def person_of(row: Row) -> Person | None:
    """Whom a report is about, if anybody."""
    return None if row["address_hash"] is None else Person(row["tenant"], row["address_hash"])


def scope_of(row: Row) -> str | None:
    """The scope that a report asked for, though it may have been set aside; None: it asked for nothing.

    A row from before scopes were kept says it by its stream, which is what they followed from then.
    """
    if row["scope"] is not None or Did(row["did"]) in _ASKED_NOTHING:
        scope: str | None = row["scope"]
        return scope
    return clean_name(row["stream"]) if row["outcome"] in _BY_STREAM and row["stream"] else EVERYWHERE


def asked_of(row: Row, policy: Policy) -> tuple[Key, Claim] | None:
    """What a report asked for, on the scope that the policy of that day gave it; None: for nothing, or of nobody."""
    person, reach, scope = person_of(row), REACH[Result(row["outcome"])], scope_of(row)
    if person is None or reach is None or scope is None or Did(row["did"]) in _ASKED_NOTHING:
        return None
    settings = policy.settings_for(row["tenant"], row["stream"])
    claim = claim_for(reach.cause, scope, row["received_at"], proven=row["proven"], settings=settings)
    return Key(person, scope, claim.cause), claim


def histories(reported: Iterable[Row], changed: Iterable[Row], policy: Policy) -> dict[Key, Sequence[Said]]:
    """All that was said of each entry that these rows of `outcomes` and `changes` speak of, in its order."""
    said: dict[Key, list[tuple[int, Said]]] = defaultdict(list)
    for row in reported:
        asked = asked_of(row, policy)
        if asked is not None and row["did"] != Did.CAPPED:  # its source had made too many: it was heard and no more
            key, claim = asked
            basis = Basis(row["report_id"], row["category"], row["rule"], row["category"])
            said[key].append((row["seq"], Heard(row["report_id"], claim, basis, _strike_of(row))))
    for row in changed:
        key = Key(Person(row["tenant"], row["address_hash"]), row["scope"], Cause(row["cause"]))
        told = _told_by(row, key)
        if told is not None:
            said[key].append((row["seq"], told))
    return {key: [one for _, one in sorted(items, key=lambda item: item[0])] for key, items in said.items()}


def _strike_of(row: Row) -> Strike:
    at = event_time(row["occurred_at"], row["received_at"])
    return Strike(at, row["proven"], row["send"] or "", row["category"], row["report_id"])


def _told_by(row: Row, key: Key) -> Said | None:
    """What a change says beside the reports; None where it came of them."""
    did, after = Did(row["action"]), _ENTRY.decode(row["after"])
    if did in (Did.LIFTED, Did.EXPIRED):
        assert after.ended is not None, "both end the entry"
        return Ended(did, after.ended, after.standing())
    # A report's change names the rule that decided; a person's has none.
    if did not in _OPERATOR_DID or after.rule is not None or row["actor"] in _SETTLERS:
        return None
    # How long the operator wanted it is known only where that prevailed; else it holds for as long as the entry stood then.
    at = after.since if did is Did.ADDED else row["at"]
    claim = Claim(cause=key.cause, scope=key.scope, at=at, proven=True, expires=after.expires)
    return Asked(claim, Basis(after.evidence, None, None, after.reason))
