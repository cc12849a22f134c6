"""Scrubbing a file of millions of addresses: through `POST /v1/scrub`, and by `nullsender scrub` without a server."""

import os
import socket
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

from bench._claims import Claim, at_least, million, show, thousands
from bench._lookup_http import Turns
from bench._lookup_world import LISTED_MAX, STREAM, LookupWorld, Role, clean, listed
from bench._processes import Watch

HIT_EVERY = 100
LINES_AT_ONCE = 100_000
_READ_BYTES = 2**20


class Scrubbed(NamedTuple):
    """One pass over a file: how many addresses a second, and the most memory of its own that the process had."""

    rate: float
    peak_bytes: int


def write(path: Path, lines: int) -> None:
    """A file of so many different addresses, one in `HIT_EVERY` of them on the list."""
    with path.open("w") as file:
        for start in range(0, lines, LINES_AT_ONCE):
            numbers = range(start, min(start + LINES_AT_ONCE, lines))
            addresses = (
                listed(number // HIT_EVERY % LISTED_MAX) if number % HIT_EVERY == 0 else clean(number) for number in numbers
            )
            file.write("\n".join(addresses) + "\n")


def scrubs(world: LookupWorld, api: Role, turns: Turns, lines: int) -> Sequence[Claim]:
    """Both ways, on a file of so many lines; over HTTP also a tenth of it, which should take the same memory."""
    file, tenth = world.folder / "addresses", world.folder / "addresses-tenth"
    write(file, lines)
    write(tenth, lines // 10)
    over_http(world, api, tenth, lines // 10)  # what it compiles and allocates once is none of the file's
    small = over_http(world, api, tenth, lines // 10)
    passes = [(over_http(world, api, file, lines), by_command(world, file, lines, turns.asker)) for _ in range(turns.rounds)]
    http, command = ([rounds[place] for rounds in passes] for place in (0, 1))
    rows = [
        _row(f"POST /v1/scrub, {lines // 10:,} lines", [small]),
        _row(f"POST /v1/scrub, {lines:,} lines", http),
        _row(f"nullsender scrub, {lines:,} lines, its start included", command),
    ]
    show("Scrubbing, 1 % suppressed.", ("way", "addresses/s", "memory of its own at most"), rows)
    for path in (file, tenth):
        path.unlink()
    growth = max(one.peak_bytes for one in http) - small.peak_bytes
    return [
        at_least("POST /v1/scrub", median(one.rate for one in http), 3e6, million),
        Claim("its memory for ten times the lines", f"{growth / 2**20:+,.0f} MiB", "constant", growth < 32 * 2**20),
        at_least("nullsender scrub FILE", median(one.rate for one in command), 3e6, million),
    ]


def _row(way: str, passes: Sequence[Scrubbed]) -> Sequence[str]:
    return [way, million(median(one.rate for one in passes)), _mib(max(one.peak_bytes for one in passes))]


def over_http(world: LookupWorld, api: Role, file: Path, lines: int) -> Scrubbed:
    """Send the file to the API, and read what comes back, at once."""
    head = (
        f"POST /v1/scrub?stream={STREAM} HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer {world.key}\r\nConnection: close\r\n"
        f"Content-Type: text/plain\r\nContent-Length: {file.stat().st_size}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", api.port)) as connection, Watch({"api": api.pid}) as watch:
        began = time.perf_counter()
        sender = threading.Thread(target=_send, args=(connection, head.encode(), file), daemon=True)
        sender.start()
        first, last = _received(connection)
        took = time.perf_counter() - began
        sender.join()
    if not first.startswith(b"HTTP/1.1 200") or f"checked={lines}".encode() not in last:
        raise RuntimeError(f"the scrub is not whole: {first[:500]!r} … {last[-500:]!r}")
    return Scrubbed(lines / took, watch.peak_bytes["api"])


def _send(connection: socket.socket, head: bytes, file: Path) -> None:
    connection.sendall(head)
    with file.open("rb") as opened:
        connection.sendfile(opened)


def _received(connection: socket.socket) -> tuple[bytes, bytes]:
    """The first and the last piece of the answer, which is read to its end."""
    first = last = b""
    buffer = bytearray(_READ_BYTES)
    while size := connection.recv_into(buffer):
        first = first or bytes(buffer[:1000])
        last = (last + bytes(buffer[max(0, size - 1000) : size]))[-2000:]
    return first, last


def by_command(world: LookupWorld, file: Path, lines: int, core: int | None) -> Scrubbed:
    """`nullsender scrub`, from its start to its end, on one core."""
    words = world.command("scrub", str(file), "--stream", STREAM, "--output", os.devnull)
    pinned = ["taskset", "-c", str(core)] if core is not None else []
    began = time.perf_counter()
    process = subprocess.Popen([*pinned, *words], env=world.environment, stderr=subprocess.PIPE)
    with Watch({"scrub": process.pid}) as watch:
        _, told = process.communicate()
    took = time.perf_counter() - began
    if process.returncode != 0:
        raise RuntimeError(f"nullsender scrub ended with {process.returncode}: {told.decode(errors='replace')[-2000:]}")
    return Scrubbed(lines / took, watch.peak_bytes["scrub"])


def _mib(size_bytes: float) -> str:
    return f"{thousands(size_bytes / 2**20)} MiB"
