"""How many messages a second one MX process takes, beside plain aiosmtpd that does the same work.

    python -m bench.intake [--seconds 5] [--sessions 50]

Sessions that stay open deliver a DSN of 5 KB over and over, each waiting for its 250. Server and client are processes of
their own. `takes` is the protocol alone (every message is answered and forgotten), `records` the whole way to the log on
disk: read, proven, durable. CPU is the server's. aiosmtpd's row is the library as it comes, with our handler's hooks.
"""

import argparse
import asyncio
import logging
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

import uvloop
from aiosmtpd.smtp import SMTP, Envelope, Session

from ingest.intake import Intake
from ingest.mx.handler import MxHandler
from ingest.mx.recipients import Recipients
from ingest.mx.replies import recorded
from ingest.mx.server import MxServer, MxSettings
from ingest.mx.session import SessionLimits
from nullsender.clock import SystemClock
from nullsender.log import Producer, Record
from nullsender.log_embedded import EmbeddedLog
from nullsender.signing.keys import SigningKeys

DOMAIN = "bounces.example"
KEYS = SigningKeys({"k1": b"a secret of the benchmark, 32 by"})
WARM_UP_SECONDS = 0.5


def dsn() -> bytes:
    """A bounce of about 5 KB: words, report, and the headers of the mail that came back."""
    folded = "\r\n\t".join(["words of a value that goes on for about as long as a line does"] * 3)
    returned = "".join(f"X-Header-{number}: {folded}\r\n" for number in range(18))
    return (
        "From: MAILER-DAEMON@mta.example\r\nTo: bounces@bounces.example\r\nSubject: Undelivered Mail Returned to Sender\r\n"
        "MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n"
        "--b\r\nContent-Type: text/plain\r\n\r\nYour message could not be delivered.\r\n"
        "--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mta.example\r\n\r\n"
        "Final-Recipient: rfc822; jane@example.org\r\nAction: failed\r\nStatus: 5.1.1\r\n"
        "Diagnostic-Code: smtp; 550 5.1.1 <jane@example.org>: no such user here\r\n"
        f"--b\r\nContent-Type: text/rfc822-headers\r\n\r\nTo: jane@example.org\r\nSubject: news\r\n{returned}--b--\r\n"
    ).encode()


class Forgetful(Producer):
    """A log that is durable at once because it keeps nothing."""

    def publish(self, _records: Sequence[Record]) -> "Future[None]":
        """Done."""
        done: Future[None] = Future()
        done.set_result(None)
        return done


class Answers:
    """aiosmtpd's hooks that take everything and do nothing with it."""

    async def handle_RCPT(self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]) -> str:  # noqa: N802
        """Yes."""
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, _envelope: Envelope) -> str:  # noqa: N802
        """Yes."""
        return recorded("0" * 32, 1)


class Measured(NamedTuple):
    """One row: how fast, and what a message cost the server."""

    messages_per_second: float
    cpu_microseconds: float


def run_server(ours: bool, records: bool, folder: Path, pipe: Connection) -> None:
    """A server process: says its port, and its CPU seconds whenever it is asked."""
    logging.disable(logging.CRITICAL)  # a line for each message is the same for both, and goes to a file in production
    uvloop.run(_serve(ours, records, folder, pipe))


async def _serve(ours: bool, records: bool, folder: Path, pipe: Connection) -> None:
    loop = asyncio.get_running_loop()
    with EmbeddedLog(folder, clock=SystemClock()) as log:
        producer = log.producer() if records else Forgetful()
        settings = MxSettings(port=0, domains=(DOMAIN,), session=SessionLimits(), connections_per_address_max=1_000)
        mx = MxServer(settings, producer=producer, keys=KEYS, clock=SystemClock())
        handler: object = Answers()
        if records:
            handler = MxHandler(
                recipients=Recipients([DOMAIN]), intake=Intake(keys=KEYS), producer=producer, clock=SystemClock()
            )
        if ours:
            if not records:
                mx._handler = handler  # type: ignore[assignment]
            await mx.start()
            port = mx.address[1]
        else:
            plain = await loop.create_server(lambda: SMTP(handler, loop=loop), "127.0.0.1", 0)
            port = plain.sockets[0].getsockname()[1]
        pipe.send(port)
        while await loop.run_in_executor(None, pipe.recv):
            pipe.send(time.process_time())
        await mx.stop()


async def _session(port: int, message: bytes, counts: list[int]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    await reader.readline()
    writer.write(b"HELO client.example\r\n")
    await reader.readline()
    while True:
        writer.write(b"MAIL FROM:<>\r\nRCPT TO:<bounces@bounces.example>\r\nDATA\r\n")
        await reader.readuntil(b"\r\n354 ")
        await reader.readline()
        writer.write(message)
        reply = await reader.readline()
        if not reply.startswith(b"250"):
            raise RuntimeError(f"the server said {reply!r}")
        counts[0] += 1


async def _load(port: int, sessions: int, seconds: float, cpu_seconds: Callable[[], float]) -> Measured:
    counts = [0]
    message = dsn() + b".\r\n"
    tasks = [asyncio.create_task(_session(port, message, counts)) for _ in range(sessions)]
    await asyncio.sleep(WARM_UP_SECONDS)
    count, cpu, started = counts[0], cpu_seconds(), time.perf_counter()
    await asyncio.sleep(seconds)
    done, cpu, took = counts[0] - count, cpu_seconds() - cpu, time.perf_counter() - started
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return Measured(done / took, cpu / max(done, 1) * 1e6)


def measure(*, ours: bool, records: bool, sessions: int, seconds: float) -> Measured:
    """One server under load."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    with tempfile.TemporaryDirectory() as folder:
        process = context.Process(target=run_server, args=(ours, records, Path(folder) / "log", there))
        process.start()
        port = here.recv()

        def cpu_seconds() -> float:
            here.send(True)
            return float(here.recv())

        try:
            return uvloop.run(_load(port, sessions, seconds, cpu_seconds))
        finally:
            here.send(False)
            process.join()


def main() -> None:
    """Measure every pair and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--sessions", type=int, default=50)
    arguments = parser.parse_args()
    print(f"{len(dsn())} bytes, {arguments.sessions} sessions\n")
    print("| | nullsender /s | CPU us | aiosmtpd /s | CPU us | faster | CPU |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, records in (("takes", False), ("records", True)):
        ours, plain = (
            measure(ours=ours, records=records, sessions=arguments.sessions, seconds=arguments.seconds)
            for ours in (True, False)
        )
        print(
            f"| {name} | {ours.messages_per_second:,.0f} | {ours.cpu_microseconds:.0f} | {plain.messages_per_second:,.0f}"
            f" | {plain.cpu_microseconds:.0f} | {ours.messages_per_second / plain.messages_per_second:.1f} x"
            f" | {plain.cpu_microseconds / ours.cpu_microseconds:.1f} x |"
        )


if __name__ == "__main__":
    main()
