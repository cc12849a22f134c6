"""The list is what its reports and deliveries come to, in whatever order they are told."""

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from msgspec.structs import replace
from sqlalchemy import Engine

from nullsender.clock import FakeClock
from nullsender.events import Outcome, Proof
from suppression.policy import Cause, PolicySettings
from suppression.records import Entry
from suppression.store.deliveries import Delivery, StoreDeliveries
from suppression.store.store import Store
from tests.outcomes import START, an_outcome
from tests.store_contract import ADA, tell
from tests.store_fixtures import store_on

pytestmark = pytest.mark.parametrize("database", ["sqlite"])

DAYS = 3  # within what is remembered of deliveries


@pytest.fixture
def few(engine: Engine, clock: FakeClock) -> Store:
    """A list on which two soft bounces make an entry."""
    return store_on(engine, clock, PolicySettings(soft_limit=2, soft_limits={}))


examples = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
hours = some.integers(0, DAYS * 24 - 1)


def stops(entries: Sequence[Entry]) -> set[tuple[str, Cause, bool, datetime | None]]:
    """What of entries stops mail."""
    return {(entry.scope, entry.cause, entry.provisional, entry.expires) for entry in entries}


@examples
@given(data=some.data())
def test_no_order_in_which_reports_and_deliveries_are_told_changes_the_list(
    few: Store, clock: FakeClock, data: some.DataObject
) -> None:
    clock.advance(days=DAYS - (clock.now() - START) / timedelta(days=1))
    results = some.sampled_from(["soft", "soft", "soft", "hard", "complaint"])
    streams = some.sampled_from([None, "news"])
    reports = [
        an_outcome(
            f"{number}",
            data.draw(results),
            days=data.draw(hours) / 24,
            stream=data.draw(streams),
            proof=data.draw(some.sampled_from([Proof.TOKEN, Proof.TOKEN, Proof.NONE])),
        )
        for number in range(data.draw(some.integers(1, 10)))
    ]
    moments = data.draw(some.lists(hours, max_size=5), label="deliveries")
    delivered = [Delivery(ADA, START + timedelta(hours=hour), data.draw(streams)) for hour in moments]
    told: list[Outcome | Delivery] = [*reports, *delivered]
    found = []
    for events in (told, data.draw(some.permutations(told), label="another order")):
        tenant = uuid.uuid4().hex
        for event in events:
            if isinstance(event, Delivery):
                StoreDeliveries.beside(few).deliver(tenant, [event], actor="key")
            else:
                tell(few, _of_tenant(event, tenant))
        found.append(stops(few.entries_of(tenant, ADA)))

    assert found[0] == found[1]


def _of_tenant(outcome: Outcome, tenant: str) -> Outcome:
    """The same of another tenant's mail."""
    return replace(outcome, report=replace(outcome.report, id=f"{tenant} {outcome.report.id}", tenant=tenant))
