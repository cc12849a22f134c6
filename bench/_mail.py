"""Mail to measure with, and an SMTP client that says when its 250 came."""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

import msgspec

from nullsender.signing.keys import Claims
from nullsender.signing.return_path import ReturnPaths

DOMAIN = "bounces.localhost"
RETURNED_BYTES = 3_600


class Mail(msgspec.Struct, frozen=True):
    """One message to send: whom it is about, where it goes, its bytes with the final dot."""

    recipient: str
    to: str
    content: bytes


def dsn(recipient: str, to: str) -> bytes:
    """A DSN as Postfix would write it, about 5 KB with the returned message."""
    returned = "It is on its way to you, and here is more about it.\r\n" * (RETURNED_BYTES // 53)
    return (
        f"From: Mail Delivery System <MAILER-DAEMON@mta.example.com>\r\nTo: {to}\r\n"
        "Subject: Undelivered Mail Returned to Sender\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="limit"\r\n\r\n'
        "--limit\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nThis is the mail system at host mta.example.com.\r\n\r\n"
        f"<{recipient}>: host mx.example.net[192.0.2.25] said: 550 5.1.1 <{recipient}>: User unknown\r\n\r\n"
        "--limit\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mta.example.com\r\n\r\n"
        f"Final-Recipient: rfc822; {recipient}\r\nOriginal-Recipient: rfc822;{recipient}\r\nAction: failed\r\nStatus: 5.1.1\r\n"
        "Remote-MTA: dns; mx.example.net\r\n"
        f"Diagnostic-Code: smtp; 550 5.1.1 <{recipient}>: Recipient address rejected: User unknown\r\n\r\n"
        f"--limit\r\nContent-Type: message/rfc822\r\n\r\nFrom: Shop <shop@example.com>\r\nTo: {recipient}\r\n"
        f"Message-ID: <{recipient}>\r\nSubject: Your order\r\n\r\n{returned}\r\n--limit--\r\n"
    ).encode()


def bounces(paths: ReturnPaths, name: str, count: int) -> Iterator[Mail]:
    """`count` bounces, each for another recipient, each to a signed return path."""
    today = datetime.now(UTC).date()
    for number in range(count):
        recipient = f"{name}-{number}@example.net"
        to = f"{paths.make(Claims('default', 'orders', recipient, today, str(number)))}@{DOMAIN}"
        yield Mail(recipient, to, dsn(recipient, to) + b".\r\n")


def arf(recipient: str) -> bytes:
    """A complaint as a feedback loop would write it (RFC 5965)."""
    return (
        "From: Feedback Loop <fbl@mailbox.example.org>\r\nTo: complaints@bounces.localhost\r\nSubject: FW: Your order\r\n"
        'MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=feedback-report; boundary="limit"\r\n\r\n'
        "--limit\r\nContent-Type: text/plain\r\n\r\nThis is an abuse report for mail from 192.0.2.1.\r\n\r\n"
        "--limit\r\nContent-Type: message/feedback-report\r\n\r\n"
        "Feedback-Type: abuse\r\nUser-Agent: mailbox/1.0\r\nVersion: 1\r\n"
        f"Original-Mail-From: <shop@example.com>\r\nOriginal-Rcpt-To: <{recipient}>\r\nSource-IP: 192.0.2.1\r\n\r\n"
        f"--limit\r\nContent-Type: message/rfc822\r\n\r\nFrom: Shop <shop@example.com>\r\nTo: {recipient}\r\n"
        f"Message-ID: <{recipient}>\r\nSubject: Your order\r\n\r\nIt is on its way to you.\r\n\r\n--limit--\r\n"
    ).encode()


def complaints(name: str, count: int) -> Iterator[Mail]:
    """`count` complaints, each from another recipient."""
    for number in range(count):
        recipient = f"{name}-{number}@example.net"
        yield Mail(recipient, f"complaints@{DOMAIN}", arf(recipient) + b".\r\n")


class Client:
    """One SMTP session that stays open."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def connect(cls, address: tuple[str, int]) -> "Client":
        """A session that has said EHLO."""
        client = cls(*await asyncio.open_connection(*address, limit=2**20))
        await client._reply()
        await client._say(b"EHLO bench.example\r\n")
        return client

    async def send(self, mail: Mail) -> None:
        """Send one message; returns when its 250 is here."""
        for line in (b"MAIL FROM:<>\r\n", b"RCPT TO:<%s>\r\n" % mail.to.encode(), b"DATA\r\n", mail.content):
            await self._say(line)

    def close(self) -> None:
        """Hang up."""
        self._writer.close()

    async def _say(self, line: bytes) -> None:
        self._writer.write(line)
        reply = await self._reply()
        if reply[:1] not in b"23":
            raise RuntimeError(f"{line[:60]!r} was answered {reply!r}")

    async def _reply(self) -> bytes:
        while True:
            line = await self._reader.readline()
            if line[3:4] != b"-":
                return line


async def send_at(address: tuple[str, int], mails: Sequence[Mail], rate: float, sent: Callable[[str], object]) -> None:
    """Send `rate` messages a second, whatever the server makes of it; `sent` is told each recipient at its 250."""
    clients: asyncio.Queue[Client] = asyncio.Queue()
    for _ in range(10):
        clients.put_nowait(await Client.connect(address))
    started = time.monotonic()

    async def one(number: int, mail: Mail) -> None:
        await asyncio.sleep(started + number / rate - time.monotonic())
        client = await clients.get()
        await client.send(mail)
        sent(mail.recipient)
        clients.put_nowait(client)

    await asyncio.gather(*(one(number, mail) for number, mail in enumerate(mails)))
    while not clients.empty():
        clients.get_nowait().close()


async def send_all(address: tuple[str, int], mails: Sequence[Mail], sessions: int) -> float:
    """Send everything as fast as it is taken, over `sessions` connections; the seconds it took."""
    waiting = iter(mails)
    clients = [await Client.connect(address) for _ in range(sessions)]

    async def work(client: Client) -> None:
        for mail in waiting:
            await client.send(mail)
        client.close()

    started = time.monotonic()
    await asyncio.gather(*map(work, clients))
    return time.monotonic() - started
