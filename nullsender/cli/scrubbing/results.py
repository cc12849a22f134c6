"""What a scrub writes: the lines that may be sent to, and the others with what stops them."""

import csv
import io
from typing import IO, NamedTuple

from api.batch.probing import INVALID_CODE
from api.batch.scrubbing import Scrub, Summary, Wanted
from api.index.slots import CAUSE_MASK


class Results(NamedTuple):
    """Where each kind goes; None: nowhere."""

    allowed: IO[bytes]
    suppressed: IO[bytes] | None
    invalid: IO[bytes] | None
    is_csv: bool

    def head(self, header: bytes) -> None:
        """The first line of a CSV file."""
        self.allowed.write(header + b"\n")
        for file, further in ((self.suppressed, ("cause", "scope")), (self.invalid, ("reason",))):
            if file is not None:
                file.write(self._line(header, *further))

    def take(self, work: Scrub) -> None:
        """The lines of the last step, of which nothing is waiting."""
        if self.suppressed is not None or self.invalid is not None:
            for column in work.batch.stopped():
                self._stopped(work, column)
        self.allowed.write(work.kept(Wanted.ALLOWED)[0])

    def _stopped(self, work: Scrub, column: int) -> None:
        if int(work.batch.values[column]) & CAUSE_MASK == INVALID_CODE:
            if self.invalid is not None:
                self.invalid.write(self._line(work.line(column), work.batch.reasons[column]))
        elif self.suppressed is not None:
            verdict = work.batch.verdict(column)
            self.suppressed.write(self._line(work.line(column), str(verdict.cause), str(verdict.scope)))

    def _line(self, line: bytes, *further: str) -> bytes:
        """A line with further fields at its end: as CSV, or behind tabs."""
        line = line.rstrip(b"\r\n")
        if not self.is_csv:
            return b"\t".join([line, *(field.encode() for field in further)]) + b"\n"
        fields = io.StringIO()
        csv.writer(fields, lineterminator="\n").writerow(further)
        return line + b"," + fields.getvalue().encode()


def in_words(summary: Summary) -> str:
    """The summary for a person."""
    rows = [("checked", summary.checked), ("allowed", summary.allowed), ("suppressed", summary.suppressed)]
    rows += [(f"  {cause}", count) for cause, count in summary.causes.items() if count]
    rows.append(("invalid", summary.invalid))
    if summary.unknown:
        rows.append(("allowed although nobody could tell", summary.unknown))
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}} {count:>15,}" for name, count in rows)
