"""A file of the addresses that mail of one view may not go to, for mail servers that read lists (PowerMTA): one a line, sorted.

The file is replaced as a whole or not at all, and only where it would say something else. However long the list is, memory
holds a part of it: runs of addresses are sorted and put aside, and then merged.

What can not stand in such a file is left out and counted: addresses that were erased, of which nobody knows how they are
written, and the few that would mean something else there (a pattern, a comment).
"""

import contextlib
import filecmp
import heapq
import os
import re
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import IO, NamedTuple

from api.view import View
from nullsender.errors import Misconfigured, Transient
from nullsender.limits import FILE_PAGE_MAX, FILE_RUN_ADDRESSES_MAX
from suppression.store.store import Store

# PowerMTA takes # for a comment, /…/ for a regular expression and * for any name: such a line would stop other people's mail.
_MEANS_SOMETHING_ELSE = re.compile(r"[#/]|.*[*\s]")
_PRIVATE_MODE = 0o600


class Written(NamedTuple):
    """What became of a file: how many addresses it holds, how many it can not hold, and whether it says anything new."""

    addresses: int
    left_out: int
    is_new: bool


def write_addresses(store: Store, view: View, path: Path, stopping: Callable[[], bool] = lambda: False) -> Written:
    """Bring `path` up to date. It keeps its owner and mode; a new one is for its owner alone, for it names people.

    A link is followed: a mail server may read the file behind it by another path.

    `Transient`: the store has trouble, or the disk, or `stopping()` says that there is no time. `Misconfigured`: nothing can be
    written there. Then it is as it was.
    """
    path = Path(os.path.realpath(path))
    listed = _Listed(store, view, stopping)
    try:
        with contextlib.ExitStack() as stack:
            aside = stack.enter_context(_aside(path))
            runs = [stack.enter_context(run) for run in _sorted_runs(listed.addresses(), path.parent)]
            addresses = _write_lines(heapq.merge(*runs), aside, stopping)
            return Written(addresses, listed.left_out, _put_in_place(aside, path))
    except (PermissionError, FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise Misconfigured(f"{path} can not be written ({error.strerror}): give this user a folder for it") from error
    except OSError as error:
        raise Transient(f"{path} can not be written: {error}") from error


class _Listed:
    """The addresses of a view as the store gives them: each once, in the order of their hashes."""

    def __init__(self, store: Store, view: View, stopping: Callable[[], bool]) -> None:
        self._store = store
        self._tenant, self._scopes = view.tenant, store.policy.scopes_of(*view)
        self._stopping = stopping
        self.left_out = 0

    def addresses(self) -> Iterator[str]:
        """Those that can stand in a file; the others are counted."""
        after = b""
        while page := self._store.suppressed_names(self._tenant, self._scopes, after, FILE_PAGE_MAX):
            _require_time(self._stopping)
            for address_hash, address in page:
                if address_hash == after:
                    continue  # another entry of the same address
                after = address_hash
                if address is None or _MEANS_SOMETHING_ELSE.match(address):
                    self.left_out += 1
                else:
                    yield address


def _sorted_runs(addresses: Iterator[str], folder: Path) -> Iterator[IO[bytes]]:
    """The lines in sorted parts, each in a file that is gone when it is closed."""
    while run := sorted(f"{address}\n".encode() for address in islice(addresses, FILE_RUN_ADDRESSES_MAX)):
        file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 (whoever asks for it closes it)
        file.writelines(run)
        file.seek(0)
        yield file


@contextlib.contextmanager
def _aside(path: Path) -> Iterator[IO[bytes]]:
    """A file beside `path` that is gone at the end unless it was renamed."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        try:
            yield file
        finally:
            Path(file.name).unlink(missing_ok=True)


def _write_lines(lines: Iterable[bytes], file: IO[bytes], stopping: Callable[[], bool]) -> int:
    count = 0
    for line in lines:
        if count % FILE_PAGE_MAX == 0:
            _require_time(stopping)
        file.write(line)
        count += 1
    file.flush()
    return count


def _require_time(stopping: Callable[[], bool]) -> None:
    if stopping():
        raise Transient("there is no time left for it")


def _put_in_place(aside: IO[bytes], path: Path) -> bool:
    """Replace `path` by what lies aside, durably; False where they are the same."""
    mode = _PRIVATE_MODE
    if path.exists():
        if filecmp.cmp(aside.name, path, shallow=False):
            return False
        known = path.stat()
        mode = stat.S_IMODE(known.st_mode)
        with contextlib.suppress(PermissionError):  # somebody with more rights than ours gave it to another owner
            os.fchown(aside.fileno(), known.st_uid, known.st_gid)
    os.fchmod(aside.fileno(), mode)
    os.fsync(aside.fileno())
    os.replace(aside.name, path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return True
