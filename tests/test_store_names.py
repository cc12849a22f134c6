"""The plain addresses that the store gives: all of them, those that changed, those that mail may not go to."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine, delete

from nullsender.address import AddressHasher
from nullsender.clock import FakeClock
from suppression.models import addresses
from suppression.store.store import Store
from tests.changes import changes_of
from tests.store_contract import ADA, BEN, EVE, lift, put
from tests.store_fixtures import ADDRESS_KEY, BOTH_DATABASES

HASHER = AddressHasher(ADDRESS_KEY)

pytestmark = pytest.mark.parametrize("database", BOTH_DATABASES)


def in_key_order(*names: str) -> list[tuple[bytes, str | None]]:
    """The addresses as a page has them."""
    return sorted((HASHER.hash(name), name) for name in names)


def test_every_plain_address_comes_once_in_pages(store: Store) -> None:
    put(store, ADA)
    put(store, ADA, scope="news")
    put(store, BEN, tenant="acme")
    lift(store, ADA)

    first = store.names(b"", 1)
    assert [*first, *store.names(first[-1].address_hash, 10)] == in_key_order(ADA, BEN)


def test_changes_name_whom_they_are_about_unless_that_was_erased(store: Store, engine: Engine) -> None:
    put(store, ADA)
    put(store, BEN, tenant="acme")
    with engine.begin() as connection:
        connection.execute(delete(addresses).where(addresses.c.address == ADA))

    changes = store.named_changes(0, 10)

    assert [(it.address_hash, it.address) for it in changes] == [(HASHER.hash(ADA), None), (HASHER.hash(BEN), BEN)]
    assert [it.seq for it in changes] == [it.seq for it in changes_of(store)]
    assert store.named_changes(changes[0].seq, 10) == changes[1:]


def test_the_suppressed_of_a_view_are_those_that_a_check_stops(store: Store, clock: FakeClock) -> None:
    put(store, ADA)
    put(store, BEN, scope="news")
    put(store, EVE, expires=clock.now() + timedelta(days=1))
    put(store, "lifted@example.com")
    lift(store, "lifted@example.com")
    put(store, "other@example.com", tenant="acme")

    assert store.suppressed_names("default", ["*"], b"", 10) == in_key_order(ADA, EVE)
    assert store.suppressed_names("default", ["*", "news"], b"", 10) == in_key_order(ADA, BEN, EVE)
    clock.advance(days=2)
    assert store.suppressed_names("default", ["*", "news"], b"", 10) == in_key_order(ADA, BEN)
    first = store.suppressed_names("default", ["*", "news"], b"", 1)
    assert [*first, *store.suppressed_names("default", ["*", "news"], first[0].address_hash, 10)] == in_key_order(ADA, BEN)


def test_an_erased_address_comes_without_its_name(store: Store, engine: Engine) -> None:
    put(store, ADA)
    with engine.begin() as connection:
        connection.execute(delete(addresses))

    assert store.suppressed_names("default", ["*"], b"", 10) == [(HASHER.hash(ADA), None)]
