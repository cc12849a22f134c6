"""What a user could ask instead of us, real and beside us: nginx, which always says the same, and a Redis with the list in it.

The binaries are Debian's, unpacked into a folder of their own (`tests/mtas/roots.py`) and run by the loader and the libraries
from there: nothing is installed, no service of this machine is started or touched. Each is one process on the core it is given.
"""

import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from tests.mtas.roots import ensure_root
from tests.ports import free_ports
from tests.waiting import wait_for

PACKAGES = ("nginx-light", "redis-server", "redis-tools", "wrk")
SET_KEY = b"suppressed"
KEY_PREFIX = "suppressed:user"  # before a number of 12 digits, as redis-benchmark makes them
KEY_SUFFIX = "@example.com"
LOAD_AT_ONCE = 10_000
_STOP_SECONDS_MAX = 10.0


@cache
def _root() -> Path:
    return ensure_root("lookup-peers", PACKAGES).path


def command(binary: str, *words: str, core: int | None) -> Sequence[str]:
    """The command line that runs one of the unpacked programs, on a core where one is named."""
    root = _root()
    loader = next(root.glob("usr/lib/*-linux-gnu/ld-linux*.so.*"))
    pinned = ["taskset", "-c", str(core)] if core is not None else []
    return [*pinned, str(loader), "--library-path", str(loader.parent), str(root / binary), *words]


def packed(*words: bytes) -> bytes:
    """A command as Redis reads it (RESP: an array of bulk strings)."""
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)


@contextmanager
def nginx(folder: Path, answer: str, *, core: int | None) -> Iterator[tuple[int, int]]:
    """An nginx that answers 200 with `answer` to everything: its port and process id."""
    folder.mkdir()
    port = free_ports(1)[0]
    settings = folder / "nginx.conf"
    settings.write_text(_NGINX % {"port": port, "folder": folder, "answer": answer.replace("'", "\\'")})
    words = command("usr/sbin/nginx", "-p", str(folder), "-e", "stderr", "-c", str(settings), core=core)
    with _running(words, folder, port) as pid:
        yield port, pid


@contextmanager
def redis(folder: Path, listed: Sequence[str], *, core: int | None) -> Iterator[tuple[int, int]]:
    """A Redis that keeps nothing on disk, with as many single keys as `listed` has addresses, and these in a set.

    Yields its port and process id.
    """
    folder.mkdir()
    port = free_ports(1)[0]
    options = ("--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", "", "--appendonly", "no")
    with _running(command("usr/bin/redis-server", *options, core=core), folder, port) as pid:
        _load(port, listed)
        yield port, pid


def _load(port: int, listed: Sequence[str]) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection, connection.makefile("rb") as answers:
        for start in range(0, len(listed), LOAD_AT_ONCE):
            members = [address.encode() for address in listed[start : start + LOAD_AT_ONCE]]
            keys = [f"{KEY_PREFIX}{start + place:012}{KEY_SUFFIX}".encode() for place in range(len(members))]
            pairs = [word for key in keys for word in (key, b"hard")]
            connection.sendall(packed(b"MSET", *pairs) + packed(b"SADD", SET_KEY, *members))
            if answers.readline() != b"+OK\r\n" or not answers.readline().startswith(b":"):
                raise RuntimeError("Redis did not take the list")


@contextmanager
def _running(words: Sequence[str], folder: Path, port: int) -> Iterator[int]:
    """A server from its first answer on `port` until the block ends."""
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=output, stderr=output)

    def listens() -> bool:
        if process.poll() is not None:
            raise RuntimeError(f"{words} ended: {(folder / 'output').read_text(errors='replace')[-2000:]}")
        with socket.socket() as caller:
            return caller.connect_ex(("127.0.0.1", port)) == 0

    try:
        wait_for(listens, what=f"port {port} of {folder.name}")
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)


_NGINX = """
daemon off;
master_process off;
pid %(folder)s/pid;
error_log stderr crit;
events { worker_connections 4096; }
http {
    access_log off;
    keepalive_requests 1000000000;
    client_body_temp_path %(folder)s/a;
    proxy_temp_path %(folder)s/b;
    fastcgi_temp_path %(folder)s/c;
    uwsgi_temp_path %(folder)s/d;
    scgi_temp_path %(folder)s/e;
    server {
        listen 127.0.0.1:%(port)s;
        default_type application/json;
        location / { return 200 '%(answer)s'; }
    }
}
"""
