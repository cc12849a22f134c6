"""Incidents and reviews as their users meet them: the commands, and HTTP."""

import json
import shlex
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from nullsender import config
from nullsender.cli import main, store_parts
from nullsender.clock import FakeClock, SystemClock
from suppression.incidents.breaker import BreakerSettings
from suppression.jobs.worker import Worker
from suppression.store.held_reports import RELEASE, StoreReview
from suppression.store.incidents import MAKE, PREVIEW, UNDO
from suppression.store.jobs import StoreJobs
from suppression.store.store import Store
from tests.api_world import World, opened_client, opened_world
from tests.store_contract import ADA, BEN, stops, tell
from tests.test_incidents import from_mta, reads_nothing

MARKS = ("--kind", "sender-fault", "--provider", "example.net")
NOW = SystemClock().now() - timedelta(minutes=5)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with a list of two."""
    store = store_parts.migrate_store(config.load({"data": str(tmp_path)}, environment={}))
    tell(store, from_mta("1", at=NOW), from_mta("2", recipient=BEN, mta="mx.other.example", at=NOW))
    return tmp_path


def command(capsys: pytest.CaptureFixture[str], data: Path, *words: str) -> str:
    """What a command prints; it has to go well."""
    code = main([words[0], words[1], "--data", str(data), *words[2:]])
    said = capsys.readouterr()
    assert code == 0, said.err
    return said.out


def listed(data: Path) -> list[bool]:
    """Whether mail to the two is stopped."""
    store = store_parts.open_store(config.load({"data": str(data)}, environment={}))
    return [stops(store, address) is not None for address in (ADA, BEN)]


def test_an_incident_goes_from_preview_to_undo(capsys: pytest.CaptureFixture[str], data: Path) -> None:
    would = command(capsys, data, "incidents", "preview", *MARKS, "--list")
    assert "release  hard         *                ada@example.com: nothing else holds it" in would
    assert "entries released: 1 (1 hard)" in would
    assert listed(data) == [True, True]

    command(capsys, data, "incidents", "make", *MARKS, "--reason", "our key was wrong")
    assert listed(data) == [False, True]
    shown = command(capsys, data, "incidents", "list")
    number, state = shown.split()[:2]
    assert state == "holds"
    assert "complete: 2 of 2 people" in command(capsys, data, "incidents", "show", number)

    command(capsys, data, "incidents", "undo", number, "--reason", "it was not")
    assert listed(data) == [True, True]
    assert command(capsys, data, "incidents", "list").split()[1] == "undone"


def test_a_preview_is_json_for_a_program(capsys: pytest.CaptureFixture[str], data: Path) -> None:
    told = json.loads(command(capsys, data, "incidents", "preview", *MARKS, "--json"))

    assert told["by_action"] == {"release hard": 1}
    assert told["by_domain"] == {"example.com": 1}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--kind", "sender-fault"), "an incident without a mark would be the whole list"),
        ((*MARKS, "--pattern", "(a)\\1"), "is no expression that can be looked for in bounded time"),
        ((*MARKS, "--sending-ip", "300.1.1.1"), "is no address or network"),
        ((*MARKS, "--from", "2026-03-02", "--to", "2026-03-01"), "the time that it begins at has to lie before"),
        (("--kind", "bad-rule", "--to", "2999-01-01"), "a bad-rule incident can not end in the future"),
    ],
)
def test_marks_that_can_not_be_are_refused_with_a_sentence(
    capsys: pytest.CaptureFixture[str], data: Path, words: tuple[str, ...], said: str
) -> None:
    assert main(["incidents", "preview", "--data", str(data), *words]) == 1
    assert said in capsys.readouterr().err


def test_what_is_held_is_reviewed_by_commands(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    data, settings = tmp_path, config.load({"data": str(tmp_path)}, environment={})
    store = store_parts.migrate_store(settings)
    assert command(capsys, data, "review", "list") == "nothing is held\n"
    hold(store, NOW)

    assert command(capsys, data, "review", "list").startswith("rule a rule of the tests: 7 reports held")
    main(["doctor", "--data", str(data)])
    assert "7 reports are held for a review" in capsys.readouterr().out
    command(capsys, data, "review", "reject", "--all", "--kind", "sender-fault", "--reason", "our key")
    number = command(capsys, data, "incidents", "list").split()[0]
    command(capsys, data, "incidents", "undo", number, "--reason", "it was not")
    released = command(capsys, data, "review", "release", "--key", "rule a rule of the tests", "--reason", "a real one")

    assert released == "7 reports count now as they would have\n"
    assert stops(store_parts.open_store(settings), "p11@example.com") is not None


def hold(store: Store, now: datetime) -> None:
    """Let the breaker hold seven reports, after four days of a few of other rules."""
    clock = FakeClock(now - timedelta(days=4))
    breaking = Store.beside(store)
    breaking._clock, breaking._breaker = clock, BreakerSettings(hour_min=5, times=3)
    for day in range(4):
        usual = [from_mta(f"u{day}{n}", recipient=f"u{day}{n}@example.org", mta=f"mx.p{n}.example") for n in range(3)]
        tell(breaking, *(replace(one, decision=replace(one.decision, rule=f"rule {n}")) for n, one in enumerate(usual)))
        clock.advance(days=1)
    tell(breaking, *(from_mta(f"flood {n}", recipient=f"p{n}@example.com", at=now) for n in range(12)))


# --- HTTP ---


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """An installation with a list of two."""
    with opened_world(tmp_path) as world:
        tell(world.store, from_mta("1"), from_mta("2", recipient=BEN, mta="mx.other.example"))
        yield world


@pytest.fixture
def client(world: World) -> Iterator[httpx.Client]:
    """Somebody who may do all of it."""
    with opened_client(world.api(), world.key("read", "write")) as client:
        yield client


def work_off(store: Store) -> None:
    """Do every job that waits, as the role `jobs` does."""
    review = StoreReview.beside(store)
    runners: dict[str, Any] = {kind: lambda work: review.run(work, reads_nothing) for kind in (MAKE, UNDO, PREVIEW)}
    worker = Worker(StoreJobs.beside(store), {**runners, RELEASE: review.run_release}, clock=FakeClock(), stop=lambda: False)
    while worker.step():
        pass


ASKED = {"kind": "sender-fault", "marks": {"provider": "example.net"}}


def test_an_incident_is_previewed_made_and_undone_over_http(world: World, client: httpx.Client) -> None:
    preview = client.post("/v1/incidents/preview", json=ASKED)
    assert (preview.status_code, preview.json()["would"]) == (202, None)
    work_off(world.store)
    would = client.get(preview.headers["location"]).json()["would"]
    assert would["by_action"] == {"release hard": 1}
    assert [(entry["action"], entry["address"]) for entry in would["entries"]] == [("release", ADA)]
    assert stops(world.store) is not None

    made = client.post("/v1/incidents", json={**ASKED, "reason": "our key was wrong"})
    work_off(world.store)
    assert made.status_code == 202
    assert stops(world.store) is None
    shown = client.get(made.headers["location"]).json()
    assert (shown["holds"], shown["marks"]) == (True, {"provider": "example.net"})
    assert client.get("/v1/incidents").json()["incidents"] == [shown]
    assert client.get(f"/v1/jobs/{shown['job']}").json()["state"] == "complete"

    undone = client.post(f"{made.headers['location']}/undo", json={"reason": "it was not"})
    work_off(world.store)
    assert undone.json()["holds"] is False
    assert stops(world.store) is not None


def test_another_tenant_sees_and_undoes_nothing_of_it(world: World, client: httpx.Client) -> None:
    made = client.post("/v1/incidents", json={**ASKED, "reason": "our key was wrong"}).headers["location"]
    with opened_client(world.api(), world.key("read", "write", tenant="other")) as other:
        assert other.get(made).json()["type"].endswith("no-such-incident")
        assert other.post(f"{made}/undo", json={"reason": "x"}).status_code == 404
        assert other.get("/v1/incidents").json()["incidents"] == []
        assert other.post("/v1/incidents", json={**ASKED, "reason": "ours"}).status_code == 202
    work_off(world.store)
    assert client.get(made).json()["holds"] is True


def test_a_key_that_may_only_read_makes_no_incident(world: World) -> None:
    with opened_client(world.api(), world.key("read")) as reader:
        assert reader.post("/v1/incidents", json={**ASKED, "reason": "x"}).status_code == 403
        assert reader.get("/v1/review").json() == {"held": []}


def test_a_mark_that_can_not_be_is_refused_over_http(client: httpx.Client) -> None:
    refused = client.post("/v1/incidents", json={"kind": "sender-fault", "marks": {"pattern": "(a)\\1"}, "reason": "x"})
    assert (refused.status_code, "bounded time" in refused.json()["detail"]) == (422, True)
    assert client.post("/v1/incidents", json={"kind": "sender-fault", "marks": {}, "reason": "x"}).status_code == 422
    assert client.post("/v1/review/release", json={"keys": ["rule x"], "reason": "x"}).status_code == 422


def test_what_is_held_is_reviewed_over_http(world: World, client: httpx.Client) -> None:
    world.clock.advance(days=5)
    hold(world.store, world.clock.now())
    (held,) = client.get("/v1/review").json()["held"]
    assert (held["key"], held["held"]) == ("rule a rule of the tests", 7)

    released = client.post("/v1/review/release", json={"keys": [held["key"]], "reason": "a real one"})
    work_off(world.store)
    assert released.status_code == 202
    assert stops(world.store, "p11@example.com") is not None


def test_the_session_in_the_documentation_runs(capsys: pytest.CaptureFixture[str], data: Path) -> None:
    page = (Path(__file__).parent.parent / "docs" / "incidents.md").read_text()
    session = [shlex.split(line.removeprefix("$ nullsender ")) for line in page.splitlines() if line.startswith("$ ")]

    number = ""
    for words in session:
        said = command(capsys, data, *(number if word == "4711" else word for word in words))
        number = said.split()[0] if words[1] == "list" and words[0] == "incidents" else number
    assert {"preview", "make", "list", "show", "undo"} == {words[1] for words in session}
