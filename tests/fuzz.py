"""Looks for mail that breaks reading or deciding, and keeps what it finds in fixtures/hostile.

    .venv/bin/python -m tests.fuzz [--minutes 10] [--seed N] [--patience 1]     (make fuzz)

It starts from every message of fixtures/ and a little of each hostile family, and has a process of its own change and try
them (fuzz_child.py). What that suspects is judged here, by code that nobody watches: it is found if it raises, breaks a
bound, takes more memory than is allowed, or three times out of three more CPU time. The same seed tries the same messages in
the same order for as long as code and fixtures are the same. The exit code is 1 if something was found, 2 if the search broke.
"""

import argparse
import hashlib
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.bounded import CPU_SECONDS_AIM, HOSTILE, cost_of
from tests.hostile import FAMILIES, flood
from tests.readings import MAIL

FOUND, BROKE = 1, 2
NOTES = "PROVENANCE.md"
_FLOOD_BYTES = 2_000
_ROUNDS = 3
_SEED_MAX = 2**31  # libFuzzer's


def main() -> int:
    """Search, judge, keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(_SEED_MAX))
    parser.add_argument("--patience", type=float, default=1, help="how many times the CPU time of the aim a message may take")
    arguments = parser.parse_args()
    print(f"fuzzing for {arguments.minutes:g} minutes with seed {arguments.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="ns-fuzz-") as folder:
        suspects, corpus = Path(folder, "suspects"), Path(folder, "corpus")
        suspects.mkdir()
        corpus.mkdir()
        for number, content in enumerate(beginnings()):
            (corpus / f"{number:04}").write_bytes(content)
        command = [sys.executable, "-m", "tests.fuzz_child", str(suspects), str(corpus)]
        child = subprocess.run([*command, str(arguments.minutes * 60), str(arguments.seed)], check=False)
        judged = [
            (content, trouble_with(content, arguments.patience)) for content in map(Path.read_bytes, sorted(suspects.iterdir()))
        ]
    found = [(content, trouble) for content, trouble in judged if trouble]
    print(f"{len(judged)} suspects, {len(found)} found")
    for content, trouble in found:
        print(f"{keep(content, trouble, arguments.seed, HOSTILE)}: {trouble}")
    if found:
        return FOUND
    return BROKE if child.returncode else 0


def beginnings() -> Iterator[bytes]:
    """The messages that the search begins with."""
    for path in sorted([*MAIL.rglob("*.eml"), *HOSTILE.glob("*.eml")]):
        yield path.read_bytes()
    for name in FAMILIES:
        yield flood(name, _FLOOD_BYTES)


def trouble_with(content: bytes, patience: float) -> str:
    """What is wrong with how this message is read, or nothing."""
    costs = [cost_of(content) for _ in range(_ROUNDS)]
    for cost in costs:
        if cost.trouble:
            return cost.trouble.strip().splitlines()[-1]
    cpu_seconds = min(cost.cpu_seconds for cost in costs)
    if cpu_seconds > patience * CPU_SECONDS_AIM:
        return f"{cpu_seconds * 1000:.0f} ms of CPU time for {len(content)} bytes"
    return ""


def keep(content: bytes, trouble: str, seed: int, folder: Path) -> Path:
    """Lay `content` into `folder` as a fixture, with a line in its notes."""
    path = folder / f"{hashlib.sha256(content).hexdigest()[:16]}.eml"
    path.write_bytes(content)
    with (folder / NOTES).open("a") as notes:
        notes.write(f"| `{path.name}` | {trouble.replace('|', ' ')} | {seed} |\n")
    return path


if __name__ == "__main__":
    sys.exit(main())
