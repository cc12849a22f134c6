"""How many lookups one API process answers, and how quickly, with a million entries on the list.

    .venv/bin/python -m bench.lookups [--entries 1000000] [--seconds 5] [--connections 32]

Three processes on loopback: the follower, the API, and this one, which asks. Where the machine has several cores the API gets
one to itself. Every connection asks its next question when it has the answer to its last one, and every answer is checked. The
column `server` says how busy the API's process was: far below 100 % it was the asking that was slow, or the store's disk. The
first line says how fast this core runs Python at all at the moment: on a shared machine that varies more than anything here.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import random
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import uvloop
from sqlalchemy import insert

from api.http.app import open_api
from api.http.server import serve
from api.index.follower import follow, table_path
from api.index.table import identity_of, open_table
from nullsender.address import AddressHasher
from nullsender.clock import SystemClock
from suppression.engine import open_engine
from suppression.migrate import upgrade
from suppression.models import entries
from suppression.policy import PolicySettings
from suppression.store import Store

HOST = "127.0.0.1"
HASHER = AddressHasher(b"a key that is only for benchmarks")
CLOCK = SystemClock()
BATCH_ADDRESSES = 10_000
ROWS_AT_ONCE = 10_000
WARM_UP_SECONDS = 1.0


class Question(NamedTuple):
    """A kind of request: how to make one, what its answer has to hold, and how many addresses it asks about."""

    name: str
    requests: Sequence[bytes]
    expected: bytes
    addresses: int
    connections: int


class Measured(NamedTuple):
    """What came of asking one kind of question."""

    requests_per_second: float
    latencies_seconds: Sequence[float]
    server_busy: float


def listed(number: int) -> str:
    """An address that is on the list."""
    return f"user{number}@example.com"


def clean(number: int) -> str:
    """An address that is not."""
    return f"clean{number}@example.org"


def open_store(folder: Path) -> Store:
    """The store in `folder`."""
    engine = open_engine(f"sqlite:///{folder / 'list.sqlite'}")
    return Store(engine, hasher=HASHER, clock=CLOCK, policy=PolicySettings())


def fill(folder: Path, count: int) -> str:
    """A list of `count` hard bounces, and a key for it. Rows are written straight: adding is not what is measured here."""
    engine = open_engine(f"sqlite:///{folder / 'list.sqlite'}")
    upgrade(engine)
    key = open_store(folder).create_key("bench", scopes=["check"], tenant="default", expires=None)[1]
    common = {"tenant": "default", "scope": "*", "cause": "hard", "since": datetime.now(UTC), "provisional": False}
    common |= {"reason": "550 5.1.1 no such user", "evidence": "0" * 32, "category": "mailbox-unknown", "rule": "bench"}
    for start in range(0, count, ROWS_AT_ONCE):
        numbers = range(start, min(start + ROWS_AT_ONCE, count))
        rows = [common | {"id": n + 1, "address_hash": HASHER.hash(listed(n)), "created_by": "bench"} for n in numbers]
        with engine.begin() as connection:
            connection.execute(insert(entries), rows)
    engine.dispose()
    return key


def run_follower(folder: Path) -> None:
    """The follower's process."""
    follow(open_store(folder), folder / "index", CLOCK, lambda: os.getppid() == 1)


def run_api(folder: Path, port: int, core: int | None) -> None:
    """The API's process."""
    if core is not None:
        os.sched_setaffinity(0, {core})
    store = open_store(folder)
    api = open_api(store, hasher=HASHER, index_folder=folder / "index", staleness_seconds_max=1.0, clock=CLOCK)
    serve(api, HOST, port, lambda: os.getppid() == 1)


class Asking(asyncio.Protocol):
    """One connection that asks one question after the other."""

    def __init__(self, requests: Iterator[bytes], expected: bytes, latencies_seconds: list[float]) -> None:
        self._requests = requests
        self._expected = expected
        self._latencies_seconds = latencies_seconds
        self._received = b""
        self._missing_bytes = 0
        self.lost: Exception | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Ask the first question."""
        self._transport = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        """A part of an answer; when it is whole, ask again."""
        self._received += data
        if not self._missing_bytes:
            end = self._received.find(b"\r\n\r\n")
            if end < 0:
                return
            self._missing_bytes = end + 4 + _content_length(self._received[:end])
        if len(self._received) < self._missing_bytes:
            return
        self._latencies_seconds.append(time.perf_counter() - self._asked_at_seconds)
        if not self._received.startswith(b"HTTP/1.1 200") or self._expected not in self._received:
            self.lost = ValueError(f"a wrong answer: {self._received[:300]!r}")
            return
        self._received, self._missing_bytes = b"", 0
        self._ask()

    def close(self) -> None:
        """Ask no more."""
        self._transport.abort()

    def _ask(self) -> None:
        self._asked_at_seconds = time.perf_counter()
        self._transport.write(next(self._requests))


def _content_length(head: bytes) -> int:
    start = head.index(b"content-length: ") + 16
    return int(head[start:].split(b"\r\n", 1)[0])


async def ask(question: Question, port: int, seconds: float, busy_seconds: Callable[[], float]) -> Measured:
    """Ask one kind of question for `seconds`, after a warm-up."""
    loop = asyncio.get_running_loop()
    latencies_seconds: list[float] = []
    connections = []
    for number in range(question.connections):
        requests = _endless(question.requests, start=number * len(question.requests) // question.connections)
        asking = Asking(requests, question.expected, latencies_seconds)
        await loop.create_connection(lambda asking=asking: asking, HOST, port)  # type: ignore[misc]
        connections.append(asking)
    await asyncio.sleep(WARM_UP_SECONDS)
    latencies_seconds.clear()
    busy_before, began = busy_seconds(), time.perf_counter()
    await asyncio.sleep(seconds)
    took, busy = time.perf_counter() - began, busy_seconds() - busy_before
    measured = Measured(len(latencies_seconds) / took, sorted(latencies_seconds), busy / took)
    for connection in connections:
        connection.close()
        if connection.lost is not None:
            raise connection.lost
    return measured


def _endless(requests: Sequence[bytes], start: int) -> Iterator[bytes]:
    while True:
        yield from requests[start:]
        start = 0


def questions(key: str, count: int, connections: int) -> Sequence[Question]:
    """What is asked. The numbers come from a seed, so that every run asks the same."""
    chance = random.Random(20260101)

    def get(address: str) -> bytes:
        return f"GET /v1/check?address={address} HTTP/1.1\r\nhost: api\r\nauthorization: Bearer {key}\r\n\r\n".encode()

    def post(addresses: Sequence[str]) -> bytes:
        body = json.dumps({"addresses": addresses}).encode()
        head = f"POST /v1/check HTTP/1.1\r\nhost: api\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n"
        return head.encode() + b"content-length: %d\r\n\r\n" % len(body) + body

    def batch(hits: int) -> Sequence[str]:
        addresses = [listed(chance.randrange(count)) for _ in range(hits)]
        addresses += [clean(chance.randrange(10**9)) for _ in range(BATCH_ADDRESSES - hits)]
        chance.shuffle(addresses)
        return addresses

    misses = [get(clean(chance.randrange(10**9))) for _ in range(20_000)]
    hits = [get(listed(chance.randrange(count))) for _ in range(20_000)]
    return [
        Question("one address, clean", misses, b'"allowed":true', 1, connections),
        Question("one address, suppressed", hits, b'"allowed":false', 1, connections),
        *(
            Question(
                f"10,000 addresses, {share} % suppressed",
                [post(batch(BATCH_ADDRESSES * share // 100)) for _ in range(20)],
                b'"checked":10000',
                BATCH_ADDRESSES,
                2,
            )
            for share in (0, 1, 10)
        ),
    ]


def wait_until_ready(folder: Path, port: int, count: int) -> float:
    """Wait for the table of `count` keys and for the API; how long that took, in seconds."""
    began = time.perf_counter()
    identity = identity_of(open_store(folder).key_fingerprint)
    while True:
        table = open_table(table_path(folder / "index"), identity=identity)
        with socket.socket() as caller:
            if table is not None and table.count >= count and caller.connect_ex((HOST, port)) == 0:
                return time.perf_counter() - began
        time.sleep(0.05)


def python_speed() -> float:
    """Rounds of an empty loop, in millions a second of this core's time."""
    rounds, began = 2_000_000, time.process_time()
    for _ in range(rounds):
        pass
    return rounds / (time.process_time() - began) / 1e6


def main() -> None:
    """Fill, start, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--connections", type=int, default=32)
    chosen = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    own_core = cores[0] if len(cores) > 1 else None
    with tempfile.TemporaryDirectory() as name, socket.create_server((HOST, 0)) as probe:
        folder, port = Path(name), probe.getsockname()[1]
        probe.close()
        key = fill(folder, chosen.entries)
        if own_core is not None:
            os.sched_setaffinity(0, set(cores[1:]))
        spawn = multiprocessing.get_context("spawn")
        follower = spawn.Process(target=run_follower, args=(folder,), daemon=True)
        server = spawn.Process(target=run_api, args=(folder, port, own_core), daemon=True)
        follower.start()
        server.start()
        try:
            print(
                f"{chosen.entries:,} entries; the table was built in {wait_until_ready(folder, port, chosen.entries):.1f} s\n"
            )
            report(questions(key, chosen.entries, chosen.connections), port, chosen.seconds, _busy_seconds_of(server.pid or 0))
        finally:
            server.terminate()
            follower.terminate()
            server.join()
            follower.join()


def report(asked: Sequence[Question], port: int, seconds: float, busy_seconds: Callable[[], float]) -> None:
    """Ask and print the table."""
    print("| question | connections | requests/s | addresses/s | p50 ms | p99 ms | server |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for question in asked:
        measured = uvloop.run(ask(question, port, seconds, busy_seconds))
        p50, p99 = (measured.latencies_seconds[int(len(measured.latencies_seconds) * q)] * 1000 for q in (0.5, 0.99))
        rate = measured.requests_per_second
        print(
            f"| {question.name} | {question.connections} | {rate:,.0f} | {rate * question.addresses:,.0f} "
            f"| {p50:.2f} | {p99:.2f} | {measured.server_busy:.0%} |",
            flush=True,
        )


def _busy_seconds_of(process_id: int) -> Callable[[], float]:
    ticks_per_second = os.sysconf("SC_CLK_TCK")

    def busy_seconds() -> float:
        fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / ticks_per_second

    return busy_seconds


if __name__ == "__main__":
    main()
