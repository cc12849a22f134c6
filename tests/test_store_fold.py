"""The list is what its reports come to: each counted once, however they arrive."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from msgspec.structs import replace

from nullsender.events import Outcome, Proof
from suppression.policy import Cause, PolicySettings
from suppression.store.store import Store
from tests.outcomes_drawn import reports_of
from tests.sim.fold import fold
from tests.store_contract import ADA, BEN, live, tell
from tests.store_fixtures import BOTH_DATABASES

pytestmark = pytest.mark.parametrize("database", BOTH_DATABASES)

# One list serves all examples: each has a tenant of its own.
examples = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

Standing = tuple[str, Cause, bool, datetime | None]  # scope, cause, provisional, expires


def standing(arriving: Sequence[Outcome], address: str) -> set[Standing]:
    """What reports come to with the default policy."""
    stands = fold(arriving, address, PolicySettings())
    return {(scope, cause, stand.provisional, stand.expires) for (scope, cause), stand in stands.items()}


def proven_later(outcome: Outcome, data: some.DataObject) -> Outcome:
    """The same message, from a source that the operator named."""
    received_at = outcome.report.received_at + timedelta(days=data.draw(some.integers(0, 9), label="later"))
    return replace(outcome, report=replace(outcome.report, proof=Proof.SOURCE, received_at=received_at))


def tell_in_batches(store: Store, arriving: Sequence[Outcome], data: some.DataObject) -> None:
    """Apply them in this order, cut into batches anywhere."""
    while arriving:
        size = data.draw(some.integers(1, 8), label="batch")
        tell(store, *arriving[:size])
        arriving = arriving[size:]


@examples
@given(reports=reports_of(), data=some.data())
def test_the_list_is_the_fold_of_its_reports_whatever_arrives_twice(
    store: Store, reports: list[Outcome], data: some.DataObject
) -> None:
    arriving = [report for report in reports for _ in range(data.draw(some.integers(1, 2), label="times"))]
    arriving += data.draw(some.permutations(reports), label="once more")[:5]
    for stronger in (proven_later(report, data) for report in reports if data.draw(some.booleans(), label="proven too")):
        arriving.insert(data.draw(some.integers(0, len(arriving)), label="where"), stronger)

    tell_in_batches(store, arriving, data)

    for address in (ADA, BEN):
        found = store.entries_of(reports[0].report.tenant, address)
        assert {(entry.scope, entry.cause, entry.provisional, entry.expires) for entry in found} == standing(arriving, address)


@examples
@given(reports=reports_of(results=["hard", "complaint", "unsubscribe"], proofs=[Proof.TOKEN]), data=some.data())
def test_what_acts_at_once_comes_to_the_same_list_in_any_order(
    store: Store, reports: list[Outcome], data: some.DataObject
) -> None:
    tell_in_batches(store, data.draw(some.permutations(reports), label="order"), data)

    for address in (ADA, BEN):
        in_order = {(scope, cause, provisional) for scope, cause, provisional, _ in standing(reports, address)}
        assert live(store, address, reports[0].report.tenant) == in_order
