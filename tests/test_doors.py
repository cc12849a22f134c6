"""Every door gives the same answer: one table of questions, asked through each of them on real sockets.

Whoever opens another door adds an asker for it to `tests/doors_world.py`; the questions stand here.
"""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import pytest

from api.batch import loading
from api.doors.files_writing import write_addresses
from api.doors.said import Kind
from api.view import View
from nullsender import config
from nullsender.address import canonical
from nullsender.cli import main, parts, store_parts
from nullsender.clock import FakeClock, SystemClock
from nullsender.errors import Transient
from suppression.engine import opened
from suppression.policy import Cause, Policy
from suppression.store.store import Store
from tests.api_world import STALENESS_SECONDS_MAX, opened_world
from tests.doors_world import Hall, Heard, ZoneAsker, opened_hall

ALL_MAIL = View("default", None)
MARKETING = View("default", "marketing")
NEWS = View("default", "news")
ACME = View("acme", None)
ACME_MARKETING = View("acme", "marketing")
RECEIPTS = View("default", "transactional")
WEEKLY = View("default", "marketing", "weekly")
DAILY = View("default", None, "daily")
CALLED_WEEKLY = View("default", "weekly")
VIEWS = (ALL_MAIL, MARKETING, NEWS, ACME, ACME_MARKETING, RECEIPTS, WEEKLY, DAILY, CALLED_WEEKLY)

ALLOWED = Heard(Kind.ALLOWED)
INVALID = Heard(Kind.INVALID)
UNKNOWN = Heard(Kind.UNKNOWN)


def stopped(cause: Cause) -> Heard:
    return Heard(Kind.SUPPRESSED, cause)


#: How long the list takes to come about, for what has expired since.
FILLED_SECONDS = 2 * 3600


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
    # all mail but transactional: of no named stream too
    *(Case(view, "bulk@example.com", stopped(Cause.COMPLAINT)) for view in (ALL_MAIL, NEWS, WEEKLY, DAILY)),
    Case(RECEIPTS, "bulk@example.com", ALLOWED),
    Case(RECEIPTS, "hard@example.com", stopped(Cause.HARD)),
    Case(ACME_MARKETING, "bulk@example.com", ALLOWED),
    # a list's entry stops the mail of that list, whatever its stream; and its stream's entry stops it too
    Case(WEEKLY, "list@example.com", stopped(Cause.UNSUBSCRIBE)),
    *(Case(view, "list@example.com", ALLOWED) for view in (ALL_MAIL, MARKETING, DAILY, RECEIPTS)),
    Case(WEEKLY, "stream@example.com", stopped(Cause.UNSUBSCRIBE)),
    Case(DAILY, "stream@example.com", ALLOWED),
    # a stream that is called like a list is another matter
    Case(CALLED_WEEKLY, "list@example.com", ALLOWED),
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


def fill(store: Store, clock: FakeClock) -> None:
    """The list that the questions are about. It takes two hours to come about."""

    def suppress(address: str, *, scope: str = "*", cause: str = "hard", tenant: str = "default", hours: int = 0) -> None:
        expires = clock.now() + timedelta(hours=hours) if hours else None
        store.add(tenant, address, scope=scope, cause=cause, reason="a test", expires=expires, actor="test")

    for cause in Cause:
        suppress(f"{cause}@example.com", cause=cause)
    suppress("stream@example.com", scope="marketing", cause="unsubscribe")
    suppress("bulk@example.com", scope="*-transactional", cause="complaint")
    suppress("list@example.com", scope="list:weekly", cause="unsubscribe")
    suppress("several@example.com", cause="soft")
    suppress("several@example.com", scope="marketing", cause="complaint")
    suppress("acme@example.com", cause="manual", tenant="acme")
    for address in ('"john doe"@example.com', "josé@bücher.example", "50%off@example.com", "lifted@example.com"):
        suppress(address)
    store.lift("default", "lifted@example.com", scope=None, cause=None, reason="a test", consent=None, actor="test")
    suppress("expired@example.com", cause="manual", hours=1)
    suppress("lasting@example.com", cause="manual", hours=3)
    clock.advance(seconds=FILLED_SECONDS)


@pytest.fixture(scope="module")
def hall(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hall]:
    with opened_world(tmp_path_factory.mktemp("hall")) as world:
        fill(world.store, world.clock)
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


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the same list, for commands, which go by the real clock."""
    data = tmp_path_factory.mktemp("installed") / "data"
    settings = config.load({"data": str(data)}, environment={})
    store_parts.migrate_store(settings)
    clock = FakeClock(SystemClock().now() - timedelta(seconds=FILLED_SECONDS))
    with opened(settings.store_url) as engine:
        fill(Store(engine, hasher=parts.hasher_of(settings), clock=clock, policy=Policy()), clock)
    return data


@pytest.mark.parametrize("view", VIEWS, ids=str)
def test_the_command_scrub_says_of_a_list_what_every_door_says(view: View, installed: Path, tmp_path: Path) -> None:
    loading.load()
    asked = [case for case in CASES if case.view == view]
    given, *told = (tmp_path / name for name in ("list", "allowed", "suppressed", "invalid"))
    given.write_text("".join(f"{case.address}\n" for case in asked))

    words = [f"--{file.name}" if file.name != "allowed" else "--output" for file in told]
    options = [text for word, file in zip(words, told, strict=True) for text in (word, str(file))]
    assert main(["scrub", str(given), "--stream", str(view), "--data", str(installed), *options]) == 0

    allowed, suppressed, invalid = (file.read_text().splitlines() for file in told)
    heard = [(address, ALLOWED) for address in allowed]
    heard += [(line.split("\t")[0], stopped(Cause(line.split("\t")[1]))) for line in suppressed]
    heard += [(line.split("\t")[0], INVALID) for line in invalid]
    assert sorted(heard) == sorted((case.address, case.answer) for case in asked)


@pytest.mark.parametrize("view", VIEWS, ids=str)
def test_a_file_holds_those_whom_every_door_refuses(hall: Hall, view: View, tmp_path: Path) -> None:
    write_addresses(hall.world.store, view, tmp_path / "suppressed.txt")
    held = set((tmp_path / "suppressed.txt").read_text().splitlines())

    told = [case for case in CASES if case.view == view and case.answer.kind is not Kind.INVALID and " " not in case.address]
    assert {case.address for case in told if canonical(case.address) in held} == {
        case.address for case in told if case.answer.kind is Kind.SUPPRESSED
    }


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
def test_every_door_but_the_zone_refuses_whoever_only_a_hash_was_brought_of(hall: Hall, algorithm: str) -> None:
    hall.world.suppress_hash(f"{algorithm}-brought@example.com", algorithm=algorithm, tenant="acme")
    hall.world.catch_up()

    for address, answer in (
        (f"{algorithm.upper()}-Brought@example.com", stopped(Cause.UNSUBSCRIBE)),
        ("acme@example.com", stopped(Cause.MANUAL)),
        ("clean@example.com", ALLOWED),
        ("nobody", INVALID),
    ):
        heard = {asker.name: asker.ask(ACME, address) for asker in hall.askers if not isinstance(asker, ZoneAsker)}
        assert heard == dict.fromkeys(heard, answer)
