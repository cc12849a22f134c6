"""The whole system as its users run it: `nullsender up` in a process of its own, on free ports, in a temporary folder."""

import os
import re
import signal
import smtplib
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from tests.ports import free_ports
from tests.waiting import wait_for

KEY = "ns_bootstrap-key-of-the-tests"
START_SECONDS_MAX = 60.0
STOP_SECONDS_MAX = 40.0


class Unanswered(Exception):
    """The API does not answer now, or says that it can not tell."""


class System:
    """Everything on one machine; `with` starts it, waits until it is ready and stops it."""

    def __init__(self, data: Path, *, settings: Mapping[str, str] | None = None) -> None:
        self.data = data
        smtp_port, http_port = free_ports(2)
        self.smtp = ("127.0.0.1", smtp_port)
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("NULLSENDER_")} | {
            "NULLSENDER_DATA": str(data),
            "NULLSENDER_SMTP": f"127.0.0.1:{smtp_port}",
            "NULLSENDER_HTTP": f"127.0.0.1:{http_port}",
            "NULLSENDER_BOOTSTRAP_KEY": KEY,
            **(settings or {}),
        }
        authorized = {"Authorization": f"Bearer {KEY}"}
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{http_port}", headers=authorized, timeout=30)
        self.output = data.parent / f"{data.name}.out"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and return when it says that it is ready."""
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "nullsender.cli", "up"],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Return when the MX listens and /readyz says yes."""
        try:
            wait_for(self._is_ready, what="nullsender to be ready", seconds=START_SECONDS_MAX)
        except AssertionError as late:
            raise AssertionError(f"{late}, and {self._unready_in_words()}; it said:\n{self.said()[-3000:]}") from None

    def _unready_in_words(self) -> str:
        try:
            return f"/readyz says {self.unready_because() or 'yes'}"
        except httpx.TransportError as silence:
            return f"/readyz does not answer ({silence})"

    def _is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"nullsender ended: {self.said()}"
        try:
            socket.create_connection(self.smtp, timeout=1).close()
            return self.http.get("/readyz").status_code == 200
        except (httpx.TransportError, OSError):
            return False

    def said(self) -> str:
        """What it wrote to its terminal so far."""
        return self.output.read_text(errors="replace")

    def pids(self) -> Mapping[str, int]:
        """The process id under which each role was last started, by the role's name (`classify`, or `classify-2`)."""
        return {role: int(pid) for role, pid in re.findall(r"started role=(\S+) pid=(\d+)", self.said())}

    def kill(self, role: str) -> int:
        """Kill a role with -9; the process id that it had."""
        victim = self.pids()[role]
        os.kill(victim, signal.SIGKILL)
        return victim

    def wait_until_started_again(self, role: str, victim: int) -> None:
        """Return when the role whose process was `victim` has another one."""
        wait_for(lambda: self.pids()[role] != victim, what=f"{role} to be started again", seconds=START_SECONDS_MAX)

    def freeze(self, role: str) -> None:
        """Hold a role: its connections stay open and it does nothing."""
        os.kill(self.pids()[role], signal.SIGSTOP)

    def thaw(self, role: str) -> None:
        """Let a role go on."""
        os.kill(self.pids()[role], signal.SIGCONT)

    def unready_because(self) -> str | None:
        """What /readyz says is wrong; None: nothing."""
        answer = self.http.get("/readyz")
        assert answer.status_code in (200, 503), answer.text
        return None if answer.status_code == 200 else str(answer.json()["detail"])

    def wait_until_unready(self, because: str, seconds: float = 30.0) -> None:
        """Return when /readyz is 503 and names `because`."""
        wait_for(lambda: because in self._unready_in_words(), what=f"/readyz to say {because!r}", seconds=seconds)

    def stop(self) -> int:
        """Ctrl-C; the exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(STOP_SECONDS_MAX)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._end()

    def _end(self) -> None:
        self.http.close()
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def command(self, *words: str, input_text: str | None = None) -> "subprocess.CompletedProcess[str]":
        """Run another `nullsender …` on the same installation."""
        return subprocess.run(
            [sys.executable, "-m", "nullsender.cli", *words],
            env=self.environment,
            input=input_text,
            stdin=subprocess.DEVNULL if input_text is None else None,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=60,
            check=False,
        )

    def send(self, message: bytes, *, to: str = "bounces@bounces.localhost", sender: str = "") -> str:
        """Give a message to the MX as an MTA would; the words of its reply to the end of data."""
        with smtplib.SMTP(*self.smtp, timeout=30) as client:
            client.ehlo("mta.example.com")
            client.mail(sender)
            code, words = client.rcpt(to)
            assert code == 250, words
            code, words = client.data(message)
            assert code == 250, words
            return words.decode()

    def check(self, address: str, stream: str | None = None) -> dict[str, Any]:
        """GET /v1/check."""
        parameters = {"address": address} | ({"stream": stream} if stream else {})
        answer = self.http.get("/v1/check", params=parameters)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def stopped(self, addresses: Sequence[str], stream: str | None = None) -> set[str]:
        """Those of `addresses` that may not be sent to: POST /v1/check, 10,000 at a time. `Unanswered` where it can not say."""
        found: set[str] = set()
        for start in range(0, len(addresses), 10_000):
            question = {"addresses": list(addresses[start : start + 10_000])} | ({"stream": stream} if stream else {})
            try:
                answer = self.http.post("/v1/check", json=question)
            except httpx.TransportError as silence:
                raise Unanswered from silence
            if answer.status_code == 503:
                raise Unanswered(answer.text)
            assert answer.status_code == 200, answer.text
            found.update(row["address"] for row in answer.json()["suppressed"])
        return found

    def wait_until_suppressed(self, address: str, stream: str | None = None, seconds: float = 20.0) -> dict[str, Any]:
        """The lookup's answer as soon as it is no."""

        def is_suppressed() -> dict[str, Any] | None:
            answer = self.check(address, stream)
            return None if answer["allowed"] else answer

        return wait_for(is_suppressed, what=f"{address} to be suppressed", seconds=seconds)
