"""`nullsender explain` and `nullsender reply`: what a message or an SMTP reply means, what it would do, and why.

The same readers and rules as the pipeline, without its log and list. For a person the answer is a few plain sentences; with
`--json` it is one object a line (the fields stand in README.md and stay as they are). Whatever a file holds, it gets an answer.
Words of strangers are shown without their control characters: a bounce must not write to somebody's terminal.
"""

import argparse
import io
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, TextIO

import msgspec

from classifiers.outcome import MEANINGS, Category
from classifiers.rules import ARRIVED, Rules
from ingest.reading.report import Reading, Unreadable, read_message
from nullsender.cli import parts
from nullsender.events import Decision, DerivedFrom, Fault, Kind, Report, Result, Source
from nullsender.limits import MESSAGE_BYTES_MAX, SHOWN_CHARACTERS_MAX

EXIT_FAILED = 1
EXIT_NO_SUCH_FILE = 2

_KINDS = {
    Kind.BOUNCE: "a bounce",
    Kind.COMPLAINT: "a complaint",
    Kind.UNSUBSCRIBE: "an unsubscribe",
    Kind.AUTO_REPLY: "an automatic reply",
    Kind.OTHER: "no report about mail of ours",
}

_FOUND = {
    DerivedFrom.RETURN_PATH: "our signed return path",
    DerivedFrom.TOKEN: "our token in the returned message",
    DerivedFrom.SENDER_TRACE: "a field of the sender's MTA in the returned message",
    DerivedFrom.ORIGINAL_RECIPIENT: "Original-Recipient",
    DerivedFrom.ORIGINAL_RCPT_TO: "Original-Rcpt-To",
    DerivedFrom.REPORT_JSON: "the JSON of the report",
    DerivedFrom.REMOVAL_RECIPIENT: "Removal-Recipient",
    DerivedFrom.DELIVERED_TO: "a header that says to whom it was delivered",
    DerivedFrom.FAILED_RECIPIENTS: "X-Failed-Recipients",
    DerivedFrom.FINAL_RECIPIENT: "Final-Recipient",
    DerivedFrom.ORIGINAL_TO: "the To of the returned message",
    DerivedFrom.TEXT: "the words of the notice",
    DerivedFrom.SENDER: "the From of the message",
    DerivedFrom.NOWHERE: "nowhere",
}
assert _KINDS.keys() == set(Kind)
assert _FOUND.keys() == set(DerivedFrom)


class _ReplyLine(msgspec.Struct, frozen=True):
    """One line on the standard input of `nullsender reply`."""

    text: str
    status: str | None = None
    reply_code: int | str | None = None
    provider: str | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which files, for whom."""
    parser.add_argument("files", nargs="+", metavar="FILE", help="messages as they came; - is standard input")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def run(arguments: argparse.Namespace) -> int:
    """Explain the files."""
    return explain_files(
        arguments.files,
        as_json=arguments.json,
        rules=Rules.load(),
        now=parts.CLOCK.now(),
        standard_input=standard_input(),
        bytes_max=parts.settings_of(arguments).mx.message_bytes_max,
        out=sys.stdout,
        errors=sys.stderr,
    )


def standard_input() -> BinaryIO:
    """Standard input, which ends at once where this process was given none."""
    return sys.stdin.buffer if sys.stdin is not None else io.BytesIO()


def explain_files(
    paths: Sequence[str],
    *,
    as_json: bool,
    rules: Rules,
    now: datetime,
    standard_input: BinaryIO,
    out: TextIO,
    errors: TextIO,
    bytes_max: int = MESSAGE_BYTES_MAX,
) -> int:
    """Say of each file what it is, what it would do and why; `-` is standard input. The answer is the exit code.

    A file of more than `bytes_max` is not read.

    0: every file could be opened (also where no mail is in it); 2: one is missing, a folder or not ours to read, the others
    have been answered all the same.
    """
    code = 0
    for path in paths:
        listener = out
        try:
            answer = _read(_content(path, standard_input, bytes_max), now, bytes_max)
        except OSError as error:
            code = EXIT_NO_SUCH_FILE
            answer = Unreadable(error.strerror or "it can not be read")
            listener = out if as_json else errors
        say = _as_line(path, answer, rules) if as_json else "\n".join(_sentences(path, answer, rules)) + "\n"
        print(say, file=listener)
    return code


def reply_lines(lines: Iterable[bytes], *, as_json: bool, rules: Rules, out: TextIO) -> int:
    """Decide SMTP replies, one a line: a JSON object with `text`, `status`?, `reply_code`?, `provider`?, or bare words.

    With `as_json` the same object comes back with outcome, permanent, fault, category and rule; a line that is no such object
    comes back with `error`. Exit code 0, or 1 if there was one of these.
    """
    code = 0
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            reply = _reply_line(line, bare_words=not as_json)
        except (ValueError, msgspec.MsgspecError) as error:
            code = EXIT_FAILED
            complaint = f"line {number} is no reply: {error}"
            print(json.dumps({"error": complaint}) if as_json else complaint, file=out)
            continue
        decision = rules.decide_reply(reply.text, reply.status, _code(reply.reply_code), reply.provider)
        if as_json:
            given = {key: value for key, value in msgspec.to_builtins(reply).items() if value is not None}
            print(json.dumps(given | _decided(decision)), file=out)
        else:
            print("\n".join([_shown(reply.text), *_why(decision)]), end="\n\n", file=out)
    return code


def _content(path: str, standard_input: BinaryIO, bytes_max: int) -> bytes:
    if path == "-":
        return standard_input.read(bytes_max + 1)
    with Path(path).open("rb") as file:
        return file.read(bytes_max + 1)


def _read(content: bytes, now: datetime, bytes_max: int) -> Reading | Unreadable:
    if len(content) > bytes_max:
        return Unreadable(f"not read: larger than {bytes_max} bytes, which the MX would not take either")
    return read_message(content, source=Source(), received_at=now)


def _reply_line(line: bytes, *, bare_words: bool) -> _ReplyLine:
    """The reply on one line; `ValueError` or msgspec's own error says what is wrong with it."""
    if bare_words and not line.lstrip().startswith(b"{"):
        return _ReplyLine(text=line.decode("utf-8", "replace").strip())
    reply = msgspec.json.decode(line, type=_ReplyLine)
    _code(reply.reply_code)
    return reply


def _code(reply_code: int | str | None) -> int | None:
    """The reply code as a number; some write it as text."""
    if reply_code in (None, ""):
        return None
    if not str(reply_code).strip().isdecimal():
        raise ValueError(f"its reply_code {reply_code!r} is not a number")
    return int(reply_code)


# --- for programs ------------------------------------------------------------------------------------------------------


def _as_line(path: str, answer: Reading | Unreadable, rules: Rules) -> str:
    if isinstance(answer, Unreadable):
        return json.dumps({"file": path, "kind": Kind.OTHER, "reports": [], "error": answer.reason})
    reports = [_report_object(report, rules.decide(report)) for report in _reported(answer)]
    return json.dumps({"file": path, "kind": answer.kind, "reports": reports})


def _report_object(report: Report, decision: Decision) -> dict[str, object]:
    """The fields in the order in which the README shows them."""
    decided = _decided(decision)
    return {
        "recipient": report.recipient,
        "action": report.action,
        **{key: decided[key] for key in ("outcome", "permanent", "fault", "category")},
        "status": report.status,
        "reply_code": report.reply_code,
        "diagnostic": report.diagnostic,
        "remote_mta": report.remote_mta,
        "feedback_type": report.feedback_type,
        "rule": decided["rule"],
    }


def _decided(decision: Decision) -> dict[str, object]:
    return {
        "outcome": decision.outcome,
        "permanent": decision.permanent,
        "fault": decision.fault,
        "category": decision.category,
        "rule": decision.rule,
    }


def _reported(reading: Reading) -> Iterator[Report]:
    """The reports that something came of: who got the mail after all is not shown."""
    return (report for report in reading.reports if report.action not in ARRIVED)


# --- for people --------------------------------------------------------------------------------------------------------


def _sentences(path: str, reading: Reading | Unreadable, rules: Rules) -> Iterator[str]:
    if isinstance(reading, Unreadable):
        yield f"{_shown(path)}: {_shown(reading.reason)}."
        return
    yield f"{_shown(path)}: {_KINDS[reading.kind]} (read as {reading.format})."
    for report in _reported(reading):
        yield f"  {_shown(report.recipient or 'a recipient that it does not name')} (from {_FOUND[report.derived_from]})"
        for sentence in _why(rules.decide(report)):
            yield f"  {sentence}"
        if report.diagnostic:
            said_by = f"{_shown(report.remote_mta)} said" if report.remote_mta else "It says"
            yield f"    {said_by}: {_shown(report.diagnostic)}"
        for note in report.notes:
            yield f"    Note: {_shown(note)}"


def _why(decision: Decision) -> Iterator[str]:
    category = Category(decision.category)
    yield f"  {decision.outcome}, {category}: {MEANINGS[category].line}"
    yield f"  {_what_it_would_do(decision)}"
    if decision.permanent is not None:
        yield "  This delivery has failed for good." if decision.permanent else "  The same mail may arrive later."
    by_what = f', by "{_shown(decision.words)}"' if decision.words else ""
    yield f"  Rule: {decision.rule}{by_what}."


def _what_it_would_do(decision: Decision) -> str:
    match decision.outcome:
        case Result.HARD:
            return "The address would go on the list at once: in full if the report proves itself, else for some days."
        case Result.COMPLAINT:
            return "The address would go on the list at once, for all mail, if the report proves itself; else for some days."
        case Result.UNSUBSCRIBE:
            return "The address would get no more of this mail: for good if the report proves itself, else for some days."
        case Result.SOFT if decision.fault is Fault.RECIPIENT:
            return "It would be counted; only several of these within a few weeks put the address on the list."
        case Result.SOFT if decision.fault is None:
            return "The list would stay as it is: nobody knows whose fault this is."
        case Result.SOFT:
            return "The list would stay as it is: this is not the recipient's fault."
        case _:
            return "The list would stay as it is."


def _shown(text: str) -> str:
    """The words of a stranger, fit for a terminal: no control characters, no half characters, not endless."""
    clean = "".join(c if c.isprintable() else " " for c in text[: SHOWN_CHARACTERS_MAX + 1])
    return clean if len(clean) <= SHOWN_CHARACTERS_MAX else f"{clean[:SHOWN_CHARACTERS_MAX]}…"
