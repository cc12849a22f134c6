"""The files of a scrub: lists that are read a piece at a time, and what is written, whole or not at all."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from nullsender.limits import SCRUB_READ_BYTES

STANDARD_INPUT = Path("-")


@contextlib.contextmanager
def opened_list(path: Path) -> Iterator[IO[bytes]]:
    """A list to be read; `-` is standard input."""
    if path == STANDARD_INPUT:
        yield sys.stdin.buffer
    else:
        with path.open("rb", buffering=0) as file:
            yield file


def pieces_of(file: IO[bytes]) -> Iterator[bytes]:
    """All that is in it, up to `SCRUB_READ_BYTES` at a time, and of a pipe what has come."""
    read = getattr(file, "read1", file.read)
    while piece := read(SCRUB_READ_BYTES):
        yield piece


def size_bytes_of(paths: Sequence[Path]) -> int | None:
    """Of all lists together; None where one of them is no file that has a size."""
    if any(not path.is_file() for path in paths):
        return None
    return sum(path.stat().st_size for path in paths)


@contextlib.contextmanager
def opened_result(path: Path | None) -> Iterator[IO[bytes] | None]:
    """A file that stands there as a whole when the block is done, and as it was when the block fails; None for no path."""
    if path is None:
        yield None
    elif path.exists() and not path.is_file():
        with path.open("wb") as device:  # a pipe or a device can not be replaced
            yield device
    else:
        with tempfile.NamedTemporaryFile(dir=path.absolute().parent, prefix=f".{path.name}.", delete=False) as aside:
            try:
                yield aside
                aside.flush()
                os.fsync(aside.fileno())
                os.replace(aside.name, path)
            except BaseException:
                os.unlink(aside.name)
                raise
