"""The whole pipeline: from the 250 that a sending MTA hears to the lookup that turns, and how many messages a second it takes.

    .venv/bin/python -m bench.pipeline [--seconds 20] [--rate 100] [--messages 10000] [--sessions 20]

Starts `nullsender up` in a temporary folder, sends it real-looking DSNs (5 KB, each for another recipient, each to a signed
return path), and asks the API until every recipient is refused. Sender, asker and system share the machine, as they do on a
user's. Beside it, in the same run: the same messages into aiosmtpd as it comes, which keeps nothing.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import msgspec
import uvloop
from aiosmtpd.smtp import SMTP, Envelope, Session

from ingest.signing.keys import Claims, SigningKeys
from ingest.signing.return_path import ReturnPaths
from nullsender import secret_keys
from tests.system import KEY, System

DOMAIN = "bounces.localhost"
RETURNED_BYTES = 3_600
ASK_EVERY_SECONDS = 0.005
DRAIN_SECONDS_MAX = 120.0


class Bounce(msgspec.Struct, frozen=True):
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


def bounces(paths: ReturnPaths, name: str, count: int) -> Iterator[Bounce]:
    """`count` bounces, each for another recipient."""
    today = datetime.now(UTC).date()
    for number in range(count):
        recipient = f"{name}-{number}@example.net"
        to = f"{paths.make(Claims('default', 'orders', recipient, today, str(number)))}@{DOMAIN}"
        yield Bounce(recipient, to, dsn(recipient, to) + b".\r\n")


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

    async def send(self, bounce: Bounce) -> None:
        """Send one message; returns when its 250 is here."""
        for line in (b"MAIL FROM:<>\r\n", b"RCPT TO:<%s>\r\n" % bounce.to.encode(), b"DATA\r\n", bounce.content):
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


async def send_at(address: tuple[str, int], messages: Sequence[Bounce], rate: float, sent: Callable[[str], object]) -> None:
    """Send `rate` messages a second, whatever the server makes of it; `sent` is told each recipient at its 250."""
    clients: asyncio.Queue[Client] = asyncio.Queue()
    for _ in range(10):
        clients.put_nowait(await Client.connect(address))
    started = time.monotonic()

    async def one(number: int, bounce: Bounce) -> None:
        await asyncio.sleep(started + number / rate - time.monotonic())
        client = await clients.get()
        await client.send(bounce)
        sent(bounce.recipient)
        clients.put_nowait(client)

    await asyncio.gather(*(one(number, bounce) for number, bounce in enumerate(messages)))
    while not clients.empty():
        clients.get_nowait().close()


async def send_all(address: tuple[str, int], messages: Sequence[Bounce], sessions: int) -> float:
    """Send everything as fast as it is taken, over `sessions` connections; the seconds it took."""
    waiting = iter(messages)
    clients = [await Client.connect(address) for _ in range(sessions)]

    async def work(client: Client) -> None:
        for bounce in waiting:
            await client.send(bounce)
        client.close()

    started = time.monotonic()
    await asyncio.gather(*map(work, clients))
    return time.monotonic() - started


async def latencies_seconds(system: System, messages: Sequence[Bounce], rate: float) -> list[float]:
    """From each message's 250 to the first lookup that refuses its recipient."""
    acknowledged: dict[str, float] = {}
    turned: dict[str, float] = {}
    done = asyncio.Event()

    async def ask() -> None:
        async with _asker(system) as http:
            while len(turned) < len(messages) and not (done.is_set() and time.monotonic() - finished_at > DRAIN_SECONDS_MAX):
                pending = [address for address in acknowledged if address not in turned]
                for address in await refused(http, pending):
                    turned[address] = time.monotonic()
                await asyncio.sleep(ASK_EVERY_SECONDS)

    finished_at = 0.0
    asking = asyncio.create_task(ask())
    await send_at(system.smtp, messages, rate, lambda recipient: acknowledged.setdefault(recipient, time.monotonic()))
    finished_at = time.monotonic()
    done.set()
    await asking
    if len(turned) < len(messages):
        raise RuntimeError(f"{len(messages) - len(turned)} of {len(messages)} lookups never turned")
    return [turned[address] - acknowledged[address] for address in turned]


@asynccontextmanager
async def _asker(system: System) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=system.http.base_url, headers={"Authorization": f"Bearer {KEY}"}, timeout=30) as http:
        yield http


async def refused(http: httpx.AsyncClient, addresses: Sequence[str]) -> list[str]:
    """Those of up to 10,000 addresses that may not be sent to."""
    if not addresses:
        return []
    answer = await http.post("/v1/check", json={"addresses": list(addresses[:10_000])})
    answer.raise_for_status()
    return [row["address"] for row in answer.json()["suppressed"]]


async def drained_seconds(system: System, messages: Sequence[Bounce], sessions: int) -> tuple[float, float]:
    """Seconds until the last 250, and until the last recipient is refused."""
    started = time.monotonic()
    accepted_seconds = await send_all(system.smtp, messages, sessions)
    async with _asker(system) as http:
        left = [bounce.recipient for bounce in messages]
        while left:
            found = set(await refused(http, left))
            left = [address for address in left if address not in found]
            if time.monotonic() - started > DRAIN_SECONDS_MAX + accepted_seconds:
                raise RuntimeError(f"{len(left)} of {len(messages)} lookups never turned")
            await asyncio.sleep(ASK_EVERY_SECONDS * 10 if not found else 0)
    return accepted_seconds, time.monotonic() - started


class Discards:
    """aiosmtpd's handler that keeps nothing."""

    async def handle_DATA(self, _server: SMTP, _session: Session, _envelope: Envelope) -> str:  # noqa: N802  (its name)
        """Say yes."""
        return "250 2.0.0 gone"


async def plain_seconds(messages: Sequence[Bounce], sessions: int) -> float:
    """How long aiosmtpd as it comes takes for the same messages, when it keeps none of them."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(Discards()), "127.0.0.1", 0)
    try:
        return await send_all(server.sockets[0].getsockname()[:2], messages, sessions)
    finally:
        server.close()


def main() -> None:
    """Run both parts and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=20, help="how long the steady part lasts")
    parser.add_argument("--rate", type=float, default=100.0, help="messages a second in the steady part")
    parser.add_argument("--messages", type=int, default=10_000, help="messages in the flood")
    parser.add_argument("--sessions", type=int, default=20, help="SMTP sessions in the flood")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        System(Path(folder) / "data", settings={"NULLSENDER_LOG_LEVEL": "warning"}) as system,
    ):
        paths = ReturnPaths(SigningKeys(secret_keys.load_or_make(system.data / "secret-keys.json").signing_keys))
        steady = list(bounces(paths, "steady", int(options.seconds * options.rate)))
        flood = list(bounces(paths, "flood", options.messages))
        uvloop.run(send_at(system.smtp, list(bounces(paths, "warm", 50)), options.rate, lambda _: None))
        latencies = sorted(uvloop.run(latencies_seconds(system, steady, options.rate)))
        accepted_seconds, listed_seconds = uvloop.run(drained_seconds(system, flood, options.sessions))
        gone_seconds = uvloop.run(plain_seconds(flood, options.sessions))
    _print_latencies(latencies, options.rate)
    _print_flood(options, accepted_seconds, listed_seconds, gone_seconds)


def _print_latencies(latencies: Sequence[float], rate: float) -> None:
    cuts = statistics.quantiles(latencies, n=100)
    print(
        f"| from 250 to the lookup that turns, at {rate:.0f} messages/s | p50 ms | p99 ms | max ms |\n| --- | --- | --- | --- |"
    )
    print(f"| {len(latencies)} messages | {cuts[49] * 1e3:.0f} | {cuts[98] * 1e3:.0f} | {latencies[-1] * 1e3:.0f} |\n")


def _print_flood(options: argparse.Namespace, accepted_seconds: float, listed_seconds: float, gone_seconds: float) -> None:
    print(f"| {options.messages} messages, {options.sessions} sessions | messages/s | of plain aiosmtpd |\n| --- | --- | --- |")
    for name, seconds in (
        ("taken: 250, durable on the log", accepted_seconds),
        ("through: on the list, the lookup turns", listed_seconds),
        ("aiosmtpd as it comes, keeping nothing", gone_seconds),
    ):
        print(f"| {name} | {options.messages / seconds:.0f} | {gone_seconds / seconds:.2f} |")


if __name__ == "__main__":
    main()
