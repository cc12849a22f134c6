"""A process of its own that applies outcomes until it is killed or done, as the tests of `test_store_together.py` start it.

    python -m tests.store_child URL OUTCOMES BATCH

OUTCOMES is a file with one outcome a line. It goes on where the store says that it had come to.
"""

import itertools
import sys
from pathlib import Path

from nullsender.clock import SystemClock
from nullsender.events import Outcome, decode
from nullsender.log import Partition, Position, Topic
from suppression.engine import open_engine
from tests.store_fixtures import store_on

PLACE = Partition(Topic.OUTCOMES, 0)


def main(url: str, file: str, batch: str) -> None:
    """Apply everything; a line on standard output for every batch."""
    store = store_on(open_engine(url), SystemClock())
    outcomes = [decode(Outcome, line) for line in Path(file).read_bytes().splitlines()]
    for start in itertools.count(store.positions("suppress").get(PLACE, Position(0, b"")).next_offset, int(batch)):
        chosen = outcomes[start : start + int(batch)]
        if not chosen:
            break
        store.apply(chosen, group="suppress", positions={PLACE: Position(start + len(chosen), b"mark")})
        print(start, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
