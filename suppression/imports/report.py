"""What came of an import: how many rows were taken, merged, kept and refused, by cause and by reason. It names nobody."""

import msgspec

from nullsender.limits import IMPORT_REASONS_MAX, IMPORT_REFUSED_SHOWN_MAX
from suppression.policy import Cause, Did

_OTHERS = "for other reasons"
_MERGED = frozenset({Did.HARDENED, Did.RENEWED, Did.CONFIRMED})


class Shown(msgspec.Struct, frozen=True):
    """One row that was refused."""

    line: int
    reason: str


class Report(msgspec.Struct, kw_only=True):
    """The counts, as they grow. `rows` is the sum of the four below it."""

    id: str  # of the import, as entries name it in their evidence
    format: str
    why: str  # how the format is known
    sha256: str  # of the file
    dry_run: bool = False
    rows: int = 0
    taken: int = 0  # new entries, or new periods of entries that had ended
    merged: int = 0  # known, and stronger now
    kept: int = 0  # known, and as strong already
    refused: int = 0
    dates_unread: int = 0  # of the rows that were understood: taken as if they had no date, or no end
    causes: dict[str, dict[str, int]] = {}  # cause -> taken, merged, kept
    reasons: dict[str, int] = {}  # why rows were refused
    shown: list[Shown] = []  # the first of them

    def count(self, cause: Cause, did: Did) -> None:
        """A row was understood, and that came of it."""
        what = "taken" if did is Did.ADDED else "merged" if did in _MERGED else "kept"
        setattr(self, what, getattr(self, what) + 1)
        self.rows += 1
        counts = self.causes.setdefault(cause.value, {"taken": 0, "merged": 0, "kept": 0})
        counts[what] += 1

    def refuse(self, line: int, reason: str) -> None:
        """A row was not taken."""
        self.rows += 1
        self.refused += 1
        counted = reason if reason in self.reasons or len(self.reasons) < IMPORT_REASONS_MAX else _OTHERS
        self.reasons[counted] = self.reasons.get(counted, 0) + 1
        if len(self.shown) < IMPORT_REFUSED_SHOWN_MAX:
            self.shown.append(Shown(line, reason))
