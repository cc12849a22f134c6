"""What `nullsender doctor` finds about the machine: Python and its packages, the disk, the clock."""

import ctypes
import os
import platform
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from importlib import import_module, metadata
from pathlib import Path

import pysqlite3.dbapi2 as sqlite

import nullsender
from nullsender.cli import parts
from nullsender.cli.checking.findings import Check, Finding, doubt, wrong
from nullsender.config import Settings
from nullsender.limits import DISK_FILES_FREE_MIN, DISK_FREE_BYTES_MIN, FSYNC_SECONDS_MAX

_ROOT = Path(nullsender.__file__).parents[1]
_PINS = _ROOT / "requirements" / "run.txt"
_OURS = ("nullsender", "ingest", "classifiers", "suppression", "api")
_SQLITE_SOUND_FROM = (3, 51, 3)  # before that, two connections can corrupt a write-ahead log that is reset

# adjtimex(2): what it answers when nobody keeps the clock right, and a buffer that is larger than its structure anywhere.
_TIME_ERROR = 5
_TIMEX_BYTES = 512


def _packages(_settings: Settings) -> Iterator[Finding]:
    for name in _OURS:
        file = import_module(name).__file__
        if file is None or Path(file) != _ROOT / name / "__init__.py":
            yield wrong(f"another package called {name!r} stands before ours ({file}): uninstall it")
    if _PINS.exists():
        yield from against_pins(_PINS.read_text())


def against_pins(pins: str) -> Iterator[Finding]:
    """What differs from the versions that this system was tested with, as `name==version` says them, one a line.

    A name may have several, each with a condition, such as one for older Pythons: any of them was tested.
    """
    tested: dict[str, list[str]] = {}
    unconditional = set()
    for line in pins.splitlines():
        pinned, _, condition = line.removesuffix("\\").partition(";")
        name, equals, version = pinned.strip().partition("==")
        if equals:
            tested.setdefault(name, []).append(version)
            if not condition:
                unconditional.add(name)
    for name, versions in tested.items():
        try:
            found = metadata.version(name)
        except metadata.PackageNotFoundError:
            if name in unconditional:
                yield wrong(f"the package {name} is missing: `make install`")
            continue
        if found not in versions:
            with_which = " or ".join(versions)
            yield doubt(f"{name} is of version {found} and this system was tested with {with_which}: `make install`")


def _sqlite(_settings: Settings) -> Iterator[Finding]:
    if sqlite.sqlite_version_info < _SQLITE_SOUND_FROM:
        yield wrong(f"SQLite {sqlite.sqlite_version} may corrupt the list: upgrade the package pysqlite3")


def _disk(settings: Settings) -> Iterator[Finding]:
    existing = next(folder for folder in (settings.data.absolute(), *settings.data.absolute().parents) if folder.exists())
    if not os.access(existing, os.W_OK | os.X_OK):
        yield wrong(f"{existing} can not be written by this user")
        return
    free_bytes = shutil.disk_usage(existing).free
    if free_bytes < DISK_FREE_BYTES_MIN:
        yield wrong(
            f"only {free_bytes // 2**20} MiB are free at {existing}: when it is full, mail gets 451 until there is room"
        )
    files = os.statvfs(existing)
    if files.f_files and files.f_favail < DISK_FILES_FREE_MIN:  # some file systems have no such limit, and say 0
        yield wrong(
            f"only {files.f_favail} more files fit on the disk of {existing}: remove some, or make the file system anew"
        )
    yield from _sync(existing)


def _sync(folder: Path) -> Iterator[Finding]:
    """A 250 rests on fsync: try one."""
    began_at_seconds = parts.CLOCK.monotonic_seconds()
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"doctor")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        yield wrong(f"nothing can be made durable at {folder} ({error.strerror}): look at the disk and at its mount options")
        return
    took_seconds = parts.CLOCK.monotonic_seconds() - began_at_seconds
    if took_seconds > FSYNC_SECONDS_MAX:
        yield doubt(
            f"making one write durable at {folder} took {took_seconds:.1f} s, and every 250 waits for one: a faster disk?"
        )


def _clock(_settings: Settings) -> Iterator[Finding]:
    """Entries expire by this clock; one that is set by hand jumps, and takes expiry with it."""
    answer = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    if answer < 0:
        yield doubt(f"whether the clock is kept right could not be checked ({os.strerror(ctypes.get_errno())})")
    elif answer == _TIME_ERROR:
        yield doubt("the kernel knows of nobody who keeps the clock right: run chrony or systemd-timesyncd")


CHECKS: dict[str, Check] = {
    f"Python {platform.python_version()} and packages": _packages,
    f"SQLite {sqlite.sqlite_version} (Python's own {sqlite3.sqlite_version} is not used)": _sqlite,
    "data folder and disk": _disk,
    "clock": _clock,
}
