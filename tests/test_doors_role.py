"""The doors as an operator meets them: their settings, the role under `nullsender up`, and what `doctor` says of them.

The DNS zone's directory and the files of addresses are kept beside them.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import dns.message
import dns.query
import dns.rcode
import pytest

from api.doors.said import Kind
from nullsender import config
from nullsender.cli import main
from nullsender.cli.checking.installation import CHECKS
from nullsender.cli.doors import door_settings
from nullsender.cli.up import greeting, processes
from nullsender.config import Endpoint, Settings
from nullsender.errors import Misconfigured
from suppression.policy import Cause
from tests.doors_world import APEX, Heard, conversation, netstring, policy_question, understood
from tests.ports import free_ports
from tests.system import System
from tests.waiting import wait_for

pytestmark = pytest.mark.xdist_group("up")


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


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"dns": "127.0.0.1:5353"}, "needs a zone"),
        ({"dns": "unix:/run/dns", "dns_zone": APEX}, "write HOST:PORT"),
        ({"dns": "127.0.0.1:5353", "dns_zone": f"{'x' * 64}.example"}, "no name of a DNS zone"),
        ({"files": "news=relative.txt"}, "write VIEW=/PATH"),
        ({"files": "news=/a.txt,shop=/a.txt"}, "a path of its own"),
        ({"files": "a b=/a.txt"}, "doors.files"),
    ],
)
def test_settings_that_can_not_be_are_told_before_anything_starts(settings: dict[str, str], told: str) -> None:
    read = config.load({f"doors.{name}": text for name, text in settings.items()}, environment={})

    with pytest.raises(Misconfigured, match=told):
        door_settings(read)


# --- under `nullsender up` ---


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    folder = tmp_path_factory.mktemp("doors")
    policy, dns_port = free_ports(2)
    settings = {
        "NULLSENDER_DOORS_DNS": f"127.0.0.1:{dns_port}",
        "NULLSENDER_DOORS_DNS_ZONE": APEX,
        "NULLSENDER_DOORS_FILES": f"news={folder / 'news.txt'}",
        "NULLSENDER_DOORS_FILES_SECONDS": "1",
        "NULLSENDER_DOORS_FILES_COMMAND": f"touch '{folder / 'was told'}'",
        "NULLSENDER_DOORS_SOCKETMAP": f"unix:{folder / 'map'}",
        "NULLSENDER_DOORS_POLICY": f"127.0.0.1:{policy}",
        "NULLSENDER_DOORS_TEXT": "Not to be sent to ({cause})",
    }
    with System(folder / "data", settings=settings) as system:
        yield system


def code_of(running: System, address: str, view: str = "") -> str:
    """What the zone says of an address: the last octet, or the name of the error."""
    host, _, port = running.environment["NULLSENDER_DOORS_DNS"].rpartition(":")
    name = f"{hashlib.sha1(address.encode()).hexdigest()}{view}.{APEX}"
    reply = dns.query.udp(dns.message.make_query(name, "A"), host, port=int(port), timeout=30)
    return str(reply.answer[0][0]) if reply.answer else dns.rcode.to_text(reply.rcode())


def test_a_change_of_the_list_comes_to_the_zone_and_into_the_file(running: System) -> None:
    file, told = running.data.parent / "news.txt", running.data.parent / "was told"
    wait_for(lambda: code_of(running, "ada@example.com") == "NXDOMAIN", what="the zone to know the list")
    wait_for(file.exists, what="the file of an empty list")
    for address, scope in (("ada@example.com", "*"), ("ben@example.com", "news")):
        body = {"cause": "hard", "reason": "a test"}
        assert running.http.put(f"/v1/suppressions/{address}", params={"scope": scope}, json=body).status_code == 201

    wait_for(lambda: code_of(running, "ben@example.com", ".news") == "127.0.0.2", what="the zone to have the change")
    assert code_of(running, "ben@example.com") == "NXDOMAIN"
    wait_for(lambda: {"ada@example.com", "ben@example.com"} <= set(file.read_text().split()), what="the file to have both")
    wait_for(told.exists, what="the command")
    assert 'nullsender_door_answers_total{answer="suppressed",door="dns"}' in running.http.get("/metrics").text


def test_a_file_is_written_once_by_hand(running: System, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "by-hand.txt"

    def written(view: str) -> tuple[int, str]:
        code = main(["address-file", view, str(file), "--data", str(running.data)])
        return code, "".join(capsys.readouterr())

    code, said = written("news")
    assert (code, file.exists()) == (0, True), said
    assert "addresses that mail of default/news may not go to" in said
    assert "as it did before" in written("default/news")[1]
    code, said = written("a b")
    assert (code, "VIEW" in said) == (3, True)


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
