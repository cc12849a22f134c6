"""A minute of fuzzing at every run of the tests, and that the fuzzer finds what there is to find."""

import subprocess
import sys
from pathlib import Path
from random import Random

from tests.bounded import HOSTILE
from tests.fuzz import NOTES, beginnings, keep
from tests.mutations import changed

ROOT = Path(__file__).resolve().parents[1]
# On a machine that does other things too CPU time is several times longer; what is quadratic is slower than that.
PATIENCE = 5


def test_a_minute_of_fuzzing_finds_nothing() -> None:
    """What it finds it leaves in fixtures/hostile; the seed in its output tries the same messages again."""
    command = [sys.executable, "-m", "tests.fuzz", "--minutes", "1", "--patience", str(PATIENCE)]
    told = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)

    assert told.returncode == 0, told.stdout + told.stderr[-3_000:]
    assert "messages tried" in told.stdout


def test_a_seed_makes_the_same_message_again() -> None:
    known = list(beginnings())[:20]
    made = [[changed(Random(seed), known[0], known) for seed in range(200)] for _ in range(2)]

    assert made[0] == made[1]
    assert len(set(made[0])) > 150


def test_what_takes_too_long_is_found() -> None:
    """With no patience at all, anything takes too long."""
    command = [sys.executable, "-c", "from tests.fuzz import trouble_with as t; print(t(b'A: b', 1), t(b'A: b', 0))"]
    told = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout

    assert told.startswith(" ")
    assert told.endswith("ms of CPU time for 4 bytes\n")


def test_what_is_found_is_kept_with_a_note(tmp_path: Path) -> None:
    path = keep(b"Subject: x\n", "an assertion | that failed", 7, tmp_path)

    assert path.read_bytes() == b"Subject: x\n"
    assert (tmp_path / NOTES).read_text() == f"| `{path.name}` | an assertion   that failed | 7 |\n"


def test_every_message_that_was_found_has_a_note() -> None:
    notes = (HOSTILE / NOTES).read_text()

    assert not [path.name for path in HOSTILE.glob("*.eml") if f"| `{path.name}` |" not in notes]
