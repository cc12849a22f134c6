"""The pages of docs/integrations/ say what is so: what they have the reader copy is what runs here."""

import json
import re
import smtplib
import subprocess
import sys
import threading
import tomllib
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

import httpx
import pytest

from nullsender import config
from tests.missing import give_up
from tests.mtas import pages
from tests.mtas.haraka import Haraka
from tests.mtas.refusing_server import RefusingServer
from tests.mtas.roots import RootUnavailable, ensure_root
from tests.system import KEY, System

pytestmark = pytest.mark.xdist_group("mail-servers")

KUMO = Path(__file__).parent.parent / "fixtures" / "integrations" / "kumo.lua"
SECTIONS = ("Configure", "What it answers", "When nullsender is away", "See that it works", "Route bounces back")


@pytest.fixture(scope="module")
def system(asked_system: System) -> System:
    return asked_system


def api_of(system: System) -> str:
    """The URL of the API, as the pages write it."""
    return str(system.http.base_url).rstrip("/")


@pytest.mark.parametrize("page", pages.names())
def test_every_page_says_what_one_needs_to_know(page: str) -> None:
    text = pages.text(page)

    assert [section for section in SECTIONS if f"\n## {section}\n" not in text] == []


@pytest.fixture(scope="module")
def haraka(system: System, destination: RefusingServer) -> Iterator[Haraka]:
    replaced = {"http://127.0.0.1:8080": api_of(system), "ns_…": KEY, "timeout_seconds=5": "timeout_seconds=1"}
    forward = pages.block("haraka", "config/smtp_forward.ini", {"port=2525": f"port={system.smtp[1]}"})
    host, port = destination.address
    files = {
        "plugins/nullsender.js": pages.block("haraka", "plugins/nullsender.js"),
        "config/nullsender.ini": pages.block("haraka", "config/nullsender.ini", replaced),
        "config/smtp_forward.ini": f"{forward}\n[example.net]\nhost={host}\nport={port}\n",
    }
    try:
        with Haraka(files, plugin="nullsender") as running:
            yield running
    except RootUnavailable as reason:
        give_up(reason)


def offered(submission: tuple[str, int], *recipients: str) -> list[tuple[int, str]]:
    """Hand a message for several recipients to an MTA; what it says of each."""
    with smtplib.SMTP(*submission, timeout=60) as client:
        client.ehlo("shop.example.com")
        client.mail("bounces@bounces.example.com")
        said = [client.rcpt(recipient) for recipient in recipients]
        if any(code == 250 for code, _ in said):
            code, words = client.data(b"From: news@example.com\r\nSubject: News\r\n\r\nHello.\r\n")
            assert code == 250, words
        return [(code, words.decode()) for code, words in said]


def test_haraka_refuses_whom_we_suppress_and_delivers_to_the_others(haraka: Haraka, destination: RefusingServer) -> None:
    said = offered(haraka.submission, "suppressed@example.net", "haraka-reader@example.net")

    assert said[0] == (550, "5.7.1 this recipient is on the suppression list (manual)")
    assert said[1][0] == 250
    reader = b"haraka-reader@example.net"
    kept = destination.wait_for(lambda all_kept: any(reader in it.rcpt_tos for it in all_kept), timeout_seconds=30)
    assert [it.rcpt_tos for it in kept if reader in it.rcpt_tos] == [(reader,)]


def test_haraka_defers_while_nobody_answers_and_goes_on_when_somebody_does(haraka: Haraka, system: System) -> None:
    system.freeze("api")
    try:
        said = offered(haraka.submission, "later@example.net")
    finally:
        system.thaw("api")

    assert said[0] == (450, "4.3.0 it can not be told now whether mail may go to this recipient")
    assert offered(haraka.submission, "later@example.net")[0][0] == 250


def test_a_bounce_that_haraka_writes_comes_back_and_turns_the_lookup(haraka: Haraka, system: System) -> None:
    assert offered(haraka.submission, "long-line@example.net")[0][0] == 250

    assert system.wait_until_suppressed("long-line@example.net", seconds=60)["cause"] == "hard"


@pytest.fixture(scope="module")
def kumo(system: System) -> Callable[[str], list[str]]:
    """What the policy of the page says to recipients, one a line: to each by SMTP, then by injection."""
    policy = pages.block(
        "kumomta", "init.lua", {"http://127.0.0.1:8080": api_of(system), "ns_…": KEY, "5 seconds": "1 seconds"}
    )
    program = f"\n{KUMO.read_text()}\ndo\n{policy}\nend\nAnswer_recipients()\n"
    try:
        root = ensure_root("lua", ("lua5.4", "lua-socket", "lua-cjson")).path
    except RootUnavailable as reason:
        give_up(reason)

    def answers(recipients: str) -> list[str]:
        command = ["chroot", str(root), "lua5.4", "-e", program]
        done = subprocess.run(command, input=recipients, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    return answers


def test_kumomta_refuses_whom_we_suppress_and_no_other(kumo: Callable[[str], list[str]]) -> None:
    refusal = "550 5.7.1 this recipient is on the suppression list (manual)"

    assert kumo("suppressed@example.net\nreader+tag@example.net\n") == [refusal, refusal, "accepted", "accepted"]


def test_kumomta_asks_for_the_stream_of_whoever_has_logged_in(kumo: Callable[[str], list[str]]) -> None:
    said = kumo("unsubscribed@example.net receipts@example.com\nunsubscribed@example.net news@example.com\n")

    assert [line[:3] for line in said] == ["acc", "acc", "550", "550"]


def test_kumomta_says_of_what_is_no_address_that_it_is_none(kumo: Callable[[str], list[str]]) -> None:
    assert [line[:9] for line in kumo("no-address\n")] == ["553 5.1.3"] * 2


def test_kumomta_defers_while_nobody_answers(kumo: Callable[[str], list[str]], system: System) -> None:
    system.freeze("api")
    try:
        said = kumo("later@example.net\n")
    finally:
        system.thaw("api")

    assert said == ["451 4.3.0 it can not be told now whether mail may go to this recipient"] * 2


def test_the_script_for_halon_reads_what_halon_has_and_compares_in_brackets() -> None:
    script = pages.block("halon", "rcptto.hsl")

    # What stands in `$arguments` in RCPT TO (docs.halon.io/hsl/rcptto.html); of anything else nothing would be asked about.
    assert set(re.findall(r'\$arguments\["(\w+)"\]', script)) <= {"recipient", "address", "params", "transportid"}
    assert '$recipient = $arguments["recipient"];\n$said = nullsender($recipient, $stream);' in script
    # `a ?? b == c` is `a ?? (b == c)` where it binds as elsewhere: true for every login.
    assert not re.search(r"\?\?[^()]*[=!]=", script)
    # A question about nobody is our mistake, and no permanent refusal comes of it.
    assert re.search(r'if \(\$recipient and \$said\["status"\] == 422', script)


def halon_asks(system: System, address: str) -> httpx.Response:
    """What `http()` of the page's script gets for an address: $1 and $2 of its URL are encoded as Halon does it."""
    script = pages.block("halon", "rcptto.hsl", {"http://127.0.0.1:8080": api_of(system), "ns_…": KEY})
    (url,) = re.findall(r'http\("([^"]+)"', script)
    (header,) = re.findall(r'"headers" => \["([^"]+)"\]', script)
    name, _, value = header.partition(": ")
    return httpx.get(url.replace("$1", quote(address, safe="")).replace("$2", "marketing"), headers={name: value}, timeout=30)


@pytest.mark.parametrize(
    ("kind", "status", "address"),
    [("allowed", 200, "clean@example.net"), ("suppressed", 200, "suppressed@example.net"), ("invalid", 422, "no address")],
)
@pytest.mark.parametrize("page", ["halon", "postal"])
def test_what_a_page_says_of_an_answer_is_so(system: System, page: str, kind: str, status: int, address: str) -> None:
    answer = halon_asks(system, address) if page == "halon" else system.http.get("/v1/check", params={"address": address})

    shown = json.loads(pages.block(page, kind))
    told = answer.json()
    assert answer.status_code == status
    assert {name: "…" if shown[name] == "…" else value for name, value in told.items()} == shown


class Postal(BaseHTTPRequestHandler):
    """Postal's API for sending, as far as a sender sees it: keeps what it was asked to send."""

    sent: ClassVar[list[dict[str, object]]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert (self.path, self.headers["X-Server-API-Key"]) == ("/api/v1/send/message", "secret")
        self.sent.append(json.loads(body))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"status": "success", "time": 0.02, "flags": {}, "data": {}}')

    def log_message(self, format: str, *arguments: object) -> None:
        """Nobody reads it."""


def test_the_script_for_postal_sends_to_those_who_may_get_mail(system: System, tmp_path: Path) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Postal) as postal:
        threading.Thread(target=postal.serve_forever, args=(0.05,)).start()
        there = f"http://127.0.0.1:{postal.server_port}"
        replaced = {
            "http://127.0.0.1:8080": api_of(system),
            "ns_…": KEY,
            "https://postal.example.com": there,
            '"…"': '"secret"',
        }
        (tmp_path / "send.py").write_text(pages.block("postal", "send.py", replaced))
        (tmp_path / "recipients").write_text("one@example.net\nsuppressed@example.net\nno address\n\ntwo@example.net\n")
        done = subprocess.run(
            [sys.executable, "-I", str(tmp_path / "send.py"), str(tmp_path / "recipients")],
            input='{"from": "news@example.com", "subject": "News", "plain_body": "Hello."}',
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        postal.shutdown()

    assert done.stdout == "one@example.net success\ntwo@example.net success\n", done.stderr
    assert [message["to"] for message in Postal.sent] == [["one@example.net"], ["two@example.net"]]


def test_the_configuration_for_powermta_reads_the_file_that_nullsender_writes() -> None:
    lines = [line.strip() for line in pages.block("powermta", "config").splitlines() if line.strip()]
    opened = [match[1] for line in lines if (match := re.fullmatch(r"<([a-z-]+) \S+>", line))]
    closed = [match[1] for line in lines if (match := re.fullmatch(r"</([a-z-]+)>", line))]
    directives = dict(line.split(" ", 1) for line in lines if not line.startswith("<"))
    written = tomllib.loads(pages.block("powermta", "nullsender.toml"))["doors"]["files"]

    assert opened == closed == ["address-list", "source"]
    assert directives == {"address-file": written["marketing"], "suppression-lists": "nullsender-marketing"}
    assert "<address-list nullsender-marketing>" in lines


@pytest.mark.parametrize("page", pages.names())
def test_the_settings_that_a_page_shows_are_ours(page: str, tmp_path: Path) -> None:
    for settings in [*pages.blocks(page, "toml"), *([pages.block(page, "nullsender.toml")] if page == "powermta" else [])]:
        (tmp_path / "nullsender.toml").write_text(settings)

        config.load(file=tmp_path / "nullsender.toml", environment={})


def test_the_table_of_integrations_names_every_page() -> None:
    linked = re.findall(r"\]\((\w+)\.md\)", (pages.FOLDER / "README.md").read_text())

    assert sorted(linked) == pages.names()
