"""What a megabyte of hostile mail costs: each family of tests/hostile.py, dearest first.

    .venv/bin/python -m bench.hostile [--rounds 3] [--all]

The aim is 100 ms and 64 MB for a megabyte of anything. Each is read, decided and written as its outcome by a process of its
own, a copy of one that has read a message before. Time is that process' CPU time, the fastest round; memory is how far it grew
(the kernel's ru_maxrss), the worst round.
"""

import argparse
import gc

from tests.bounded import CPU_SECONDS_AIM, MEMORY_BYTES_MAX, cost_of, read_and_decide
from tests.hostile import FAMILIES, MEGABYTE, flood

SHOWN = 15


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--all", action="store_true", help=f"every family, not the {SHOWN} dearest alone")
    arguments = parser.parse_args()
    read_and_decide(flood("recipients"))  # what is made at the first message is made
    gc.collect()
    gc.freeze()  # as the roles do (nullsender/cli/running/role.py)
    measured = []
    for name in FAMILIES:
        costs = [cost_of(flood(name)) for _ in range(arguments.rounds)]
        trouble = next((cost.trouble for cost in costs if cost.trouble), "")
        measured.append((min(cost.cpu_seconds for cost in costs), max(cost.memory_bytes for cost in costs), name, trouble))
    measured.sort(reverse=True)
    past = sum(seconds > CPU_SECONDS_AIM or size > MEMORY_BYTES_MAX or bool(trouble) for seconds, size, _, trouble in measured)
    print(f"{len(measured)} families of hostile mail, a megabyte of each; past the aim: {past}\n")
    print("| family | CPU ms (aim: 100) | MB (aim: 64) | trouble |\n| --- | --- | --- | --- |")
    for seconds, size, name, trouble in measured[: None if arguments.all else SHOWN]:
        print(f"| {name} | {seconds * 1e3:.0f} | {size / MEGABYTE:.0f} | {trouble.strip().rpartition(chr(10))[2]} |")
    print(f"\nMost memory: {max(size for _, size, _, _ in measured) / MEGABYTE:.0f} MB")


if __name__ == "__main__":
    main()
