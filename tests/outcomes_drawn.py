"""Outcomes for property tests: any reports, on addresses of a tenant of their own, so that one list serves all examples."""

import uuid
from collections.abc import Sequence

from hypothesis import strategies as some

from nullsender.events import Outcome, Proof
from tests.outcomes import an_outcome
from tests.store_contract import ADA, BEN

RESULTS = ("hard", "soft", "soft", "soft", "complaint", "unsubscribe", "none")  # many soft ones, so that they come to something
PROOFS = (Proof.TOKEN, Proof.NONE)


@some.composite
def reports_of(draw: some.DrawFn, results: Sequence[str] = RESULTS, proofs: Sequence[Proof] = PROOFS) -> list[Outcome]:
    """Reports on two addresses of a new tenant within some weeks."""
    tenant = uuid.uuid4().hex
    return [
        an_outcome(
            f"{tenant} {number}",
            draw(some.sampled_from(results)),
            recipient=draw(some.sampled_from([ADA, BEN])),
            days=draw(some.integers(0, 40)),
            proof=draw(some.sampled_from(proofs)),
            stream=draw(some.sampled_from([None, "news"])),
            tenant=tenant,
        )
        for number in range(draw(some.integers(1, 25)))
    ]
