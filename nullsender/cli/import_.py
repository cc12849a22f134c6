"""`nullsender import`: the list of another system is put on ours, here and now.

What was taken stays taken when the command is interrupted; the same command again takes the rest, and changes nothing twice.
"""

import argparse
import contextlib
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import msgspec

from nullsender.cli import EXIT_FAILED, parts, store_parts
from nullsender.cli.importing.words import in_words
from nullsender.cli.option_names import named_as_options
from nullsender.errors import Invalid
from nullsender.names import canonical_name
from suppression.imports.options import Options, canonical_scope
from suppression.imports.systems import FORMATS
from suppression.policy import Cause

if TYPE_CHECKING:
    from tqdm import tqdm

    from suppression.imports.report import Report
    from suppression.imports.running import Importer

_STANDARD_INPUT = Path("-")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which list, and how to take it."""
    parser.add_argument("file", metavar="FILE", type=Path, help="the list, as the other system exports it; - is standard input")
    parser.add_argument("--reason", required=True, help="why it is imported: it stands in the history of every entry")
    parser.add_argument("--tenant", default="default", help="whose list it goes onto (default: default)")
    parser.add_argument(
        "--all-tenants", action="store_true", help="rows of an export of ours that name other tenants go onto their lists"
    )
    parser.add_argument(
        "--format", choices=FORMATS, metavar="FORMAT", help=f"what it is, where its shape does not say it: {', '.join(FORMATS)}"
    )
    causes = [cause.value for cause in Cause]
    parser.add_argument("--cause", choices=causes, help="why rows are on it that do not say so; a plain list needs it")
    parser.add_argument(
        "--scope", help="the scope of every row: *, *-transactional, a stream, or list:NAME (default: by the policy)"
    )
    parser.add_argument("--stream", help="the stream that rows are about which name none")
    parser.add_argument("--list", dest="mailing_list", metavar="NAME", help="the mailing list that they are about")
    parser.add_argument("--force", action="store_true", help="take rows too that were lifted here after their own date")
    parser.add_argument("--dry-run", action="store_true", help="change nothing, and say what would be done")
    parser.add_argument("--refused", metavar="FILE", type=Path, help="where the refused rows go (default: FILE.refused.csv)")
    parser.add_argument("--actor", default="operator", help="who does this: it is logged (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Import it; 1 where rows were refused."""
    options = _options_of(arguments)
    if not arguments.reason.strip():
        raise Invalid("an import needs a reason: it stands in the history of every entry")
    settings = parts.settings_of(arguments)
    # What takes long to load comes after the mistakes.
    from suppression.imports.running import REFUSED, Brief, Importer
    from suppression.store.imports import StoreImports

    store = StoreImports.beside(store_parts.open_store_to_look(settings))
    with tempfile.TemporaryDirectory(dir=settings.data, prefix="import-") as made, _seekable(arguments.file, made) as file:
        folder = Path(made)
        brief = Brief(
            id=secrets.token_hex(8),
            tenant=canonical_name(arguments.tenant),
            actor=arguments.actor,
            reason=arguments.reason.strip(),
            name=arguments.file.name,
            options=options,
            dry_run=arguments.dry_run,
            every_tenant=arguments.all_tenants,
        )
        report = _import(Importer(store, parts.hasher_of(settings), parts.CLOCK, brief, file, folder), file)
        refused = _refused_to(arguments) if report.refused else None
        if refused is not None:
            shutil.copyfile(folder / REFUSED, refused)
    print(msgspec.json.encode(report).decode() if arguments.json else in_words(report, refused))
    return EXIT_FAILED if report.refused else 0


def _options_of(arguments: argparse.Namespace) -> Options:
    if arguments.scope is not None and (arguments.stream is not None or arguments.mailing_list is not None):
        raise Invalid(
            "--scope is the scope of every row; --stream and --list say what rows are about, and the policy the scope"
        )
    return Options(
        format=arguments.format,
        cause=None if arguments.cause is None else Cause(arguments.cause),
        scope=None if arguments.scope is None else canonical_scope(arguments.scope),
        stream=None if arguments.stream is None else canonical_name(arguments.stream),
        mailing_list=None if arguments.mailing_list is None else canonical_name(arguments.mailing_list),
        force=arguments.force,
    )


def _import(importer: "Importer", file: Path) -> "Report":
    size_bytes = file.stat().st_size
    with named_as_options(), _bar(size_bytes, "reading", "B") as bar:
        rows = importer.read(lambda read_bytes: _show(bar, read_bytes))
    with _bar(rows, "taking", " rows") as bar:
        for place in importer.take(None, lambda done: _show(bar, done)):
            report = place.report
    importer.end(report)
    return report


def _bar(total: int, what: str, unit: str) -> "tqdm[NoReturn]":
    """How far it is, for a person at a terminal; nothing for a log."""
    from tqdm import tqdm

    return tqdm(total=total, desc=what, unit=unit, unit_scale=True, disable=None, leave=False, file=sys.stderr)


def _show(bar: "tqdm[NoReturn]", done: int) -> None:
    bar.update(done - bar.n)


@contextlib.contextmanager
def _seekable(file: Path, folder: str) -> Iterator[Path]:
    """The file; standard input, or a pipe, is written down first, for it is read twice."""
    if file != _STANDARD_INPUT and not file.is_fifo():
        if not file.is_file():
            raise Invalid(f"there is no file {file}" if not file.exists() else f"{file} is no file")
        yield file
        return
    with tempfile.NamedTemporaryFile(dir=folder) as copy:
        with contextlib.ExitStack() as stack:
            source = sys.stdin.buffer if file == _STANDARD_INPUT else stack.enter_context(file.open("rb"))
            shutil.copyfileobj(source, copy)
        copy.flush()
        yield Path(copy.name)


def _refused_to(arguments: argparse.Namespace) -> Path:
    if arguments.refused is not None:
        chosen: Path = arguments.refused
        return chosen
    name = "import" if arguments.file == _STANDARD_INPUT else arguments.file.name
    folder = Path() if arguments.file == _STANDARD_INPUT else arguments.file.parent
    return folder / f"{name}.refused.csv"
