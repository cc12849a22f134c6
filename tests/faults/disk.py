"""A disk that can be full for a while."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.waiting import wait_for


class Disk:
    """A disk in memory, mounted on `folder`. It is filled by being made as small as what lies on it."""

    def __init__(self, folder: Path, size_bytes: int) -> None:
        self.folder = folder
        self._size_bytes = size_bytes

    def mount(self) -> bool:
        """Whether it could be mounted: only root may."""
        return self._mount(self._size_bytes, "mode=0777")

    def fill(self) -> None:
        """Leave no room, to the last page."""
        wait_for(self._is_made_full, what="the disk to be full")  # somebody may write between the look and the change

    def _is_made_full(self) -> bool:
        disk = os.statvfs(self.folder)
        return self._mount((disk.f_blocks - disk.f_bfree) * disk.f_frsize, "remount")

    def relieve(self) -> None:
        """Give the room back."""
        assert self._mount(self._size_bytes, "remount")

    def _mount(self, size_bytes: int, *how: str) -> bool:
        options = ",".join((*how, f"size={size_bytes}"))
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(self.folder)]
        return subprocess.run(command, capture_output=True).returncode == 0


@contextmanager
def mounted_disk(folder: Path, *, gibibytes: int) -> Iterator[Disk | None]:
    """A disk on `folder`, which takes memory only for what lies on it; None where we may not mount one."""
    disk = Disk(folder, gibibytes * 2**30)
    if not disk.mount():
        yield None
        return
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(folder)], check=True)
