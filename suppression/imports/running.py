"""An import, from the file to the report.

First the whole file is read: rows are understood or refused, and sorted onto disk (`sorting.py`). A file that is no list is
refused there, before anything is changed. Then the parts are taken one after the other, some thousand people in one turn of the
store. Whatever interrupts that, the next one goes on at the part where it was; a row that was taken before changes nothing.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Final

import msgspec

from nullsender.address import AddressHasher
from nullsender.clock import Clock
from nullsender.errors import Invalid
from nullsender.limits import (
    IMPORT_LINES_MAX,
    IMPORT_REFUSED_BYTES_MAX,
    IMPORT_ROWS_A_TURN,
    IMPORT_ROWS_MAX,
    IMPORT_SORTED_BYTES_MAX,
    IMPORT_WORDS_CHARACTERS_MAX,
)
from nullsender.names import canonical_name
from suppression.audit.chain import Act
from suppression.imports.options import NO_CAUSE, Options, claims_of_row
from suppression.imports.reading import Reading, read_list
from suppression.imports.refusals import Refusals
from suppression.imports.report import Report
from suppression.imports.row import Refused, Row, Said, is_hash
from suppression.imports.sorting import Sorter, parts_for, sorted_rows
from suppression.imports.systems import OURS
from suppression.imports.times import UNREADABLE
from suppression.imports.unpacking import Unpacked, unpacked
from suppression.policy import Did
from suppression.store.imports import Brought, Source, StoreImports

REFUSED: Final = "refused.csv"
_SORTED: Final = "sorted.json"  # stands in the folder once all rows are sorted
_PARQUET: Final = b"PAR1"  # how such a file begins
_ROWS_A_STEP: Final = 2_000  # between two signs of life while a file is read


class Brief(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for."""

    id: str
    tenant: str
    actor: str
    reason: str
    name: str  # of the file, as whoever brought it calls it
    options: Options
    dry_run: bool = False
    every_tenant: bool = False  # rows that name another tenant go onto that one's list


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """How far an import has come: the next part, and what stood there."""

    part: int
    refused_bytes: int
    report: Report


class _Sorted(msgspec.Struct, frozen=True, kw_only=True):
    parts: int
    rows: int  # in the parts
    refused: int  # the others
    place: Place


#: Called again and again: bytes of the file that were read, then rows that were taken. May raise to end it.
Progress = Callable[[int], None]


class Importer:
    """One import. `folder` is its own, and holds what it needs on disk; it is empty at the beginning."""

    def __init__(
        self, store: StoreImports, hasher: AddressHasher, clock: Clock, brief: Brief, file: Path, folder: Path
    ) -> None:
        self._store = store
        self._hasher = hasher
        self._clock = clock
        self._brief = brief
        self._file = file
        self._folder = folder
        self._sorted: _Sorted | None = None

    # --- reading ---

    def read(self, progress: Progress) -> int:
        """Read the whole file; how many rows are to be taken. `Invalid` where it is no list that can be imported.

        Does nothing where an earlier start had come to its end.
        """
        done = self._folder / _SORTED
        if done.exists():
            self._sorted = msgspec.json.decode(done.read_bytes(), type=_Sorted)
            return self._sorted.rows
        with self._file.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        if self._is_parquet():
            from suppression.imports.parquet import read_parquet  # its library is large, and few lists need it

            self._sorted = self._sort(read_parquet(self._file, self._brief.options.format), sha256, progress, None)
        else:
            with unpacked(self._file) as text:
                reading = read_list(_watched(text, progress), self._brief.options.format)
                self._sorted = self._sort(reading, sha256, progress, text)
        if not self._brief.dry_run:
            self._tell_begin(self._sorted.place.report)
        aside = done.with_suffix(".new")
        aside.write_bytes(msgspec.json.encode(self._sorted))
        aside.rename(done)
        return self._sorted.rows

    def _is_parquet(self) -> bool:
        with self._file.open("rb") as file:
            return file.read(len(_PARQUET)) == _PARQUET

    def _sort(self, reading: Reading, sha256: str, progress: Progress, text: Unpacked | None) -> _Sorted:
        brief = self._brief
        report = Report(id=brief.id, format=reading.format, why=reading.why, sha256=sha256, dry_run=brief.dry_run)
        parts, rows = parts_for(self._file.stat().st_size), 0
        sorter, refusals = Sorter(self._folder, parts), Refusals(self._folder / REFUSED)
        try:
            for number, item in enumerate(self._brought(reading.rows, report)):
                if number % _ROWS_A_STEP == 0:
                    _require_sane(rows, sorter, refusals)
                    progress(text.read_bytes if text is not None else 0)
                if isinstance(item, Refused):
                    report.refuse(item.line, item.reason)
                    refusals.add(item.line, item.reason, item.address)
                else:
                    sorter.add(item)
                    rows += 1
            sorter.finish()
            refused_bytes = refusals.flushed_bytes()
        finally:
            sorter.close()
            refusals.close()
        if not rows and NO_CAUSE in report.reasons:
            raise Invalid(NO_CAUSE)
        place = Place(part=0, refused_bytes=refused_bytes, report=report)
        return _Sorted(parts=parts, rows=rows, refused=report.refused, place=place)

    def _brought(self, rows: Iterator[Row | Refused], report: Report) -> Iterator[Brought | Refused]:
        """Each row as the list would take it."""
        options, now, hasher, policy = self._brief.options, self._clock.now(), self._hasher, self._store.policy
        for row in rows:
            if isinstance(row, Refused):
                yield row
                continue
            line, address, said = row
            try:
                tenant = _tenant_of(said, self._brief)
                claims = claims_of_row(said, options, policy.settings_for(tenant, options.stream), now)
            except Invalid as invalid:
                yield Refused(line, address[:IMPORT_WORDS_CHARACTERS_MAX], invalid.reason)
                continue
            hashed = is_hash(address)
            key = hasher.hash_prehashed(address) if hashed else hasher.hash(address)
            report.dates_unread += UNREADABLE in (said.since, said.expires)
            is_dated = said.since not in (None, UNREADABLE)
            for claim in claims:
                yield Brought(line, key, address, hashed, claim, is_dated, said.words, tenant)

    @property
    def refused(self) -> int:
        """How many rows were refused while the file was read."""
        return 0 if self._sorted is None else self._sorted.refused

    # --- taking ---

    def take(self, start: Place | None, progress: Progress) -> Iterator[Place]:
        """Take what was read, from `start` on; after each part, how far it has come then. The last one holds the report."""
        assert self._sorted is not None, "a file is read before its rows are taken"
        place = start or self._sorted.place
        report = place.report
        source = self._source(report)
        refusals = Refusals(self._folder / REFUSED, place.refused_bytes)
        done = report.rows - self._sorted.refused
        try:
            for number in range(place.part, self._sorted.parts):
                for rows in chain.from_iterable(map(_turns, sorted_rows(self._folder, number))):
                    self._take_rows(source, rows, report, refusals)
                    done += len(rows)
                    progress(done)
                yield Place(part=number + 1, refused_bytes=refusals.flushed_bytes(), report=report)
        finally:
            refusals.close()

    def end(self, report: Report) -> None:
        """Write into the audit trail how it ended."""
        if not self._brief.dry_run:
            counts = {name: getattr(report, name) for name in ("rows", "taken", "merged", "kept", "refused")}
            self._tell("import-ended", {"counts": counts, "causes": report.causes})

    def _take_rows(self, source: Source, rows: Sequence[Brought], report: Report, refusals: Refusals) -> None:
        take = self._store.would_take if self._brief.dry_run else self._store.take_rows
        has_room = refusals.flushed_bytes() <= IMPORT_REFUSED_BYTES_MAX
        for row, came in zip(rows, take(source, rows, force=self._brief.options.force), strict=True):
            if isinstance(came, Did):
                report.count(row.claim.cause, came)
            else:
                report.refuse(row.line, came)
                if has_room:
                    refusals.add(row.line, came, row.address)

    def _source(self, report: Report) -> Source:
        brief = self._brief
        return Source(
            id=brief.id,
            sha256=report.sha256,
            actor=brief.actor,
            reason=brief.reason,
            is_our_own=report.format == OURS,
        )

    def _tell_begin(self, report: Report) -> None:
        options = msgspec.to_builtins(self._brief.options) | {"every_tenant": self._brief.every_tenant}
        self._tell("import-begun", {"file": self._brief.name, "sha256": report.sha256, "format": report.format, **options})

    def _tell(self, kind: str, body: dict[str, object]) -> None:
        brief = self._brief
        tenant = None if brief.every_tenant else brief.tenant
        act = Act(kind=kind, tenant=tenant, actor=brief.actor, reason=brief.reason, subject=brief.id, body=body)
        self._store.note(act)


def _tenant_of(said: Said, brief: Brief) -> str:
    """Onto whose list a row goes. One of an export of every tenant goes onto nobody else's than it names."""
    if said.tenant in (None, brief.tenant):
        return brief.tenant
    if not brief.every_tenant:
        raise Invalid(f"a row of the tenant {said.tenant[:IMPORT_WORDS_CHARACTERS_MAX]}: import it onto that tenant's list")
    return canonical_name(said.tenant)


def _watched(text: Unpacked, progress: Progress) -> Iterator[bytes]:
    """The file's bytes. Blank lines are no rows, so they are counted here, and give a sign of life."""
    lines = 0
    for piece in text.pieces():
        lines += piece.count(b"\n")
        if lines > IMPORT_LINES_MAX:
            raise Invalid(f"the list has more than {IMPORT_LINES_MAX:,} lines: import it in parts")
        progress(text.read_bytes)
        yield piece


def _require_sane(rows: int, sorter: Sorter, refusals: Refusals) -> None:
    """A packed file costs its sender nothing, and what is made of its rows is on our disk."""
    if rows > IMPORT_ROWS_MAX or sorter.written_bytes > IMPORT_SORTED_BYTES_MAX:
        raise Invalid(f"the list has more than {IMPORT_ROWS_MAX:,} rows, or too long ones: import it in parts")
    if refusals.flushed_bytes() > IMPORT_REFUSED_BYTES_MAX:
        raise Invalid("far too many rows can not be taken, so none were: is this the list that you meant?")


def _turns(rows: Sequence[Brought]) -> Iterator[Sequence[Brought]]:
    """Rows that are taken in one turn."""
    for start in range(0, len(rows), IMPORT_ROWS_A_TURN):
        yield rows[start : start + IMPORT_ROWS_A_TURN]
