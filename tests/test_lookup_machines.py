"""Several machines over one list: each keeps a table of its own, and each knows what any of them wrote."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from api.index.follower import follow
from api.index.table import table_path
from api.lookup import Lookup, Verdict, open_lookup
from api.view import View
from nullsender.address import AddressHasher
from nullsender.clock import SystemClock
from nullsender.limits import LOOKUP_STALENESS_SECONDS_MAX
from suppression.engine import opened
from suppression.policy import Cause
from suppression.store.store import Store
from tests.store_fixtures import ADDRESS_KEY, BOTH_DATABASES, store_on
from tests.waiting import wait_for

pytestmark = pytest.mark.parametrize("database", BOTH_DATABASES)

VIEW = View("default", "news")
ADDRESSES = [f"user{number}@example.com" for number in range(12)]


class Machine(NamedTuple):
    """What runs on one machine: connections of its own, a follower, and somebody who asks."""

    store: Store
    index_folder: Path
    lookup: Lookup
    stop_following: threading.Event

    def says(self, address: str) -> bool | None:
        """Whether it may be sent to, from this machine's memory; None: the store would have to be asked."""
        verdict = self.lookup.at_once(VIEW, address)
        return None if verdict is None else verdict.allowed

    def suppress(self, address: str) -> None:
        """As an API of this machine does."""
        self.store.add("default", address, scope="*", cause="hard", reason="a test", expires=None, actor="test")

    def lift(self, address: str) -> None:
        """The same."""
        self.store.lift("default", address, scope=None, cause=None, reason="a test", consent=None, actor="test")


@contextmanager
def machine(store_url: str, index_folder: Path) -> Iterator[Machine]:
    """A machine at work."""
    clock, stop = SystemClock(), threading.Event()
    with opened(store_url) as engine:
        store = store_on(engine, clock)
        lookup = open_lookup(
            store, AddressHasher(ADDRESS_KEY), index_folder, clock=clock, staleness_seconds_max=LOOKUP_STALENESS_SECONDS_MAX
        )
        following = threading.Thread(target=follow, args=(store, index_folder, clock, stop.is_set))
        following.start()
        try:
            yield Machine(store, index_folder, lookup, stop)
        finally:
            stop.set()
            following.join()


@pytest.fixture
def machines(store_url: str, tmp_path: Path) -> Iterator[list[Machine]]:
    """Two of them, which share the list and nothing else."""
    with ExitStack() as stack:
        yield [stack.enter_context(machine(store_url, tmp_path / name)) for name in ("one", "two")]


def wait_until_all_say(machines: list[Machine], address: str, allowed: bool) -> None:
    wait_for(lambda: all(each.says(address) is allowed for each in machines), what=f"{address}, {allowed=} on each machine")


def test_what_one_machine_writes_every_machine_knows(machines: list[Machine]) -> None:
    for writer in machines:
        writer.suppress(ADDRESSES[0])
        wait_until_all_say(machines, ADDRESSES[0], allowed=False)
        writer.lift(ADDRESSES[0])
        wait_until_all_say(machines, ADDRESSES[0], allowed=True)

    assert all(table_path(each.index_folder).exists() for each in machines)


def test_what_machines_write_at_once_is_the_same_list_on_each(machines: list[Machine]) -> None:
    def write(writer: Machine, shift: int) -> None:
        for number, address in enumerate(ADDRESSES):
            writer.suppress(address)
            if (number + shift) % 3 == 0:
                writer.lift(address)

    writers = [threading.Thread(target=write, args=(each, shift)) for shift, each in enumerate(machines)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()

    on_the_list = machines[0].store.check("default", None, ADDRESSES)
    for index, address in enumerate(ADDRESSES):
        wait_until_all_say(machines, address, allowed=index not in on_the_list)


def test_a_machine_whose_follower_is_gone_asks_the_list_and_the_other_goes_on(machines: list[Machine]) -> None:
    gone, other = machines
    wait_until_all_say(machines, ADDRESSES[0], allowed=True)
    gone.stop_following.set()
    wait_for(lambda: gone.says(ADDRESSES[0]) is None, what="a table that is too old")

    other.suppress(ADDRESSES[0])

    assert gone.lookup.verdict(VIEW, ADDRESSES[0]) == Verdict(False, Cause.HARD, "*")
    wait_until_all_say([other], ADDRESSES[0], allowed=False)
