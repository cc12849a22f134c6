"""Asking over HTTP with wrk, which is quick enough to find out what a server can do: one thread of C on a core of its own.

Every request is written out beforehand, so that wrk only copies it. Closed loop: each connection asks its next question when it
has the answer to the last one. Paced: each connection pauses 0, 1 or 2 ms (wrk counts in whole ones) before its next question,
and the number of connections makes the rate; wrk puts back into its percentiles what it could not ask while it waited for a
slow answer (it knows the mean interval of a connection), so that a pause of the server counts for all whom it would have hit.
"""

import json
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from bench._peers import command
from bench._processes import cpu_seconds, ended_children_seconds

PAUSE_MS_MEAN = 1.0
_SCRIPT = """
local requests, at = {}, 0

function init(arguments)
  local file = assert(io.open(arguments[1], "rb"))
  while true do
    local size = file:read("*n", "*l")
    if not size then break end
    requests[#requests + 1] = file:read(size)
  end
  file:close()
end

function request()
  at = at % #requests + 1
  return requests[at]
end

function done(summary, latency, _)
  local errors = summary.errors
  io.write(string.format(
    '\\nMEASURED {"requests": %d, "microseconds": %d, "p50": %d, "p99": %d, "max": %d, "errors": %d}\\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), latency.max,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
"""
_PACED = "function delay() return math.random(0, 2) end"


class Asked(NamedTuple):
    """What came of one round: requests a second, microseconds until an answer, and what both sides used of their cores."""

    rate: float
    p50_us: float
    p99_us: float
    max_us: float
    server_cpu_us: float  # a request
    asker_busy: float  # of one core


def post(path: str, key: str, body: bytes, kind: str = "application/json") -> bytes:
    """A POST as it goes over the wire."""
    head = f"POST {path} HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer {key}\r\nContent-Type: {kind}\r\n"
    return head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body


def get(path: str, key: str) -> bytes:
    """A GET as it goes over the wire."""
    return f"GET {path} HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer {key}\r\n\r\n".encode()


class Wrk:
    """wrk with a set of requests. `with` keeps the files it reads."""

    def __init__(self, requests: Sequence[bytes], *, core: int | None) -> None:
        self._core = core
        self._folder = tempfile.TemporaryDirectory(prefix="ns-wrk-")
        folder = Path(self._folder.name)
        self._requests = folder / "requests"
        with self._requests.open("wb") as file:
            for request in requests:
                file.write(b"%d\n" % len(request) + request)
        self._closed = folder / "closed.lua"
        self._paced = folder / "paced.lua"
        self._closed.write_text(_SCRIPT)
        self._paced.write_text(_SCRIPT + _PACED)

    def ask(self, port: int, server: int, *, connections: int, seconds: int, paced: bool = False) -> Asked:
        """One round against the server that is process `server`; an answer other than 2xx is an error."""
        script = self._paced if paced else self._closed
        run = (f"-c{connections}", "-t1", f"-d{seconds}s", "-s", str(script), f"http://127.0.0.1:{port}/")
        server_before, own_before = cpu_seconds(server), ended_children_seconds()
        words = command("usr/bin/wrk", *run, "--", str(self._requests), core=self._core)
        told = subprocess.run(words, capture_output=True, text=True, check=True, timeout=seconds + 60).stdout
        server_used, own_used = cpu_seconds(server) - server_before, ended_children_seconds() - own_before
        measured = json.loads(told.partition("MEASURED ")[2] or "{}")
        if not measured or not measured["requests"] or measured["errors"]:
            raise RuntimeError(f"not every answer was a good one: {told}")
        took_seconds = measured["microseconds"] / 1e6
        return Asked(
            rate=measured["requests"] / took_seconds,
            p50_us=measured["p50"],
            p99_us=measured["p99"],
            max_us=measured["max"],
            server_cpu_us=server_used / measured["requests"] * 1e6,
            asker_busy=own_used / took_seconds,
        )

    def ask_at(self, rate: float, port: int, server: int, *, seconds: int) -> Asked:
        """A paced round at about `rate` requests a second: a short one shows how many connections that takes."""
        connections = max(2, round(rate * PAUSE_MS_MEAN / 1000))
        trial = self.ask(port, server, connections=connections, seconds=1, paced=True)
        return self.ask(port, server, connections=max(2, round(connections * rate / trial.rate)), seconds=seconds, paced=True)

    def close(self) -> None:
        """Remove the files."""
        self._folder.cleanup()

    def __enter__(self) -> "Wrk":
        return self

    def __exit__(self, *_of_error: object) -> None:
        self.close()
