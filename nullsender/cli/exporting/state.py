"""How far an export of the command line has come: beside its draft, so that the next call goes on there.

FILE.part.json    what was asked for, by whom, and the cursor
"""

import os
import sys
from pathlib import Path
from types import TracebackType
from typing import NoReturn, Self

import msgspec
from tqdm import tqdm

from nullsender.durable import sync_folder
from nullsender.errors import Invalid
from suppression.exports.request import ExportRequest
from suppression.exports.running import Files, Order


class Begun(msgspec.Struct, frozen=True, kw_only=True):
    """An export that is under way, or was interrupted."""

    order: Order
    cursor: str | None


def state_file(files: Files) -> Path:
    """Where it is kept in mind."""
    return files.draft.with_name(f"{files.draft.name}.json")


def begun_at(files: Files, request: ExportRequest | None) -> Begun | None:
    """The export that was interrupted there, if one was. `request` None: whichever it is.

    `Invalid` where something else lies there: nothing is written over.
    """
    try:
        found = msgspec.json.decode(state_file(files).read_bytes(), type=Begun)
    except FileNotFoundError:
        found = None
    except msgspec.MsgspecError as error:
        raise Invalid(f"{state_file(files)} is none of ours: take it away, or export into another file") from error
    if found is None and request is None:
        raise Invalid(f"no export into {files.target} was interrupted: leave --resume out to begin one")
    if found is not None and request not in (None, found.order.request):
        raise Invalid(
            f"another export into {files.target} was interrupted: --resume goes on with that one; to begin this one instead, "
            f"remove {state_file(files)} and {files.draft}"
        )
    if found is None and any(path.exists() for path in (files.target, files.manifest, files.draft)):
        raise Invalid(f"{files.target} is there already, or a part of it: nothing is written over. Choose another name")
    return found


class Steps:
    """Keeps in mind how far it has come, and shows it."""

    def __init__(self, files: Files, begun: Begun) -> None:
        self._files = files
        self._order = begun.order
        self._bar: tqdm[NoReturn] = tqdm(
            desc="exporting", unit=" rows", unit_scale=True, disable=None, leave=False, file=sys.stderr
        )
        if begun.cursor is None:
            self._keep(None)

    def checkpoint(self, cursor: str, *, done: int, total: int | None) -> None:
        """Keep it in mind."""
        self._keep(cursor)
        self._bar.total = total
        self._bar.update(done - self._bar.n)

    def breathe(self) -> None:
        """Nothing is to be said."""

    def _keep(self, cursor: str | None) -> None:
        state = state_file(self._files)
        draft = state.with_name(f"{state.name}.new")
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(msgspec.json.encode(Begun(order=self._order, cursor=cursor)))
            file.flush()
            os.fsync(file.fileno())
        draft.rename(state)
        sync_folder(state.parent)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Where it was interrupted, say how it goes on."""
        self._bar.close()
        if isinstance(error, KeyboardInterrupt):
            print(f"interrupted: `nullsender export --resume -o {self._files.target}` goes on here", file=sys.stderr)
