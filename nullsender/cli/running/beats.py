"""What every role says of itself, in a file of its own that others on the machine can read.

    health/ROLE.HOST.PID    when its heart last beat, whether it is at work, what troubles it

A role beats every BEAT_SECONDS. It holds a lock on its file, which goes with the process, however that ends: so one that lives
and does not beat (frozen, or its disk is) is told from one that is gone. The file is written in place and padded to one size,
so that a full disk does not make a living role look dead.
"""

import fcntl
import os
import socket
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import msgspec

from nullsender.file_lock import is_free
from nullsender.limits import BEAT_BYTES, BEAT_SECONDS_MAX
from nullsender.log import Closing


class Beat(msgspec.Struct, frozen=True, kw_only=True):
    """One beat of one process. `at_seconds` is of the monotonic clock, which all processes of a machine share."""

    role: str
    host: str
    pid: int
    at_seconds: float
    ready: bool
    troubles: Sequence[str]

    def silent_seconds(self, now_seconds: float) -> float:
        """For how long it has not beaten."""
        return now_seconds - self.at_seconds

    def is_fresh(self, now_seconds: float) -> bool:
        """Whether it beats as it should."""
        return self.silent_seconds(now_seconds) <= BEAT_SECONDS_MAX


class BeatFile(Closing):
    """The file of this process."""

    def __init__(self, folder: Path, role: str) -> None:
        """`OSError` where it can not be made."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _sweep(folder)
        self._role = role
        self._host = socket.gethostname()
        self._path = folder / f"{role}.{self._host}.{os.getpid()}"
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def write(self, at_seconds: float, *, ready: bool, troubles: Sequence[str]) -> None:
        """Beat. `OSError`: the disk is in trouble."""
        beat = Beat(
            role=self._role, host=self._host, pid=os.getpid(), at_seconds=at_seconds, ready=ready, troubles=tuple(troubles)
        )
        os.pwrite(self._descriptor, msgspec.json.encode(beat).ljust(BEAT_BYTES), 0)

    def close(self) -> None:
        """A process that ends in order leaves nothing behind."""
        self._path.unlink(missing_ok=True)
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self


def living(folder: Path) -> Sequence[Beat]:
    """The last beat of every process that lives. A file that is just being written, or is none of ours, counts as none."""
    beats = []
    for file in sorted(folder.glob("*")) if folder.is_dir() else ():
        try:
            if not is_free(file):
                beats.append(msgspec.json.decode(file.read_bytes(), type=Beat))
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            continue
    return beats


def _sweep(folder: Path) -> None:
    """Remove what killed processes left. A young file may be one that is just being made."""
    for file in folder.glob("*"):
        try:
            if file.stat().st_mtime < time.time() - BEAT_SECONDS_MAX and is_free(file):
                file.unlink(missing_ok=True)
        except OSError:
            continue
