"""Checking an export by its manifest: is it signed by whom it should be, and is the file the one that was signed?"""

import csv
import gzip
import io
from pathlib import Path
from typing import IO

import msgspec

from nullsender.errors import Invalid
from nullsender.wording import counted
from suppression.exports.manifest import FileFacts, facts_of, read_manifest
from suppression.exports.request import Format
from suppression.exports.signing import Document, DocumentKey


class _Told(msgspec.Struct):
    """What checking needs of a manifest."""

    format: Format
    gzip: bool
    file: FileFacts


def verify(manifest_file: Path, key: DocumentKey) -> Document:
    """The manifest, where it is signed with `key` and the file beside it is the one that it tells of.

    `Invalid` with a sentence that says what is wrong.
    """
    manifest = read_manifest(manifest_file)
    try:
        key.check(manifest)
    except Invalid as invalid:
        raise Invalid(f"{manifest_file} can not be believed: {invalid}") from invalid
    told = msgspec.convert(manifest, _Told)
    if Path(told.file.name).name != told.file.name:
        raise Invalid(f"{manifest_file} names a file in another folder")
    file = manifest_file.with_name(told.file.name)
    _require_same(file, told)
    return manifest


def _require_same(file: Path, told: _Told) -> None:
    try:
        found = facts_of(file, told.file.name, 0, lambda: None)
        if found.bytes != told.file.bytes:
            raise Invalid(f"{file} has {counted(found.bytes, 'byte')}, and the manifest says {told.file.bytes:,}")
        if found.sha256 != told.file.sha256:
            raise Invalid(f"{file} was changed: its SHA-256 is {found.sha256}, and the manifest says {told.file.sha256}")
        rows = _rows_of(file, told)
    except OSError as error:
        raise Invalid(f"{file} can not be read: {error.strerror or error}") from error
    if rows != told.file.rows:
        raise Invalid(f"{file} has {counted(rows, 'row')}, and the manifest says {told.file.rows:,}")


def _rows_of(file: Path, told: _Told) -> int:
    if told.format is Format.PARQUET:
        from pyarrow import parquet

        return int(parquet.read_metadata(file).num_rows)
    with file.open("rb") as opened:
        octets: IO[bytes] = gzip.GzipFile(fileobj=opened) if told.gzip else opened  # type: ignore[assignment]
        if told.format is not Format.CSV:
            return sum(1 for _ in octets)
        text = io.TextIOWrapper(octets, encoding="utf-8", newline="")
        return sum(1 for _ in csv.reader(text)) - 1  # the names of the columns
