"""The server that stands for the world outside answers as its table says, or the collected bounces prove nothing."""

from __future__ import annotations

import smtplib
import struct
from collections.abc import Iterator

import pytest

from tests.mtas.refusing_server import REFUSALS, SIZE_ANNOUNCED_BYTES, Envelope, RefusingServer, Stage
from tests.mtas.stub_dns import NXDOMAIN, Name, Zone, answer

MX_KIND = 15


@pytest.fixture
def server() -> Iterator[RefusingServer]:
    with RefusingServer() as server:
        yield server


def client(server: RefusingServer) -> smtplib.SMTP:
    return smtplib.SMTP(*server.address, local_hostname="client.example", timeout=5)


def cases_at(stage: Stage) -> list[str]:
    return [name for name, refusal in REFUSALS.items() if refusal.stage is stage and name.isascii()]


@pytest.mark.parametrize("case", cases_at(Stage.RCPT))
def test_refuses_at_rcpt(server: RefusingServer, case: str) -> None:
    """A recipient named like a case meets that case's reply code; the one after it is accepted."""
    with client(server) as smtp:
        smtp.ehlo()
        smtp.mail("a@example.com")
        code, _ = smtp.rcpt(f"{case}@example.net")

        assert code == int(REFUSALS[case].reply[:3])
        if not REFUSALS[case].hang_up:
            assert smtp.rcpt("someone@example.net")[0] == 250


@pytest.mark.parametrize("case", cases_at(Stage.MAIL))
def test_refuses_at_mail(server: RefusingServer, case: str) -> None:
    """A reverse-path tagged with a case is refused before any recipient is known."""
    with client(server) as smtp:
        smtp.ehlo()

        assert smtp.mail(f"bounces+{case}@example.com")[0] == int(REFUSALS[case].reply[:3])


def test_refuses_after_data(server: RefusingServer) -> None:
    """A case of the last stage takes the recipient and refuses the message, which is not kept."""
    with client(server) as smtp, pytest.raises(smtplib.SMTPDataError, match="554"):
        smtp.sendmail("a@example.com", ["refused-after-data@example.net"], b"Subject: x\r\n\r\nx\r\n")

    assert server.accepted == []


def test_refuses_at_connect() -> None:
    """A server with a greeting case refuses whoever connects."""
    with RefusingServer(greeting_case="policy-block-at-connect") as server, pytest.raises(smtplib.SMTPConnectError):
        client(server)


def test_refuses_what_is_above_the_announced_size(server: RefusingServer) -> None:
    """MAIL with a SIZE above the announced one is refused, as RFC 1870 wants."""
    with client(server) as smtp:
        smtp.ehlo()

        assert smtp.mail("a@example.com", [f"SIZE={SIZE_ANNOUNCED_BYTES + 1}"])[0] == 552
        assert smtp.mail("a@example.com", [f"SIZE={SIZE_ANNOUNCED_BYTES}"])[0] == 250


def test_keeps_a_message_byte_for_byte(server: RefusingServer) -> None:
    """An accepted message is kept with its line ends, its eight-bit bytes and its leading dots."""
    message = b"Subject: x\r\n\r\n.\r\n..two\r\n\xff\xfe\r\n"
    with client(server) as smtp:
        smtp.sendmail("", ["one@example.net", "two@example.net"], message)

    kept = server.wait_for(lambda envelopes: len(envelopes) == 1, timeout_seconds=5)

    assert kept == [Envelope(b"", (b"one@example.net", b"two@example.net"), message)]


def query(name: str, kind: int) -> bytes:
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack("!HHHHHH", 4711, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", kind, 1)


def test_dns_answers_from_its_zone() -> None:
    """A name of the zone has its mail host, whatever the case of its letters; any other does not exist."""
    zone: Zone = {"example.net": Name(mail_host="mx.example.net")}

    found = answer(query("Example.NET", MX_KIND), zone)
    missing = answer(query("nowhere.example", MX_KIND), zone)

    assert found[:2] == missing[:2] == struct.pack("!H", 4711)
    assert found.endswith(b"\2mx\7example\3net\0")
    assert missing[3] & 0x0F == NXDOMAIN


@pytest.mark.parametrize("query", [b"", b"\0" * 11, b"\0" * 12 + b"\x3fshort"])
def test_dns_refuses_what_is_no_query(query: bytes) -> None:
    """Bytes that are no query raise one of the three errors that the server passes over."""
    with pytest.raises((ValueError, IndexError, struct.error)):
        answer(query, {})
