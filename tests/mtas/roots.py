"""A folder that holds one MTA as Debian built it, with everything it needs to run and nothing of this system.

The MTAs' packages conflict with each other and would take over this machine's mail, so they are never installed: apt
resolves and verifies them against an empty package state of ours, and `dpkg-deb` unpacks them, without running their
scripts, into `.cache/mtas/<name>`.  That folder is a complete root for `chroot`, C library included, so it runs
whatever the system around it is.

Made once, used read-only: whoever starts an MTA copies the root (see `mta`).
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

CACHE = Path(__file__).resolve().parents[2] / ".cache" / "mtas"
TOOLS = ("apt-get", "dpkg-deb", "tar", "chroot")
ATTEMPTS_MAX = 4
ATTEMPT_PAUSE_SECONDS = 5.0  # doubled each time: a mirror that is being updated is whole again within a minute
COMPLAINT_CHARS_MAX = 2000
APT_SECONDS_MAX = 600.0
UNPACK_SECONDS_MAX = 120.0
# Shell and tools for the scripts that some MTAs start themselves with.
BASE_PACKAGES = ("dash", "coreutils", "sed", "grep", "findutils")
# What nobody reads here; half of the size.
LEFT_OUT = ("./usr/share/doc/*", "./usr/share/man/*", "./usr/share/locale/*", "./usr/share/info/*", "./usr/share/lintian/*")
MERGED_FOLDERS = ("bin", "sbin", "lib", "lib64")


T = TypeVar("T")


class RootUnavailable(Exception):
    """An MTA's root cannot be made here.  The message says what to do about it."""


@dataclass(frozen=True)
class Root:
    """An unpacked package set: where it is, and the version of each package in it."""

    path: Path
    versions: Mapping[str, str]


def ensure_root(name: str, packages: Sequence[str], *, cache: Path = CACHE) -> Root:
    """The root `name`, holding `packages` and what they depend on; made now if it is not there yet.

    Takes 5 to 60 seconds the first time, milliseconds after that.  Two processes may ask at once; one waits.
    Raises RootUnavailable if this is no Debian, we are not root, or the packages cannot be fetched.
    """
    wanted = sorted({*packages, *BASE_PACKAGES})
    _check_machine()
    cache.mkdir(parents=True, exist_ok=True)
    (cache / ".gitignore").write_text("*\n")
    with only_one(cache / "lock"):
        path = cache / name
        stamp = path.with_name(path.name + ".json")
        versions = _read_stamp(stamp, wanted) if path.is_dir() else None
        if versions is None:
            versions = _unpack(_fetch(wanted, cache / "apt"), path)
            stamp.write_text(json.dumps({"wanted": wanted, "versions": versions}, indent=1))
        return Root(path, versions)


def unavailable_because() -> str | None:
    """Why no root can be made or run on this machine, or None if nothing speaks against it; asks no network."""
    try:
        _check_machine()
    except RootUnavailable as reason:
        return str(reason)
    return None


def _check_machine() -> None:
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        raise RootUnavailable(
            f"{', '.join(missing)} not found: the MTAs are Debian packages; run this on Debian or in a Debian container"
        )
    if os.geteuid() != 0:
        raise RootUnavailable("MTAs change users and need chroot: run this as root, for instance in a container")


def _read_stamp(stamp: Path, wanted: Sequence[str]) -> dict[str, str] | None:
    """The versions in a root that was made before, or None if it holds something else than is wanted now."""
    if not stamp.exists():
        return None
    found: dict[str, Any] = json.loads(stamp.read_text())
    return dict(found["versions"]) if found["wanted"] == wanted else None


@contextmanager
def only_one(lock: Path) -> Iterator[None]:
    """While it is held nobody else holds the same lock, in this process or another."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def fetched(what: str, fetch: Callable[[bool], T], *, remedy: str = "") -> T:
    """What `fetch` brings; tried again, with True, while a command of it fails.  RootUnavailable where it goes on failing."""
    complaint = ""
    for attempt in range(ATTEMPTS_MAX):
        if attempt:
            time.sleep(ATTEMPT_PAUSE_SECONDS * 2 ** (attempt - 1))
        try:
            return fetch(attempt > 0)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            complaint = (error.stderr or b"").decode(errors="replace").strip() or str(error)
    raise RootUnavailable(
        f"{what} could not be fetched in {ATTEMPTS_MAX} attempts; the last words were:\n{complaint[-COMPLAINT_CHARS_MAX:]}\n"
        f"If this machine has no network, bring the folder .cache/mtas from one that has. {remedy}"
    )


def _fetch(packages: Sequence[str], state: Path) -> list[Path]:
    """The archives of `packages` and all they depend on, as if on a machine where nothing is installed."""

    def fetch(again: bool) -> list[Path]:
        _update_lists(state, again=again)
        return _download(packages, state)

    remedy = "If a package is unknown, check that apt's sources name a Debian release with `main`."
    return fetched(" ".join(packages), fetch, remedy=remedy)


def _update_lists(state: Path, *, again: bool) -> None:
    """Package lists in a folder of ours; the system's stay as they are.  Fresh ones only after a failure."""
    for folder in ("lists/partial", "archives/partial"):
        (state / folder).mkdir(parents=True, exist_ok=True)
    (state / "status").touch()
    done = state / "lists.done"
    if again or not done.exists():
        _apt(state, "update")
        done.touch()


def _download(packages: Sequence[str], state: Path) -> list[Path]:
    install = ("install", "--yes", "--no-install-recommends", "--download-only")
    # apt skips what it already has and checks every archive against the signed lists.
    _apt(state, *install, *packages)
    # With --print-uris it names what it would fetch: 'uri' name size hash.  Archives in the cache are skipped, so ask
    # with an empty one.
    named = _apt(state, *install, "--print-uris", "-qq", "-o", f"Dir::Cache::archives={state}/none/", *packages)
    return [state / "archives" / line.split()[1] for line in named.splitlines() if line.startswith("'")]


def _apt(state: Path, *arguments: str) -> str:
    options = {
        "Dir::State": state,
        "Dir::State::lists": state / "lists",
        "Dir::State::status": state / "status",
        "Dir::Cache": state,
        "Dir::Cache::archives": state / "archives",
        "APT::Sandbox::User": "root",
        "Acquire::Retries": 3,
        "Debug::NoLocking": 1,  # ours is the lock in only_one
    }
    settings = [part for key, value in options.items() for part in ("-o", f"{key}={value}")]
    command = ["apt-get", *settings, *arguments]
    done = subprocess.run(command, check=True, capture_output=True, timeout=APT_SECONDS_MAX, env={**os.environ, "LC_ALL": "C"})
    return done.stdout.decode()


def _unpack(archives: Sequence[Path], path: Path) -> dict[str, str]:
    """Unpack into a folder beside `path` and rename, so that `path` is either whole or not there."""
    partial = path.with_name(path.name + ".partial")
    for leftover in (partial, path):
        shutil.rmtree(leftover, ignore_errors=True)
    for folder in MERGED_FOLDERS:
        (partial / "usr" / folder).mkdir(parents=True)
        (partial / folder).symlink_to(f"usr/{folder}")
    for archive in archives:
        _unpack_one(archive, partial)
    partial.rename(path)
    return dict(_name_and_version(archive) for archive in archives)


def _unpack_one(archive: Path, into: Path) -> None:
    excluded = [f"--exclude={pattern}" for pattern in LEFT_OUT]
    # Not dpkg-deb -x: bookworm's packages still ship /bin and /lib, which are links here.
    tar = ["tar", "-x", "--keep-directory-symlink", *excluded, "-C", str(into)]
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(archive)], stdout=subprocess.PIPE) as source:
        subprocess.run(tar, stdin=source.stdout, check=True, timeout=UNPACK_SECONDS_MAX)


def _name_and_version(archive: Path) -> tuple[str, str]:
    """From an archive's name, `postfix_3.7.11-0+deb12u1_amd64.deb`, where apt writes an epoch's colon as %3a."""
    name, version, _ = archive.stem.split("_")
    return name, version.replace("%3a", ":")
