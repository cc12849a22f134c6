"""What a copy of the list is told of changes is what the changes themselves say."""

from datetime import timedelta

import pytest

from nullsender.clock import FakeClock
from suppression.policy import Cause
from suppression.store.feed import Noted
from suppression.store.standing import Kind
from suppression.store.store import Store
from tests.changes import changes_of
from tests.outcomes import START
from tests.store_contract import ADA, BEN, EVE, lift, put
from tests.store_fixtures import BOTH_DATABASES

pytestmark = pytest.mark.parametrize("database", BOTH_DATABASES)


def written(store: Store, clock: FakeClock) -> None:
    put(store, ADA, scope="news", expires=START + timedelta(days=1, microseconds=1))
    put(store, ADA, cause="hard")
    clock.sleep(1.5)
    put(store, BEN, tenant="another")
    put(store, EVE)
    lift(store, EVE)


def test_a_copy_learns_of_every_change_what_it_says(store: Store, clock: FakeClock) -> None:
    written(store, clock)
    whole = changes_of(store)

    changes = store.since(0, 100)

    standing, ends = changes.states
    assert [changes.noted(place) for place in range(len(changes))] == [
        Noted(it.seq, it.entry_id, it.at, it.address_hash) for it in whole
    ]
    assert [standing.kinds[mark] for mark in standing.marks] == [
        Kind(it.tenant, it.scope, Cause(it.cause), it.after.provisional, it.after.expires) for it in whole
    ]
    assert standing.hashes == [it.address_hash for it in whole]
    assert ends == [it.after.ended is not None for it in whole] == [False, False, False, False, True]
    assert list(changes.made().items()) == [(START, 2), (START + timedelta(seconds=1.5), 3)]


def test_a_copy_is_told_of_so_many_changes_after_the_one_that_it_has(store: Store, clock: FakeClock) -> None:
    written(store, clock)
    numbers = [it.seq for it in changes_of(store)]

    changes = store.since(numbers[1] - 1, 3)

    assert [changes.noted(place).seq for place in range(len(changes))] == numbers[1:4]
    assert changes.behind_first().noted(0).seq == numbers[2]
    assert not store.since(numbers[-1], 3)
    assert store.since(0, 100).noted(-1).seq == numbers[-1]
