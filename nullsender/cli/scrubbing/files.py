"""The files of a scrub: lists that are read a piece at a time, and what is written, whole or not at all."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

from nullsender.errors import Invalid
from nullsender.limits import SCRUB_READ_BYTES

STANDARD_INPUT = Path("-")


@contextlib.contextmanager
def opened_list(path: Path) -> Iterator[IO[bytes]]:
    """A list to be read; `-` is standard input. `Invalid` where it can not be read."""
    if path == STANDARD_INPUT:
        yield sys.stdin.buffer
        return
    try:
        file = path.open("rb")
    except OSError as error:
        raise Invalid(f"the list {path} can not be read: {error.strerror}") from error
    with file:
        yield file


def can_be_read_twice(path: Path) -> bool:
    """Not so a pipe, whatever its name is: what was read of it is gone."""
    return path != STANDARD_INPUT and not path.is_fifo() and not path.is_char_device()


def pieces_of(file: IO[bytes]) -> Iterator[bytes]:
    """All that is in it, up to `SCRUB_READ_BYTES` at a time, and of a pipe what has come."""
    read = getattr(file, "read1", file.read)
    while piece := read(SCRUB_READ_BYTES):
        yield piece


def require_different(paths: Sequence[Path | None]) -> None:
    """`Invalid` where one file is to take two results: the last would be all that is left of them."""
    files = [path.resolve() for path in paths if path is not None and (path.is_file() or not path.exists())]
    for path in files:
        if files.count(path) > 1:
            raise Invalid(f"{path} is named twice: each result has a file of its own")


def size_bytes_of(paths: Sequence[Path]) -> int | None:
    """Of all lists together; None where one of them is no file that has a size."""
    if any(not path.is_file() for path in paths):
        return None
    return sum(path.stat().st_size for path in paths)


@contextlib.contextmanager
def opened_result(path: Path | None) -> Iterator[IO[bytes] | None]:
    """A file that stands there as a whole when the block is done, and as it was when the block fails; None for no path.

    `Invalid` where it can not be written.
    """
    if path is None:
        yield None
    elif path.exists() and not path.is_file():
        with _written(path, lambda: path.open("wb")) as device:  # a pipe or a device can not be replaced
            yield device
    else:
        folder, prefix = path.absolute().parent, f".{path.name}."
        with _written(path, lambda: tempfile.NamedTemporaryFile(dir=folder, prefix=prefix, delete=False)) as aside:
            try:
                yield aside
                aside.flush()
                os.fsync(aside.fileno())
                os.replace(aside.name, path)
            except BaseException:
                os.unlink(aside.name)
                raise


def _written(path: Path, opened: Callable[[], IO[bytes]]) -> IO[bytes]:
    try:
        return opened()
    except OSError as error:
        raise Invalid(f"{path} can not be written: {error.strerror}") from error
