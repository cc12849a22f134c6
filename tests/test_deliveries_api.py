"""POST /v1/deliveries, and what `nullsender policy explain` says of it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from httpx import Client

from nullsender.cli import main
from nullsender.limits import DELIVERIES_PER_CALL_MAX
from tests.api_world import World, opened_client, opened_world
from tests.outcomes import an_outcome
from tests.store_contract import ADA, tell


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with opened_world(tmp_path) as world:
        yield world


@pytest.fixture
def client(world: World) -> Iterator[Client]:
    """A caller that may write."""
    with opened_client(world.api(), world.key("write")) as client:
        yield client


def test_deliveries_reset_what_bounced_before_and_one_bad_item_spoils_no_other(client: Client, world: World) -> None:
    world.clock.advance(days=1)
    tell(world.store, an_outcome("1", "soft"))
    items: list[object] = [
        {"address": ADA, "stream": "News", "list": "weekly", "delivered_at": "2026-01-01T12:00:00Z"},
        {"address": "nobody"},
        {"address": ADA, "delivered_at": "yesterday"},
        {"address": ADA, "colour": "red"},
        5,
        {},
    ]

    answer = client.post("/v1/deliveries", json={"deliveries": items})

    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["taken"], told["reset"], told["changed"]) == (1, 1, 0)
    assert [bad["index"] for bad in told["invalid"]] == [1, 2, 3, 4, 5]
    assert all(bad["reason"] and "Value error" not in bad["reason"] for bad in told["invalid"])
    assert client.post("/v1/deliveries", json={"deliveries": items}).json()["reset"] == 0


def test_too_many_deliveries_and_a_key_that_may_not_write_are_refused(client: Client, world: World) -> None:
    many: dict[str, object] = {"deliveries": [{}] * (DELIVERIES_PER_CALL_MAX + 1)}

    assert client.post("/v1/deliveries", json=many).status_code == 413
    with opened_client(world.api(), world.key("check", "read")) as reader:
        assert reader.post("/v1/deliveries", json={"deliveries": []}).status_code == 403


def explain(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What `nullsender policy explain` prints."""
    assert main(["policy", "explain", *words]) == 0
    return capsys.readouterr().out


def test_the_policy_is_explained_for_one_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "policy.toml"
    file.write_text('name = "strict"\n[tenant.acme]\ntransactional = ["receipts"]\n')
    monkeypatch.setenv("NULLSENDER_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("NULLSENDER_POLICY_FILE", str(file))
    assert main(["migrate"]) == 0
    with_key = ["--tenant", "acme", "--stream", "receipts"]

    clean = explain(capsys, "ada@example.com", *with_key)
    shown = json.loads(explain(capsys, "Ada@Example.com", "--json", "--list", "weekly"))

    assert "ada@example.com, mail of stream receipts, tenant acme: may be sent to" in clean
    assert "entries on these scopes stop such mail: *, receipts" in clean
    assert "soft report: would count on the mail of stream receipts; 3 more would make an entry" in clean
    assert shown["policy"].startswith("strict ")
    assert shown["next"]["unsubscribe report"] == "would stop the mail of list weekly for good"
    assert main(["policy", "check", str(file)]) == 0
    assert "can be used" in capsys.readouterr().out
    assert main(["policy", "show", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["tenant"]["acme"] == {"transactional": ["receipts"]}


def test_a_file_with_a_mistake_stops_every_command_that_needs_the_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "policy.toml"
    file.write_text('name = "x"\n\nhard = "some"\n')
    monkeypatch.setenv("NULLSENDER_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("NULLSENDER_POLICY_FILE", str(file))

    for command in (["migrate"], ["keys", "list"], ["policy", "check", str(file)]):
        assert main(command) == 3
        assert "line 3: hard: one of all" in capsys.readouterr().err
