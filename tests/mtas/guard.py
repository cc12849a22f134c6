"""Run one MTA inside a root folder, and leave nothing of it behind.

    python guard.py ROOT HOSTNAME SECONDS_MAX COMMAND...

An MTA is a family of daemons that detach, fork and change users; a parent that only knows the first one's id loses the
rest.  The guard starts the first, in ROOT by chroot, and ends the whole family when any of these comes: its standard
input closes (whoever wanted the MTA is done, or died), SECONDS_MAX have passed, or the first process has ended.
It knows the family by `/proc/<pid>/root`: whoever is rooted in ROOT was started by it, and nobody else is.

It also gives the MTA a host name of its own, where the system allows that, and is its syslog: what comes to
ROOT/dev/log goes to ROOT/var/log/syslog.

A program of its own, on the standard library alone, so that it survives the test process it serves.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
CLONE_NEWUTS = 0x04000000  # linux/sched.h
GRACE_SECONDS = 3.0  # for an orderly end, so that a queue is written and a log complete
SYSLOG_BYTES_MAX = 65536
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/root", "TZ": "UTC"}


def main(root: str, hostname: str, seconds_max: str, *command: str) -> int:
    """Run until one of the three ends; the first process's exit code, or 0 if it was us who ended it."""
    libc = ctypes.CDLL(None, use_errno=True)
    # Orphaned daemons become our children instead of init's, so that we can reap them.
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    # Courier writes the host's name into its bounces.  A container may forbid the change; then it is the container's.
    if libc.unshare(CLONE_NEWUTS) == 0:
        socket.sethostname(hostname)
    for ignored in (signal.SIGINT, signal.SIGHUP):  # Ctrl-C is for the test; the closed input tells us
        signal.signal(ignored, signal.SIG_IGN)
    syslog = _syslog(Path(root))
    first = subprocess.Popen(
        ["chroot", root, *command],
        env=ENVIRONMENT,
        cwd="/",
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        return _watch(first, syslog, Path(root) / "var/log/syslog", time.monotonic() + float(seconds_max))
    finally:
        _end_family(first, root)


def _syslog(root: Path) -> socket.socket:
    # A relative name, because a socket's path may have no more than 107 bytes and a temporary folder's has.
    os.chdir(root / "dev")
    log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    log.bind("log")
    os.chmod("log", 0o666)
    os.chdir("/")
    return log


def _watch(first: subprocess.Popen[bytes], syslog: socket.socket, log_file: Path, deadline: float) -> int:
    with log_file.open("ab", buffering=0) as log:
        while time.monotonic() < deadline:
            ready, _, _ = select.select([sys.stdin, syslog], [], [], 0.2)
            if syslog in ready:
                log.write(syslog.recv(SYSLOG_BYTES_MAX).rstrip(b"\n\0") + b"\n")
            if sys.stdin in ready and not os.read(sys.stdin.fileno(), 1):
                return 0
            if first.poll() is not None:
                return first.returncode
            _reap(first)
    return 0


def _reap(first: subprocess.Popen[bytes]) -> None:
    """Collect ended orphans, but leave the first process to Popen."""
    while True:
        found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT) if _has_children() else None
        if found is None or found.si_pid == first.pid:
            return
        os.waitpid(found.si_pid, 0)


def _has_children() -> bool:
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _end_family(first: subprocess.Popen[bytes], root: str) -> None:
    with contextlib.suppress(ProcessLookupError):
        first.terminate()
    deadline = time.monotonic() + GRACE_SECONDS
    while time.monotonic() < deadline and first.poll() is None:
        time.sleep(0.02)
    # Some may fork while we look, so look until none is left.
    while time.monotonic() < deadline + GRACE_SECONDS and (family := _rooted_in(root)):
        for pid in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass
        time.sleep(0.02)


def _rooted_in(root: str) -> list[int]:
    """The processes whose root directory is ROOT or below: an MTA may chroot a second time, further in."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdecimal() and Path(os.readlink(entry / "root")).is_relative_to(root):
                found.append(int(entry.name))
    return found


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
