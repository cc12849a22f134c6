"""Exports for tests: a list with something of everything on it, and a process that can die between any two steps."""

import csv
import gzip
import io
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pyarrow import parquet

from nullsender.clock import FakeClock
from suppression.exports.cells import unguarded
from suppression.exports.columns import COLUMNS, Kind
from suppression.exports.request import ExportRequest, Format, checked
from suppression.exports.running import Export, Files, Order
from suppression.exports.signing import Document, DocumentSigner
from suppression.policy import PROTECTED, Cause
from suppression.records import Addition
from suppression.store.exports import StoreExports
from suppression.store.store import Store

SIGNER = DocumentSigner(b"the address key of the tests.....")
Row = Mapping[str, Any]


class Died(BaseException):
    """The process ends without a word."""


class Steps:
    """Keeps the cursor in mind, as a job's row does. With `dies_at` the process dies at that step."""

    def __init__(self, dies_at: int | None = None) -> None:
        self.cursor: str | None = None
        self.dones: list[int] = []
        self._left = dies_at

    def checkpoint(self, cursor: str, *, done: int, total: int | None) -> None:
        """Before it is kept, the process may die."""
        self.breathe()
        assert total is None or done <= total
        self.cursor = cursor
        self.dones.append(done)

    def breathe(self) -> None:
        """A step."""
        if self._left is not None:
            self._left -= 1
            if self._left < 0:
                raise Died


def asked(now: datetime, **given: Any) -> ExportRequest:
    """A request that makes sense, unless `given` does not."""
    return checked(ExportRequest(**{"tenant": "default", "purpose": "a test", "recipient": "Jane Doe", **given}), now)


def export_of(store: Store, clock: FakeClock, request: ExportRequest, target: Path) -> Export:
    """An export into `target`."""
    order = Order(id="0f1e2d3c4b5a69788796a5b4", request=request, requested_by="olga", requested=clock.now())
    return Export(order, Files(target), store=StoreExports.beside(store), signer=SIGNER, clock=clock)


def made(store: Store, clock: FakeClock, target: Path, **given: Any) -> Document:
    """The manifest of an export that nothing disturbed."""
    return export_of(store, clock, asked(clock.now(), **given), target).run(None, Steps())


def fill(store: Store, clock: FakeClock, people: int = 10, tenant: str = "default") -> None:
    """Put so many people on the list, a second after the other, with all causes and some scopes."""
    for number in range(people):
        cause, scopes = tuple(Cause)[number % len(Cause)], ("*", "marketing", "list:news")
        expires = clock.now() + timedelta(days=30) if number % 4 == 0 and cause not in PROTECTED else None
        addition = Addition(
            address=f"person{number}@example.{('com', 'org')[number % 2]}",
            cause=cause,
            scope=scopes[number % len(scopes)],
            reason=f'=1+1, a "test"\nnumber {number}',
            expires=expires,
        )
        store.add_all(tenant, [addition], actor="olga")
        clock.advance(seconds=1)


def read(target: Path, manifest: Document) -> list[Row]:
    """The rows of a file, as its reader has them: in any format the same."""
    if manifest["format"] == Format.PARQUET:
        return [_plain(row) for row in parquet.read_table(target).to_pylist()]
    text = gzip.decompress(target.read_bytes()) if manifest["gzip"] else target.read_bytes()
    if manifest["format"] == Format.NDJSON:
        return [json.loads(line) for line in text.decode().splitlines()]
    names, *lines = csv.reader(io.StringIO(text.decode(), newline=""))
    kinds = {column.name: column.kind for column in COLUMNS[manifest["what"]]}
    return [{name: _value(kinds[name], cell) for name, cell in zip(names, line, strict=True)} for line in lines]


def addresses(target: Path, manifest: Document) -> list[str]:
    """Whom the rows are about, in their order."""
    return [row["address"] for row in read(target, manifest)]


def _value(kind: Kind, cell: str) -> Any:
    if not cell:
        return None
    match kind:
        case Kind.NUMBER:
            return int(cell)
        case Kind.FLAG:
            return {"true": True, "false": False}[cell]
        case Kind.TEXT:
            return unguarded(cell)
        case _:
            return cell


def _plain(row: Row) -> Row:
    return {
        name: value.strftime("%Y-%m-%dT%H:%M:%S.%fZ") if isinstance(value, datetime) else value for name, value in row.items()
    }
