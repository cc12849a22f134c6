"""Locks on files: how the processes of one machine know of each other.

The kernel frees a lock when its process ends, however it ends.
"""

import fcntl
from pathlib import Path
from typing import BinaryIO


def locked(path: Path) -> BinaryIO | None:
    """The file, made if need be and locked until it is closed or this process dies; None: another has it."""
    file = path.open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


def is_free(path: Path) -> bool:
    """Whether nobody has locked the file, or there is none.

    Those who only ask do not stand in each other's way: they ask for a shared lock.
    """
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return True
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
