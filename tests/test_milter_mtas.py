"""Real mail servers with our milter: they refuse whom we suppress with our words, take the others, and defer without us."""

import smtplib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal

from api.doors.opening import DoorSettings, Listener, opened_doors
from api.view import View
from tests.api_world import World, opened_world
from tests.missing import give_up
from tests.mtas.mta import Mta
from tests.mtas.postfix import Postfix
from tests.mtas.refusing_server import Envelope, RefusingServer
from tests.mtas.roots import RootUnavailable
from tests.mtas.sendmail import Sendmail
from tests.ports import free_ports


class FilteredSendmail(Sendmail):
    """Sendmail that asks a milter at `port`, and defers where nobody answers (F=T)."""

    def __init__(self, *, port: int, **parameters: Any) -> None:
        super().__init__(**parameters)
        self._port = port

    def _features(self) -> list[str]:
        filters = f"INPUT_MAIL_FILTER(`nullsender', `S=inet:{self._port}@127.0.0.1, F=T, T=C:5s;S:5s;R:5s;E:5s')"
        return [*super()._features(), filters]


pytestmark = pytest.mark.xdist_group("milter")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with opened_world(tmp_path_factory.mktemp("milter")) as world:
        world.suppress("suppressed@example.net")
        world.suppress("unsubscribed@example.net", scope="news", cause="unsubscribe")
        world.catch_up()
        yield world


@contextmanager
def opened_milter(world: World, port: int) -> Iterator[None]:
    """Our door, for mail of the stream `news`."""
    listener = Listener("milter", ("127.0.0.1", port), View("default", "news"))
    with start_blocking_portal() as portal:
        doors = opened_doors(DoorSettings(listeners=[listener]), world.lookup())
        with portal.wrap_async_context_manager(doors):
            yield


@pytest.fixture(scope="module", params=["postfix", "sendmail"])
def mta(request: pytest.FixtureRequest, others: RefusingServer) -> Iterator[tuple[Mta, int]]:
    """A mail server and the port where it looks for a milter."""
    (port,) = free_ports(1)
    routes = {"example.net": others.address}
    filtered: Mta = FilteredSendmail(port=port, routes=routes)
    if request.param == "postfix":
        main_cf = f"smtpd_milters = inet:127.0.0.1:{port}\nmilter_default_action = tempfail\n"
        filtered = Postfix(main_cf=main_cf, routes=routes)
    try:
        with filtered:
            yield filtered, port
    except RootUnavailable as reason:
        give_up(reason)


@pytest.fixture(scope="module")
def others() -> Iterator[RefusingServer]:
    """Where the mail goes."""
    with RefusingServer() as server:
        yield server


def sent_to(name: str, kept: list[Envelope]) -> list[Envelope]:
    """The mail that came for one recipient alone."""
    return [it for it in kept if it.rcpt_tos == (name.encode(),)]


def offered(client: smtplib.SMTP, *recipients: str) -> list[tuple[int, str]]:
    """Hand over a message for several recipients; what is said of each."""
    client.ehlo_or_helo_if_needed()
    client.mail("bounces@bounces.example.com")
    said = [client.rcpt(recipient) for recipient in recipients]
    if any(code == 250 for code, _ in said):
        code, words = client.data(b"From: news@example.com\r\nSubject: News\r\n\r\nHello.\r\n")
        assert code == 250, words
    else:
        client.rset()
    return [(code, words.decode()) for code, words in said]


def test_a_mail_server_refuses_whom_we_suppress_takes_the_others_and_defers_without_us(
    mta: tuple[Mta, int], world: World, others: RefusingServer
) -> None:
    server, port = mta
    with opened_milter(world, port), smtplib.SMTP(*server.submission, timeout=60) as client:
        name = f"reader-{server.name}@example.net"
        said = offered(client, "suppressed@example.net", name, "unsubscribed@example.net")

        assert (said[0][0], said[1][0], said[2][0]) == (550, 250, 550)
        assert "5.7.1" in said[0][1]
        assert "on the suppression list (hard bounce)" in said[0][1]
        assert "(unsubscribe)" in said[2][1]
        kept = others.wait_for(lambda kept: bool(sent_to(name, kept)), timeout_seconds=60)
        assert len(sent_to(name, kept)) == 1
        assert offered(client, "suppressed@example.net")[0][0] == 550, "a second message on the same connection"
    with smtplib.SMTP(*server.submission, timeout=60) as client:
        client.ehlo()
        code, words = client.mail("bounces@bounces.example.com")
        assert 400 <= code < 500, (code, words)
