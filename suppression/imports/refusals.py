"""The rows that were not taken, as a file for whoever brought them: line, reason, and the address as it stood there."""

import csv
from pathlib import Path

from suppression.exports.cells import guarded


class Refusals:
    """A CSV file that grows. What was written after `keep_bytes` is cut off: it is written again."""

    def __init__(self, path: Path, keep_bytes: int = 0) -> None:
        self._file = path.open("r+" if keep_bytes else "w", encoding="utf-8", errors="backslashreplace", newline="")
        self._file.truncate(keep_bytes)
        self._file.seek(0, 2)
        self._rows = csv.writer(self._file, lineterminator="\r\n")
        if not keep_bytes:
            self._rows.writerow(("line", "reason", "address"))

    def add(self, line: int, reason: str, address: str) -> None:
        """One more row. No spreadsheet takes a cell of it for a formula."""
        self._rows.writerow((line, guarded(reason), guarded(address)))

    def flushed_bytes(self) -> int:
        """How long the file is, with all that was added."""
        self._file.flush()
        return self._file.tell()

    def close(self) -> None:
        """Nothing more comes."""
        self._file.close()
