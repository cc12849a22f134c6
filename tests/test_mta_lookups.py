"""Real mail servers ask before they send: what they say to a suppressed recipient, and what they do while nobody answers.

They are configured with what the pages of docs/integrations/ have one copy.
"""

import os
import re
import signal
import smtplib
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.missing import give_up
from tests.mtas import pages
from tests.mtas.addresses import HostPort
from tests.mtas.exim import Exim
from tests.mtas.mta import Mta, MtaFailed
from tests.mtas.postfix import Postfix
from tests.mtas.refusing_server import RefusingServer
from tests.mtas.roots import RootUnavailable, unavailable_because
from tests.mtas.rspamd import Rspamd
from tests.mtas.stub_auth import StubAuth
from tests.ports import free_ports
from tests.system import System
from tests.waiting import wait_for

pytestmark = pytest.mark.xdist_group("mail-servers")

OUR_WORDS = "this recipient is on the suppression list (by hand), so no mail is sent there"
WAYS = ("socketmap", "policy", "milter", "tcp_table", "readsocket")
DOORS_START_SECONDS_MAX = 60.0
LOG_CHARS_MAX = 8000  # of a mail server's log, where a test says that its bounce never came


class Doors:
    """`nullsender doors` in a process of its own, so that it can be stopped, held, and started again."""

    def __init__(self, system: System, folder: Path) -> None:
        self.address_file = folder / "marketing.txt"
        self.reloaded = folder / "reloaded"
        replaced = {
            "/var/lib/nullsender/lists/marketing.txt": str(self.address_file),
            "files_seconds = 60": "files_seconds = 1",
            "/usr/sbin/pmta reload": f"touch {self.reloaded}",
        }
        (folder / "nullsender.toml").write_text(pages.block("powermta", "nullsender.toml", replaced))
        self.ports = dict(zip(WAYS, free_ports(len(WAYS)), strict=True))
        settings = {f"NULLSENDER_DOORS_{way.upper()}": f"127.0.0.1:{port}" for way, port in self.ports.items()}
        for way in ("milter", "tcp_table"):  # where the wire names no view
            settings[f"NULLSENDER_DOORS_{way.upper()}"] += "=marketing"
        (self.dns_port,) = free_ports(1)
        settings["NULLSENDER_DOORS_DNS"] = f"127.0.0.1:{self.dns_port}=marketing"
        settings["NULLSENDER_DOORS_DNS_ZONE"] = "blocked.internal"
        settings["NULLSENDER_DOORS_SASL_VIEWS"] = "news@example.com=marketing,receipts@example.com=transactional"
        self._environment = system.environment | settings | {"NULLSENDER_CONFIG": str(folder / "nullsender.toml")}
        self._output = folder / "output"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and return when every door is open."""
        with self._output.open("ab") as output:
            command = [sys.executable, "-m", "nullsender.cli", "doors"]
            self._process = subprocess.Popen(
                command, env=self._environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        wait_for(self._is_open, what="the doors to be open", seconds=DOORS_START_SECONDS_MAX)

    def _is_open(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self._output.read_text()
        try:
            for port in (*self.ports.values(), self.dns_port):
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            return False
        return True

    def stop(self) -> None:
        """Stop it as an operator does."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)
        self._process.terminate()
        assert self._process.wait(30) == 0, self._output.read_text()

    def hold(self) -> None:
        """Its connections stay open, and new ones are made by the kernel; nobody answers."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """End of `hold`."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)


@pytest.fixture(scope="module")
def system(asked_system: System) -> System:
    if reason := unavailable_because():
        give_up(reason)
    return asked_system


@pytest.fixture(scope="module")
def doors(system: System, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    running = Doors(system, tmp_path_factory.mktemp("doors"))
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def mtas(system: System, doors: Doors, destination: RefusingServer) -> Iterator[Mapping[str, Mta]]:
    """A mail server for each way to ask, as its page configures it."""
    routes = {"example.net": destination.address, "bounces.example.com": system.smtp}
    port = {way: f"127.0.0.1:{number}" for way, number in doors.ports.items()}
    policy = pages.block("postfix", "policy.cf", {"127.0.0.1:7778": port["policy"], "timeout=5s": "timeout=1s"})
    milter = pages.block("postfix", "milter.cf", {"127.0.0.1:7781": port["milter"], "command_timeout=5s": "command_timeout=1s"})
    asked = {"127.0.0.1:7780": port["readsocket"], "{5s}": "{1s}"}
    at_our_mx = {"127.0.0.1::2525": f"127.0.0.1::{system.smtp[1]}", "remote_smtp": "smtp"}
    made: Mapping[str, Mta] = {
        "socketmap": Postfix(
            main_cf=pages.block("postfix", "socketmap.cf", {"127.0.0.1:7777": port["socketmap"]}), routes=routes
        ),
        "policy": Postfix(main_cf=policy, routes=routes),
        "milter": Postfix(main_cf=milter, routes=routes),
        "tcp_table": Postfix(
            main_cf=pages.block("postfix", "tcp_table.cf", {"127.0.0.1:7779": port["tcp_table"]}), routes=routes
        ),
        "readsocket": Exim(
            main="hostlist relay_from_hosts = 127.0.0.1\n" + pages.block("exim", "main.conf", asked),
            at_rcpt=pages.block("exim", "rcpt.conf"),
            routers=pages.block("exim", "router.conf", at_our_mx),
            routes={"example.net": destination.address},
        ),
    }
    with ThreadPoolExecutor() as threads:
        try:
            list(threads.map(Mta.start, made.values()))
            yield made
        except RootUnavailable as reason:
            give_up(reason)
        finally:
            list(threads.map(Mta.stop, made.values()))


def offered(mta: Mta, *recipients: str, sender: str = "news@example.com") -> list[str]:
    """Hand a message for several recipients to an MTA; what it says of each, or of all at MAIL already: `550 5.7.1 …`."""
    with smtplib.SMTP(*mta.submission, timeout=60) as client:
        client.ehlo("shop.example.com")
        taken = client.mail(sender)
        said = [taken if taken[0] != 250 else client.rcpt(recipient) for recipient in recipients]
        if any(code == 250 for code, _ in said):
            code, words = client.data(b"From: news@example.com\r\nSubject: News\r\n\r\nHello.\r\n")
            assert code == 250, words
        return [f"{code} {_in_one_line(words.decode())}" for code, words in said]


def _in_one_line(words: str) -> str:
    """Exim breaks a long reply into lines, each with its enhanced status code."""
    return re.sub(r"\n\d\.\d\.\d", "", words)


@pytest.mark.parametrize("way", WAYS)
def test_a_suppressed_recipient_is_refused_with_our_words_and_the_others_get_the_mail(
    mtas: Mapping[str, Mta], destination: RefusingServer, way: str
) -> None:
    reader = f"reader-{way}@example.net".encode()

    said = offered(mtas[way], "suppressed@example.net", reader.decode(), "unsubscribed@example.net")

    assert [reply[:3] for reply in said] == ["550", "250", "550"]
    assert said[0].startswith("550 5.7.1 ")
    assert OUR_WORDS in said[0]
    kept = destination.wait_for(lambda all_kept: any(reader in envelope.rcpt_tos for envelope in all_kept), timeout_seconds=30)
    assert [envelope.rcpt_tos for envelope in kept if reader in envelope.rcpt_tos] == [(reader,)]


def all_offered(mtas: Mapping[str, Mta], *recipients: str) -> dict[str, str]:
    """The same to all of them at once, for while nobody answers each takes its time.

    By way the first digits of the replies: `25` says that the first recipient was taken and the second refused.
    """
    with ThreadPoolExecutor() as threads:
        said = list(threads.map(lambda mta: offered(mta, *recipients), mtas.values()))
    return {way: "".join(reply[0] for reply in replies) for way, replies in zip(mtas, said, strict=True)}


def test_mail_waits_while_the_doors_are_closed_and_goes_on_when_they_open(mtas: Mapping[str, Mta], doors: Doors) -> None:
    quick = {way: mta for way, mta in mtas.items() if way != "tcp_table"}  # where Postfix tries for nine seconds
    doors.stop()
    try:
        away = all_offered(quick, "later@example.net")
    finally:
        doors.start()
    back = all_offered(mtas, "later@example.net", "suppressed@example.net")

    assert away == dict.fromkeys(quick, "4")
    assert back == dict.fromkeys(WAYS, "25")


def test_mail_waits_while_the_doors_hang_and_goes_on_with_them(mtas: Mapping[str, Mta], doors: Doors) -> None:
    # The others wait for 100 seconds, by Postfix's own clock.
    bounded = {way: mtas[way] for way in ("policy", "milter", "readsocket")}
    doors.hold()
    try:
        away = all_offered(bounded, "later@example.net")
    finally:
        doors.go_on()
    back = all_offered(mtas, "later@example.net", "suppressed@example.net")

    assert away == dict.fromkeys(bounded, "4")
    assert back == dict.fromkeys(WAYS, "25")


@pytest.mark.parametrize(("way", "unknown"), [("socketmap", "unknown-user"), ("readsocket", "multi-line")])
def test_a_bounce_comes_back_and_the_next_message_is_refused(
    mtas: Mapping[str, Mta], system: System, way: str, unknown: str
) -> None:
    recipient = f"{unknown}@example.net"
    assert offered(mtas[way], recipient, sender="bounces@bounces.example.com")[0].startswith("250 ")

    try:
        system.wait_until_suppressed(recipient, seconds=60)
    except AssertionError as error:
        error.add_note(mtas[way].log()[-LOG_CHARS_MAX:])
        raise

    assert "(hard bounce)" in offered(mtas[way], recipient)[0]


def test_a_stream_that_the_wire_names_is_the_one_that_counts(mtas: Mapping[str, Mta], system: System, doors: Doors) -> None:
    socketmap = f"socketmap:inet:127.0.0.1:{doors.ports['socketmap']}"
    postfix = mtas["socketmap"]

    assert OUR_WORDS in postfix.run("postmap", "-q", "unsubscribed@example.net", f"{socketmap}:marketing")
    with pytest.raises(MtaFailed):  # with nothing: it is not found
        postfix.run("postmap", "-q", "unsubscribed@example.net", f"{socketmap}:transactional")


@pytest.mark.parametrize(
    ("page", "way", "address"), [("postfix", "socketmap", "127.0.0.1:7777"), ("exim", "readsocket", "127.0.0.1:7780")]
)
def test_the_command_of_a_page_shows_that_it_works(
    mtas: Mapping[str, Mta], doors: Doors, page: str, way: str, address: str
) -> None:
    command = pages.blocks(page, "sh")[0].replace(address, f"127.0.0.1:{doors.ports[way]}")

    assert OUR_WORDS in mtas[way].run("sh", "-c", command)


def test_a_stranger_who_may_not_send_learns_nothing_about_the_list(doors: Doors) -> None:
    ask = pages.block("postfix", "socketmap.cf", {"127.0.0.1:7777": f"127.0.0.1:{doors.ports['socketmap']}"})
    with Postfix(main_cf=ask + "mynetworks = 192.0.2.1\n") as postfix:
        said = offered(postfix, "suppressed@example.net", "reader@example.net")

    assert said[0].replace("suppressed", "reader") == said[1]
    assert "Relay access denied" in said[1]


def test_exim_asks_for_mail_of_those_who_may_send_alone(doors: Doors) -> None:
    ask = pages.block("exim", "main.conf", {"127.0.0.1:7780": f"127.0.0.1:{doors.ports['readsocket']}"})
    with Exim(main="hostlist relay_from_hosts = 192.0.2.1\n" + ask, at_rcpt=pages.block("exim", "rcpt.conf")) as exim:
        said = offered(exim, "suppressed@example.net")

    assert said[0].startswith("250 ")  # what comes in is no business of the list


@pytest.fixture(scope="module")
def logins() -> Iterator[str]:
    """What main.cf says so that people can log in, with any password."""
    with StubAuth() as auth:
        yield f"smtpd_sasl_auth_enable = yes\nsmtpd_sasl_type = dovecot\nsmtpd_sasl_path = inet:{auth.address}\n"


def replied_to(postfix: Postfix, login: str | None, recipient: str) -> int:
    """The code of the reply to a recipient, for somebody who has logged in, or who has not."""
    with smtplib.SMTP(*postfix.submission, timeout=60) as client:
        client.ehlo("shop.example.com")
        if login:
            client.login(login, "secret")
        client.mail("news@example.com")
        return client.rcpt(recipient)[0]


def test_a_postfix_for_all_mail_asks_for_those_who_have_logged_in_alone(
    doors: Doors, destination: RefusingServer, logins: str
) -> None:
    ask = pages.block("postfix", "mixed.cf", {"127.0.0.1:7777": f"127.0.0.1:{doors.ports['socketmap']}"})
    with Postfix(main_cf=logins + ask, routes={"example.net": destination.address}) as postfix:
        assert replied_to(postfix, "news@example.com", "suppressed@example.net") == 550
        assert replied_to(postfix, "news@example.com", "reader@example.net") == 250
        assert replied_to(postfix, None, "suppressed@example.net") == 250


def test_who_has_logged_in_chooses_the_stream(doors: Doors, destination: RefusingServer, logins: str) -> None:
    replaced = {"127.0.0.1:7778": f"127.0.0.1:{doors.ports['policy']}", "policy_context=marketing,": ""}
    ask = pages.block("postfix", "policy.cf", replaced)
    with Postfix(main_cf=logins + ask, routes={"example.net": destination.address}) as postfix:
        assert replied_to(postfix, "news@example.com", "unsubscribed@example.net") == 550
        assert replied_to(postfix, "receipts@example.com", "unsubscribed@example.net") == 250


@pytest.fixture(scope="module")
def rspamd(doors: Doors) -> Iterator[Rspamd]:
    files = {"override.d/rbl.conf": pages.block("mailcow", "rbl.conf")}
    try:
        with Rspamd(files, resolver=HostPort("127.0.0.1", doors.dns_port)) as running:
            yield running
    except RootUnavailable as reason:
        give_up(reason)


def test_rspamd_marks_a_message_to_somebody_on_the_list(rspamd: Rspamd) -> None:
    message = b"From: news@example.com\r\nSubject: News\r\n\r\nHello.\r\n"

    found = rspamd.looked_at(
        message,
        sender="news@example.com",
        recipients=["reader@example.net", "Unsubscribed@example.net"],
        user="news@example.com",
    )
    clean = rspamd.looked_at(message, sender="news@example.com", recipients=["reader@example.net"], user="news@example.com")

    assert "NULLSENDER_MANUAL" in found["symbols"]
    assert [name for name in clean["symbols"] if name.startswith("NULLSENDER")] == []


def test_a_mailcow_asks_for_those_who_have_logged_in_alone(doors: Doors, destination: RefusingServer, logins: str) -> None:
    ask = pages.block("mailcow", "extra.cf", {"172.22.1.1:7777": f"127.0.0.1:{doors.ports['socketmap']}"})
    with Postfix(main_cf=logins + ask, routes={"example.net": destination.address}) as postfix:
        assert replied_to(postfix, "news@example.com", "suppressed@example.net") == 550
        assert replied_to(postfix, "news@example.com", "reader@example.net") == 250
        assert replied_to(postfix, None, "suppressed@example.net") == 250


def test_the_file_for_powermta_is_what_its_page_says(doors: Doors) -> None:
    wait_for(doors.reloaded.exists, what="the command that tells PowerMTA of the file")

    lines = doors.address_file.read_text().splitlines()
    assert set(pages.block("powermta", "marketing.txt").splitlines()) <= set(lines)
    assert lines == sorted(lines)
