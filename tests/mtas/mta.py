"""A throw-away copy of a root with one MTA running in it: what the five have in common.

Files that never change (`/usr`) are hard links into the cached root; what an MTA writes or we configure (`/etc`,
`/var`) is copied, and everything goes when the MTA stops.  There are no mounts and no namespaces, only chroot, so it
also runs in a container without privileges beyond root's usual ones.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from tests.mtas import guard
from tests.mtas.addresses import HostPort, wait_for_greeting
from tests.mtas.roots import Root, ensure_root
from tests.ports import free_port

START_SECONDS_MAX = 30.0  # each needs less than one; a loaded machine more
STOP_SECONDS_MAX = 15.0  # the guard allows itself six
RUN_SECONDS_MAX = 600.0  # nobody wants an MTA for longer; a forgotten one ends by itself
COMMAND_SECONDS_MAX = 60.0
OUTPUT_CHARS_MAX = 20_000
FILE_AGE_SECONDS = 60.0

# Beside files and folders: what a program expects of /dev.
DEVICES: Mapping[str, tuple[int, int]] = {
    "null": (1, 3),
    "zero": (1, 5),
    "full": (1, 7),
    "random": (1, 8),
    "urandom": (1, 9),
}

Address = HostPort | tuple[str, int]
NOBODY = "127.0.0.1"  # a nameserver that refuses at once, unless this machine has one there
READER = "reader"  # the user with the one mailbox
HOME = "/home/reader"
READER_ID = 62500


class MtaFailed(Exception):
    """An MTA did not start, or one of its commands failed.  The message holds what it said."""


class Mta(ABC):
    """One MTA: `with Postfix(...) as postfix:` hand mail to `postfix.submission`; it is gone afterwards.

    routes: recipient domain -> where its mail goes; wins over everything else, and asks no DNS.  The MTA's own bounces
        are mail to the envelope sender's domain, so they go this way too.
    relay: where mail goes that no route takes; None asks DNS.
    hostname: what it calls itself in greetings and bounces; `<name>.example.com` if not given.
    nameserver: where its resolver asks, port 53; by default an address where nobody answers.
    queue_lifetime_seconds: how long a deferred message is retried before it bounces.
    delay_warning_seconds: after how long a deferred message's sender is warned; 0 for never.
    aliases: address -> address: mail forwarded to someone else.
    local_domain: a domain that it delivers itself, with one mailbox, `reader`; None for none.
    """

    name: ClassVar[str]  # its module, root and fixtures are called this
    title: ClassVar[str]
    packages: ClassVar[Sequence[str]]
    users: ClassVar[Mapping[str, int]] = {}
    peculiarities: ClassVar[Sequence[str]] = ()  # of its bounces; sentences for the provenance

    def __init__(
        self,
        *,
        routes: Mapping[str, Address] | None = None,
        relay: Address | None = None,
        hostname: str | None = None,
        nameserver: str = NOBODY,
        queue_lifetime_seconds: int = 30,
        delay_warning_seconds: int = 0,
        aliases: Mapping[str, str] | None = None,
        local_domain: str | None = None,
    ) -> None:
        self.routes = {domain: HostPort(*address) for domain, address in (routes or {}).items()}
        self.relay = HostPort(*relay) if relay else None
        self.hostname = hostname or f"{self.name}.example.com"
        self.nameserver = nameserver
        self.queue_lifetime_seconds = queue_lifetime_seconds
        self.delay_warning_seconds = delay_warning_seconds
        self.aliases = dict(aliases or {})
        self.local_domain = local_domain
        self.submission = HostPort("127.0.0.1", free_port())
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        self._last_log = ""

    @abstractmethod
    def configure(self) -> None:
        """Write the configuration into `self.root`, before the start."""

    @abstractmethod
    def command(self) -> Sequence[str]:
        """What to run in the root, staying in the foreground until it is told to end."""

    @property
    def root(self) -> Path:
        """The folder that is `/` to the MTA; only between start() and stop()."""
        if self._folder is None:
            raise MtaFailed(f"{self.name} is not started")
        return Path(self._folder.name).resolve() / "root"

    def start(self) -> None:
        """Make the root, start, wait for the greeting.

        Raises RootUnavailable if the packages cannot be had, MtaFailed if there is no greeting in START_SECONDS_MAX.
        """
        template = ensure_root(self.name, self.packages)
        self._folder = tempfile.TemporaryDirectory(prefix=f"mta-{self.name}-")
        try:
            _copy_root(template.path, self.root)
            self._write_system_files()
            self.configure()
            self._start_guard()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End every process of the MTA and remove its files; harmless if it is not running."""
        if self._guard is not None:
            assert self._guard.stdin is not None
            self._guard.stdin.close()
            try:
                self._guard.wait(STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                self._guard.kill()
                self._guard.wait()
            self._guard = None
        if self._folder is not None:
            self._last_log = self.log()
            self._folder.cleanup()
            self._folder = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def log(self) -> str:
        """All that the MTA has logged; after stop() what it had logged until then."""
        if self._folder is None:
            return self._last_log
        files = [*sorted((self.root / "var/log").rglob("*")), self._output_file]
        return "\n".join(path.read_text(errors="replace") for path in files if path.is_file())

    def version(self) -> str:
        """Debian's version of the MTA's package, for instance `3.7.11-0+deb12u1`."""
        root: Root = ensure_root(self.name, self.packages)
        return root.versions[self.packages[0]]

    def write(self, path: str, text: str, *, mode: int = 0o644) -> None:
        """Write a file of the root; `path` is as the MTA sees it, folders are made."""
        file = self._inside(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)  # a link into the cached root must not be written through
        file.write_text(text)
        file.chmod(mode)
        # Postfix waits two seconds before it reads a file that has just changed, in case it is still being written.
        os.utime(file, (time.time() - FILE_AGE_SECONDS,) * 2)

    def make_folder(self, path: str, *, owner: str = "root", group: str | None = None, mode: int = 0o755) -> None:
        """Make a folder of the root that belongs to one of `users`."""
        folder = self._inside(path)
        folder.mkdir(parents=True, exist_ok=True)
        os.chown(folder, self._uid(owner), self._uid(group or owner))
        folder.chmod(mode)

    def give(self, path: str, *, owner: str = "root", group: str = "root", mode: int) -> None:
        """Set who owns a file of the root and its mode, as the package's own scripts would have."""
        os.chown(self._inside(path), self._uid(owner), self._uid(group))
        self._inside(path).chmod(mode)  # after chown, which drops set-id bits

    def run(self, *command: str, text: str = "") -> str:
        """Run a command in the root to its end; its standard output.  Raises MtaFailed if it fails."""
        done = subprocess.run(
            ["chroot", str(self.root), *command],
            input=text.encode(),
            capture_output=True,
            env=guard.ENVIRONMENT,
            timeout=COMMAND_SECONDS_MAX,
        )
        if done.returncode:
            said = (done.stdout + done.stderr).decode(errors="replace")
            raise MtaFailed(f"{' '.join(command)} in {self.name}'s root ended with {done.returncode}:\n{said}")
        return done.stdout.decode(errors="replace")

    @property
    def _output_file(self) -> Path:
        return self.root.parent / "output"

    def _inside(self, path: str) -> Path:
        return self.root / path.lstrip("/")

    def _uid(self, user: str) -> int:
        return {"root": 0, READER: READER_ID, **self.users}[user]

    def _start_guard(self) -> None:
        arguments = [str(self.root), self.hostname, str(RUN_SECONDS_MAX), *self.command()]
        command = [sys.executable, "-I", guard.__file__, *arguments]
        with self._output_file.open("wb") as output:
            self._guard = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )
        if not self.wait_until_it_answers():
            raise MtaFailed(f"{self.name} does not greet at {self.submission}:\n{self.log()[-OUTPUT_CHARS_MAX:]}")

    def wait_until_it_answers(self) -> bool:
        """True as soon as it greets; False when it ends before, or takes longer than START_SECONDS_MAX."""
        return wait_for_greeting(self.submission, timeout_seconds=START_SECONDS_MAX, alive=self._is_alive)

    def _is_alive(self) -> bool:
        return self._guard is not None and self._guard.poll() is None

    def _write_system_files(self) -> None:
        users = {"root": 0, "nobody": 65534, READER: READER_ID, **self.users}
        homes = {READER: HOME}
        lines = [f"{name}:x:{uid}:{uid}::{homes.get(name, '/')}:/bin/sh\n" for name, uid in users.items()]
        self.write("/etc/passwd", "".join(lines))
        self.write("/etc/group", "".join(f"{name}:x:{uid}:\n" for name, uid in users.items()))
        self.write("/etc/shadow", "".join(f"{name}:*:19000:0:99999:7:::\n" for name in users), mode=0o600)
        # The machine's own name too: an MTA looks it up at the start even if it is told another.
        self.write("/etc/hosts", f"127.0.0.1 localhost\n127.0.0.1 {self.hostname} {os.uname().nodename}\n")
        # One short attempt: the server is on loopback, and an MTA's start must not wait for one that is not there.
        self.write("/etc/resolv.conf", f"nameserver {self.nameserver}\noptions timeout:1 attempts:1\n")
        self.write("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\nservices: files\n")
        self.write("/etc/services", "smtp 25/tcp mail\ndomain 53/tcp\ndomain 53/udp\nsubmission 587/tcp\n")
        self.write("/etc/mailname", f"{self.hostname}\n")
        self.write("/etc/hostname", f"{self.hostname}\n")
        self.make_folder("/var/log")


def _copy_root(template: Path, root: Path) -> None:
    root.mkdir()
    for entry in sorted(template.iterdir()):
        if entry.is_symlink():
            (root / entry.name).symlink_to(os.readlink(entry))
        elif entry.name == "usr":
            shutil.copytree(entry, root / "usr", symlinks=True, copy_function=_link_or_copy)
        else:
            shutil.copytree(entry, root / entry.name, symlinks=True)
    for folder, mode in {"dev": 0o755, "proc": 0o755, "root": 0o700, "run": 0o755, "tmp": 0o1777, "etc": 0o755}.items():
        (root / folder).mkdir(exist_ok=True)
        (root / folder).chmod(mode)
    shutil.rmtree(root / "var/run", ignore_errors=True)
    (root / "var/run").symlink_to("/run")
    for name, numbers in DEVICES.items():
        os.mknod(root / "dev" / name, stat.S_IFCHR | 0o666, os.makedev(*numbers))
        (root / "dev" / name).chmod(0o666)  # mknod minds the umask


def _link_or_copy(source: str, target: str) -> str:
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copy2(source, target)
    return target
