"""`nullsender scrub`: of a list of addresses those that may be sent to, without a server."""

import argparse
import contextlib
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import IO, TYPE_CHECKING, NoReturn

from api.view import view_of
from nullsender.cli import lookup_parts, parts
from nullsender.cli.scrubbing.uncollected import uncollected
from nullsender.errors import Invalid

if TYPE_CHECKING:
    from tqdm import tqdm

    from api.batch.scrubbing import Scrub
    from nullsender.cli.scrubbing.results import Results


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which lists, for which mail, and where to."""
    parser.add_argument(
        "files",
        metavar="FILE",
        type=Path,
        nargs="*",
        default=[Path("-")],
        help="lists, one address a line; - is standard input",
    )
    parser.add_argument(
        "--stream",
        metavar="VIEW",
        default="*",
        help="the mail: STREAM, TENANT/STREAM or TENANT/* (default: on no stream, then only entries of scope * count)",
    )
    parser.add_argument("--output", metavar="FILE", type=Path, help="where the allowed lines go (default: standard output)")
    parser.add_argument("--suppressed", metavar="FILE", type=Path, help="where the suppressed lines go, with cause and scope")
    parser.add_argument("--invalid", metavar="FILE", type=Path, help="where lines go that are no address, with the reason")
    parser.add_argument("--ndjson", action="store_true", help="a line is JSON: a text, or an object with an address")
    parser.add_argument("--column", metavar="NAME", help="the lists are CSV, and this column holds the addresses (slower)")


def run(arguments: argparse.Namespace) -> int:
    """Scrub them, in their order."""
    view = view_of(arguments.stream)
    if arguments.column is not None and arguments.ndjson:
        raise Invalid("a list is CSV (--column) or NDJSON (--ndjson), not both")
    from nullsender.cli.scrubbing.files import opened_list, opened_result, require_different
    from nullsender.cli.scrubbing.late_store import LateStore

    settings = parts.settings_of(arguments)
    results_at = (arguments.output, arguments.suppressed, arguments.invalid)
    require_different(results_at)
    _look_at(arguments.files, arguments.column)
    store = LateStore(settings)
    # What is compiled is loaded late: neither `--help` nor a mistake needs any of it.
    with uncollected():
        from api.batch.asking import Batch
        from api.batch.scrubbing import Form, Scrub
        from nullsender.cli.scrubbing.following import kept_up
        from nullsender.cli.scrubbing.results import Results, in_words

        lookup = lookup_parts.lookup_of(settings, store)
        batch = Batch(lookup)
    with contextlib.ExitStack() as stack:
        stack.enter_context(_ending_tidily())
        output, suppressed, invalid = (stack.enter_context(opened_result(path)) for path in results_at)
        table = stack.enter_context(kept_up(settings, store, parts.CLOCK))
        table.begin(lookup)
        results = Results(output or sys.stdout.buffer, suppressed, invalid, arguments.column is not None)
        work = Scrub(batch, view, Form.NDJSON if arguments.ndjson else Form.TEXT)
        bar = stack.enter_context(_bar(arguments.files))
        names: list[str] = []
        for path in arguments.files:
            with opened_list(path) as file:
                for read_bytes in _steps(work, file, arguments.column, results, names):
                    if waiting := list(work.batch.waiting.values()):
                        work.tell(lookup.verdicts_of(view, waiting))
                    results.take(work)
                    table.keep_up()
                    bar.update(read_bytes)
    print(in_words(work.summary()), file=sys.stderr)
    return 0


def _look_at(paths: Sequence[Path], column: str | None) -> None:
    """`Invalid` where a list can not be read or lacks the column: told before anything takes its time."""
    from nullsender.cli.scrubbing.files import can_be_read_twice, opened_list

    for path in filter(can_be_read_twice, paths):
        with opened_list(path) as file:
            if column is not None:
                from nullsender.cli.scrubbing.records import Table

                Table(file, column)


@contextlib.contextmanager
def _ending_tidily() -> Iterator[None]:
    """Whoever ends the command (SIGTERM) ends it as Ctrl-C does: half a result is taken away."""

    def end(number: int, _frame: FrameType | None) -> NoReturn:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _steps(work: "Scrub", file: IO[bytes], column: str | None, results: "Results", names: list[str]) -> Iterator[int]:
    """Look up what stands in the file, step by step; how many bytes were read for each. `names`: the columns of the first."""
    from nullsender.cli.scrubbing.files import pieces_of
    from nullsender.cli.scrubbing.records import Table

    if column is None:
        work.begin()
        for piece in pieces_of(file):
            work.put(piece)
            read_bytes = len(piece)
            while work.step():
                yield read_bytes
                read_bytes = 0
        work.finish()
        while work.step():
            yield 0
        return
    table = Table(file, column)
    if not names:
        results.head(table.header)
        names.extend(table.names)
    elif names != table.names:
        raise Invalid(
            "the lists name different columns in their first lines, and one result can not have both: scrub them alone"
        )
    for part in table.parts():
        work.step_of(part.records, part.addresses)
        yield part.read_bytes


def _bar(paths: Sequence[Path]) -> "tqdm[NoReturn]":
    """How far it is, for a person at a terminal; nothing for a log."""
    from tqdm import tqdm

    from nullsender.cli.scrubbing.files import size_bytes_of

    total = size_bytes_of(paths)
    return tqdm(total=total, desc="scrubbing", unit="B", unit_scale=True, disable=None, leave=False, file=sys.stderr)
