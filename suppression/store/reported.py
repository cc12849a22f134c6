"""An outcome as the store takes it: cleaned, its address hashed, and with what it asks of the list."""

from datetime import datetime
from typing import NamedTuple

from nullsender.address import AddressHasher, canonical
from nullsender.errors import Invalid
from nullsender.events import Outcome
from suppression.policy import Claim, Did, Policy, Strike, claim_of, counts_as_proven
from suppression.policy.strikes import event_time, send_of
from suppression.records import Applied
from suppression.store.bulk import Columns
from suppression.store.rows import Key, Person
from suppression.store.text import clean_name, clean_time, clean_words, json_of

#: What makes an entry or a strike keeps the plain address; anybody can send the rest, and a history is found by the hash.
NAMED = frozenset({Did.ADDED, Did.HARDENED, Did.RENEWED, Did.COUNTED})


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

    @property
    def strike(self) -> Strike:
        """What it counts as where it is soft."""
        told = self.outcome.report
        occurred_at = told.occurred_at and clean_time(told.occurred_at)
        at = event_time(occurred_at, self.received_at)
        return Strike(at, self.proven, send_of(told), clean_words(self.outcome.decision.category), self.id)

    @property
    def key(self) -> Key | None:
        """The entry that it speaks of; None where it asks for nothing, or of nobody."""
        if isinstance(self.claim, str) or self.person is None:
            return None
        return Key(self.person, clean_name(self.claim.scope), self.claim.cause)

    @property
    def reason(self) -> str:
        """Why an entry stands that it makes. No words of the mail, which often name the person: the evidence holds them."""
        category, status = self.outcome.decision.category, self.outcome.report.status
        return clean_words(f"{category} {status}" if status else category)

    def why_nothing(self) -> str:
        """Why it has no key."""
        return clean_words(self.claim) if isinstance(self.claim, str) else "the report names no address"


def read_outcome(outcome: Outcome, hasher: AddressHasher, policy: Policy) -> Reported:
    """What `outcome` says to the store; nothing in it makes this fail."""
    report = outcome.report
    tenant = clean_name(report.tenant)
    received_at = clean_time(report.received_at)
    proven = counts_as_proven(report, policy.settings_for(tenant, report.stream))
    claim = claim_of(outcome, received_at, policy)
    try:
        address = canonical(report.recipient or "")
        person = Person(tenant, hasher.hash(address))
    except Invalid:
        address, person = "", None
    return Reported(clean_name(report.id), outcome, received_at, proven, tenant, person, address, claim)


def columns_of(seq: int, report: Reported, applied: Applied) -> Columns:
    """The row of `outcomes` for it."""
    told, decision = report.outcome.report, report.outcome.decision
    return {
        "report_id": report.id,
        "proven": report.proven,
        "seq": seq,
        "tenant": report.tenant,
        "stream": told.stream and clean_words(told.stream),
        "scope": report.key and report.key.scope,
        "send": send_of(told) or None,
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
        "body": json_of(report.outcome),
    }
