"""The MX over real sockets: dialogs that went wrong elsewhere, hostile clients, and what a 250 means."""

import contextlib
import logging
import random
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ingest.intake import Intake, Taken
from ingest.mx.recipients import Recipients
from ingest.mx.replies import Reply
from nullsender.errors import Transient
from nullsender.limits import (
    ADDRESS_CHARACTERS_MAX,
    READ_IN_THREAD_BYTES,
    READ_IN_THREAD_RECIPIENTS,
    UNREADABLE_PER_CLIENT_AND_HOUR_MAX,
)
from nullsender.log import Producer, Record, Topic
from tests.dialogs import play, scripts, settings_of
from tests.mx import DOMAIN, LOOPS, Client, Mx, running_mx
from tests.servers.certificate import make_certificate
from tests.waiting import wait_for

MESSAGE = b"From: mailer-daemon@mta.example\r\nSubject: Undelivered\r\n\r\nIt did not work.\r\n"


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """A server's context with a certificate made a moment ago."""
    server, _ = make_certificate(tmp_path_factory.mktemp("tls"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server)
    return context


@pytest.fixture(scope="module")
def mx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mx]:
    """An MX with its usual limits, shared by the tests that leave it as it is."""
    with running_mx(tmp_path_factory.mktemp("mx") / "log", refusals_max=1_000_000) as running:
        yield running


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("script", scripts(), ids=lambda script: script.stem)
def test_the_dialog_goes_as_written(script: Path, loop: str, tmp_path: Path, tls: ssl.SSLContext) -> None:
    with running_mx(tmp_path / "log", loop=loop, tls=tls, **settings_of(script)) as mx, mx.connect() as client:
        play(script, client)


def test_what_is_recorded_is_the_message_to_the_last_octet(mx: Mx) -> None:
    message = b"Subject: octets\r\nX-Long: " + b"x" * 5_000 + b"\r\n\r\nbare\nLF, bare\rCR, \x00 NUL, \xff 8-bit\r\n"
    with mx.greeted() as client:
        reply = client.deliver(message)

    message_id = reply.removeprefix("250 2.0.0 recorded as ").partition(",")[0]
    raw = next(raw for raw in mx.raw() if raw.message_id == message_id)
    assert raw.content == message
    assert raw.source.ip == "127.0.0.1"
    assert raw.source.helo == "client.example"
    assert raw.source.rcpt_to == (f"bounces@{DOMAIN}",)


def test_a_client_with_an_endless_name_is_known_by_its_beginning(tmp_path: Path) -> None:
    """Each report of a message repeats the name."""
    with running_mx(tmp_path / "log") as mx, mx.connect() as client:
        client.reply()
        client.ask("EHLO " + "x" * 2_000)
        assert client.deliver(MESSAGE).startswith("250")
        assert mx.reports()[0].source.helo == "x" * ADDRESS_CHARACTERS_MAX


def test_stuffed_dots_are_taken_off_wherever_a_chunk_ends(mx: Mx) -> None:
    with mx.greeted() as client:
        for command in ("MAIL FROM:<>", f"RCPT TO:<bounces@{DOMAIN}>", "DATA"):
            client.ask(command)
        for octet in b"Subject: stuffed dots\r\n\r\n..one\r\n...\r\nno. dot\r\n.\r\n":
            client.send(bytes([octet]))
        assert client.reply().startswith("250")

    assert b"Subject: stuffed dots\r\n\r\n.one\r\n..\r\nno. dot\r\n" in [raw.content for raw in mx.raw()]


def test_a_message_is_one_line_in_the_log_of_the_process(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "mx")
    with running_mx(tmp_path / "log") as mx, mx.greeted() as client:
        reply = client.deliver(MESSAGE)
        reports = mx.reports()

    (line,) = (record for record in caplog.records if record.message == "stored")
    facts = line.__dict__["facts"]
    assert facts.pop("took_ms") >= 0
    assert facts.pop("message_id") in reply
    assert facts == {"kind": reports[0].kind, "reports": len(reports), "ip": "127.0.0.1"}


def test_the_same_message_again_has_the_same_name(mx: Mx) -> None:
    with mx.greeted() as first, mx.greeted() as second:
        assert first.deliver(MESSAGE) == second.deliver(MESSAGE)


def test_a_client_that_leaves_before_the_reply_has_its_message_recorded_all_the_same(tmp_path: Path) -> None:
    gate = Gate()
    with running_mx(tmp_path / "log", producer=gate.before) as mx:
        client = mx.greeted()
        client.say("MAIL FROM:<>", f"RCPT TO:<bounces@{DOMAIN}>", "DATA")
        client.send(MESSAGE + b".\r\n")
        assert gate.arrived.wait(20)
        client.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")  # a reset
        client.close()
        gate.open()

        (raw,) = wait_for(mx.raw, what="the message on the log")
        with mx.greeted() as again:
            assert raw.message_id in again.deliver(MESSAGE)


def test_nobody_hears_250_before_the_log_says_so(tmp_path: Path) -> None:
    gate = Gate()
    with running_mx(tmp_path / "log", producer=gate.before) as mx, mx.greeted() as client:
        client.say("MAIL FROM:<>", f"RCPT TO:<bounces@{DOMAIN}>", "DATA")
        client.send(MESSAGE + b".\r\n")
        assert [client.reply()[:3] for _ in range(3)] == ["250", "250", "354"]
        assert gate.arrived.wait(20)
        client.connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.connection.recv(1)
        client.connection.settimeout(20)
        gate.open()
        assert client.connection.recv(100).startswith(b"250 2.0.0 recorded as")


@pytest.mark.parametrize(
    "publish",
    [
        lambda: _failed(Transient("disk full at /var/lib/secret")),
        lambda: _failed(RuntimeError("broker 10.1.2.3\r\n250 2.0.0 injected")),
        lambda: _raise(RuntimeError("a name with \udcff in it")),
        lambda: _raise(Transient("no log")),
        lambda: _failed(ConnectionResetError("the log's connection, not the client's")),
        lambda: _raise(OSError(28, "No space left on device")),
    ],
    ids=[
        "the log can not",
        "the log fails oddly",
        "our bug",
        "the log refuses at once",
        "the log loses its connection",
        "the disk is full",
    ],
)
def test_trouble_of_ours_is_one_fixed_451_and_the_session_goes_on(
    publish: Callable[[], "Future[None]"], tmp_path: Path
) -> None:
    broken = Broken(publish)
    with running_mx(tmp_path / "log", producer=lambda _real: broken) as mx, mx.greeted() as client:
        assert client.deliver(MESSAGE) == Reply.TROUBLE
        assert client.deliver(MESSAGE) == Reply.TROUBLE
        assert client.ask("QUIT") == Reply.BYE


def test_a_log_that_never_answers_is_a_451(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.mx.handler.PUBLISH_SECONDS_MAX", 0.05)
    silent = Broken(Future)
    with running_mx(tmp_path / "log", producer=lambda _real: silent) as mx, mx.greeted() as client:
        assert client.deliver(MESSAGE) == Reply.TROUBLE


def test_unknown_local_parts_are_taken_where_the_operator_says_so(tmp_path: Path) -> None:
    with running_mx(tmp_path / "log", accept_unknown_local_parts=True) as mx, mx.greeted() as client:
        assert client.deliver(MESSAGE, to=[f"anyone@{DOMAIN}"]).startswith("250")
        (report,) = mx.reports(Topic.BOUNCES)
        assert report.source.rcpt_to == (f"anyone@{DOMAIN}",)


def test_one_address_can_not_take_all_connections(tmp_path: Path) -> None:
    with running_mx(tmp_path / "log", connections_per_address_max=2, connections_max=3) as mx:
        with mx.connect() as first, mx.connect() as second:
            assert first.reply().startswith("220")
            assert second.reply().startswith("220")
            with mx.connect() as third:
                assert third.reply() == Reply.TOO_MANY_FROM_YOU
                assert third.reply() == ""
            with mx.connect(source="127.0.0.2") as other:
                assert other.reply().startswith("220")
                with mx.connect(source="127.0.0.3") as fourth:
                    assert fourth.reply() == Reply.TOO_MANY_CONNECTIONS
        wait_for(lambda: _is_greeted(mx), what="the place to be free again")


def test_messages_past_the_memory_for_them_are_deferred_and_the_memory_comes_back(tmp_path: Path) -> None:
    gate = Gate()
    with running_mx(tmp_path / "log", producer=gate.before, messages_held_bytes_max=300_000) as mx:
        large = b"Subject: large\r\n\r\n" + b"x" * 200_000 + b"\r\n"
        with mx.greeted() as first, mx.greeted() as second:
            first.say("MAIL FROM:<>", f"RCPT TO:<bounces@{DOMAIN}>", "DATA")
            first.send(large + b".\r\n")
            assert gate.arrived.wait(20)
            assert second.deliver(large) == Reply.TOO_MUCH_AT_ONCE
            gate.open()
            assert [first.reply()[:3] for _ in range(4)] == ["250", "250", "354", "250"]
            assert second.deliver(large).startswith("250")


@pytest.mark.parametrize(
    ("content", "recipients", "in_thread"),
    [
        (MESSAGE, 1, False),
        (MESSAGE, READ_IN_THREAD_RECIPIENTS + 1, True),
        (MESSAGE + b"x" * READ_IN_THREAD_BYTES + b"\r\n", 1, True),
    ],
    ids=["a usual bounce", "many recipients", "large"],
)
def test_what_may_take_long_is_read_in_a_thread(
    content: bytes, recipients: int, in_thread: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readers = []
    take = Intake.take

    def noted(self: Intake, *arguments: Any) -> Taken:
        readers.append(threading.get_ident())
        return take(self, *arguments)

    monkeypatch.setattr(Intake, "take", noted)
    loops = []
    refusal = Recipients.refusal

    def on_loop(self: Recipients, address: str) -> Reply | None:
        loops.append(threading.get_ident())
        return refusal(self, address)

    monkeypatch.setattr(Recipients, "refusal", on_loop)
    with running_mx(tmp_path / "log") as mx, mx.greeted() as client:
        assert client.deliver(content, to=[f"bounces+{number}@{DOMAIN}" for number in range(recipients)]).startswith("250")

    assert (readers != loops[:1]) is in_thread


def test_one_client_can_not_take_all_the_memory_for_messages(tmp_path: Path) -> None:
    gate = Gate()
    limits: dict[str, Any] = {"messages_held_bytes_max": 2_000_000, "message_bytes_max": 400_000}
    with running_mx(tmp_path / "log", producer=gate.before, **limits) as mx:
        large = b"Subject: large\r\n\r\n" + b"x" * 390_000 + b"\r\n"
        with mx.greeted() as first, mx.greeted() as second, mx.greeted(source="127.0.0.2") as other:
            first.say("MAIL FROM:<>", f"RCPT TO:<bounces@{DOMAIN}>", "DATA")
            first.send(large + b".\r\n")
            assert gate.arrived.wait(20)
            assert second.deliver(large) == Reply.TOO_MUCH_AT_ONCE
            other.say("MAIL FROM:<>", f"RCPT TO:<bounces@{DOMAIN}>", "DATA")
            other.send(large + b".\r\n")
            gate.open()
            for client in (first, other):
                assert [client.reply()[:3] for _ in range(4)] == ["250", "250", "354", "250"]
            assert second.deliver(large).startswith("250")


def test_a_client_can_not_fill_the_place_for_unreadable_mail(tmp_path: Path) -> None:
    with running_mx(tmp_path / "log") as mx, mx.greeted() as client, mx.greeted(source="127.0.0.2") as other:
        for number in range(UNREADABLE_PER_CLIENT_AND_HOUR_MAX):
            assert client.deliver(b"\x00 no mail %d\r\n" % number).startswith("250")

        assert client.deliver(b"\x00 one too many\r\n") == Reply.TOO_MANY_UNREADABLE
        assert client.deliver(MESSAGE).startswith("250")
        assert other.deliver(b"\x00 of somebody else\r\n").startswith("250")
        assert len(mx.dead_letters()) == UNREADABLE_PER_CLIENT_AND_HOUR_MAX + 1


def test_a_message_past_the_limit_is_refused_and_the_session_goes_on(tmp_path: Path) -> None:
    with running_mx(tmp_path / "log", message_bytes_max=70_000) as mx, mx.greeted() as client:
        assert client.deliver(b"Subject: large\r\n\r\n" + b"\r\n" * 500_000) == Reply.TOO_LARGE
        assert client.deliver(b"x" * 3_000_000 + b"\r\n") == Reply.TOO_LARGE
        assert client.deliver(MESSAGE).startswith("250")
        assert len(mx.raw()) == 1


def test_a_message_of_exactly_the_limit_is_taken(tmp_path: Path) -> None:
    message = MESSAGE + b"x" * (70_000 - len(MESSAGE) - 2) + b"\r\n"
    with running_mx(tmp_path / "log", message_bytes_max=70_000) as mx, mx.greeted() as client:
        assert client.deliver(message).startswith("250")
        assert client.deliver(b"x" + message) == Reply.TOO_LARGE


def test_an_endless_command_line_is_one_refusal(mx: Mx) -> None:
    with mx.greeted() as client:
        client.send(b"NOOP " + b"x" * 5_000_000 + b"\r\nNOOP\r\n")
        assert client.reply() == Reply.LINE_TOO_LONG
        assert client.reply() == Reply.OK


def test_an_endless_message_ends_when_its_time_is_up(tmp_path: Path) -> None:
    with running_mx(tmp_path / "log", data_seconds_max=0.3) as mx, mx.greeted() as client:
        client.say("MAIL FROM:<>", f"RCPT TO:<bounces@{DOMAIN}>", "DATA")
        with contextlib.suppress(ConnectionError):
            while True:  # until the server cuts us off
                client.send(b"endless\r\n" * 10_000)
        assert _is_greeted(mx)
        assert not mx.raw()


def test_a_server_whose_replies_nobody_reads_stops_reading(tmp_path: Path) -> None:
    with running_mx(tmp_path / "log", commands_without_message_max=10**9) as mx:
        with mx.greeted() as client:
            client.connection.settimeout(0.5)
            sent_bytes = _send_until_it_blocks(client, bytes_max=200 * 2**20)
        assert sent_bytes < 200 * 2**20
        assert _is_greeted(mx)


def test_a_stop_answers_what_is_under_way_and_sends_the_others_away(tmp_path: Path) -> None:
    gate = Gate()
    with running_mx(tmp_path / "log", producer=gate.before) as mx, mx.greeted() as idle, mx.greeted() as busy:
        busy.say("MAIL FROM:<>", f"RCPT TO:<bounces@{DOMAIN}>", "DATA")
        busy.send(MESSAGE + b".\r\n")
        assert gate.arrived.wait(20)
        mx.stop()
        assert idle.reply() == Reply.STOPPING
        assert idle.reply() == ""
        gate.open()
        assert [busy.reply()[:3] for _ in range(4)] == ["250", "250", "354", "250"]
        assert busy.reply() == Reply.STOPPING
        with pytest.raises(ConnectionRefusedError):
            mx.connect()


def test_a_stop_does_not_wait_for_ever(tmp_path: Path) -> None:
    silent = Broken(Future)
    with running_mx(tmp_path / "log", producer=lambda _real: silent, stop_seconds_max=0.05) as mx, mx.greeted() as client:
        client.say("MAIL FROM:<>", f"RCPT TO:<bounces@{DOMAIN}>", "DATA")
        client.send(MESSAGE + b".\r\n")
        assert [client.reply()[:3] for _ in range(3)] == ["250", "250", "354"]
        mx.stop()
        assert client.reply() == ""


def test_a_message_that_came_by_tls_says_so(tmp_path: Path, tls: ssl.SSLContext) -> None:
    with running_mx(tmp_path / "log", tls=tls) as mx, mx.greeted() as client:
        assert client.deliver(MESSAGE).startswith("250")
        client.ask("STARTTLS")
        client.start_tls()
        client.ask("EHLO client.example")
        assert client.deliver(MESSAGE + b"again\r\n").startswith("250")
        assert sorted((len(raw.content), raw.source.tls) for raw in mx.raw()) == [
            (len(MESSAGE), False),
            (len(MESSAGE) + 7, True),
        ]


def test_a_client_that_never_fetches_its_replies_loses_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nullsender.limits.LINGER_SECONDS", 0.05)
    patient: dict[str, Any] = {"commands_without_message_max": 10**9, "command_wait_seconds": 0.5, "connections_max": 1}
    with running_mx(tmp_path / "log", **patient) as mx, mx.greeted() as client:
        client.connection.settimeout(0.2)
        _send_until_it_blocks(client, bytes_max=200 * 2**20)
        wait_for(lambda: _is_greeted(mx), what="the place to be free again")


def test_a_broken_handshake_ends_that_session_alone(tmp_path: Path, tls: ssl.SSLContext) -> None:
    with running_mx(tmp_path / "log", tls=tls) as mx:
        with mx.greeted() as client:
            assert client.ask("STARTTLS") == Reply.READY_FOR_TLS
            client.send(b"this is no handshake\r\n" * 100)
            with contextlib.suppress(ConnectionError):
                while client.connection.recv(1_000):
                    pass
        assert _is_greeted(mx)


@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(octets=st.binary(max_size=2_000) | st.text(max_size=500).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_octets_leave_the_server_as_it_was(mx: Mx, octets: bytes) -> None:
    with mx.connect() as client:
        assert client.reply().startswith("220")
        with contextlib.suppress(ConnectionError):
            client.send(octets)
            client.connection.shutdown(socket.SHUT_WR)
        while reply := client.reply():
            assert reply[:3].isdigit()
    assert _is_greeted(mx)


def test_a_thousand_random_dialogs_get_nothing_but_replies(mx: Mx) -> None:
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    words = [
        b"EHLO x\r\n", b"HELO\r\n", b"MAIL FROM:<>\r\n", b"MAIL FROM:<a@b> SIZE=9\r\n", b"RCPT TO:<a@[>\r\n", b"RSET\r\n",
        b"RCPT TO:<bounces@bounces.example>\r\n", b"DATA\r\n", b".\r\n", b"\r\n.\r\n", b"\n.\n", b"\x00", b"\xff\xfe\r\n",
        b"VRFY " + b"x" * 3_000 + b"\r\n", b"NOOP\n", b"STARTTLS\r\n", b"BDAT 10 LAST\r\n", b"Subject: x\r\n", b"\r",
    ]  # fmt: skip
    for _ in range(1_000):
        with mx.connect() as client:
            client.send(b"".join(chance.choices(words, k=12)))
            client.connection.shutdown(socket.SHUT_WR)
            while reply := client.reply():
                assert reply[:3].isdigit(), f"seed {seed}: {reply!r}"
                assert not reply.startswith("451"), f"seed {seed}: our mistake"


class Gate:
    """Stands before the real log and holds the acknowledgements back until it is opened."""

    def __init__(self) -> None:
        self.arrived = threading.Event()
        self._opened = threading.Event()

    def open(self) -> None:
        """Let everything through from now on."""
        self._opened.set()

    def before(self, real: Producer) -> Producer:
        """`real` with this gate before it."""
        return Gated(real, self)

    def pass_on(self, published: "Future[None]", answer: "Future[None]") -> None:
        """Wait, then say what the log said."""
        self.arrived.set()
        self._opened.wait(20)
        published.result(20)
        answer.set_result(None)


class Gated(Producer):
    """A producer behind a gate."""

    def __init__(self, real: Producer, gate: Gate) -> None:
        self._real = real
        self._gate = gate

    def publish(self, records: Sequence[Record]) -> "Future[None]":
        """Publish at once, acknowledge when the gate is open."""
        answer: Future[None] = Future()
        threading.Thread(target=self._gate.pass_on, args=(self._real.publish(records), answer)).start()
        return answer


class Broken(Producer):
    """A log that fails in the way that a test chooses."""

    def __init__(self, answer: Callable[[], "Future[None]"]) -> None:
        self._answer = answer

    def publish(self, records: Sequence[Record]) -> "Future[None]":
        """Whatever the test chose."""
        return self._answer()


def _failed(error: Exception) -> "Future[None]":
    future: Future[None] = Future()
    future.set_exception(error)
    return future


def _raise(error: Exception) -> "Future[None]":
    raise error


def _is_greeted(mx: Mx) -> bool:
    with mx.connect() as client:
        return client.reply().startswith("220")


def _send_until_it_blocks(client: Client, *, bytes_max: int) -> int:
    """Say EHLO, whose reply is the longest, over and over without ever listening; the octets that were taken."""
    sent_bytes = 0
    with contextlib.suppress(TimeoutError, ConnectionError):
        while sent_bytes < bytes_max:
            sent_bytes += client.connection.send(b"EHLO x\r\n" * 10_000)
    return sent_bytes
