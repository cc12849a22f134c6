"""What every role says of itself, in a file of its own that others on the machine can read.

    health/ROLE.HOST.PID    when its heart last beat, whether it is at work, what troubles it

A role beats every BEAT_SECONDS; one whose last beat is older than BEAT_SECONDS_MAX is dead, frozen, or of another day. The file
is written in place and padded to one size, so that a full disk does not make a living role look dead.
"""

import os
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import msgspec

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

    def is_fresh(self, now_seconds: float) -> bool:
        """Whether the process lives. After a reboot the clock starts anew: a beat of the future is an old one."""
        return 0 <= now_seconds - self.at_seconds <= BEAT_SECONDS_MAX


class BeatFile(Closing):
    """The file of this process."""

    def __init__(self, folder: Path, role: str) -> None:
        """`OSError` where it can not be made."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._role = role
        self._host = socket.gethostname()
        self._path = folder / f"{role}.{self._host}.{os.getpid()}"
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o600)

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


def living(folder: Path, now_seconds: float) -> Sequence[Beat]:
    """The last beat of every process that lives. A file that is just being written, or is none of ours, counts as none."""
    beats = []
    for file in sorted(folder.glob("*")) if folder.is_dir() else ():
        try:
            beat = msgspec.json.decode(file.read_bytes(), type=Beat)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            continue
        if beat.is_fresh(now_seconds):
            beats.append(beat)
    return beats
