"""A process of its own that consumes bounces and complaints and dies of some of them, as `test_in_hand.py` starts it.

    python -m tests.consume_child LOG_FOLDER NOTES_FOLDER AWAY

It prints every value that it dealt with, one a line, and ends by itself when there is nothing left. A batch with a value that
begins with `poison` kills it before anything of the batch is done; with `slow-poison` it first gives the other loop time to
have something in hand too. While there is a file AWAY it says `waiting` and waits, as for a store that does not answer.
"""

import os
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from nullsender.clock import FakeClock, SystemClock
from nullsender.consume import ConsumeLoop
from nullsender.in_hand import InHandFiles
from nullsender.log import Partition, StoredRecord, Topic
from nullsender.log_embedded import EmbeddedLog
from tests.waiting import wait_for

GROUP = "stage"
TOPICS = (Topic.BOUNCES, Topic.COMPLAINTS)


class DeadlyStage:
    """Says what it did, unless something kills it. Its loops take turns, as at the store."""

    def __init__(self, away: Path) -> None:
        self._away = away
        self._turn = threading.Lock()
        self._another_waits = threading.Event()

    def handle(self, batch: Sequence[StoredRecord], next_offsets: Mapping[Partition, int]) -> None:
        """As a parser that takes the process with it would do."""
        if self._turn.locked():
            self._another_waits.set()
        with self._turn:
            values = [record.value.decode() for record in batch]
            if any(value.startswith("slow-poison") for value in values):
                self._another_waits.wait(0.3)
            if any(value.startswith(("poison", "slow-poison")) for value in values):
                os.kill(os.getpid(), signal.SIGKILL)
            if self._away.exists():
                print("waiting", flush=True)
                wait_for(lambda: not self._away.exists(), what="the store", seconds=60)
            for value in values:
                print(value, flush=True)

    def pass_over(self, record: StoredRecord) -> None:
        """It keeps no offsets."""


def main(log_folder: str, notes_folder: str, away: str) -> None:
    """Consume until nothing is left, by a clock that needs no time for waiting."""
    in_hand = InHandFiles(Path(notes_folder), GROUP)
    stage = DeadlyStage(Path(away))
    clock = FakeClock()
    stop = threading.Event()

    def run(topic: Topic) -> None:
        with log.consumer(GROUP, [topic]) as consumer, log.producer() as producer:
            ConsumeLoop(
                GROUP,
                consumer=consumer,
                handler=stage,
                dead_letters=producer,
                clock=clock,
                stopping=stop.is_set,
                in_hand=in_hand,
            ).run()

    with EmbeddedLog(Path(log_folder), clock=SystemClock()) as log:
        threads = [threading.Thread(target=run, args=(topic,)) for topic in TOPICS]
        for thread in threads:
            thread.start()
        wait_for(lambda: not any(log.group_lag(GROUP, TOPICS).values()), what="the last record", seconds=60)
        stop.set()
        for thread in threads:
            thread.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
