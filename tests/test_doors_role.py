"""The doors as an operator meets them: their settings, the role under `nullsender up`, and what `doctor` says of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from api.doors.said import Kind
from nullsender import config
from nullsender.cli.checking.installation import CHECKS
from nullsender.cli.doors import door_settings
from nullsender.cli.up import greeting, processes
from nullsender.config import Endpoint, Settings
from nullsender.errors import Misconfigured
from suppression.policy import Cause
from tests.doors_world import Heard, conversation, netstring, policy_question, understood
from tests.system import System, free_ports
from tests.waiting import wait_for


def settings_of(**doors: str) -> Settings:
    return config.load({f"doors.{name}": text for name, text in doors.items()}, environment={})


def test_a_listener_is_a_place_and_a_view() -> None:
    settings = settings_of(
        socketmap="127.0.0.1:7777, [::1]:7777=acme/marketing,unix:/run/nullsender/socketmap=*", policy="localhost:7778=acme/*"
    )

    assert [(name, listener.where, listener.view) for name, listener in settings.doors.listeners()] == [
        ("socketmap", Endpoint("127.0.0.1", 7777), None),
        ("socketmap", Endpoint("::1", 7777), "acme/marketing"),
        ("socketmap", Path("/run/nullsender/socketmap"), "*"),
        ("policy", Endpoint("localhost", 7778), "acme/*"),
    ]
    assert [str(listener.view) for listener in door_settings(settings).listeners] == [
        "None",
        "acme/marketing",
        "default/*",
        "acme/*",
    ]


@pytest.mark.parametrize(
    ("setting", "text", "told"),
    [
        ("socketmap", "7777", "is not HOST:PORT"),
        ("socketmap", "127.0.0.1:7777=", "names no view"),
        ("socketmap", "unix:run/door", "write unix:/PATH"),
        ("readsocket", "unix:/" + "x" * 200, "too long"),
        ("text", "two\nlines", "doors.text"),
        ("text", "Ünsubscribed", "doors.text"),
        ("text", "", "doors.text"),
        ("socket_mode", "rw", "doors.socket_mode"),
        ("sasl_views", "bob", "NAME=VALUE"),
    ],
)
def test_a_setting_that_can_not_be_used_is_told_with_its_place(setting: str, text: str, told: str) -> None:
    with pytest.raises(Misconfigured, match=told):
        settings_of(**{setting: text})


@pytest.mark.parametrize(
    ("setting", "text"), [("policy", "127.0.0.1:7777=a b"), ("policy", "127.0.0.1:7777=a/b/c"), ("sasl_views", "bob=a b")]
)
def test_a_view_that_is_none_is_told_before_anything_starts(setting: str, text: str) -> None:
    with pytest.raises(Misconfigured, match=f"doors.{setting}"):
        door_settings(settings_of(**{setting: text}))


def test_up_starts_the_role_only_where_a_door_is_open_and_says_where_each_is() -> None:
    closed, opened = settings_of(), settings_of(policy="0.0.0.0:7778=acme/*")

    assert ("doors", "doors") not in processes(closed)
    assert ("doors", "doors") in processes(opened)
    assert "policy:    0.0.0.0:7778=acme/*" in greeting(opened, None)


def test_doctor_warns_of_a_door_that_anybody_on_the_network_reaches() -> None:
    def said(**doors: str) -> str:
        return " ".join(finding.text for finding in CHECKS["doors for mail servers"](settings_of(**doors)))

    assert "doors.policy 0.0.0.0:7778" in said(policy="0.0.0.0:7778,127.0.0.1:7779")
    assert said(policy="127.0.0.1:7778,[::1]:7778,localhost:7779", readsocket=f"unix:{Path(__file__)}") == ""
    assert "doors.policy 127.0.0.1:7778: doors.socketmap listens there" in said(
        socketmap="127.0.0.1:7778", policy="127.0.0.1:7778"
    )
    assert "http listens there" in said(policy="127.0.0.1:8080=acme/*")
    assert "there is no folder /nowhere" in said(readsocket="unix:/nowhere/door")


pytestmark = pytest.mark.xdist_group("up")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    folder = tmp_path_factory.mktemp("doors")
    (port,) = free_ports(1)
    settings = {
        "NULLSENDER_DOORS_SOCKETMAP": f"unix:{folder / 'map'}",
        "NULLSENDER_DOORS_POLICY": f"127.0.0.1:{port}",
        "NULLSENDER_DOORS_TEXT": "Not to be sent to ({cause})",
    }
    with System(folder / "data", settings=settings) as system:
        yield system


def test_the_role_answers_refuses_what_the_list_holds_and_comes_back_when_it_is_killed(running: System) -> None:
    where, path = running.environment["NULLSENDER_DOORS_POLICY"], running.data.parent / "map"
    host, _, port = where.rpartition(":")
    assert running.http.put("/v1/suppressions/bob@example.com", json={"cause": "hard", "reason": "a test"}).status_code == 201

    def answers() -> bool:
        try:
            heard = understood("socketmap", conversation(path, netstring("* bob@example.com")))
        except OSError:
            return False
        return heard == Heard(Kind.SUPPRESSED, Cause.HARD)

    wait_for(answers, what="the doors")
    said = conversation((host, int(port)), policy_question("bob@example.com"))
    assert said == b"action=550 5.7.1 Not to be sent to (hard bounce)\n\n"
    wait_for(lambda: "nullsender is ready" in running.said(), what="the greeting")
    assert f"policy:    {where}" in running.said()
    assert running.command("health", "doors").returncode == 0

    running.wait_until_started_again("doors", running.kill("doors"))

    wait_for(answers, what="the doors to open again, on the socket that was left behind too")
    assert 'nullsender_door_answers_total{answer="suppressed",door="policy"}' in running.http.get("/metrics").text
    assert running.stop() == 0
    assert not path.exists()


def test_without_a_door_the_role_is_a_sentence(tmp_path: Path) -> None:
    refused = System(tmp_path / "data").command("doors")

    assert refused.returncode == 3
    assert "no door is open" in refused.stderr
