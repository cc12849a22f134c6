"""A next table is made while the live one is kept up: whatever is asked between two steps is answered, and answered right."""

import errno
import os
import tempfile
from datetime import datetime, timedelta
from itertools import product
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from api.index import follower as follower_module
from api.index import writing
from api.index.follower import Follower, aside_path, request_path
from api.index.table import identity_of, open_table, table_path
from api.lookup import Lookup
from api.view import View
from nullsender import limits
from nullsender.errors import Transient
from suppression.policy import GRAVITY, PROTECTED, Cause
from tests.api_world import World, opened_world
from tests.world_fixtures import world as world

VIEW = View("default", None)


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables of a few slots, made a few slots or entries at a time."""
    monkeypatch.setattr(limits, "TABLE_SLOTS_MIN", 64)
    monkeypatch.setattr(limits, "TABLE_COPY_SLOTS", 16)
    monkeypatch.setattr(limits, "TABLE_BUILD_ROWS", 2)


def is_stopped(lookup: Lookup, address: str) -> bool:
    verdict = lookup.at_once(VIEW, address)
    assert verdict is not None, "the table is fresh and knows everything"
    return not verdict.allowed


@pytest.mark.parametrize("cause", ["full", "asked for"])
def test_every_change_is_visible_after_each_step_while_a_next_table_is_made(
    world: World, small_steps: None, cause: str
) -> None:
    world.catch_up()
    lookup = world.lookup()
    people = 53 if cause == "full" else 9
    for n in range(people):
        world.suppress(f"user{n}@example.com")
    if cause == "asked for":
        request_path(world.index_folder).touch()
    world.follower.step()
    assert aside_path(world.index_folder).exists()
    file = table_path(world.index_folder).stat().st_ino
    steps = 0

    while table_path(world.index_folder).stat().st_ino == file:
        steps += 1
        world.suppress(f"late{steps}@example.com")
        world.store.lift("default", f"user{steps}@example.com", scope=None, cause=None, reason="x", consent=None, actor="t")
        world.clock.advance(seconds=0.5)
        world.follower.step()

        assert is_stopped(lookup, f"late{steps}@example.com")
        assert not is_stopped(lookup, f"user{steps}@example.com")

    assert steps > 3
    assert all(is_stopped(lookup, f"late{n}@example.com") for n in range(1, steps + 1))
    assert [is_stopped(lookup, f"user{n}@example.com") for n in range(people)] == [not 1 <= n <= steps for n in range(people)]
    assert not aside_path(world.index_folder).exists()


def test_changes_that_come_while_the_list_is_read_are_not_undone_by_what_was_read(world: World, small_steps: None) -> None:
    """The list is read as of one moment: what it said then of an entry that changed since is old."""
    soon = world.clock.now() + timedelta(days=1)
    for n in range(9):
        world.store.add("default", f"user{n}@example.com", scope="*", cause="hard", reason="x", expires=soon, actor="t")
    world.catch_up()
    lookup = world.lookup()
    file = table_path(world.index_folder).stat().st_ino
    request_path(world.index_folder).touch()
    world.follower.step()
    world.follower.step()  # from here on the list is read as it was
    for n in range(5):
        world.store.lift("default", f"user{n}@example.com", scope=None, cause=None, reason="x", consent=None, actor="t")
    for n in range(5, 9):
        world.store.add("default", f"user{n}@example.com", scope="*", cause="hard", reason="x", expires=None, actor="t")

    world.catch_up()
    world.clock.advance(days=2)
    world.catch_up()

    assert table_path(world.index_folder).stat().st_ino != file
    assert [is_stopped(lookup, f"user{n}@example.com") for n in range(9)] == [False] * 5 + [True] * 4


def test_without_room_for_a_bigger_table_the_full_one_is_kept_up_and_then_grows_stale(
    world: World, small_steps: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(*_arguments: object) -> object:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    world.catch_up()
    lookup = world.lookup()
    with monkeypatch.context() as patched:
        patched.setattr(writing, "_new_file", full_disk)
        for n in range(60):
            world.suppress(f"user{n}@example.com")
            world.follower.step()
            assert is_stopped(lookup, f"user{n}@example.com")

        world.suppress("one-too-many@example.com")
        with pytest.raises(Transient, match="full"):
            world.follower.step()
        world.clock.advance(seconds=lookup.staleness_seconds_max + 0.1)
        assert lookup.at_once(VIEW, "one-too-many@example.com") is None

    world.clock.advance(seconds=limits.TABLE_RETRY_SECONDS)
    world.catch_up()

    assert is_stopped(lookup, "one-too-many@example.com")
    assert all(is_stopped(lookup, f"user{n}@example.com") for n in range(60))


def test_a_table_that_is_removed_while_the_next_one_is_made_is_made_anew(world: World, small_steps: None) -> None:
    world.catch_up()
    for n in range(53):
        world.suppress(f"user{n}@example.com")
    world.follower.step()
    assert aside_path(world.index_folder).exists()
    table_path(world.index_folder).unlink()

    world.catch_up()

    table = open_table(table_path(world.index_folder), identity=identity_of(world.store.key_fingerprint))
    assert table is not None
    assert table.standing == 53


# --- against a model ---

TENANTS, STREAMS, PEOPLE = ("default", "acme"), (None, "news", "offers", "receipts"), range(4)
SCOPES = ("*", "news", "offers", "receipts")


class Lists(RuleBasedStateMachine):
    """Random changes of a real list and steps of its follower, beside a dictionary of what stands."""

    def __init__(self) -> None:
        super().__init__()
        self._patch = pytest.MonkeyPatch()
        self._patch.setattr(limits, "TABLE_SLOTS_MIN", 16)
        self._patch.setattr(limits, "TABLE_COPY_SLOTS", 5)
        self._patch.setattr(limits, "TABLE_BUILD_ROWS", 2)
        self._patch.setattr(limits, "TABLE_SCOPES_MAX", 2)  # one of the streams gets no number
        self._patch.setattr(limits, "TABLE_LOAD_FULL", 0.99)
        self._patch.setattr(follower_module, "FOLLOW_BATCH_MAX", 3)
        self._folder = tempfile.TemporaryDirectory()
        self._opened = opened_world(Path(self._folder.name))
        self.world = self._opened.__enter__()
        self.lookup = self.world.lookup()
        self.standing: dict[tuple[str, int, str, Cause], datetime | None] = {}

    def teardown(self) -> None:
        """In the end every answer is right, whatever happened; then everything is put back."""
        try:
            self.ask_everything(finish=True)
        finally:
            self._opened.__exit__(None, None, None)
            self._folder.cleanup()
            self._patch.undo()

    @rule(
        tenant=st.sampled_from(TENANTS),
        person=st.sampled_from(PEOPLE),
        scope=st.sampled_from(SCOPES),
        cause=st.sampled_from([Cause.MANUAL, Cause.SOFT, Cause.HARD, Cause.COMPLAINT]),
        days=st.none() | st.integers(1, 5),
    )
    def add(self, tenant: str, person: int, scope: str, cause: Cause, days: int | None) -> None:
        """Somebody is put on the list; what stands already stands on as it is, or for longer."""
        ends = days is not None and cause not in PROTECTED  # what a person asked for does not end by itself
        expires = self.world.clock.now() + timedelta(days=days or 0) if ends else None
        entry, _ = self.world.store.add(
            tenant, address_of(person), scope=scope, cause=cause, reason="x", expires=expires, actor="test"
        )
        self.standing[tenant, person, scope, cause] = entry.expires

    @rule(tenant=st.sampled_from(TENANTS), person=st.sampled_from(PEOPLE), scope=st.none() | st.sampled_from(SCOPES))
    def lift(self, tenant: str, person: int, scope: str | None) -> None:
        """Everything is taken off, of one scope or of all."""
        self.world.store.lift(
            tenant, address_of(person), scope=scope, cause=None, reason="x", consent="they asked", actor="test"
        )
        for key in list(self.standing):
            if key[:2] == (tenant, person) and scope in (None, key[2]):
                del self.standing[key]

    @rule(days=st.integers(1, 3), noted=st.booleans())
    def time_passes(self, days: int, noted: bool) -> None:
        """Entries expire, whether or not that is noted."""
        self.world.clock.advance(days=days)
        if noted:
            self.world.store.expire(self.world.clock.now(), 100)

    @rule()
    def step(self) -> None:
        """The follower moves."""
        self.world.follower.step()

    @rule()
    def ask_for_a_new_table(self) -> None:
        """Somebody calls `index rebuild`."""
        request_path(self.world.index_folder).touch()

    @rule()
    def restart(self) -> None:
        """Another follower takes over, whatever the last one was doing."""
        self.world.follower = Follower(self.world.store, self.world.index_folder, self.world.clock)

    @rule()
    def lose_the_table(self) -> None:
        """Somebody tidies up."""
        table_path(self.world.index_folder).unlink(missing_ok=True)

    @rule(finish=st.booleans())
    def ask_everything(self, finish: bool) -> None:
        """Once the follower has read the feed, every answer is right: those from memory, and those of the store."""
        self.world.clock.advance(seconds=limits.TABLE_REOPEN_SECONDS)
        if finish:
            self.world.catch_up()
        # A reader of a table that somebody removed believes it until it is stale, but no write counts as visible meanwhile.
        while not (self.lookup.is_fresh() and self.lookup.is_visible(self.world.store.feed_head())):
            self.world.follower.step()
            self.world.clock.advance(seconds=limits.TABLE_REOPEN_SECONDS)
        known = 0
        for tenant, stream, person in product(TENANTS, STREAMS, PEOPLE):
            view, expected = View(tenant, stream), self._expected(tenant, stream, person)
            at_once = self.lookup.at_once(view, address_of(person))
            known += at_once is not None
            verdict = at_once or self.lookup.verdict(view, address_of(person))
            assert (verdict.allowed, verdict.cause, verdict.scope) == expected
        assert known >= len(TENANTS) * len(PEOPLE), "at least those of no stream are known from memory"

    def _expected(self, tenant: str, stream: str | None, person: int) -> tuple[bool, Cause | None, str | None]:
        now = self.world.clock.now()
        stopping = [
            (GRAVITY[cause], scope == "*", cause, scope)
            for (whose, who, scope, cause), expires in self.standing.items()
            if (whose, who) == (tenant, person) and scope in ("*", stream) and (expires is None or expires > now)
        ]
        if not stopping:
            return True, None, None
        _, _, cause, scope = max(stopping)
        return False, cause, scope


def address_of(person: int) -> str:
    return f"user{person}@example.com"


TestLists = Lists.TestCase
TestLists.settings = settings(max_examples=5, stateful_step_count=25, deadline=None)
