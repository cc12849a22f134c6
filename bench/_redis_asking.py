"""Asking Redis: one key a request as `redis-benchmark` does it, and many at once over two connections that are never idle."""

import csv
import socket
import subprocess
import time
from collections.abc import Sequence
from typing import NamedTuple

from bench._peers import KEY_PREFIX, KEY_SUFFIX, SET_KEY, command, packed
from bench._processes import cpu_seconds, ended_children_seconds
from bench._wrk import Asked

_SECONDS_MAX = 120.0


def single(port: int, server: int, *, connections: int, seconds: float, among: int, core: int | None) -> Asked:
    """GET of one random key out of `among` a request, each connection waiting for its answer; about so many seconds.

    redis-benchmark counts requests, so a short run shows how many there are in a second.
    """
    per_second = _benchmark(port, 20_000, connections, among, core)["rps"]
    requests = max(1_000, round(per_second * seconds))
    before, own_before = cpu_seconds(server), ended_children_seconds()
    told = _benchmark(port, requests, connections, among, core)
    used, own_used = cpu_seconds(server) - before, ended_children_seconds() - own_before
    p50_us, p99_us, max_us = (told[name] * 1000 for name in ("p50_latency_ms", "p99_latency_ms", "max_latency_ms"))
    return Asked(told["rps"], p50_us, p99_us, max_us, used / requests * 1e6, asker_busy=own_used * told["rps"] / requests)


def _benchmark(port: int, requests: int, connections: int, among: int, core: int | None) -> dict[str, float]:
    run = ("-h", "127.0.0.1", "-p", str(port), "-c", str(connections), "-n", str(requests), "-r", str(among), "--csv")
    words = command("usr/bin/redis-benchmark", *run, "GET", f"{KEY_PREFIX}__rand_int__{KEY_SUFFIX}", core=core)
    told = subprocess.run(words, capture_output=True, text=True, check=True, timeout=_SECONDS_MAX).stdout
    (row,) = csv.DictReader(told.splitlines())
    return {name: float(value) for name, value in row.items() if name != "test"}


class Batch(NamedTuple):
    """A question about many addresses, and how many bytes its answer has."""

    question: bytes
    answer_bytes: int


def in_set(addresses: Sequence[str]) -> Batch:
    """SMISMEMBER: which of them are in the set? A whole number for each."""
    question = packed(b"SMISMEMBER", SET_KEY, *(address.encode() for address in addresses))
    return Batch(question, len(f"*{len(addresses)}\r\n") + len(":0\r\n") * len(addresses))


def by_key(numbers: Sequence[int], listed: int) -> Batch:
    """MGET of keys by their numbers, of which those below `listed` are there."""
    question = packed(b"MGET", *(f"{KEY_PREFIX}{number:012}{KEY_SUFFIX}".encode() for number in numbers))
    hits = sum(number < listed for number in numbers)
    answer_bytes = len(f"*{len(numbers)}\r\n") + len("$4\r\nhard\r\n") * hits + len("$-1\r\n") * (len(numbers) - hits)
    return Batch(question, answer_bytes)


def many(port: int, batches: Sequence[Batch], *, seconds: float) -> float:
    """Batches answered a second: over two connections, one of which is read while the server works for the other."""
    connections = [socket.create_connection(("127.0.0.1", port)) for _ in range(2)]
    try:
        for connection, batch in zip(connections, batches, strict=False):
            connection.sendall(batch.question)
        answered, began = 0, time.perf_counter()
        while time.perf_counter() - began < seconds:
            connection = connections[answered % 2]
            _read(connection, batches[answered % len(batches)].answer_bytes)
            connection.sendall(batches[(answered + 2) % len(batches)].question)
            answered += 1
        return answered / (time.perf_counter() - began)
    finally:
        for connection in connections:
            connection.close()


def _read(connection: socket.socket, size_bytes: int) -> None:
    left = bytearray(size_bytes)
    view = memoryview(left)
    while view:
        received = connection.recv_into(view)
        if not received:
            raise RuntimeError("Redis hung up")
        view = view[received:]
    if left[:1] != b"*":
        raise RuntimeError(f"Redis said {bytes(left[:100])!r}")
