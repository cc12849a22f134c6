"""Real filters ask our DNS zone, with the lines of configuration that docs/doors.md has for them."""

import hashlib
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import dns.message
import dns.query
import dns.rcode
import pytest

from api.doors.dns_asking import LookupByDigest
from api.doors.dns_zone import Zone
from api.doors.opening import DoorSettings, Listener, ZoneParts
from tests.api_world import opened_world
from tests.doors_world import HOST, directory_of, doors_opened, lookup_of
from tests.missing import give_up
from tests.mtas import pages
from tests.mtas.addresses import HostPort
from tests.mtas.guard import ENVIRONMENT
from tests.mtas.mta import _copy_root
from tests.mtas.roots import RootUnavailable, ensure_root
from tests.mtas.rspamd import Rspamd
from tests.ports import free_ports
from tests.waiting import wait_for

APEX = "blocked.example.internal"
FILTER_SECONDS_MAX = 60
MAIL = """\
From: news@shop.example\r
To: {to}\r
Subject: News\r
Message-ID: <1@shop.example>\r
Date: Mon, 5 Jan 2026 10:00:00 +0000\r
\r
Hello.\r
"""

pytestmark = pytest.mark.xdist_group("filters")


@pytest.fixture(scope="module")
def nameserver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    """Where the zone is served: Ada has bounced, Ben has complained of the marketing."""
    with ExitStack() as stack:
        world = stack.enter_context(opened_world(tmp_path_factory.mktemp("filters")))
        world.suppress("ada@example.com")
        world.suppress("ben@example.com", scope="marketing", cause="complaint")
        world.catch_up()
        directory = stack.enter_context(closing(directory_of(world)))
        while not directory.step():
            pass
        zone = ZoneParts(Zone(APEX, "sha1"), LookupByDigest(lookup_of(world), directory, allow_unknown=()))
        settings = DoorSettings(listeners=[Listener("dns", (HOST, 0))])
        (where,) = stack.enter_context(doors_opened(settings, lookup_of(world), zone))
        assert isinstance(where, tuple)
        yield where


@pytest.fixture
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of the root of the Debian package that the test is about, for a filter to run in."""
    package: str = request.param
    try:
        template = ensure_root(package, (package,)).path
    except RootUnavailable as reason:
        give_up(reason)
    copy = tmp_path / "root"
    _copy_root(template, copy)
    (copy / "etc/passwd").write_text("root:x:0:0::/:/bin/sh\n")
    (copy / "etc/group").write_text("root:x:0:\n")
    return copy


@pytest.mark.parametrize("root", ["spamassassin"], indirect=True)
def test_spamassassin_finds_whom_mail_may_not_go_to(root: Path, nameserver: tuple[str, int]) -> None:
    folder = root / "etc/filter"
    folder.mkdir()
    plugins = ("Check", "HashBL")
    (folder / "plugins.pre").write_text("".join(f"loadplugin Mail::SpamAssassin::Plugin::{name}\n" for name in plugins))
    (folder / "rules.cf").write_text(
        pages.block("../doors", "local.cf")
        + f"dns_server [{nameserver[0]}]:{nameserver[1]}\ndns_available yes\nutil_rb_tld example com\n"
        + "score NULLSENDER_LISTED 5\nadd_header all Tests _TESTS_\n"
    )
    command = ["chroot", str(root), "/usr/bin/spamassassin", "--siteconfigpath=/etc/filter", "--configpath=/etc/filter"]

    def is_listed(to: str) -> bool:
        mail = MAIL.format(to=to).encode()
        done = subprocess.run(
            command, input=mail, capture_output=True, env=ENVIRONMENT, timeout=FILTER_SECONDS_MAX, check=False
        )
        assert b"X-Spam-Tests: " in done.stdout, (done.stdout, done.stderr)
        return b"X-Spam-Tests: NULLSENDER_LISTED" in done.stdout

    assert [is_listed(to) for to in ("Ada@Example.com", "ben@example.com", "clean@example.com")] == [True, True, False]


def test_rspamd_finds_whom_mail_may_not_go_to(nameserver: tuple[str, int]) -> None:
    files = {"local.d/rbl.conf": pages.block("../doors", "rbl.conf")}

    def is_listed(rspamd: Rspamd, to: str) -> bool:
        found = rspamd.looked_at(MAIL.format(to=to).encode(), sender="news@shop.example", recipients=[to])
        return "NULLSENDER_LISTED" in found["symbols"]

    try:
        with Rspamd(files, resolver=HostPort(*nameserver)) as rspamd:
            listed = [is_listed(rspamd, to) for to in ("Ada@Example.com", "ben@example.com", "clean@example.com")]
    except RootUnavailable as reason:
        give_up(reason)

    assert listed == [True, True, False]


@pytest.mark.parametrize("root", ["unbound"], indirect=True)
def test_a_resolver_finds_the_zone(root: Path, nameserver: tuple[str, int], tmp_path: Path) -> None:
    (port,) = free_ports(1)
    replaced = {'"blocked.internal"': f'"{APEX}"', "172.22.1.1@7753": f"{nameserver[0]}@{nameserver[1]}"}
    (root / "etc/unbound.conf").write_text(
        pages.block("mailcow", "unbound.conf", replaced)
        + f'server:\n  interface: {HOST}@{port}\n  do-not-query-localhost: no\n  username: ""\n  chroot: ""\n'
        + '  directory: "/"\n  pidfile: ""\n  use-syslog: no\n  num-threads: 1\n'
    )

    def code_of(address: str) -> str:
        name = f"{hashlib.sha1(address.encode()).hexdigest()}.marketing.{APEX}"
        reply = dns.query.udp(dns.message.make_query(name, "A"), HOST, port=port, timeout=FILTER_SECONDS_MAX)
        return str(reply.answer[0][0]) if reply.answer else dns.rcode.to_text(reply.rcode())

    command = ["chroot", str(root), "/usr/sbin/unbound", "-d", "-p", "-c", "/etc/unbound.conf"]
    with (tmp_path / "said").open("wb") as said, subprocess.Popen(command, stdout=said, stderr=said) as unbound:
        try:
            wait_for(lambda: accepts(port, unbound), what="unbound")
            found = [code_of(f"{name}@example.com") for name in ("ada", "ben", "clean")]
        finally:
            unbound.terminate()

    assert found == ["127.0.0.2", "127.0.0.3", "NXDOMAIN"], (tmp_path / "said").read_text(errors="replace")


def accepts(port: int, process: "subprocess.Popen[bytes]") -> bool:
    """Whether a server listens there. One that has ended never will."""
    assert process.poll() is None
    with socket.socket() as caller:
        return caller.connect_ex((HOST, port)) == 0
