"""A process of its own that consumes bounces and dies of one of them, as `test_consume.py` starts it.

    python -m tests.consume_child LOG_FOLDER NOTES_FOLDER POISON

It prints every value that it dealt with, one a line, and ends by itself when there is nothing left; a batch with a value that
begins with POISON kills it before anything of the batch is done.
"""

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from nullsender.clock import SystemClock
from nullsender.consume import ConsumeLoop
from nullsender.in_hand import InHandFiles
from nullsender.log import Partition, StoredRecord, Topic
from nullsender.log_embedded import EmbeddedLog


class DeadlyStage:
    """Says what it did, unless something kills it."""

    def __init__(self, poison: bytes) -> None:
        self._poison = poison

    def handle(self, batch: Sequence[StoredRecord], next_offsets: Mapping[Partition, int]) -> None:
        """As a parser that takes the process with it would do."""
        if any(record.value.startswith(self._poison) for record in batch):
            os.kill(os.getpid(), signal.SIGKILL)
        for record in batch:
            print(record.value.decode(), flush=True)

    def pass_over(self, record: StoredRecord) -> None:
        """It keeps no offsets."""


def main(log_folder: str, notes_folder: str, poison: str) -> None:
    """Consume until nothing is left."""
    with (
        EmbeddedLog(Path(log_folder), clock=SystemClock()) as log,
        log.producer() as producer,
        log.consumer("stage", [Topic.BOUNCES]) as consumer,
    ):
        loop = ConsumeLoop(
            "stage",
            consumer=consumer,
            handler=DeadlyStage(poison.encode()),
            dead_letters=producer,
            clock=SystemClock(),
            stopping=lambda: False,
            in_hand=InHandFiles(Path(notes_folder), "stage"),
        )
        loop.run_once()
        while any(log.group_lag("stage", [Topic.BOUNCES]).values()):
            loop.run_once()


if __name__ == "__main__":
    main(*sys.argv[1:])
