"""Outcomes become changes of the list: each report once, in the order in which they come.

A report's id is made of the message's bytes, so a stranger who has a copy may send it before the source that we trust does.
That must not disarm it: a report counts once without proof and once with proof, the stronger in place of the weaker.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from nullsender.address import AddressHasher, canonical
from nullsender.errors import Invalid
from nullsender.events import Outcome
from suppression.policy import (
    Cause,
    Claim,
    Did,
    PolicySettings,
    Strike,
    add_strike,
    claim_of,
    claim_of_strikes,
    counts_as_proven,
    decide,
    source_of,
)
from suppression.records import Applied
from suppression.store_bulk import Columns
from suppression.store_rows import Key, Person
from suppression.store_text import body_of, clean_name, clean_time, clean_words
from suppression.store_turn import Grounds, Place, Turn

ACTOR = "suppress"  # the stage, as the history names it

# What makes an entry or a strike keeps the plain address; anybody can send the rest, and a history is found by the hash.
_NAMED = frozenset({Did.ADDED, Did.HARDENED, Did.RENEWED, Did.COUNTED})


class Reported(NamedTuple):
    """One outcome, read for the store."""

    id: str
    outcome: Outcome
    received_at: datetime
    proven: bool
    tenant: str
    person: Person | None
    address: str  # canonical; "" where the report names none
    claim: Claim | str  # a text says why there is none


class Applier:
    """Applies outcomes within one turn."""

    def __init__(self, turn: Turn, hasher: AddressHasher, policy: PolicySettings) -> None:
        self._turn = turn
        self._hasher = hasher
        self._policy = policy
        self._known: dict[tuple[str, bool], datetime] = {}  # reports that were applied, and when they had come

    def apply(self, batch: Sequence[Outcome]) -> list[Applied]:
        """What each of them did, in their order."""
        reports = [self._read(outcome) for outcome in batch]
        self._known = self._turn.known_reports([report.id for report in reports])
        self._turn.load({report.person for report in reports if report.person and not self._is_known(report)})
        applied = []
        for report in reports:
            if self._is_known(report):
                applied.append(Applied(report_id=report.id, did=Did.REPEATED, why="the report was applied before"))
            else:
                applied.append(self._apply_new(report))
                self._known[report.id, report.proven] = report.received_at
        return applied

    def _is_known(self, report: Reported) -> bool:
        """It was applied as it is, or with proof, which is more than it brings."""
        return (report.id, report.proven) in self._known or (report.id, True) in self._known

    def _read(self, outcome: Outcome) -> Reported:
        report = outcome.report
        tenant = clean_name(report.tenant)
        received_at = clean_time(report.received_at)
        proven = counts_as_proven(report, self._policy)
        claim = claim_of(outcome, received_at, self._policy)
        try:
            address = canonical(report.recipient or "")
            person = Person(tenant, self._hasher.hash(address))
        except Invalid:
            address, person = "", None
        return Reported(clean_name(report.id), outcome, received_at, proven, tenant, person, address, claim)

    def _apply_new(self, report: Reported) -> Applied:
        seq = self._turn.number()
        applied = self._act(report)
        self._turn.record(_columns(seq, report, applied))
        if report.person and applied.did in _NAMED:
            self._turn.name(report.person.address_hash, report.address)
        return applied

    def _act(self, report: Reported) -> Applied:
        claim, person = report.claim, report.person
        if isinstance(claim, str):
            return Applied(report_id=report.id, did=Did.RECORDED, why=clean_words(claim))
        if person is None:
            return Applied(report_id=report.id, did=Did.RECORDED, why="the report names no address")
        key = Key(person, clean_name(claim.scope), claim.cause)
        if claim.cause is Cause.SOFT:
            together = self._strike(report, key, claim)
            if together is None:
                policy = self._policy
                why = f"a soft report alone; {policy.soft_limit} within {policy.soft_window_days} days make an entry"
                return Applied(report_id=report.id, did=Did.COUNTED, why=why)
            claim = together
        return self._claim(report, key, claim)

    def _strike(self, report: Reported, key: Key, claim: Claim) -> Claim | None:
        """Count a soft report; the claim of all that count together, where they are enough."""
        place = Place(key.person, key.scope)
        came_at = self._known.get((report.id, False))
        before = None if came_at is None else Strike(came_at, proven=False)
        newest = add_strike(self._turn.strikes(place), claim, self._turn.standing(key), self._policy, instead_of=before)
        self._turn.keep_strikes(place, newest)
        return claim_of_strikes(newest, claim, self._policy)

    def _claim(self, report: Reported, key: Key, claim: Claim) -> Applied:
        turn, policy = self._turn, self._policy
        did, standing = decide(turn.standing(key), claim)
        entry = turn.entry(key)
        if standing is None or did is Did.KEPT:
            why = "an entry stood already, or was lifted after the report had come"
            return Applied(report_id=report.id, did=Did.KEPT, why=why, entry_id=entry.id if entry else None)
        if did is Did.ADDED and not claim.proven:
            source = source_of(report.outcome.report.source.ip)
            made_max = policy.provisional_per_source_and_hour_max
            if not turn.take_provisional(source, report.received_at, made_max):
                why = f"{source} has made {made_max} provisional entries within the hour"
                return Applied(report_id=report.id, did=Did.CAPPED, why=why)
        entry = turn.put(key, did, standing, _grounds(report))
        why = f"{claim.cause}, proof: {report.outcome.report.proof}"
        return Applied(report_id=report.id, did=did, why=why, entry_id=entry.id)


def _grounds(report: Reported) -> Grounds:
    decision, status = report.outcome.decision, report.outcome.report.status
    # No words of the mail: they often name the person, and this text outlives the address. The evidence holds them.
    reason = f"{decision.category} {status}" if status else decision.category
    return Grounds(
        actor=ACTOR,
        reason=clean_words(reason),
        evidence=report.id,
        category=clean_words(decision.category),
        rule=clean_words(decision.rule),
    )


def _columns(seq: int, report: Reported, applied: Applied) -> Columns:
    told, decision = report.outcome.report, report.outcome.decision
    return {
        "report_id": report.id,
        "proven": report.proven,
        "seq": seq,
        "tenant": report.tenant,
        "stream": told.stream and clean_words(told.stream),
        "address_hash": report.person and report.person.address_hash,
        "received_at": report.received_at,
        "occurred_at": told.occurred_at and clean_time(told.occurred_at),
        "outcome": decision.outcome.value,
        "category": clean_words(decision.category),
        "rule": clean_words(decision.rule),
        "proof": told.proof.value,
        "did": applied.did.value,
        "why": applied.why,
        "entry_id": applied.entry_id,
        "body": body_of(report.outcome),
    }
