"""A topic read again from end to end, in batches: what is read otherwise is published, or kept for the sums of a dry run.

Memory does not grow with the topic. A dry run has to look at all reports of a person together, for five soft ones make an entry
and one does not: it puts what differs into temporary files by its key, and asks what each file comes to at the end.
"""

import sys
import tempfile
import zlib
from abc import abstractmethod
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import IO

from nullsender.cli.replaying.against import Judge
from nullsender.cli.replaying.reading import Reread, Rereader, Unreadable
from nullsender.cli.replaying.summary import Summary
from nullsender.clock import Clock
from nullsender.events import Outcome, decode, encode
from nullsender.limits import POLL_RECORDS_MAX, REPLAY_FILES, REPLAY_PROGRESS_SECONDS
from nullsender.log import Closing, Log, Producer, Record, StoredRecord, Topic, wait_until_durable
from suppression.policy import Did
from suppression.records import Applied


class Sink(Closing):
    """What becomes of the reports that are read otherwise."""

    @abstractmethod
    def take(self, differing: Sequence[tuple[Reread, Applied]]) -> None:
        """Deal with some of them."""

    @abstractmethod
    def finish(self) -> None:
        """There are no more."""


class Publishing(Sink):
    """The real thing: they go to the log, and from there to the list."""

    def __init__(self, producer: Producer, summary: Summary) -> None:
        self._producer = producer
        self._summary = summary

    def take(self, differing: Sequence[tuple[Reread, Applied]]) -> None:
        """Durable on return."""
        records = [Record(read.topic, read.key, encode(read.outcome)) for read, _ in differing]
        wait_until_durable(self._producer.publish(records))
        for read, applied in differing:
            self._summary.differs(read.outcome, applied)
        self._summary.published += len(records)

    def finish(self) -> None:
        """All of them are there already."""

    def close(self) -> None:
        """Close the producer."""
        self._producer.close()


class DryRun(Sink):
    """They are kept until all are known, and then looked at person by person."""

    def __init__(self, judge: Judge, summary: Summary) -> None:
        self._judge = judge
        self._summary = summary
        self._files: list[IO[bytes]] = []
        self._open = ExitStack()

    def take(self, differing: Sequence[tuple[Reread, Applied]]) -> None:
        """Keep them; one person's lie in one file, in their order."""
        if not self._files:
            new = (tempfile.TemporaryFile() for _ in range(REPLAY_FILES))  # noqa: SIM115  (they stay open until we are closed)
            self._files = [self._open.enter_context(file) for file in new]
        for read, _ in differing:
            self._files[zlib.crc32(read.key) % REPLAY_FILES].write(encode(read.outcome) + b"\n")

    def finish(self) -> None:
        """Say what all of them together come to."""
        for file in self._files:
            file.seek(0)
            outcomes = [decode(Outcome, line) for line in file]
            preview = self._judge.preview(outcomes)
            for outcome, applied in zip(outcomes, preview.applied, strict=True):
                self._summary.differs(outcome, applied)
            self._summary.would_change(preview.changed)

    def close(self) -> None:
        """The files are gone with that."""
        self._open.close()


class Replay:
    """One replay of one topic."""

    def __init__(self, rereader: Rereader, judge: Judge, sink: Sink, summary: Summary, *, limit: int, clock: Clock) -> None:
        self._rereader = rereader
        self._judge = judge
        self._sink = sink
        self._summary = summary
        self._limit = limit
        self._progress = Progress(clock)
        self._batch: list[Reread] = []
        self._last: StoredRecord | None = None

    def run(self, log: Log, topic: Topic) -> bool:
        """Read it; False where `limit` reports were read otherwise before its end. `Transient`: the log or the list."""
        for record in log.read(topic, since=self._rereader.span.appended_since()):
            self._summary.records += 1
            self._progress.show(self._summary.records)
            for read in self._rereader.read(record):
                if isinstance(read, Unreadable):
                    self._summary.cannot_read(read)
                else:
                    self._batch.append(read)
            if len(self._batch) >= POLL_RECORDS_MAX:
                self._deal_with_batch()
            self._last = record
            if self._summary.found >= self._limit:
                self._sink.finish()
                return False
        self._deal_with_batch()
        self._sink.finish()
        return True

    def where(self) -> str:
        """How far it came, in words."""
        if self._last is None:
            return "before the first record"
        return f"after record {self._last.offset} of {self._last.partition.topic}/{self._last.partition.number}"

    def _deal_with_batch(self) -> None:
        if not self._batch:
            return
        preview = self._judge.preview([read.outcome for read in self._batch])
        pairs = list(zip(self._batch, preview.applied, strict=True))
        differing = [pair for pair in pairs if pair[1].before is not None or pair[1].did is not Did.REPEATED]
        self._summary.reports += len(pairs)
        self._summary.found += len(differing)
        self._batch = []
        if differing:
            self._sink.take(differing)


class Progress:
    """A line on standard error now and then: how many records, and how fast."""

    def __init__(self, clock: Clock, write: Callable[[str], object] = sys.stderr.write) -> None:
        self._clock = clock
        self._write = write
        self._started_seconds = clock.monotonic_seconds()
        self._due_seconds = self._started_seconds + REPLAY_PROGRESS_SECONDS

    def show(self, records: int) -> None:
        """Say it where it is time to."""
        now_seconds = self._clock.monotonic_seconds()
        if now_seconds >= self._due_seconds:
            self._due_seconds = now_seconds + REPLAY_PROGRESS_SECONDS
            self._write(f"{records:,} records, {records / (now_seconds - self._started_seconds):,.0f}/s\n")
