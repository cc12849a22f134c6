"""How well and how quickly mail is understood, beside Sisimai and flufl.bounce on the same messages.

    .venv/bin/python -m bench.reading [CORPUS] [--rounds 9] [--misses]     (make bench-reading CORPUS=FOLDER)

CORPUS is a folder of labelled mail (`<set>/messages/*.eml`, `replies/*.jsonl`, and a `score.py` that scores what `explain` and
`reply` print), or the variable NULLSENDER_CORPUS names it. Without one the messages are those of fixtures/mail, and nothing is
scored.

Speed is CPU time, on one core that all three share, by turns, pass after pass over messages that are in memory; starting up is
not counted. Each first goes through fixtures/mail, so that the column `first pass` is a warm program's first sight of these
messages: what one remembers from one pass to the next can not help it there. The other columns are of the passes after it.
`busy` is how much of the elapsed time its CPU time was: far below 100 % the machine had other things to do, which makes CPU
time longer too, for all three.
"""

import argparse
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from shutil import which
from statistics import median
from typing import NamedTuple

import hyperscan

from bench._readers import FLUFL, OURS, SISIMAI, Pass, Reader, a_core, our_reader
from bench._scores import print_scores
from classifiers.rulebook import Rulebook, read_rulebook
from classifiers.rules import Rules

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
SLOWEST_SHOWN = 10
SLOWEST_SECONDS_AIM = 5e-3
REPLY_SECONDS_AIM = 5e-6
RATIO_AIM = 10
_WARM_UP, _MEASURED = 0, 1


class AReply(NamedTuple):
    """A reply as the `replies` of a corpus have it."""

    text: str
    status: str | None
    reply_code: int | None
    provider: str | None


def main() -> None:
    """Score, then time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", nargs="?", type=Path, default=os.environ.get("NULLSENDER_CORPUS") or None)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--misses", action="store_true", help="print what is scored as wrong")
    arguments = parser.parse_args()
    corpus = Path(arguments.corpus) if arguments.corpus else None
    if corpus is None:
        print("No CORPUS is named: this times the messages of fixtures/mail, and scores nothing.")
    elif (corpus / "score.py").exists():
        print_scores(corpus, misses=arguments.misses)
    messages = sorted((corpus or FIXTURES / "mail").rglob("*.eml"))
    average_bytes = sum(path.stat().st_size for path in messages) / len(messages)
    print(f"\n{len(messages)} messages, {average_bytes / 1000:.1f} KB on average")
    compare(messages, arguments.rounds)
    os.sched_setaffinity(0, {a_core()})
    time_messages(messages, arguments.rounds)
    time_replies(sorted(((corpus or FIXTURES) / "replies").glob("*.jsonl")), arguments.rounds)


# --- beside others ---


def compare(messages: Sequence[Path], rounds: int) -> None:
    """Print how quickly each reader goes through the messages."""
    names = [name for name in (OURS, SISIMAI, FLUFL) if name != SISIMAI or _has_sisimai()]
    with tempfile.TemporaryDirectory(prefix="ns-bench-") as folder, ExitStack() as stack:
        lists = [_listed(sorted((FIXTURES / "mail").rglob("*.eml")), Path(folder, "0")), _listed(messages, Path(folder, "1"))]
        readers = [stack.enter_context(Reader(name, a_core(), lists)) for name in names]
        for reader in readers:
            reader.read(_WARM_UP)
        first = {reader.name: reader.read(_MEASURED) for reader in readers}
        passes: dict[str, list[Pass]] = {name: [] for name in names}
        for _ in range(rounds):
            for reader in readers:
                passes[reader.name].append(reader.read(_MEASURED))
    titles = ["messages/s", "slowest to fastest round", "first pass", "a message", "gave a result", "busy", "ours is faster"]
    print(f"\n| one core, {rounds} rounds by turns, CPU time | {' | '.join(titles)} |\n|{' --- |' * (len(titles) + 1)}")
    for name in names:
        _print_row(name, len(messages), first[name], passes[name], passes[OURS])


def _print_row(name: str, count: int, first: Pass, passes: Sequence[Pass], ours: Sequence[Pass]) -> None:
    seconds = sorted(each.cpu_seconds for each in passes)
    rates = [count / each for each in seconds]
    busy = sum(seconds) / sum(each.elapsed_seconds for each in passes)
    # By turns, so each round of ours is held against the round of the other that was next to it.
    ratio = median(each.cpu_seconds / own.cpu_seconds for each, own in zip(passes, ours, strict=True))
    faster = "" if name == OURS else f"{ratio:.1f} times" + (f" (aim {RATIO_AIM})" if name == SISIMAI else "")
    print(
        f"| {name} | {median(rates):,.0f} | {rates[-1]:,.0f} to {rates[0]:,.0f} | {count / first.cpu_seconds:,.0f} "
        f"| {median(seconds) / count * 1e6:,.0f} µs | {first.found} | {busy:.0%} | {faster} |"
    )


def _has_sisimai() -> bool:
    if which("perl") and subprocess.run(["perl", "-MSisimai", "-e1"], capture_output=True, check=False).returncode == 0:
        return True
    print("Sisimai is not here (Debian's libsisimai-perl; make bench-reading installs it), so it is left out.")
    return False


def _listed(messages: Sequence[Path], path: Path) -> Path:
    path.write_text("".join(f"{message.resolve()}\n" for message in messages))
    return path


# --- each message ---


def time_messages(messages: Sequence[Path], rounds: int) -> None:
    """Print what our own messages cost one by one, and which cost most."""
    read = our_reader()
    contents = [path.read_bytes() for path in messages]
    seconds = [median(column) for column in zip(*(_each(read, contents) for _ in range(rounds)), strict=True)]
    ranked = sorted(zip(seconds, messages, strict=True), reverse=True)
    p50, p99 = (sorted(seconds)[int(len(seconds) * quantile)] * 1e6 for quantile in (0.5, 0.99))
    print(f"\nA message of ours: median {p50:,.0f} µs, p99 {p99:,.0f} µs (elapsed time, the median of {rounds} each)")
    print(f"\n| slowest (aim: under {SLOWEST_SECONDS_AIM * 1e3:.0f} ms) | ms | KB |\n| --- | --- | --- |")
    for taken, path in ranked[:SLOWEST_SHOWN]:
        print(f"| {'/'.join(path.parts[-3:])} | {taken * 1e3:.2f} | {path.stat().st_size / 1000:.1f} |")


def _each(read: Callable[[bytes], bool], contents: Sequence[bytes]) -> list[float]:
    taken = []
    for content in contents:
        began = time.perf_counter()
        read(content)
        taken.append(time.perf_counter() - began)
    return taken


# --- replies ---


def time_replies(files: Sequence[Path], rounds: int) -> None:
    """Print what a reply costs, and what its scan alone costs, which is the least that it can."""
    replies = _replies(files)
    if not replies:
        return
    rules = Rules.load()
    for reply in _replies(sorted((FIXTURES / "replies").glob("*.jsonl"))):
        rules.decide_reply(*reply)
    database = _database(read_rulebook())
    scratch = hyperscan.Scratch(database)
    folded = [reply.text.lower().encode() for reply in replies]

    def decide_all() -> None:
        for reply in replies:
            rules.decide_reply(*reply)

    def scan_all() -> None:
        for text in folded:
            database.scan(text, match_event_handler=_nothing, scratch=scratch)

    first_seconds = _cpu_seconds(decide_all)
    deciding, scanning = zip(*((_cpu_seconds(decide_all), _cpu_seconds(scan_all)) for _ in range(rounds)), strict=True)
    each = [seconds / len(replies) * 1e6 for seconds in (first_seconds, median(deciding), min(deciding), median(scanning))]
    length = sum(map(len, folded)) / len(folded)
    print(f"\n| {len(replies)} distinct replies of {length:.0f} bytes, CPU time | µs a reply |\n| --- | --- |")
    print(f"| decided, first pass | {each[0]:.1f} |\n| decided, median of {rounds} passes | {each[1]:.1f} |")
    print(f"| decided, fastest pass (aim: under {REPLY_SECONDS_AIM * 1e6:.0f}) | {each[2]:.1f} |")
    print(f"| Hyperscan alone over the same texts | {each[3]:.1f} |")


def _replies(files: Sequence[Path]) -> list[AReply]:
    rows = [json.loads(line) for path in files for line in path.read_text().splitlines() if line.strip()]
    return list(dict.fromkeys(_a_reply(row) for row in rows))


def _a_reply(row: dict[str, str]) -> AReply:
    code = row.get("reply_code")
    return AReply(row["text"], row.get("status"), int(code) if code else None, row.get("provider"))


def _database(book: Rulebook) -> hyperscan.Database:
    texts = [text for rule in book.rules for text in (*rule.texts, *rule.unless)]
    texts += [text for phase in book.signs.phases.values() for text in phase]
    texts += [text for provider in book.signs.providers.values() for text in provider.texts]
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    flags = [hyperscan.HS_FLAG_SINGLEMATCH] * len(texts)
    database.compile(expressions=[text.encode() for text in texts], ids=list(range(len(texts))), flags=flags)
    return database


def _nothing(_number: int, _start: int, _end: int, _flags: int, _context: object) -> None:
    pass


def _cpu_seconds(work: Callable[[], None]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


if __name__ == "__main__":
    main()
