"""How well mail is understood: what the corpus' own `score.py` says of our answers, beside what we aim at."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

#: The columns of the corpus that have an aim: a share in percent at least, or a number at most.
AIMS: Mapping[str, str] = {
    "bounces found": "99 %",
    "recipients exact": "98.5 %",
    "hard/soft: address": "98.5 %",
    "false hard": "0",
    "permanent/temporary": "95 %",
    "complaints found": "100 %",
    "non-bounces left alone": "100 %",
    "non-bounces made hard": "0",
    "no answer": "0",
}
_NULLSENDER = [sys.executable, "-m", "nullsender.cli"]


def print_scores(corpus: Path, *, misses: bool) -> None:
    """Print how messages and replies are understood; with `misses` also each one that is not."""
    messages = [str(path) for path in sorted(corpus.glob("*/messages/*.eml"))]
    answers = _output([*_NULLSENDER, "explain", "--json", *messages])
    show = ["--misses"] if misses else []
    lines = _score(corpus, "messages", *show, given=answers).splitlines()
    table = [line for line in lines if line.startswith("| ")]
    print("\n".join(line for line in lines if not line.startswith("|")), end="\n" if misses else "")
    print(f"| all {len(table) - 2} sets | here | | aim |\n| --- | --- | --- | --- |")
    for title, cell in zip(_cells(table[0])[1:], _cells(table[-1])[1:], strict=True):
        print(f"| {title} | {cell} | {_percent(cell)} | {AIMS.get(title, '')} |")
    decided = _output([*_NULLSENDER, "reply", "--json"], given=_score(corpus, "replies", "--texts"))
    print(f"\n{_score(corpus, 'replies', *show, given=decided)}", end="")


def _score(corpus: Path, *arguments: str, given: str = "") -> str:
    return _output([sys.executable, str(corpus / "score.py"), *arguments], given=given)


def _output(command: list[str], given: str = "") -> str:
    return subprocess.run(command, input=given, capture_output=True, text=True, check=True).stdout


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def _percent(cell: str) -> str:
    part, _, whole = cell.partition("/")
    return f"{int(part) / int(whole):.1%}" if whole else ""
