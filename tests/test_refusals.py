"""First refusals wait for the store, within bounds, and are written once."""

from collections.abc import Mapping
from datetime import datetime

import pytest

from api import refusals
from api.refusals import Refusals
from nullsender.clock import FakeClock
from nullsender.errors import Transient
from nullsender.limits import REFUSALS_KNOWN_SECONDS
from suppression.store.rows import Person


class _Store:
    """One that may be away."""

    def __init__(self) -> None:
        self.is_away = False
        self.written: list[dict[Person, datetime]] = []

    def note_refused(self, refused: Mapping[Person, datetime]) -> None:
        if self.is_away:
            raise Transient("the store is away")
        self.written.append(dict(refused))


def test_a_person_is_written_once_with_the_first_moment(clock: FakeClock) -> None:
    store = _Store()
    noted = Refusals(store, clock)
    first = clock.now()
    for _ in range(3):
        noted.note("default", [b"ada", b"ada's hash"])
        clock.advance(seconds=1)
    noted.write()
    noted.note("default", [b"ada"])
    noted.write()

    assert store.written == [{Person("default", b"ada"): first, Person("default", b"ada's hash"): first}]


def test_what_the_store_did_not_take_is_written_later_with_its_first_moment(clock: FakeClock) -> None:
    store = _Store()
    noted = Refusals(store, clock)
    first = clock.now()
    noted.note("default", [b"ada"])
    store.is_away = True
    noted.write()
    clock.advance(seconds=5)
    noted.note("default", [b"ada"])
    store.is_away = False
    noted.write()

    assert store.written == [{Person("default", b"ada"): first}]


def test_whoever_came_back_and_left_again_is_noted_again_after_a_while(clock: FakeClock) -> None:
    store = _Store()
    noted = Refusals(store, clock)
    for _ in range(3):
        noted.note("default", [b"ada"])
        noted.note("default", [str(clock.now()).encode()])  # others come all the while
        noted.write()
        clock.advance(seconds=REFUSALS_KNOWN_SECONDS + 1)

    assert sum(Person("default", b"ada") in written for written in store.written) == 2


def test_no_more_are_held_than_there_is_room_for(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "REFUSALS_WAITING_MAX", 2)
    store = _Store()
    noted = Refusals(store, clock)
    noted.note("default", [b"a", b"b", b"c"])
    noted.write()

    assert len(store.written[0]) == 2
