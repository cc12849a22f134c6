"""Under `nullsender up`: the DNS zone's directory and the files of addresses are kept, and the milter answers beside them."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import dns.message
import dns.query
import dns.rcode
import pytest

from nullsender import config
from nullsender.cli.doors import door_settings
from nullsender.errors import Misconfigured
from tests.doors_world import APEX
from tests.system import System, free_ports
from tests.waiting import wait_for

pytestmark = pytest.mark.xdist_group("up")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    folder = tmp_path_factory.mktemp("kept")
    (port,) = free_ports(1)
    settings = {
        "NULLSENDER_DOORS_DNS": f"127.0.0.1:{port}",
        "NULLSENDER_DOORS_DNS_ZONE": APEX,
        "NULLSENDER_DOORS_FILES": f"news={folder / 'news.txt'}",
        "NULLSENDER_DOORS_FILES_SECONDS": "1",
        "NULLSENDER_DOORS_FILES_COMMAND": f"touch '{folder / 'was told'}'",
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
    wait_for(lambda: file.read_text() == "ada@example.com\nben@example.com\n", what="the file to have both")
    wait_for(told.exists, what="the command")
    assert 'nullsender_door_answers_total{answer="suppressed",door="dns"}' in running.http.get("/metrics").text


def test_a_file_is_written_once_by_hand(running: System, tmp_path: Path) -> None:
    file = tmp_path / "by-hand.txt"

    done = running.command("address-file", "news", str(file))

    assert (done.returncode, file.exists()) == (0, True), done.stderr
    assert "addresses that mail of default/news may not go to" in done.stdout
    assert "as it did before" in running.command("address-file", "default/news", str(file)).stdout
    refused = running.command("address-file", "a b", str(file))
    assert (refused.returncode, "VIEW" in refused.stderr) == (3, True)


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
