"""What a person said never waits behind bounces: on either log, on either database, with several processes.

None of this measures time (`bench/backlog.py` does). Bounces are held where they can be, and what a complaint came to has to
stand on the list all the same; or the numbers that the store gave say who was before whom.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, QueuePool, text

from classifiers.consumer import ClassifyStage
from classifiers.rules import Rules
from nullsender.cli.running.stages import consume
from nullsender.clock import SystemClock
from nullsender.consume import Handler
from nullsender.events import Report, encode
from nullsender.limits import POLL_RECORDS_MAX
from nullsender.log import Log, Partition, Record, StoredRecord, Topic, wait_until_durable
from nullsender.log_embedded import EmbeddedLog
from suppression.consumer import GROUP, SuppressStage
from suppression.engine import opened as opened_store
from suppression.engine import reading
from suppression.giving_way import GivingWay
from suppression.store.store import Store
from tests.kafka_fixtures import KAFKA
from tests.log_kafka_world import migrated, opened, settings_for
from tests.outcomes import START, an_outcome
from tests.store_fixtures import BOTH_DATABASES, store_on
from tests.test_stages import a_role
from tests.waiting import wait_for

WORLDS = [
    ("embedded", "sqlite"),
    pytest.param("embedded", "postgresql", marks=pytest.mark.xdist_group("postgresql")),
    pytest.param("kafka", "postgresql", marks=KAFKA),
]
BACKLOG = 2 * POLL_RECORDS_MAX
OF_BOUNCES = frozenset({Topic.BOUNCES, Topic.OUTCOMES})


@pytest.fixture
def log(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Log]:
    """An empty log of that kind."""
    if kind == "embedded":
        with EmbeddedLog(tmp_path / "log", clock=SystemClock()) as log:
            yield log
        return
    kafka, prefix = request.getfixturevalue("kafka"), request.getfixturevalue("topic_prefix")
    with opened(migrated(settings_for(kafka.servers, prefix))) as log:
        yield log


class Gate:
    """A stage whose work on bounces stops until it is opened: such as one that is stuck, or braked, or has very much to do."""

    def __init__(self, stage: Handler, opened: threading.Event) -> None:
        self._stage = stage
        self._opened = opened
        self.holds = threading.Event()

    def handle(self, batch: Sequence[StoredRecord], next_offsets: Mapping[Partition, int]) -> None:
        if not OF_BOUNCES.isdisjoint(record.partition.topic for record in batch):
            self.holds.set()
            self._opened.wait()
        self._stage.handle(batch, next_offsets)

    def pass_over(self, record: StoredRecord) -> None:
        raise AssertionError("nothing here is a dead letter")


def publish(log: Log, topic: Topic, values: Mapping[str, bytes]) -> None:
    with log.producer() as producer:
        wait_until_durable(producer.publish([Record(topic, key.encode(), value) for key, value in values.items()]))


def complain(log: Log, name: str) -> None:
    """Let the MX have recorded a complaint."""
    report: Report = an_outcome(f"complaint of {name}", "complaint", recipient=f"{name}@example.com").report
    publish(log, Topic.COMPLAINTS, {name: encode(report)})


def publish_backlog(log: Log) -> Sequence[str]:
    """Bounces that wait to be decided, and as many that wait to be applied; their names."""
    names = [f"bounced-{number}" for number in range(2 * BACKLOG)]
    outcomes = [an_outcome(name, recipient=f"{name}@example.com") for name in names]
    publish(log, Topic.BOUNCES, {outcome.report.id: encode(outcome.report) for outcome in outcomes[:BACKLOG]})
    publish(log, Topic.OUTCOMES, {outcome.report.id: encode(outcome) for outcome in outcomes[BACKLOG:]})
    return names


@contextmanager
def running(log: Log, store: Store, data: Path, opened: threading.Event) -> Iterator[Sequence[Gate]]:
    """Both roles, as their commands run them, each behind a gate for bounces."""
    with ExitStack() as held:
        producer = held.enter_context(log.producer())
        suppress = SuppressStage(store)
        classify = ClassifyStage(Rules.load(), outcomes=producer, clock=SystemClock())
        gates = []
        for role, stage, start_at in (("classify", classify, None), (GROUP, suppress, suppress.start_at)):
            ours, gate = held.enter_context(a_role(role, data)), Gate(stage, opened)
            thread = threading.Thread(
                target=consume, args=(ours, log, gate), kwargs={"producer": producer, "start_at": start_at}
            )
            held.callback(thread.join)
            held.callback(ours.stop.request)
            held.callback(opened.set)
            thread.start()
            gates.append(gate)
        yield gates


def wait_until_listed(store: Store, *names: str) -> int:
    """The highest number that an entry of one of them has, as soon as each has one."""

    def numbers() -> list[int] | None:
        found = store.check("default", None, [f"{name}@example.com" for name in names])
        return [entry.id for entry in found.values()] if len(found) == len(names) else None

    return max(wait_for(numbers, what=f"{names[-1]} to be on the list", seconds=60))


@pytest.mark.parametrize(("kind", "database"), WORLDS)
def test_a_complaint_passes_bounces_that_stand_still_and_bounces_that_flow(log: Log, store: Store, tmp_path: Path) -> None:
    bounced = publish_backlog(log)
    opened = threading.Event()
    with running(log, store, tmp_path, opened) as gates:
        for gate in gates:
            assert gate.holds.wait(60)

        complain(log, "first")
        first = wait_until_listed(store, "first")

        complain(log, "second")
        opened.set()
        second = wait_until_listed(store, "second")
        last = wait_until_listed(store, *bounced)

    assert first == 2, "its outcome has the first number, its entry the next: no bounce was before them"
    assert second < last - 2 * POLL_RECORDS_MAX, "a whole batch of bounces, which have two numbers each, came later"


def test_who_gives_way_waits_for_whoever_does_not_and_for_its_like() -> None:
    way = GivingWay()
    entered, leave = threading.Event(), threading.Event()

    def come_patiently() -> None:
        with way.writing(patient=True):
            entered.set()
            leave.wait()

    patient = threading.Thread(target=come_patiently)
    with ExitStack() as end, ExitStack() as first, ExitStack() as urgent:
        end.callback(leave.set)
        first.enter_context(way.writing(patient=True))
        urgent.enter_context(way.writing(patient=False))  # at once: the store itself has them take turns
        patient.start()
        assert not entered.wait(0.1)
        first.close()
        assert not entered.wait(0.1)
        urgent.close()
        assert entered.wait(20)
        with way.writing(patient=False):
            leave.set()
    patient.join()


class Held(SystemClock):
    """A clock that tells the time when it is let: who applies outcomes asks it with the turn to write in hand."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.let = threading.Event()

    def now(self) -> datetime:
        self.asked.set()
        self.let.wait()
        return super().now()


@contextmanager
def applying(store: Store, name: str, topic: Topic = Topic.OUTCOMES) -> Iterator[None]:
    """Let the stage apply an outcome of that topic, beside what the block does; done when it ends."""
    result = "hard" if topic is Topic.OUTCOMES else "complaint"
    value = encode(an_outcome(name, result, recipient=f"{name}@example.com"))
    record = StoredRecord(Partition(topic, 0), offset=0, appended_at=START, key=b"", value=value)
    thread = threading.Thread(target=SuppressStage(store).handle, args=([record], {record.partition: 1}))
    thread.start()
    try:
        yield
    finally:
        thread.join()


@pytest.mark.parametrize("database", ["sqlite"])
def test_of_the_threads_of_a_process_the_urgent_one_writes_next(engine: Engine) -> None:
    clock = Held()
    store = store_on(engine, clock)
    with ExitStack() as waiting:
        waiting.callback(clock.let.set)
        waiting.enter_context(applying(store, "has-the-turn"))
        assert clock.asked.wait(20)
        waiting.enter_context(applying(store, "complains", Topic.URGENT_OUTCOMES))
        wait_for(lambda: checked_out(engine) == 2, what="the complaint to wait for its turn")
        waiting.enter_context(applying(store, "bounced"))
        clock.let.set()

    assert wait_until_listed(store, "complains") < wait_until_listed(store, "bounced")


@pytest.mark.parametrize("database", BOTH_DATABASES[1:])
def test_of_several_processes_with_bounces_one_is_before_a_complaint(store_url: str) -> None:
    clock = Held()
    with ExitStack() as waiting:
        stores = [store_on(waiting.enter_context(opened_store(store_url)), clock) for _ in range(4)]
        waiting.callback(clock.let.set)
        for number, store in enumerate(stores[:3]):
            waiting.enter_context(applying(store, f"bounced-{number}"))
            assert clock.asked.wait(20)
            wait_for(lambda: in_line(store_url) == number, what=f"{number} to wait")  # noqa: B023  (it is called here)
        waiting.enter_context(applying(stores[3], "complains", Topic.URGENT_OUTCOMES))
        wait_for(lambda: in_line(store_url) == 3, what="the complaint to wait for its turn")
        clock.let.set()

        entries = [wait_until_listed(stores[0], name) for name in ("bounced-0", "complains", "bounced-1", "bounced-2")]
    assert entries[:2] == sorted(entries)[:2]


def checked_out(engine: Engine) -> int:
    """How many of its connections are in use."""
    assert isinstance(engine.pool, QueuePool)
    return engine.pool.checkedout()


def in_line(url: str) -> int:
    """How many connections to that PostgreSQL database wait for a lock."""
    with opened_store(url) as engine, reading(engine) as connection:
        waiting = "datname = current_database() AND wait_event_type = 'Lock'"
        return int(connection.execute(text(f"SELECT count(*) FROM pg_stat_activity WHERE {waiting}")).scalar_one())
