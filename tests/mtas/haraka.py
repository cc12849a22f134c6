"""A real Haraka on loopback, with files of its configuration as a test or a page of the documentation says.

Haraka is no Debian package: npm fetches it once into `.cache/mtas/haraka`, without its optional plugins and without
running anything that its packages would run at the installation.  Each start gets a folder of its own for configuration
and queue, and goes with it.  Whoever connects may relay, as behind a login.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.mtas.addresses import HostPort, wait_for_greeting
from tests.mtas.roots import CACHE, RootUnavailable, fetched, only_one
from tests.ports import free_port

VERSION = "3.3.4"
NODE_MAJOR_MIN = 20  # Haraka 3.3 says so
INSTALL_SECONDS_MAX = 300.0  # needs twenty
START_SECONDS_MAX = 30.0
STOP_SECONDS_MAX = 15.0
_MAY_RELAY = "exports.hook_connect = (next, connection) => { connection.relaying = true; next() }\n"


class Haraka:
    """Haraka, running between start() and stop(): `with Haraka(files) as haraka:` hand mail to `haraka.submission`.

    files: path below its folder -> text. `config/plugins` is ours: `plugin`, and delivery by `config/smtp_forward.ini`.
    plugin: the name of a plugin of `files`, which stands before the others.
    """

    def __init__(self, files: Mapping[str, str], *, plugin: str) -> None:
        self.submission = HostPort("127.0.0.1", free_port())
        self._files = {
            **files,
            "plugins/may_relay.js": _MAY_RELAY,
            "config/plugins": f"may_relay\n{plugin}\nqueue/smtp_forward\n",
            "config/smtp.ini": f"listen={self.submission}\n",
            "config/me": "haraka.example.com\n",
            "config/outbound.ini": "temp_fail_intervals=5s\nlocal_mx_ok=true\n",
        }
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start and wait for the greeting.  RootUnavailable where it can not be had, AssertionError if it does not greet."""
        program = ensure_haraka()
        self._folder = tempfile.TemporaryDirectory(prefix="mta-haraka-")
        folder = Path(self._folder.name)
        shutil.copytree(program.parent / "config", folder / "config")  # as `haraka --install` does
        for path, text in self._files.items():
            (folder / path).parent.mkdir(exist_ok=True)
            (folder / path).write_text(text)
        with (folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                ["node", str(program)],
                cwd=folder,
                env={**os.environ, "HARAKA": str(folder)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        assert wait_for_greeting(self.submission, timeout_seconds=START_SECONDS_MAX, alive=self._is_alive), self.log()

    def stop(self) -> None:
        """End it and remove its files."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._folder is not None:
            self._folder.cleanup()

    def log(self) -> str:
        """What it has logged so far."""
        assert self._folder is not None
        return (Path(self._folder.name) / "log").read_text(errors="replace")

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def _is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None


def ensure_haraka() -> Path:
    """Haraka's program, fetched now if it is not there yet; RootUnavailable where that can not be."""
    check_node()
    folder = CACHE / "haraka"
    program = folder / "node_modules" / "Haraka" / "haraka.js"
    CACHE.mkdir(parents=True, exist_ok=True)
    (CACHE / ".gitignore").write_text("*\n")
    with only_one(CACHE / "haraka.lock"):
        if (folder / "version").exists() and (folder / "version").read_text() == VERSION:
            return program
        fetched(f"Haraka {VERSION}, by npm,", lambda _again: _install(folder))
        (folder / "version").write_text(VERSION)
    return program


def _install(folder: Path) -> None:
    """Haraka and what it depends on, in a new folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "package.json").write_text("{}")
    options = ("--omit=optional", "--ignore-scripts", "--no-audit", "--no-fund")
    install = ["npm", "install", *options, f"Haraka@{VERSION}"]
    subprocess.run(install, cwd=folder, capture_output=True, timeout=INSTALL_SECONDS_MAX, check=True)


def check_node() -> None:
    """RootUnavailable, with what to do, where there is no npm or no Node.js that Haraka takes."""
    if not shutil.which("npm") or not shutil.which("node"):
        raise RootUnavailable(f"npm and Node.js {NODE_MAJOR_MIN} or newer are needed for Haraka: install both")
    said = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
    if int(said.strip().lstrip("v").partition(".")[0]) < NODE_MAJOR_MIN:
        raise RootUnavailable(f"Haraka needs Node.js {NODE_MAJOR_MIN} or newer, and this is {said.strip()}")
