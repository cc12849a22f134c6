"""Making an export: rows into a draft, part by part; of the draft the file; beside it the manifest, last of all.

    FILE.part            the draft. After each part it is synced, and then the checkpoint says how long it is
    FILE.part.lock       held by whoever makes it: a process that was given up for dead may only have slept
    FILE.ready           the file, before its facts are known
    FILE                 the file
    FILE.manifest.json   the manifest. Only with it the export is complete

What is interrupted goes on at the last checkpoint: whatever the draft has behind it is cut off. Where the draft is not there as
it should be (another disk, somebody's broom) the export begins again, as of a new moment.
"""

import os
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import IO, NamedTuple, Protocol

import msgspec

from nullsender.clock import Clock
from nullsender.durable import sync_folder
from nullsender.errors import Transient
from nullsender.file_lock import locked
from nullsender.limits import EXPORT_PART_ROWS
from suppression.exports.columns import Row, place_of
from suppression.exports.formats import Writer, writer_for
from suppression.exports.manifest import FORM, SUFFIX, FileFacts, columns_of, facts_of, filters_of, read_manifest, written
from suppression.exports.request import ExportRequest, What
from suppression.exports.signing import Document, DocumentSigner
from suppression.store.exports import START, Cut, StoreExports
from suppression.store.meanwhile import Meanwhile, Place


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """An export that somebody asked for."""

    id: str
    request: ExportRequest
    requested_by: str
    requested: datetime


class Reached(msgspec.Struct, kw_only=True):
    """How far an export has come."""

    cut: Cut
    total: int
    place: Place = START
    is_whole: bool = False  # every row has been read
    draft_bytes: int = 0
    rows: int = 0
    without_address: int = 0
    counts: dict[str, int] = {}


class Files(NamedTuple):
    """Where an export lies."""

    target: Path

    @property
    def draft(self) -> Path:
        """What has been written so far."""
        return self.target.with_name(f"{self.target.name}.part")

    @property
    def lock(self) -> Path:
        """Held by whoever makes it."""
        return self.target.with_name(f"{self.target.name}.part.lock")

    @property
    def ready(self) -> Path:
        """The whole of it, before its name says so."""
        return self.target.with_name(f"{self.target.name}.ready")

    @property
    def manifest(self) -> Path:
        """What makes it complete."""
        return self.target.with_name(f"{self.target.name}{SUFFIX}")


class Steps(Protocol):
    """Who keeps in mind how far it has come (`suppression.jobs.worker.Work` is one). Either call may end the export."""

    def checkpoint(self, cursor: str, *, done: int, total: int | None) -> None:
        """All up to `cursor` is on disk."""

    def breathe(self) -> None:
        """It goes on."""


class Export:
    """One export under way."""

    def __init__(self, order: Order, files: Files, *, store: StoreExports, signer: DocumentSigner, clock: Clock) -> None:
        self._order = order
        self._request = order.request
        self._files = files
        self._store = store
        self._signer = signer
        self._clock = clock
        self._writer: Writer = writer_for(order.request)
        # What the manifest counts rows by.
        self._counted = "channel" if order.request.what is What.UNSUBSCRIBES else "cause"

    def run(self, cursor: str | None, steps: Steps) -> Document:
        """Make it, from `cursor` on; its manifest.

        `Invalid` where it can not be made as of one moment. `Transient` where the store is away or another process makes it;
        `OSError`: the disk is full or away.
        """
        lock = locked(self._files.lock)
        if lock is None:
            raise Transient(f"another process is at {self._files.target} already")
        with lock:
            manifest = self._make(cursor, steps)
            self._files.lock.unlink()
        return manifest

    def _make(self, cursor: str | None, steps: Steps) -> Document:
        if (complete := self._complete()) is not None:
            return complete
        reached = self._reached(cursor)
        self._read(reached, steps)
        self._files.ready.unlink(missing_ok=True)  # of a run that ended here
        self._files.ready.touch(mode=0o600)
        rows = self._writer.finish(self._files.draft, self._files.ready, reached.rows, steps.breathe)
        facts = facts_of(self._files.ready, self._files.target.name, rows, steps.breathe)
        manifest = self._signer.signed(self._manifest(reached, facts))
        self._put(manifest)
        return manifest

    def _complete(self) -> Document | None:
        """The manifest, where an earlier start came as far as that and nobody was told."""
        if not self._files.manifest.exists():
            return None
        manifest = read_manifest(self._files.manifest)
        return manifest if manifest.get("id") == self._order.id else None

    def _reached(self, cursor: str | None) -> Reached:
        """Where it goes on, with the draft as it was then; or a new beginning."""
        found = msgspec.json.decode(cursor, type=Reached) if cursor else None
        if found is not None and self._files.draft.exists() and self._files.draft.stat().st_size >= found.draft_bytes:
            os.truncate(self._files.draft, found.draft_bytes)
            return found
        self._files.draft.unlink(missing_ok=True)
        cut = self._store.cut()
        return Reached(cut=cut, total=self._store.count(self._request, cut))

    def _read(self, reached: Reached, steps: Steps) -> None:
        """Read every row that is left into the draft."""
        meanwhile = Meanwhile(reached.cut.position)
        self._files.draft.touch(mode=0o600)  # it names people
        with self._files.draft.open("ab") as draft:
            if not reached.draft_bytes:
                reached.draft_bytes += draft.write(self._writer.head())
            while not reached.is_whole:
                steps.breathe()
                rows, last = self._store.rows(self._request, reached.cut, meanwhile, reached.place, EXPORT_PART_ROWS)
                self._take(rows, draft, reached)
                reached.place, reached.is_whole = last or reached.place, last is None
                _sync(draft)
                cursor = msgspec.json.encode(reached).decode()
                steps.checkpoint(cursor, done=reached.rows, total=max(reached.total, reached.rows))

    def _take(self, rows: Sequence[Row], draft: IO[bytes], reached: Reached) -> None:
        if not rows:
            return
        reached.draft_bytes += draft.write(self._writer.part(rows))
        reached.rows += len(rows)
        address, counted = (place_of(self._request.what, name) for name in ("address", self._counted))
        reached.without_address += sum(row[address] is None for row in rows)
        for name, count in Counter(str(row[counted]) for row in rows).items():
            reached.counts[name] = reached.counts.get(name, 0) + count

    def _manifest(self, reached: Reached, facts: FileFacts) -> Document:
        request, cut = self._request, reached.cut
        return {
            "form": FORM,
            "id": self._order.id,
            "purpose": request.purpose,
            "recipient": request.recipient,
            "requested_by": self._order.requested_by,
            "requested_at": _text(self._order.requested),
            "completed_at": _text(self._clock.now()),
            "as_of": {"position": cut.position, "at": _text(cut.at)},
            "audit_head": cut.audit_head,
            "what": request.what.value,
            "filters": filters_of(request),
            "format": request.format.value,
            "gzip": request.gzip,
            "columns": columns_of(request),
            "counts": {
                "rows": reached.rows,
                f"by_{self._counted}": dict(sorted(reached.counts.items())),
                "without_address": reached.without_address,
            },
            "file": msgspec.to_builtins(facts),
        }

    def _put(self, manifest: Document) -> None:
        """Give everything its name: the manifest last."""
        draft = self._files.manifest.with_name(f"{self._files.manifest.name}.part")
        with draft.open("wb") as file:
            file.write(written(manifest))
            _sync(file)
        with self._files.ready.open("rb") as file:
            os.fsync(file.fileno())
        self._files.ready.rename(self._files.target)
        sync_folder(self._files.target.parent)
        draft.rename(self._files.manifest)
        sync_folder(self._files.target.parent)


def _sync(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _text(moment: datetime) -> str:
    return str(msgspec.to_builtins(moment))
