"""Every door gives the same answer: one table of questions, asked through each of them on real sockets.

Whoever opens another door adds an asker for it to `tests/doors_world.py`; the questions stand here.
"""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import pytest

from api.doors.files_writing import write_addresses
from api.doors.said import Kind
from api.view import View
from nullsender.address import canonical
from nullsender.errors import Transient
from suppression.policy import Cause
from suppression.store import Store
from tests.api_world import STALENESS_SECONDS_MAX, World, opened_world
from tests.doors_world import Hall, Heard, opened_hall

ALL_MAIL = View("default", None)
MARKETING = View("default", "marketing")
NEWS = View("default", "news")
ACME = View("acme", None)
ACME_MARKETING = View("acme", "marketing")
VIEWS = (ALL_MAIL, MARKETING, NEWS, ACME, ACME_MARKETING)

ALLOWED = Heard(Kind.ALLOWED)
INVALID = Heard(Kind.INVALID)
UNKNOWN = Heard(Kind.UNKNOWN)


def stopped(cause: Cause) -> Heard:
    return Heard(Kind.SUPPRESSED, cause)


class Case(NamedTuple):
    """One question, and what every door says to it."""

    view: View
    address: str
    answer: Heard


CASES = (
    # each cause, whatever the stream
    *(Case(ALL_MAIL, f"{cause}@example.com", stopped(cause)) for cause in Cause),
    *(Case(MARKETING, f"{cause}@example.com", stopped(cause)) for cause in Cause),
    Case(ALL_MAIL, "clean@example.com", ALLOWED),
    Case(MARKETING, "clean@example.com", ALLOWED),
    # one stream's entry stops that stream alone
    Case(MARKETING, "stream@example.com", stopped(Cause.UNSUBSCRIBE)),
    Case(NEWS, "stream@example.com", ALLOWED),
    Case(ALL_MAIL, "stream@example.com", ALLOWED),
    # of several the gravest is told, of those that stop this mail
    Case(MARKETING, "several@example.com", stopped(Cause.COMPLAINT)),
    Case(NEWS, "several@example.com", stopped(Cause.SOFT)),
    # nobody sees another tenant's list
    Case(ACME, "acme@example.com", stopped(Cause.MANUAL)),
    Case(ALL_MAIL, "acme@example.com", ALLOWED),
    Case(ACME, "hard@example.com", ALLOWED),
    Case(ACME_MARKETING, "stream@example.com", ALLOWED),
    # what has ended stops nothing
    Case(ALL_MAIL, "expired@example.com", ALLOWED),
    Case(ALL_MAIL, "lasting@example.com", stopped(Cause.MANUAL)),
    Case(ALL_MAIL, "lifted@example.com", ALLOWED),
    # one address, many ways to write it
    Case(ALL_MAIL, "HARD@Example.COM", stopped(Cause.HARD)),
    Case(ALL_MAIL, "hard@example.com.", stopped(Cause.HARD)),
    Case(ALL_MAIL, '"hard"@example.com', stopped(Cause.HARD)),
    Case(ALL_MAIL, '"john doe"@example.com', stopped(Cause.HARD)),
    Case(ALL_MAIL, "JOSÉ@BÜCHER.example", stopped(Cause.HARD)),
    Case(ALL_MAIL, "josé@xn--bcher-kva.example", stopped(Cause.HARD)),
    Case(ALL_MAIL, "hard+tag@example.com", ALLOWED),
    Case(ALL_MAIL, "50%off@example.com", stopped(Cause.HARD)),
    # what is no address is never allowed
    Case(ALL_MAIL, "nobody", INVALID),
    Case(ALL_MAIL, "@example.com", INVALID),
    Case(ALL_MAIL, "hard@", INVALID),
    Case(ALL_MAIL, "two@at@example.com", INVALID),
    Case(ALL_MAIL, "john doe@example.com", INVALID),
    Case(ALL_MAIL, "<hard@example.com>", INVALID),
    Case(ALL_MAIL, "mailto:hard@example.com", INVALID),
    Case(ALL_MAIL, "a" * 320 + "@example.com", INVALID),
)


def fill(world: World) -> None:
    """The list that the questions are about."""
    for cause in Cause:
        world.suppress(f"{cause}@example.com", cause=cause)
    world.suppress("stream@example.com", scope="marketing", cause="unsubscribe")
    world.suppress("several@example.com", cause="soft")
    world.suppress("several@example.com", scope="marketing", cause="complaint")
    world.suppress("acme@example.com", cause="manual", tenant="acme")
    for address in ('"john doe"@example.com', "josé@bücher.example", "50%off@example.com", "lifted@example.com"):
        world.suppress(address)
    world.store.lift("default", "lifted@example.com", scope=None, cause=None, reason="a test", consent=None, actor="test")
    for address, hours in (("expired@example.com", 1), ("lasting@example.com", 3)):
        expires = world.clock.now() + timedelta(hours=hours)
        world.store.add("default", address, scope="*", cause="manual", reason="a test", expires=expires, actor="test")
    world.clock.advance(seconds=2 * 3600)


@pytest.fixture(scope="module")
def hall(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hall]:
    with opened_world(tmp_path_factory.mktemp("hall")) as world:
        fill(world)
        world.catch_up()
        with opened_hall(world, VIEWS) as hall:
            yield hall


def answers(hall: Hall, case: Case) -> dict[str, Heard]:
    """What each door says."""
    return {asker.name: asker.ask(case.view, case.address) for asker in hall.askers}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.view} {case.address[:40]}")
def test_every_door_gives_the_same_answer(hall: Hall, case: Case) -> None:
    hall.world.catch_up()

    assert answers(hall, case) == dict.fromkeys((asker.name for asker in hall.askers), case.answer)


def test_every_door_gives_it_from_the_store_too_while_the_table_is_stale(hall: Hall) -> None:
    hall.world.clock.advance(seconds=STALENESS_SECONDS_MAX * 2)

    for case in CASES:
        assert answers(hall, case) == dict.fromkeys((asker.name for asker in hall.askers), case.answer), case


def test_no_door_guesses_while_the_table_is_stale_and_the_store_is_away(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_arguments: object) -> object:
        raise Transient("no database")

    monkeypatch.setattr(Store, "check_hashes", away)
    monkeypatch.setattr(Store, "named_changes", away)
    hall.world.clock.advance(seconds=STALENESS_SECONDS_MAX * 2)

    for address in ("clean@example.com", "hard@example.com"):
        assert answers(hall, Case(ALL_MAIL, address, UNKNOWN)) == dict.fromkeys((a.name for a in hall.askers), UNKNOWN)


@pytest.mark.parametrize("view", VIEWS, ids=str)
def test_a_file_holds_those_whom_every_door_refuses(hall: Hall, view: View, tmp_path: Path) -> None:
    write_addresses(hall.world.store, view, tmp_path / "suppressed.txt")
    held = set((tmp_path / "suppressed.txt").read_text().splitlines())

    told = [case for case in CASES if case.view == view and case.answer.kind is not Kind.INVALID and " " not in case.address]
    assert {case.address for case in told if canonical(case.address) in held} == {
        case.address for case in told if case.answer.kind is Kind.SUPPRESSED
    }
