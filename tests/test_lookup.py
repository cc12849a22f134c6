"""May I send to this address: answered from memory where that is sure, from the store otherwise, and never guessed (G6)."""

from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api import lookup as lookup_module
from api.index.follower import Follower
from api.index.table import table_path
from api.lookup import Answer, InvalidAddress, Lookup, Verdict
from api.view import View
from nullsender.errors import Transient
from nullsender.limits import TABLE_REOPEN_SECONDS
from suppression.policy import Cause
from suppression.store.store import Store
from tests.api_world import HASHER, STALENESS_SECONDS_MAX, World, checked
from tests.world_fixtures import shared_world as shared_world
from tests.world_fixtures import world as world

_numbers = count()


ANY_MAIL = View("default", None)


def is_clean_at_once(lookup: Lookup, address: str) -> bool:
    verdict = lookup.at_once(ANY_MAIL, address)
    return verdict is not None and verdict.allowed


def forbid_sql(monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(*_arguments: object) -> object:
        raise Transient("no database")

    monkeypatch.setattr(Store, "check_hashes", asked)


def test_a_clean_address_is_answered_without_the_store(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.suppress("other@example.com")
    world.catch_up()
    forbid_sql(monkeypatch)

    assert checked(world.lookup(), View("default", None), "clean@example.com").allowed


def test_a_suppressed_address_is_explained_by_its_entry(world: World) -> None:
    world.suppress("gone@example.com", cause="hard")
    world.catch_up()

    answer = checked(world.lookup(), View("default", None), "gone@example.com")

    assert not answer.allowed
    assert answer.entry is not None
    assert (answer.entry.cause, answer.entry.scope) == ("hard", "*")


def test_an_entry_of_one_stream_stops_only_that_stream(world: World) -> None:
    world.suppress("reader@example.com", scope="marketing", cause="unsubscribe")
    world.catch_up()
    lookup = world.lookup()

    assert not checked(lookup, View("default", "marketing"), "reader@example.com").allowed
    assert checked(lookup, View("default", "receipts"), "reader@example.com").allowed
    assert checked(lookup, View("default", None), "reader@example.com").allowed


def test_a_lifted_entry_stops_nothing_although_the_table_still_holds_it(world: World) -> None:
    world.suppress("back@example.com")
    world.catch_up()
    world.store.lift("default", "back@example.com", scope=None, cause=None, reason="works again", consent=None, actor="test")
    world.catch_up()

    assert checked(world.lookup(), View("default", None), "back@example.com").allowed


def test_without_a_table_the_store_is_asked(world: World) -> None:
    world.suppress("gone@example.com")
    lookup = world.lookup()

    assert not checked(lookup, View("default", None), "gone@example.com").allowed
    assert checked(lookup, View("default", None), "clean@example.com").allowed
    assert lookup.staleness_seconds() == float("inf")


def test_a_stale_table_is_not_believed(world: World) -> None:
    world.catch_up()
    lookup = world.lookup()
    assert is_clean_at_once(lookup, "gone@example.com")
    world.suppress("gone@example.com")
    world.clock.advance(seconds=STALENESS_SECONDS_MAX + 0.001)

    assert not is_clean_at_once(lookup, "gone@example.com")
    assert not checked(lookup, View("default", None), "gone@example.com").allowed
    assert lookup.staleness_seconds() == pytest.approx(STALENESS_SECONDS_MAX + 0.001)


def test_a_table_from_the_future_is_not_believed(world: World) -> None:
    world.catch_up()
    lookup = world.lookup()
    world.clock.advance(seconds=-5)

    assert not is_clean_at_once(lookup, "clean@example.com")


def test_when_the_table_is_stale_and_the_store_is_gone_there_is_no_answer(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.catch_up()
    lookup = world.lookup()
    world.clock.advance(seconds=STALENESS_SECONDS_MAX * 2)
    forbid_sql(monkeypatch)

    with pytest.raises(Transient):
        checked(lookup, View("default", None), "clean@example.com")
    with pytest.raises(Transient):
        lookup.check_many(View("default", None), ["clean@example.com"])


def test_a_hit_is_not_explained_without_the_store(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.suppress("gone@example.com")
    world.catch_up()
    forbid_sql(monkeypatch)

    with pytest.raises(Transient):
        checked(world.lookup(), View("default", None), "gone@example.com")


def test_a_reader_finds_a_table_that_is_made_later(world: World) -> None:
    lookup = world.lookup()
    assert not is_clean_at_once(lookup, "clean@example.com")

    world.catch_up()
    world.clock.advance(seconds=TABLE_REOPEN_SECONDS)

    assert is_clean_at_once(lookup, "clean@example.com")


def test_a_stale_table_is_not_mapped_over_and_over(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.catch_up()
    lookup = world.lookup()
    assert lookup.is_fresh()
    monkeypatch.setattr("api.index.reader.open_table", lambda *_, **__: pytest.fail("it is mapped already"))

    for _ in range(3):
        world.clock.advance(seconds=STALENESS_SECONDS_MAX * 2)
        assert not lookup.is_fresh()


def test_a_reader_whose_file_was_removed_moves_to_the_new_one(world: World) -> None:
    world.catch_up()
    lookup = world.lookup()
    assert lookup.is_fresh()
    table_path(world.index_folder).unlink()
    world.clock.advance(seconds=STALENESS_SECONDS_MAX * 2)
    assert not lookup.is_fresh()

    world.follower = Follower(world.store, world.index_folder, world.clock)
    world.catch_up()
    world.clock.advance(seconds=TABLE_REOPEN_SECONDS)

    assert lookup.is_fresh()


def test_a_batch_keeps_every_place_and_one_bad_item_spoils_nothing(world: World) -> None:
    world.suppress("gone@example.com")
    world.suppress("näher@example.com", cause="complaint")
    world.catch_up()
    items = [
        "a@example.com",
        "GONE@Example.com ",
        "nonsense",
        None,
        "Näher@example.com",
        "gone@example.com",
        5,
    ]

    answers = world.lookup().check_many(View("default", None), items)

    assert answers.checked == 7
    assert list(answers.suppressed) == [1, 4, 5]
    assert answers.suppressed[1].address == "gone@example.com"
    assert answers.suppressed[4].entry is not None
    assert answers.suppressed[4].entry.cause == "complaint"
    assert [item.index for item in answers.invalid] == [2, 3, 6]
    assert answers.invalid[1] == InvalidAddress(3, None, "not an address: it is no text")


@settings(deadline=None, max_examples=40)
@given(items=st.lists(st.none() | st.emails() | st.text(st.characters()), max_size=10))
def test_each_item_of_a_batch_is_answered_as_it_is_alone(shared_world: World, items: list[str | None]) -> None:
    world, tenant = shared_world, f"tenant{next(_numbers)}"
    lookup = world.lookup()
    for item in items[::2]:
        if item is not None and not lookup.check_many(View(tenant, None), [item]).invalid:
            world.suppress(item, tenant=tenant)
    world.catch_up()

    answers = lookup.check_many(View(tenant, None), items)

    for index, item in enumerate(items):
        alone = lookup.check_many(View(tenant, None), [item])
        assert alone.suppressed.get(0) == answers.suppressed.get(index)
        assert bool(alone.invalid) == any(bad.index == index for bad in answers.invalid)


def test_a_change_is_visible_once_the_table_has_it(world: World) -> None:
    world.catch_up()
    lookup = world.lookup()
    world.suppress("gone@example.com")
    sequence = world.store.feed_head()

    assert not lookup.is_visible(sequence)
    world.catch_up()
    assert lookup.is_visible(sequence)


def test_a_change_is_visible_where_there_is_no_table_that_could_hide_it(world: World) -> None:
    world.suppress("gone@example.com")

    assert world.lookup().is_visible(world.store.feed_head())
    assert not table_path(world.index_folder).exists()


def test_a_hit_is_told_from_memory_with_its_cause_and_scope(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.suppress("reader@example.com", scope="marketing", cause="unsubscribe")
    world.catch_up()
    forbid_sql(monkeypatch)
    lookup = world.lookup()
    expected = Verdict(allowed=False, cause=Cause.UNSUBSCRIBE, scope="marketing")
    view, address_hash = View("default", "marketing"), HASHER.hash("reader@example.com")

    assert lookup.at_once(view, "reader@example.com") == lookup.verdict(view, "reader@example.com") == expected
    assert lookup.at_once_of(view, (address_hash,)) == lookup.verdict_of(view, (address_hash,)) == expected
    assert is_clean_at_once(lookup, "reader@example.com")


def test_where_nobody_can_tell_only_mail_of_the_named_views_goes_and_is_marked(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    forbid_sql(monkeypatch)
    urgent = View("default", "receipts")
    lookup = Lookup(world.store, world.reader(), HASHER, clock=world.clock, allow_unknown=[urgent])

    assert lookup.verdict(urgent, "user@example.com") == Verdict(allowed=True, known=False)
    assert checked(lookup, urgent, "user@example.com") == Answer("user@example.com", None, known=False)
    assert not lookup.check_many(urgent, ["user@example.com"]).known
    for other in (ANY_MAIL, View("acme", "receipts")):
        with pytest.raises(Transient):
            lookup.verdict(other, "user@example.com")


def test_where_the_store_knows_better_it_is_believed(world: World) -> None:
    world.suppress("back@example.com")
    world.catch_up()
    world.store.lift("default", "back@example.com", scope=None, cause=None, reason="x", consent=None, actor="test")

    before = lookup_module._OVERRULED.count

    assert not is_clean_at_once(world.lookup(), "back@example.com")
    assert checked(world.lookup(), ANY_MAIL, "back@example.com").allowed
    assert lookup_module._OVERRULED.count == before + 1


# --- people of whom somebody brought only a hash ---


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
def test_a_hash_on_the_list_stops_mail_to_the_address_that_it_was_made_of(world: World, algorithm: str) -> None:
    world.suppress_hash("partner@example.com", algorithm=algorithm)
    lookup = world.lookup()
    for _ in range(2):  # from the store, then from the table
        assert lookup.verdict(ANY_MAIL, "partner@example.com") == Verdict(False, Cause.UNSUBSCRIBE, "*")
        assert not checked(lookup, ANY_MAIL, "partner@example.com").allowed
        assert lookup.verdict(ANY_MAIL, "other@example.com").allowed
        assert lookup.verdict(View("acme", None), "partner@example.com").allowed
        world.catch_up()


def test_while_a_tenant_has_hashes_nobody_is_clean_at_a_glance(world: World) -> None:
    world.catch_up()
    lookup, now_seconds = world.lookup(), world.clock.monotonic_seconds()
    assert lookup.is_clean("default", b"other@example.com", now_seconds)

    world.suppress_hash("partner@example.com", algorithm="md5")
    world.catch_up()

    assert not lookup.is_clean("default", b"other@example.com", now_seconds)
    assert is_clean_at_once(lookup, "other@example.com")
    assert not is_clean_at_once(lookup, "partner@example.com")


def test_whoever_is_stopped_by_an_unsubscribe_is_told_of(world: World) -> None:
    told: list[tuple[str, bytes]] = []
    world.suppress("reader@example.com", cause="unsubscribe")
    world.suppress("gone@example.com", cause="hard")
    lookup = world.lookup(on_unsubscribed=lambda tenant, keys: told.append((tenant, keys[0])))
    for _ in range(2):  # from the store, then from the table
        for address in ("reader@example.com", "gone@example.com", "clean@example.com"):
            lookup.verdict(ANY_MAIL, address)
        world.catch_up()

    assert told == [("default", HASHER.hash("reader@example.com"))] * 2
