"""What the store promises to those who ask it, and to those who hold keys, as tests that run on each database."""

from datetime import timedelta

import pytest

from nullsender.clock import FakeClock
from nullsender.errors import Invalid
from suppression.policy import Cause, Did
from suppression.records import Change, Told
from suppression.store.read import Filters
from suppression.store.standing import Kind
from suppression.store.store import Store
from tests.changes import changes_of
from tests.outcomes import START, an_outcome
from tests.store_contract import ADA, BEN, EVE, lift, put, tell


class QuestionsContract:
    """What can be asked."""

    def test_a_check_of_many_names_each_that_is_stopped_by_its_place(self, store: Store) -> None:
        put(store, ADA)
        put(store, EVE, scope="news")
        asked = [BEN, ADA, EVE, ADA]

        assert {index: entry.address for index, entry in store.check("default", "news", asked).items()} == {
            1: ADA,
            2: EVE,
            3: ADA,
        }
        assert store.check("default", None, asked).keys() == {1, 3}
        assert store.check("another tenant", "news", asked) == {}
        assert store.check("default", None, []) == {}

    def test_a_check_takes_ten_thousand(self, store: Store) -> None:
        put(store, "9999@example.com")

        assert store.check("default", None, [f"{number}@example.com" for number in range(10_000)]).keys() == {9_999}

    def test_the_list_is_shown_newest_first_in_pages(self, store: Store) -> None:
        for number in range(7):
            put(store, f"{number}@example.com")
        lift(store, "3@example.com")

        seen: list[str | None] = []
        cursor: int | None = None
        while True:
            page = store.list("default", Filters(), cursor=cursor, limit=2)
            assert len(page.items) <= 2
            seen += [entry.address for entry in page.items]
            cursor = page.cursor
            if cursor is None:
                break

        assert seen == [f"{number}@example.com" for number in (6, 5, 4, 2, 1, 0)]

    @pytest.mark.parametrize(
        ("filters", "shown"),
        [
            (Filters(cause=Cause.HARD), {ADA}),
            (Filters(scope="news"), {BEN}),
            (Filters(domain="EXAMPLE.org"), {EVE}),
            (Filters(since_from=START + timedelta(days=1)), {BEN, EVE}),
            (Filters(since_to=START + timedelta(days=1)), {ADA}),
            (Filters(cause=Cause.HARD, domain="example.org"), set()),
            (Filters(), {ADA, BEN, EVE}),
        ],
    )
    def test_the_list_can_be_narrowed(self, store: Store, clock: FakeClock, filters: Filters, shown: set[str]) -> None:
        put(store, ADA, cause="hard")
        clock.advance(days=1)
        put(store, BEN, scope="news")
        clock.advance(days=1)
        put(store, EVE)
        put(store, "else@example.net", tenant="another")

        assert {entry.address for entry in store.list("default", filters, cursor=None, limit=100).items} == shown

    def test_a_history_has_every_report_and_change_newest_first(self, store: Store) -> None:
        tell(store, an_outcome("1", "soft"), an_outcome("2"), an_outcome("3", recipient=BEN), an_outcome("4"))
        lift(store)

        items = store.history("default", ADA, cursor=None, limit=100).items

        assert [item.report_id if isinstance(item, Told) else item.action for item in items] == [
            Did.LIFTED, "4", Did.ADDED, "2", "1"
        ]  # fmt: skip
        told = items[3]
        assert isinstance(told, Told)
        assert told.outcome == an_outcome("2")
        assert (told.did, told.entry_id) == (Did.ADDED, items[2].entry_id)

    def test_a_history_comes_in_pages_that_join(self, store: Store) -> None:
        for number in range(5):
            tell(store, an_outcome(str(number), days=number))
            lift(store)
        whole = store.history("default", ADA, cursor=None, limit=100).items

        joined: list[Told | Change] = []
        cursor: int | None = None
        while True:
            page = store.history("default", ADA, cursor=cursor, limit=3)
            joined += page.items
            cursor = page.cursor
            if cursor is None:
                break

        assert joined == list(whole)

    def test_the_feed_has_every_change_in_order(self, store: Store) -> None:
        tell(store, an_outcome("1"), an_outcome("2", recipient=BEN))
        put(store, EVE)

        changes = changes_of(store)

        assert [change.seq for change in changes] == sorted(change.seq for change in changes)
        assert [change.after.scope for change in changes] == ["*"] * 3
        assert store.feed_head() == changes[-1].seq

    def test_changes_do_not_hold_the_plain_address(self, store: Store) -> None:
        put(store)

        assert ADA not in repr(changes_of(store))

    @pytest.mark.parametrize("rows", [1, 2, 100])
    def test_everything_that_stands_is_given_once_with_its_kind(self, store: Store, rows: int) -> None:
        until = START + timedelta(days=1, microseconds=1)
        put(store, ADA, scope="news", expires=until)
        put(store, ADA, cause="hard")
        put(store, BEN, tenant="another")
        put(store, EVE)
        lift(store, EVE)

        pages = list(store.standing(rows))

        changes = changes_of(store)
        found = [(it, page.kinds[mark]) for page in pages for it, mark in zip(page.hashes, page.marks, strict=True)]
        assert sorted(found) == sorted(
            [
                (changes[0].address_hash, Kind("default", "news", Cause.MANUAL, False, until)),
                (changes[0].address_hash, Kind("default", "*", Cause.HARD, False, None)),
                (changes[2].address_hash, Kind("another", "*", Cause.MANUAL, False, None)),
            ]
        )
        assert all(len(page.hashes) <= rows for page in pages)
        assert store.count_standing() == 3

    def test_what_has_expired_stands_until_that_is_noted(self, store: Store, clock: FakeClock) -> None:
        put(store, expires=START + timedelta(days=1))
        clock.advance(days=2)

        assert store.count_standing() == len(list(store.standing(100))) == 1
        store.expire(clock.now(), 100)
        assert (store.count_standing(), list(store.standing(100))) == (0, [])


class KeysContract:
    """Who may ask."""

    def test_a_key_is_found_by_what_was_shown_once(self, store: Store) -> None:
        key_id, plain = store.create_key("web shop", scopes=["check", "read", "check"], tenant="default", expires=None)

        found = store.find_key(plain)

        assert plain.startswith("ns_")
        assert found is not None
        assert (found.id, found.name, found.scopes, found.tenant) == (key_id, "web shop", ("check", "read"), "default")
        assert (found.rate, found.networks) == (None, ())
        assert store.find_key(plain + "x") is None
        assert store.find_key("\ud800") is None
        assert plain not in repr(store.list_keys())

    def test_a_key_ends_when_it_is_revoked_or_expires(self, store: Store, clock: FakeClock) -> None:
        revoked_id, revoked = store.create_key("a", scopes=[], tenant=None, expires=None)
        clock.advance(seconds=1)
        _, expiring = store.create_key("b", scopes=[], tenant=None, expires=clock.now() + timedelta(days=1))

        store.revoke_key(revoked_id)
        store.revoke_key(revoked_id)
        assert store.find_key(revoked) is None
        assert store.find_key(expiring) is not None
        clock.advance(days=1)
        assert store.find_key(expiring) is None
        assert [key.name for key in store.list_keys()] == ["a", "b"]

    def test_a_rotated_key_works_until_the_overlap_is_over(self, store: Store, clock: FakeClock) -> None:
        old_id, old = store.create_key("shop", scopes=["check"], tenant="default", expires=None)

        new_id, new = store.rotate_key(old_id, overlap=timedelta(hours=1))

        assert new_id != old_id
        assert store.find_key(old) is not None
        clock.advance(days=1)
        assert store.find_key(old) is None
        found = store.find_key(new)
        assert found is not None
        assert (found.name, found.scopes, found.tenant) == ("shop", ("check",), "default")

    def test_a_key_keeps_its_rate_and_its_networks_when_it_is_rotated(self, store: Store) -> None:
        networks = ["10.0.0.0/8", "2001:db8::/32"]
        key_id, plain = store.create_key("shop", scopes=[], tenant=None, expires=None, rate=1000, networks=networks)

        _, rotated = store.rotate_key(key_id, overlap=timedelta(hours=1))

        for key in (store.find_key(plain), store.find_key(rotated)):
            assert key is not None
            assert (key.rate, list(key.networks)) == (1000, networks)

    def test_a_key_is_rotated_once_and_its_successor_next(self, store: Store, clock: FakeClock) -> None:
        first, _ = store.create_key("shop", scopes=["check"], tenant="default", expires=clock.now() + timedelta(days=90))
        second, _ = store.rotate_key(first, overlap=timedelta(hours=1))

        with pytest.raises(Invalid, match="successor"):
            store.rotate_key(first, overlap=timedelta(hours=1))
        _, third = store.rotate_key(second, overlap=timedelta(hours=1))

        clock.advance(days=80)
        assert store.find_key(third) is not None
        clock.advance(days=11)
        assert store.find_key(third) is None
        with pytest.raises(Invalid, match="expired"):
            store.rotate_key(store.list_keys()[-1].id, overlap=timedelta(hours=1))

    def test_a_key_that_the_operator_chose_is_made_once(self, store: Store) -> None:
        first = store.create_key("first", scopes=[], tenant=None, expires=None, plain="a key of sixteen letters")
        again = store.create_key("again", scopes=[], tenant=None, expires=None, plain="a key of sixteen letters")

        assert first == again
        assert len(store.list_keys()) == 1

    def test_a_key_that_there_is_not_can_not_be_ended(self, store: Store) -> None:
        with pytest.raises(Invalid):
            store.revoke_key("nonsense")
        with pytest.raises(Invalid):
            store.rotate_key("nonsense", overlap=timedelta())
