"""The stages as roles run them: a loop for each topic, and where the classifiers' outcomes go."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from classifiers.consumer import ClassifyStage
from nullsender.cli import parts
from nullsender.cli.running.heart import Heart
from nullsender.cli.running.notify import Notify
from nullsender.cli.running.role import Role
from nullsender.cli.running.stages import consume
from nullsender.cli.running.stopping import Stop
from nullsender.clock import FakeClock, SystemClock
from nullsender.config import Settings
from nullsender.consume import ConsumeLoop
from nullsender.errors import Misconfigured
from nullsender.events import Decision, Fault, Kind, Outcome, Report, Result, decode, encode
from nullsender.log import Log, Partition, Record, StoredRecord, Topic, wait_until_durable
from nullsender.log_embedded import EmbeddedLog
from tests.waiting import wait_for


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EmbeddedLog]:
    with EmbeddedLog(tmp_path / "log", clock=SystemClock(), partitions=1) as opened:
        yield opened


class EverythingIsHard:
    """Rules that need no report to know."""

    def decide(self, report: Report) -> Decision:
        return Decision(outcome=Result.HARD, permanent=True, fault=Fault.RECIPIENT, category="mailbox-unknown", rule="test")


def publish(log: Log, topic: Topic, *ids: str) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    reports = [
        Report(id=one, message_id="m", received_at=now, kind=Kind.BOUNCE, format="test", recipient="a@example.com")
        for one in ids
    ]
    with log.producer() as producer:
        wait_until_durable(producer.publish([Record(topic, one.id.encode(), encode(one)) for one in reports]))


@pytest.mark.parametrize(
    ("topic", "gives"),
    [
        (Topic.BOUNCES, Topic.OUTCOMES),
        (Topic.COMPLAINTS, Topic.URGENT_OUTCOMES),
        (Topic.UNSUBSCRIBES, Topic.URGENT_OUTCOMES),
    ],
)
def test_what_a_person_said_goes_where_no_bounce_is_before_it(log: EmbeddedLog, topic: Topic, gives: Topic) -> None:
    publish(log, topic, "one", "two")
    with log.consumer("classify", [topic]) as consumer, log.producer() as producer:
        loop = ConsumeLoop(
            "classify",
            consumer=consumer,
            handler=ClassifyStage(EverythingIsHard(), outcomes=producer, clock=FakeClock()),
            dead_letters=producer,
            clock=FakeClock(),
            stopping=lambda: False,
        )
        loop.run_once()

    outcomes = {other: list(log.read(other)) for other in (Topic.OUTCOMES, Topic.URGENT_OUTCOMES)}
    assert [(record.key, decode(Outcome, record.value).report.id) for record in outcomes.pop(gives)] == [
        (b"one", "one"),
        (b"two", "two"),
    ]
    assert not any(outcomes.values())


@contextmanager
def a_role(name: str, data: Path) -> Iterator[Role]:
    """A role without the signals of a process."""
    settings, stop = Settings(data=data), Stop()
    with Heart(name, settings.health_folder, stop=stop, clock=parts.CLOCK, notify=Notify(None)) as heart:
        yield Role(name, settings, stop, heart)


class Slow:
    """Deals with complaints at once, and with bounces when it is let."""

    def __init__(self) -> None:
        self.let = threading.Event()
        self.done: list[Topic] = []

    def handle(self, batch: Sequence[StoredRecord], next_offsets: Mapping[Partition, int]) -> None:
        if batch[0].partition.topic is Topic.BOUNCES:
            self.let.wait()
        self.done += [record.partition.topic for record in batch]

    def pass_over(self, record: StoredRecord) -> None:
        raise AssertionError("nothing here is a dead letter")


def test_a_complaint_does_not_wait_behind_a_bounce(log: EmbeddedLog, tmp_path: Path) -> None:
    publish(log, Topic.BOUNCES, "a bounce")
    publish(log, Topic.COMPLAINTS, "a complaint")
    stage = Slow()
    with a_role("classify", tmp_path) as ours, log.producer() as producer:
        running = threading.Thread(target=consume, args=(ours, log, stage), kwargs={"producer": producer})
        running.start()
        wait_for(lambda: stage.done == [Topic.COMPLAINTS], what="the complaint to be dealt with")
        stage.let.set()
        wait_for(lambda: stage.done == [Topic.COMPLAINTS, Topic.BOUNCES], what="the bounce to be dealt with")
        ours.stop.request()
        running.join()

    assert sum(log.group_lag("classify", parts.READERS["classify"]).values()) == 0


def test_a_loop_that_fails_ends_the_role_with_its_failure(log: EmbeddedLog, tmp_path: Path) -> None:
    class Mistaken(Slow):
        def handle(self, batch: Sequence[StoredRecord], next_offsets: Mapping[Partition, int]) -> None:
            raise Misconfigured("the store's schema is another one")

    publish(log, Topic.UNSUBSCRIBES, "one")
    with (
        a_role("classify", tmp_path) as ours,
        log.producer() as producer,
        pytest.raises(Misconfigured, match="another one"),
    ):
        consume(ours, log, Mistaken(), producer=producer)

    assert ours.stop()
