"""A throw-away PostgreSQL in a folder of its own, that can be stopped, killed, frozen and run out of room.

`setup/postgres-server` finds the binaries and starts it. It listens on a Unix socket alone; with a password, on 127.0.0.1 too.
"""

import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psycopg
from sqlalchemy import URL

from tests.ports import free_ports
from tests.waiting import wait_for

_ROOT = Path(__file__).resolve().parents[2]
_START_SECONDS_MAX = 60.0
_STOP_SECONDS_MAX = 30.0
# Tests kill processes, not the power: without fsync each commit is as safe and far quicker. Without synchronous_commit it is
# not: a server that is killed forgets commits that it has told of.
_QUICK = {"fsync": "off", "full_page_writes": "off"}


class PostgresUnavailable(Exception):
    """No PostgreSQL can be started here; the text says what to do."""


class SmallDiskUnavailable(Exception):
    """A disk that can be filled takes root's right to mount one; the text says what failed."""


class Postgres:
    """A server. Its addresses stay the same over stops and starts."""

    def __init__(self, folder: Path, settings: Mapping[str, str], password: str | None) -> None:
        self.folder = folder
        self.password = password
        self.port = free_ports(1)[0]
        self._settings = {
            "unix_socket_directories": str(folder),
            "listen_addresses": "" if password is None else "127.0.0.1",
            "port": str(self.port),
            "shared_buffers": "64MB",
            **settings,
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._databases = 0

    def url(self, database: str, *, password: str | None = None) -> str:
        """The SQLAlchemy URL of one of its databases: by its socket, or with a password by TCP (`password`: another)."""
        if self.password is None:
            url = URL.create("postgresql", "tests", database=database, query={"host": str(self.folder), "port": str(self.port)})
        else:
            url = URL.create("postgresql", "tests", password or self.password, "127.0.0.1", self.port, database)
        return url.render_as_string(hide_password=False)

    def create_database(self, template: str = "template0") -> str:
        """The name of a new database, a copy of `template`, to which nobody may be connected."""
        self._databases += 1
        name = f"test_{self._databases}"
        self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return name

    def drop_database(self, name: str) -> None:
        """Drop it, whoever is still connected."""
        self.execute(f'DROP DATABASE "{name}" WITH (FORCE)')

    def terminate_backends(self, database: str) -> None:
        """End every connection to `database` from the server's side, whatever it is doing."""
        self.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'")

    def execute(self, statement: str) -> None:
        """Run one statement outside a transaction."""
        with self._connect() as connection:
            connection.execute(statement)

    def _connect(self) -> "psycopg.Connection[tuple[object, ...]]":
        return psycopg.connect(
            host=str(self.folder), port=self.port, user="tests", password=self.password, dbname="postgres", autocommit=True
        )

    def start(self) -> None:
        """Start it on the data that it had; ready on return. Raises `PostgresUnavailable` when it ends at once."""
        settings = [f"{name}={value}" for name, value in self._settings.items()]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [_ROOT / "setup/postgres-server", self.folder, *settings, "--", "-U", "tests", "--no-sync"],
                env={**os.environ, "POSTGRES_PASSWORD": self.password or ""},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        wait_for(self._answers, what="PostgreSQL to be ready", seconds=_START_SECONDS_MAX)

    def _answers(self) -> bool:
        if self._running.poll() is not None:
            said = (self.folder / "log").read_text(errors="replace")
            raise PostgresUnavailable(f"PostgreSQL did not start: {said[-2000:]}")
        with contextlib.suppress(psycopg.OperationalError):
            self._connect().close()
            return True
        return False

    @property
    def pid(self) -> int:
        """The process id of the server, which runs; its backends are its children."""
        return self._running.pid

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "the server is stopped"
        return self._process

    def stop(self) -> None:
        """Stop it as an operator would: connections end, what was committed is on the disk."""
        if self._process is None:
            return
        self.thaw()
        self._process.send_signal(signal.SIGINT)  # "fast shutdown"
        try:
            self._process.wait(_STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def kill(self) -> None:
        """Stop it and all its backends with -9, in the middle of whatever they do."""
        processes = self._processes()
        self._signal(signal.SIGKILL)
        self._running.wait()
        wait_for(lambda: not any(map(_lives, processes)), what="PostgreSQL's backends to be gone")
        self._process = None

    def freeze(self) -> None:
        """Hold it and all its backends: connections stay open and nobody answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        for process in self._processes():  # the server first, so that it starts no more of them
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)

    def _processes(self) -> list[int]:
        server = self._running.pid
        try:
            children = Path(f"/proc/{server}/task/{server}/children").read_text().split()
        except FileNotFoundError:  # it has ended by itself
            children = []
        return [server, *map(int, children)]


@contextmanager
def postgres_server(
    settings: Mapping[str, str] | None = None,
    *,
    durable: bool = False,
    password: str | None = None,
    disk_mib: int | None = None,
) -> Iterator[Postgres]:
    """A server for as long as the block lasts.

    `settings` are PostgreSQL's own, such as max_connections. `durable`: with fsync, as in production, for measurements.
    `password`: it listens on 127.0.0.1 too and asks for it. `disk_mib`: all its files lie on a disk of that size, of which the
    empty server takes 40. Raises `PostgresUnavailable`, `SmallDiskUnavailable`.
    """
    # Not pytest's folder: the path of a Unix socket may have 107 bytes.
    with tempfile.TemporaryDirectory(prefix="ns-postgres-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        with contextlib.nullcontext() if disk_mib is None else _small_disk(folder, disk_mib):
            server = Postgres(folder, {**({} if durable else _QUICK), **(settings or {})}, password)
            try:
                server.start()
                yield server
            finally:
                server.stop()


@contextmanager
def _small_disk(folder: Path, size_mib: int) -> Iterator[None]:
    """Mount a disk in memory on `folder`."""
    options = f"size={size_mib}m,mode=0755"
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, text=True)
    if mounted.returncode:
        raise SmallDiskUnavailable(f"no disk of {size_mib} MiB can be mounted: {mounted.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def _lives(process: int) -> bool:
    """Whether it runs still. One that only waits for its parent to look at how it ended does not."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"
