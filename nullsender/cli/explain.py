"""`nullsender explain`: what each message means, what it would do to the list, and why.

The same readers, proofs, rules and policy as the pipeline, without its log. For a person the answer is a page
(`explaining/page.py`), with `--json` one object a line (`explaining/objects.py`). Whatever a file holds, it gets an answer.
"""

import argparse
import io
import json
import shutil
import sys
from collections.abc import Sequence
from datetime import datetime
from ipaddress import ip_address
from pathlib import Path
from typing import BinaryIO, TextIO

import msgspec

from classifiers.rules import ARRIVED, Rules
from ingest.reading.report import Unreadable, read_message
from nullsender import config
from nullsender.cli import parts
from nullsender.cli.explaining.also_found import Contents
from nullsender.cli.explaining.marks import Look
from nullsender.cli.explaining.objects import object_of_file, object_of_unread
from nullsender.cli.explaining.page import Explained, Page, Unread
from nullsender.cli.explaining.ties import Ties, ties_of
from nullsender.cli.explaining.why import Weighed
from nullsender.cli.replaying.against import Judge
from nullsender.config import Settings
from nullsender.errors import Invalid
from nullsender.events import Outcome, Report, Source
from nullsender.limits import MESSAGE_BYTES_MAX, PAGE_COLUMNS_MAX, PAGE_COLUMNS_MIN

EXIT_NO_SUCH_FILE = 2

_DEAD_LETTER = "the MX keeps such a message whole as a dead letter (nullsender dead-letters) and the list stays as it is"
_NO_HEAD = "if this was mail, its head was lost on the way: save the message as it came, not its text"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which files, for whom, and what is known of how they came."""
    parser.add_argument("files", nargs="+", metavar="FILE", help="messages as they came; - is standard input")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("-v", "--verbose", action="store_true", help="everything that is known, and every rule that came near")
    parser.add_argument(
        "--rcpt-to",
        action="append",
        default=[],
        metavar="ADDRESS",
        help="an address that they came to (RCPT TO), which may prove that they are about mail of ours",
    )
    parser.add_argument("--against-list", action="store_true", help="say what would follow for the list as it stands today")
    parser.add_argument("--from-ip", type=_ip, metavar="IP", help="the machine that they came from")


def run(arguments: argparse.Namespace) -> int:
    """Explain the files."""
    settings = parts.settings_of(arguments)
    ties = ties_of(settings, Source(ip=arguments.from_ip or "", rcpt_to=tuple(arguments.rcpt_to)))
    judge = _list_of(settings) if arguments.against_list else None
    page = Page(look_of(sys.stdout), parts.policy_of(settings), ties, judge=judge, verbose=arguments.verbose)
    return explain_files(
        arguments.files,
        Explainer(
            Rules.load(own=settings.classify.rules), ties, now=parts.CLOCK.now(), bytes_max=settings.mx.message_bytes_max
        ),
        None if arguments.json else page,
        standard_input=standard_input(),
        out=sys.stdout,
        errors=sys.stderr,
    )


def standard_input() -> BinaryIO:
    """Standard input, which ends at once where this process was given none."""
    return sys.stdin.buffer if sys.stdin is not None else io.BytesIO()


def _list_of(settings: Settings) -> Judge:
    """The list as it stands; `Invalid` where none was begun, for to open it would be to make it."""
    from nullsender.cli import store_parts  # SQL is loaded for this question alone

    if settings.sqlite_file is not None and not settings.sqlite_file.exists():
        raise Invalid(f"there is no list in {settings.data} yet (--data DIR says where it is)")
    return store_parts.open_store(settings)


def look_of(out: TextIO) -> Look:
    """How a page may look on `out`: colour only on a terminal whose owner wants it."""
    columns = shutil.get_terminal_size((PAGE_COLUMNS_MAX, 0)).columns
    return Look(
        columns=min(max(columns, PAGE_COLUMNS_MIN), PAGE_COLUMNS_MAX),
        colour=out.isatty() and config.wants_colour(),
    )


class Explainer:
    """Reads and decides messages as the pipeline does."""

    def __init__(self, rules: Rules, ties: Ties, *, now: datetime, bytes_max: int = MESSAGE_BYTES_MAX) -> None:
        self._rules = rules
        self._ties = ties
        self._now = now
        self.bytes_max = bytes_max  # a larger file is not read

    def explain(self, content: bytes) -> Explained | Unread:
        """What `content` is, and what is decided of each report that something came of; any bytes give an answer."""
        if len(content) > self.bytes_max:
            reason = f"not read: larger than {self.bytes_max} bytes, which the MX would not take either"
            return Unread(reason, then="raise the setting mx.message_bytes_max if mail of that size shall be read")
        # Nobody told the reverse-path, and a reader takes a machine without one for the null sender.
        source = msgspec.structs.replace(self._ties.source, ip="")
        reading = read_message(content, source=source, received_at=self._now)
        contents = Contents(content)
        if isinstance(reading, Unreadable):
            found = contents.summary()
            remarks = [*contents.remarks(), *([] if found else [_NO_HEAD])]
            return Unread(reading.reason, found, "; ".join(remarks), _DEAD_LETTER)
        reports = self._ties.prove(reading, self._now)
        weighed = [self._weighed(report) for report in reports if report.action not in ARRIVED]
        return Explained(reading.kind, reading.format, reports, weighed, contents)

    def _weighed(self, report: Report) -> Weighed:
        weighing = self._rules.weigh(report)
        return Weighed(Outcome(report=report, decision=weighing.decision, decided_at=self._now), weighing)


def explain_files(
    paths: Sequence[str], explainer: Explainer, page: Page | None, *, standard_input: BinaryIO, out: TextIO, errors: TextIO
) -> int:
    """Say of each file what it is, what it would do and why: on `page`, or without one as JSON. The answer is the exit code.

    `-` is standard input. 0: every file could be opened (also where no mail is in it); 2: one is missing, a folder or not ours
    to read, the others have been answered all the same.
    """
    code = 0
    for path in paths:
        listener = out
        try:
            answer = explainer.explain(_content(path, standard_input, explainer.bytes_max))
        except OSError as error:
            code = EXIT_NO_SUCH_FILE
            answer = Unread(error.strerror or "it can not be read")
            listener = errors if page else out
        print(_as_line(path, answer) if page is None else "\n".join(_on_page(path, answer, page)), file=listener)
    return code


def _content(path: str, standard_input: BinaryIO, bytes_max: int) -> bytes:
    if path == "-":
        return standard_input.read(bytes_max + 1)
    with Path(path).open("rb") as file:
        return file.read(bytes_max + 1)


def _as_line(path: str, answer: Explained | Unread) -> str:
    if isinstance(answer, Unread):
        return json.dumps(object_of_unread(path, answer.reason))
    return json.dumps(object_of_file(path, answer.kind, (weighed.outcome for weighed in answer.weighed)))


def _on_page(path: str, answer: Explained | Unread, page: Page) -> Sequence[str]:
    if isinstance(answer, Unread):
        return list(page.unread(path, answer))
    return list(page.explained(path, answer))


def _ip(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no IP address") from None
