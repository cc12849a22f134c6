"""A file that may be packed: gzip, or a ZIP archive with one list in it, is unpacked while it is read.

What is packed can be a thousand times as large as it looks. It is never held as a whole, and past IMPORT_BYTES_MAX it is
refused.
"""

import io
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from gzip import GzipFile
from pathlib import Path
from typing import IO, Final, Protocol

from nullsender.errors import Invalid
from nullsender.limits import IMPORT_BYTES_MAX, IMPORT_READ_BYTES, IMPORT_ZIP_TABLE_BYTES_MAX

_MEMBERS: Final = ("rejects.csv",)  # which list of an archive is meant, where there are several: Mandrill's
_ZIP_END: Final = b"PK\x05\x06"
_ZIP64_PLACE: Final = b"PK\x06\x07"
_ZIP_END_BYTES: Final = 22  # of that record, before its comment of up to 65,535
_UNREADABLE = (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError)


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes:
        """Up to so many bytes; none at the end."""


class Unpacked:
    """The file's bytes as they are meant, in pieces; and how far that is in the file as it lies on disk."""

    def __init__(self, packed: IO[bytes], plain: _Readable) -> None:
        self._packed = packed
        self._plain = plain

    @property
    def read_bytes(self) -> int:
        """How many bytes of the file on disk were read."""
        return self._packed.tell()

    def pieces(self) -> Iterator[bytes]:
        """All of it. `Invalid` where it can not be unpacked, or is larger than any list."""
        total_bytes = 0
        while piece := self._piece():
            total_bytes += len(piece)
            if total_bytes > IMPORT_BYTES_MAX:
                raise Invalid(f"the list has more than {IMPORT_BYTES_MAX // 2**30} GiB: import it in parts")
            yield piece

    def _piece(self) -> bytes:
        try:
            return self._plain.read(IMPORT_READ_BYTES)
        except _UNREADABLE as error:
            raise Invalid(f"the file is damaged or can not be read: {error}") from error


@contextmanager
def unpacked(path: Path) -> Iterator[Unpacked]:
    """The file at `path`. `Invalid` where it can not be opened, or is packed in a way that nobody reads here."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise Invalid(f"{path} can not be read: {error.strerror}") from error
    with file:
        begins = file.read(6)
        file.seek(0)
        if begins.startswith(b"PK"):
            with _member_of(file) as plain:
                yield Unpacked(file, plain)
        elif begins.startswith(b"\x1f\x8b"):
            yield Unpacked(file, GzipFile(fileobj=file))
        else:
            _require_unpacked(begins)
            yield Unpacked(file, file)


def _require_unpacked(begins: bytes) -> None:
    kinds = {b"\x28\xb5\x2f\xfd": "zstd", b"\xfd7zXZ": "xz", b"BZh": "bzip2", b"7z\xbc\xaf": "7-Zip", b"Rar!": "RAR"}
    for magic, name in kinds.items():
        if begins.startswith(magic):
            raise Invalid(f"the file is packed with {name}: unpack it, or pack it with gzip")
    if begins.startswith(b"\xd0\xcf\x11\xe0"):
        raise Invalid("this is an Excel workbook: save it as CSV")


def _member_of(file: IO[bytes]) -> IO[bytes]:
    """The list in an archive."""
    _require_small_table(file)
    try:
        archive = zipfile.ZipFile(file)
        names = [name for name in archive.namelist() if not name.endswith("/") and not name.startswith("__MACOSX/")]
        if "[Content_Types].xml" in names:
            raise Invalid("this is an Excel workbook: save it as CSV")
        meant = names if len(names) == 1 else [name for name in names if name.rpartition("/")[2] in _MEMBERS]
        if len(meant) != 1:
            raise Invalid(f"the archive holds {len(names)} files: import the one that is the list, unpacked")
        return archive.open(meant[0])
    except _UNREADABLE as error:
        raise Invalid(f"the archive is damaged or can not be read: {error}") from error


def _require_small_table(file: IO[bytes]) -> None:
    """A ZIP archive's table of contents is read as a whole, so its own word of its size comes first (APPNOTE 4.3.16)."""
    size_bytes = file.seek(0, io.SEEK_END)
    start = file.seek(max(0, size_bytes - _ZIP_END_BYTES - 2**16 - 20))
    tail = file.read(size_bytes - start)
    end = tail.rfind(_ZIP_END)
    table_bytes = int.from_bytes(tail[end + 12 : end + 16], "little") if end >= 0 else 0
    if end < 0 or _ZIP64_PLACE in tail or table_bytes > IMPORT_ZIP_TABLE_BYTES_MAX:
        raise Invalid("the archive is damaged, or holds more than one list: unpack it and import the list itself")
    file.seek(0)
