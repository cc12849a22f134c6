"""The processes of a history, put together as the commands put them together."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager

import msgspec

from classifiers.consumer import GROUP as CLASSIFY
from classifiers.consumer import TOPICS as REPORTS
from classifiers.consumer import ClassifyStage
from classifiers.rules import Rules
from nullsender import events
from nullsender.clock import Clock
from nullsender.consume import ConsumeLoop, Handler
from nullsender.events import RECORD_VERSION
from nullsender.log import Producer, Record, StartAt, Topic
from suppression.consumer import GROUP as SUPPRESS
from suppression.consumer import TOPICS as OUTCOMES
from suppression.consumer import SuppressStage
from suppression.store.store import Store
from tests.sim.log import SimulatedConsumer, SimulatedLog

OLDER, CURRENT, NEWER = RECORD_VERSION - 1, RECORD_VERSION, RECORD_VERSION + 1

# What a report of an older version may lack without meaning something else.
_ADDED_SINCE = ("derived_from", "subject", "notes", "source")
_VERSIONED = (*REPORTS, *OUTCOMES)


class Process:
    """Something that runs, with the loops that it has (none for people and chores, who come again after each death)."""

    def __init__(self, group: str = "", *, version: int = CURRENT) -> None:
        self.group = group
        self.version = version
        self.is_alive = True
        self.loops: list[ConsumeLoop] = []
        self.consumers: list[SimulatedConsumer] = []
        self.busy: set[ConsumeLoop] = set()  # those that are in the middle of something


def classifier(log: SimulatedLog, *, rules: Rules, clock: Clock, version: int) -> Process:
    """`nullsender classify`."""
    producer = VersionedProducer(log.producer(), version)
    stage = ClassifyStage(rules, outcomes=producer, clock=clock)
    return _with_loops(Process(CLASSIFY, version=version), log, REPORTS, stage, producer, clock)


def suppressor(log: SimulatedLog, *, store: Store, clock: Clock, version: int) -> Process:
    """`nullsender suppress`."""
    stage = SuppressStage(store)
    producer = VersionedProducer(log.producer(), version)
    return _with_loops(Process(SUPPRESS, version=version), log, OUTCOMES, stage, producer, clock, stage.start_at)


def _with_loops(
    process: Process,
    log: SimulatedLog,
    topics: Sequence[Topic],
    handler: Handler,
    producer: Producer,
    clock: Clock,
    start_at: StartAt | None = None,
) -> Process:
    for topic in topics:
        consumer = log.consumer(process.group, [topic], start_at=start_at)
        loop = ConsumeLoop(
            process.group,
            consumer=consumer,
            handler=handler,
            dead_letters=producer,
            clock=clock,
            stopping=lambda: False,
            chance=lambda: 0.0,
        )
        process.consumers.append(consumer)
        process.loops.append(loop)
    return process


@contextmanager
def reading_up_to(version: int) -> Iterator[None]:
    """Whoever reads records in here is of that version."""
    before = events.RECORD_VERSION
    events.RECORD_VERSION = max(version, CURRENT)
    try:
        yield
    finally:
        events.RECORD_VERSION = before


class VersionedProducer(Producer):
    """Writes reports and outcomes as a process of that version does."""

    def __init__(self, producer: Producer, version: int) -> None:
        self._producer = producer
        self._version = version

    def publish(self, records: Sequence[Record]) -> "Future[None]":
        """As the interface says."""
        return self._producer.publish([self._written(record) for record in records])

    def _written(self, record: Record) -> Record:
        if self._version == CURRENT or record.topic not in _VERSIONED:
            return record
        fields = msgspec.json.decode(record.value)
        if self._version == NEWER:
            fields |= {"version": NEWER, "a_field_of_the_future": [1]}
        else:
            for field in _ADDED_SINCE:
                fields.pop(field, None)
        return msgspec.structs.replace(record, value=msgspec.json.encode(fields))
