"""Lists of hashes for partners: MD5 or SHA-256 of the canonical address, lower-case hexadecimal digits, one a line.

Each stands there once, and in the order of the hashes, so that the order tells nothing. They are sorted in constant memory:
dealt into as many piles as the first byte has values, and each pile by itself.
"""

import gzip
import hashlib
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Final

from nullsender.limits import EXPORT_HASHES_IN_HAND_MAX
from suppression.exports.columns import Row, Value, place_of
from suppression.exports.formats import Breathe
from suppression.exports.request import ExportRequest, Format

_PILES: Final = 256
_READ_HASHES: Final = 2**14


class HashWriter:
    """Writes a list of hashes. An address that was erased has none to give, one that was brought as such a hash gives that."""

    def __init__(self, request: ExportRequest) -> None:
        self._hash = _md5 if request.format is Format.MD5 else _sha256
        self._hash_bytes = len(self._hash(b""))
        self._compressed = request.gzip
        self._places = place_of(request.what, "address"), place_of(request.what, "known_as")
        self._known_prefix = f"{request.format}:"

    def head(self) -> bytes:
        """Nothing."""
        return b""

    def part(self, rows: Sequence[Row]) -> bytes:
        """The hashes themselves, one behind the other."""
        address, known_as = self._places
        return b"".join(self._of(row[address], row[known_as]) for row in rows)

    def _of(self, address: Value, known_as: Value) -> bytes:
        if isinstance(address, str):
            return self._hash(address.encode("utf-8"))
        if isinstance(known_as, str) and known_as.startswith(self._known_prefix):
            return bytes.fromhex(known_as.removeprefix(self._known_prefix))
        return b""

    def finish(self, draft: Path, target: Path, rows: int, breathe: Breathe) -> int:
        """Sort them, each once; how many there are."""
        del rows
        piles = target.with_name(f"{target.name}.piles")
        shutil.rmtree(piles, ignore_errors=True)  # of a run that was interrupted here
        piles.mkdir()
        count = 0
        try:
            self._deal(draft, piles, breathe)
            with target.open("wb") as file, _opened(file, compressed=self._compressed) as written:
                for number in range(_PILES):
                    breathe()
                    hashes = self._sorted(piles / f"{number}")
                    count += len(hashes)
                    written.writelines(one.hex().encode("ascii") + b"\n" for one in hashes)
        finally:
            shutil.rmtree(piles, ignore_errors=True)
        draft.unlink()
        return count

    def _deal(self, draft: Path, piles: Path, breathe: Breathe) -> None:
        hands: list[list[bytes]] = [[] for _ in range(_PILES)]
        held = 0
        for octets in _pieces(draft, self._hash_bytes * _READ_HASHES):
            for one in _cut(octets, self._hash_bytes):
                hands[one[0]].append(one)
            held += len(octets) // self._hash_bytes
            if held >= EXPORT_HASHES_IN_HAND_MAX:
                breathe()
                _put_down(hands, piles)
                held = 0
        _put_down(hands, piles)

    def _sorted(self, pile: Path) -> list[bytes]:
        return sorted(set(_cut(pile.read_bytes(), self._hash_bytes))) if pile.exists() else []


def _put_down(hands: list[list[bytes]], piles: Path) -> None:
    for number, hand in enumerate(hands):
        if hand:
            with (piles / f"{number}").open("ab") as pile:
                pile.write(b"".join(hand))
            hand.clear()


def _pieces(file: Path, size_bytes: int) -> Iterator[bytes]:
    with file.open("rb") as opened:
        while piece := opened.read(size_bytes):
            yield piece


def _cut(octets: bytes, length: int) -> Iterator[bytes]:
    return (octets[start : start + length] for start in range(0, len(octets), length))


def _opened(file: IO[bytes], *, compressed: bool) -> IO[bytes]:
    return gzip.GzipFile(fileobj=file, mode="wb", filename="", mtime=0) if compressed else file  # type: ignore[return-value]


def _md5(octets: bytes) -> bytes:
    return hashlib.md5(octets, usedforsecurity=False).digest()


def _sha256(octets: bytes) -> bytes:
    return hashlib.sha256(octets).digest()
