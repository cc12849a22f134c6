"""A throw-away PostgreSQL: Debian's own binaries, a folder of its own, a Unix socket and no port.

Nothing of the system's PostgreSQL is touched, if there is one at all. Where the binaries are missing, root has them installed
by `setup/packages`, without a cluster. The server runs as an ordinary user, because it refuses to run as root.
"""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

_ROOT = Path(__file__).resolve().parents[2]
_BINARIES = Path("/usr/lib/postgresql")
_START_SECONDS_MAX = 60.0
_STOP_SECONDS_MAX = 30.0
# Tests kill processes, not the power: without fsync each commit is as atomic and far quicker.
_QUICK = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}


class PostgresUnavailable(Exception):
    """No PostgreSQL can be started here; the text says what to do."""


class Postgres:
    """A server that runs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._databases = 0

    def url(self, database: str) -> str:
        """The SQLAlchemy URL of one of its databases."""
        return f"postgresql://tests@/{database}?host={self._folder}"

    def create_database(self, template: str = "template0") -> str:
        """The name of a new database, a copy of `template`, to which nobody may be connected."""
        self._databases += 1
        name = f"test_{self._databases}"
        self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return name

    def drop_database(self, name: str) -> None:
        """Drop it, whoever is still connected."""
        self.execute(f'DROP DATABASE "{name}" WITH (FORCE)')

    def execute(self, statement: str) -> None:
        """Run one statement outside a transaction."""
        with psycopg.connect(host=str(self._folder), user="tests", dbname="postgres", autocommit=True) as connection:
            connection.execute(statement)


@contextmanager
def postgres_server(*, durable: bool = False) -> Iterator[Postgres]:
    """A server for as long as the block lasts. `durable`: with fsync, as in production, for measurements.

    Raises `PostgresUnavailable`.
    """
    binaries = _binaries()
    # Not pytest's folder: the path of a Unix socket may have 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix="ns-postgres-"))
    try:
        owner = _ordinary_user()
        if owner is not None:
            shutil.chown(folder, owner)
        _run_as(owner, [binaries / "initdb", "-D", folder / "data", "-U", "tests", "-A", "trust", "-E", "UTF8", "--no-locale"])
        settings = {"listen_addresses": "", "unix_socket_directories": str(folder), "shared_buffers": "64MB"}
        settings |= {} if durable else _QUICK
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (folder / "log").open("wb") as log:
            # Should the tests be killed, the server stops by itself.
            command: list[str | Path] = [
                "setpriv",
                "--pdeathsig",
                "INT",
                binaries / "postgres",
                "-D",
                folder / "data",
                *options,
            ]
            server = subprocess.Popen(command, user=owner, stdout=log, stderr=log, cwd=folder)
        try:
            _await_ready(server, folder)
            yield Postgres(folder)
        finally:
            _stop(server)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _binaries() -> Path:
    found = _newest()
    if found is None:
        done = subprocess.run([_ROOT / "setup/packages", "postgresql"], capture_output=True, text=True)
        found = _newest()
        if found is None:
            raise PostgresUnavailable(f"no PostgreSQL under {_BINARIES}: install Debian's `postgresql`. {done.stderr.strip()}")
    return found


def _newest() -> Path | None:
    found = [path.parent for path in _BINARIES.glob("*/bin/postgres") if path.parts[-3].isdecimal()]
    return max(found, key=lambda path: int(path.parts[-2]), default=None)


def _ordinary_user() -> str | None:
    """Whom the server runs as: us, unless we are root."""
    if os.geteuid() != 0:
        return None
    known = {user.pw_name for user in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"


def _run_as(user: str | None, command: list[Path | str]) -> None:
    done = subprocess.run(command, user=user, capture_output=True, text=True, cwd="/")
    if done.returncode:
        raise PostgresUnavailable(f"{command[0]} failed: {done.stderr.strip()}")


def _await_ready(server: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS_MAX
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(psycopg.OperationalError):
            psycopg.connect(host=str(folder), user="tests", dbname="postgres").close()
            return
        time.sleep(0.02)
    raise PostgresUnavailable(f"PostgreSQL did not start: {(folder / 'log').read_text(errors='replace')[-2000:]}")


def _stop(server: subprocess.Popen[bytes]) -> None:
    server.send_signal(signal.SIGINT)  # "fast shutdown": ends connections, then itself
    try:
        server.wait(_STOP_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
