"""A topic, or a time span of it, through today's readers and rules: on a real log, a real list, and the stages between them."""

import io
import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from classifiers.consumer import ClassifyStage
from ingest.intake import Intake
from nullsender import cli
from nullsender.cli import parts, store_parts
from nullsender.cli.replaying.against import KnownByLog
from nullsender.cli.replaying.reading import ALWAYS, Rereader, Span
from nullsender.cli.replaying.summary import Summary
from nullsender.cli.replaying.topic import DryRun, Progress, Publishing, Replay
from nullsender.clock import FakeClock, SystemClock
from nullsender.config import load
from nullsender.consume import ConsumeLoop
from nullsender.errors import Transient
from nullsender.events import Decision, Outcome, RawMessage, Rejudgement, Report, Source, decode, encode
from nullsender.limits import POLL_RECORDS_MAX
from nullsender.log import Log, Record, StoredRecord, Topic, wait_until_durable
from nullsender.log_embedded import EmbeddedLog
from nullsender.log_kafka import KafkaLog
from nullsender.log_kafka_settings import KafkaSettings
from nullsender.log_kafka_topics import migrate_topics
from nullsender.signing.keys import SigningKeys
from suppression.consumer import GROUP, TOPICS, SuppressStage
from suppression.policy import Cause, Did
from suppression.store.store import Store
from tests.kafka_fixtures import KAFKA
from tests.outcomes import START, an_outcome
from tests.servers.kafka import Kafka
from tests.store_contract import actions
from tests.store_fixtures import BOTH_DATABASES

INTAKE = Intake(keys=SigningKeys({"k1": b"a secret of the tests, 32 bytes."}))
HOUR = timedelta(hours=1)
MANY = 2 * POLL_RECORDS_MAX  # more than one batch of each partition


class Words:
    """Rules that go by one word of the diagnostic code."""

    def __init__(self, **meant: str) -> None:
        self._meant = meant

    def decide(self, report: Report) -> Decision:
        """What that word means."""
        word = report.diagnostic or "nothing"
        return replace(an_outcome("-", self._meant[word]).decision, rule=f"{word} is {self._meant[word]}")


WRONG = Words(outage="hard", unknown="hard", full="soft")
MENDED = Words(outage="none", unknown="hard", full="soft")


class World:
    """A log, a list, and what runs between them."""

    def __init__(self, log: Log, store: Store) -> None:
        self.log = log
        self.store = store
        self.ends: list[bool] = []  # whether each replay came to the end
        self._replays = 0

    def receive(self, *reports: Report, topic: Topic = Topic.BOUNCES) -> None:
        """Let the MX have recorded these."""
        with self.log.producer() as producer:
            records = [Record(topic, (report.recipient or "").encode(), encode(report)) for report in reports]
            wait_until_durable(producer.publish(records))

    def work(self, rules: Words = WRONG) -> None:
        """Decide and apply what there is."""
        with self.log.producer() as producer:
            classify = ClassifyStage(rules, outcomes=producer, clock=SystemClock())
            suppress = SuppressStage(self.store)
            for group, stage, topics in (("classify", classify, [Topic.BOUNCES]), (GROUP, suppress, TOPICS)):
                start_at = None if group == "classify" else suppress.start_at
                with self.log.consumer(group, topics, start_at=start_at) as consumer:
                    loop = ConsumeLoop(
                        group,
                        consumer=consumer,
                        handler=stage,
                        dead_letters=producer,
                        clock=FakeClock(),
                        stopping=lambda: False,
                    )
                    while sum(self.log.group_lag(group, topics).values()):
                        loop.run_once()

    def replay(
        self,
        rules: Words = MENDED,
        *,
        topic: Topic = Topic.BOUNCES,
        span: Span = ALWAYS,
        dry_run: bool = False,
        limit: int = 1000,
        by_the_log: bool = False,
    ) -> Summary:
        """Replay, and let the list have it."""
        self._replays += 1
        clock = FakeClock(START + timedelta(days=100 + self._replays))
        rejudged = Rejudgement(replay_id=f"r{self._replays}", reason="outage text")
        summary = Summary(as_json=False)
        judge = KnownByLog(self.log, span) if by_the_log else self.store
        rereader = Rereader(rules, INTAKE, span, rejudged, clock=clock)
        with DryRun(judge, summary) if dry_run else Publishing(self.log.producer(), summary) as sink:
            self.ends.append(Replay(rereader, judge, sink, summary, limit=limit, clock=clock).run(self.log, topic))
        self.work()
        return summary

    def stopped(self, *names: str) -> set[str]:
        """Those of them who are on the list."""
        found = self.store.check("default", None, [f"{name}@example.com" for name in names])
        return {names[index] for index in found}

    def held(self, topic: Topic) -> int:
        """How many records a topic has."""
        return len(list(self.log.read(topic)))


def report(name: str, words: str, *, hours: float = 0.0) -> Report:
    """A bounce of that person."""
    told = an_outcome(f"{name} {words} {hours}", recipient=f"{name}@example.com", at=START + hours * HOUR).report
    return replace(told, diagnostic=words)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    """An empty log."""
    with EmbeddedLog(tmp_path / "log", clock=SystemClock(), partitions=2) as log:
        yield log


@pytest.fixture
def world(log: Log, store: Store) -> World:
    """A day on which an outage was read as unknown users, three times."""
    world = World(log, store)
    world.receive(
        report("ada", "outage", hours=8), report("ben", "outage", hours=9), report("eve", "outage", hours=13),
        report("joe", "unknown", hours=9), report("ada", "full", hours=10),
    )  # fmt: skip
    world.work()
    assert world.stopped("ada", "ben", "eve", "joe") == {"ada", "ben", "eve", "joe"}
    return world


def said(summary: Summary) -> str:
    """What it tells a person."""
    text = io.StringIO()
    summary.show(text, title="replay r1")
    return text.getvalue()


def outcomes_of(log: Log) -> list[Outcome]:
    """Every outcome of a replay that lies on the log."""
    found = (decode(Outcome, record.value) for topic in TOPICS for record in log.read(topic))
    return [outcome for outcome in found if outcome.rejudged]


@pytest.mark.parametrize("database", BOTH_DATABASES)
class TestOnBothDatabases:
    """What a replay does to the list."""

    def test_a_dry_run_says_what_would_be_released_and_the_replay_releases_that(self, world: World) -> None:
        dry = world.replay(dry_run=True)

        assert (dry.reports, dry.found, dry.changes) == (5, 3, {(Did.RELEASED, Cause.HARD): 3})
        assert "3  hard mailbox-unknown (outage is hard) -> none unknown (outage is none)" in said(dry)
        assert world.stopped("ada", "ben", "eve", "joe") == {"ada", "ben", "eve", "joe"}
        assert outcomes_of(world.log) == []

        real = world.replay()

        assert real.published == 3
        assert world.stopped("ada", "ben", "eve", "joe") == {"joe"}

    def test_a_second_replay_finds_nothing_and_publishes_nothing(self, world: World) -> None:
        world.replay()
        held = world.held(Topic.OUTCOMES)

        again = world.replay()

        assert (again.found, again.published, world.held(Topic.OUTCOMES)) == (0, 0, held)
        assert actions(world.store, "ada@example.com") == [Did.ADDED, Did.RELEASED]

    def test_only_what_was_received_in_the_span_is_read_again(self, world: World) -> None:
        summary = world.replay(span=Span(START + 9 * HOUR, START + 13 * HOUR))

        assert (summary.reports, summary.found) == (3, 1)
        assert world.stopped("ada", "ben", "eve") == {"ada", "eve"}

    def test_what_the_list_has_not_dealt_with_yet_is_told_apart_and_counts_once(self, world: World) -> None:
        world.receive(report("zoe", "unknown", hours=9))

        assert world.replay().found == 4
        assert world.stopped("zoe") == {"zoe"}
        assert actions(world.store, "zoe@example.com") == [Did.ADDED]

    def test_the_limit_stops_it_and_the_rest_follows_when_it_is_run_again(self, world: World) -> None:
        many = [report(f"p{number}", "outage") for number in range(MANY)]
        world.receive(*many)
        world.work()

        first = world.replay(limit=100)
        rest = world.replay(limit=10_000)

        assert world.ends == [False, True]
        assert first.found >= 100
        assert rest.found > 0
        assert first.found + rest.found == MANY + 3
        assert world.stopped(*(f"p{number}" for number in range(MANY))) == set()

    def test_a_dry_run_looks_at_all_reports_of_a_person_together(self, world: World) -> None:
        softs = [report("sue", "full", hours=hours) for hours in range(5)]
        others = [report(f"p{number}", "unknown") for number in range(MANY)]
        world.receive(*softs[:3], *others, *softs[3:])
        world.work()

        mended = Words(outage="hard", unknown="hard", full="none")
        dry = world.replay(mended, dry_run=True)

        assert dry.changes == {(Did.RELEASED, Cause.SOFT): 1}

    def test_raw_messages_are_read_by_todays_readers_and_keep_their_reports(self, world: World) -> None:
        message = Path("fixtures/mail").joinpath(*A_BOUNCE).read_bytes()
        source = Source(ip="192.0.2.1", rcpt_to=("bounces@bounces.example.com",))
        taken = INTAKE.take(message, source, START)
        with world.log.producer() as producer:
            wait_until_durable(producer.publish(taken.records))
        known = [decode(Report, record.value) for record in taken.records if record.topic is Topic.BOUNCES]
        wrongly = [replace(one, recipient="somebody.else@example.com", diagnostic="unknown") for one in known]
        decided = [Outcome(report=one, decision=WRONG.decide(one), decided_at=START) for one in wrongly]
        world.store.apply(decided, group="suppress", positions={})
        assert world.stopped("somebody.else") == {"somebody.else"}

        summary = world.replay(Always("hard"), topic=Topic.RAW)

        assert (summary.reports, summary.found) == (len(known), len(known))
        assert world.stopped("somebody.else") == set()
        right = {entry.evidence for one in known for entry in world.store.entries_of("default", one.recipient or "")}
        assert right == {one.id for one in known}

    def test_what_can_not_be_read_today_is_told_of_and_stays_where_it_is(self, world: World) -> None:
        raw = RawMessage(message_id="m", received_at=START, source=Source(), content=b"\x00")
        with world.log.producer() as producer:
            wait_until_durable(
                producer.publish([Record(Topic.RAW, b"m", encode(raw)), Record(Topic.BOUNCES, b"k", b"no report")])
            )

        assert "1 records can not be read today" in said(world.replay(topic=Topic.RAW))
        assert "not a Report record" in said(world.replay(dry_run=True))
        assert world.held(Topic.RAW) == 1


class Always(Words):
    """Rules that know one answer."""

    def __init__(self, result: str) -> None:
        self._result = result

    def decide(self, report: Report) -> Decision:
        """That answer."""
        return an_outcome("-", self._result).decision


A_BOUNCE = ("postfix", "bad-domain.eml")


@pytest.mark.parametrize("database", ["sqlite"])
class TestWithoutTheList:
    """What a dry run says when the list can not be asked."""

    def test_it_compares_with_the_outcomes_on_the_log(self, world: World) -> None:
        assert world.replay(dry_run=True, by_the_log=True).found == 3
        assert world.replay(WRONG, dry_run=True, by_the_log=True).found == 0

    def test_a_replay_that_went_before_is_known_to_it(self, world: World) -> None:
        world.replay()

        assert world.replay(dry_run=True, by_the_log=True).found == 0


@pytest.mark.parametrize("database", ["sqlite"])
@KAFKA
class TestOnKafka:
    """The same where the log is Kafka."""

    @pytest.fixture
    def log(self, kafka: Kafka, topic_prefix: str) -> Iterator[Log]:
        """An empty log on the shared broker."""
        settings = KafkaSettings(servers=(kafka.servers,), topic_prefix=topic_prefix, partitions=2, replication=1, min_insync=1)
        migrate_topics(settings, clock=SystemClock())
        with KafkaLog(settings, clock=SystemClock()) as log:
            yield log

    def test_a_span_is_read_again_and_a_second_time_there_is_nothing_to_do(self, world: World) -> None:
        span = Span(START + 8 * HOUR, START + 10 * HOUR)
        assert world.replay(span=span, dry_run=True).changes == {(Did.RELEASED, Cause.HARD): 2}

        assert (world.replay(span=span).found, world.replay(span=span).found) == (2, 0)
        assert world.stopped("ada", "ben", "eve") == {"eve"}


# --- the command -------------------------------------------------------------------------------------------------------


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation where a reply of an outage was read as an unknown user."""
    monkeypatch.setenv("NULLSENDER_DATA", str(tmp_path / "data"))
    assert cli.main(["migrate"]) == 0
    told = replace(report("ada", "outage"), diagnostic="smtp; 451 4.3.2 system not accepting network messages", status="4.3.2")
    wrong = Outcome(report=told, decision=WRONG.decide(report("ada", "outage")), decided_at=START)
    settings = load()
    with parts.open_log(settings) as log, log.producer() as producer:
        wait_until_durable(producer.publish([Record(Topic.BOUNCES, b"ada@example.com", encode(told))]))
    store_parts.open_store(settings).apply([wrong], group="suppress", positions={})
    return tmp_path / "data"


def test_the_command_shows_and_then_does_it(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["replay", "--topic", "bounces", "--dry-run"]) == 0
    assert "the list: 1 hard entry released" in capsys.readouterr().out

    assert cli.main(["replay", "--topic", "bounces", "--reason", "the rule is mended", "--json"]) == 0

    (line,) = capsys.readouterr().out.splitlines()
    facts = json.loads(line)
    assert (facts["recipient"], facts["from"]["outcome"], facts["did"]) == ("ada@example.com", "hard", "released")
    with parts.open_log(load()) as log:
        (outcome,) = outcomes_of(log)
    assert outcome.rejudged is not None
    assert outcome.rejudged.reason == "the rule is mended"


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        (["--topic", "outcomes", "--dry-run"], 1, "replay bounces, complaints, unsubscribes, raw"),
        (["--topic", "bounces"], 1, "--reason"),
        (["--topic", "bounces", "--reason", "  "], 1, "--reason"),
        (["--topic", "bounces", "--dry-run", "abc"], 1, "ids are those of dead letters"),
        (["--topic", "bounces", "--dry-run", "--from", "yesterday"], 2, "--from"),
        (["--topic", "bouncers", "--dry-run"], 2, "--topic"),
    ],
)
def test_what_can_not_be_meant_is_said_and_nothing_is_done(
    data: Path, capsys: pytest.CaptureFixture[str], words: Sequence[str], code: int, why: str
) -> None:
    try:
        ended = cli.main(["replay", *words])
    except SystemExit as stopped:
        ended = int(stopped.code or 0)

    assert ended == code
    assert why in capsys.readouterr().err


def test_without_the_list_only_a_dry_run_works(
    data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> Store:
        raise Transient("the store: gone")

    monkeypatch.setattr(store_parts, "open_store", away)

    assert cli.main(["replay", "--topic", "bounces", "--dry-run"]) == 0
    assert "compared with the outcomes on the log" in capsys.readouterr().err
    assert cli.main(["replay", "--topic", "bounces", "--reason", "x"]) == 1


def test_who_stops_it_hears_how_far_it_came(
    data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Rereader.read

    def interrupted(rereader: Rereader, record: StoredRecord) -> object:
        if record.offset == 1:
            raise KeyboardInterrupt
        return read(rereader, record)

    with parts.open_log(load()) as log, log.producer() as producer:
        wait_until_durable(producer.publish([Record(Topic.BOUNCES, b"ada@example.com", encode(report("ada", "full")))]))
    monkeypatch.setattr(Rereader, "read", interrupted)

    assert cli.main(["replay", "--topic", "bounces", "--dry-run"]) == 130
    assert "after record 0 of bounces/" in capsys.readouterr().err


def test_dead_letters_of_a_span_alone(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = Source(rcpt_to=("bounces@bounces.example",))
    with parts.open_log(load()) as log, log.producer() as producer:
        for day in (1, 2):
            died = INTAKE.take(b"\x00" * day, source, datetime(2026, 5, day, tzinfo=UTC))
            wait_until_durable(producer.publish(died.records))

    assert cli.main(["replay", "--from", "2026-05-02", "--dry-run"]) == 1
    assert len(capsys.readouterr().out.splitlines()) == 1
    assert cli.main(["replay", "--topic", "dead-letters", "--dry-run", "--to", "2026-05-02T02:00+02:00"]) == 1
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_it_says_now_and_then_how_far_it_is() -> None:
    clock, lines = FakeClock(), list[str]()
    write: Callable[[str], object] = lines.append
    progress = Progress(clock, write)

    for records in range(1, 21):
        clock.advance(seconds=1)
        progress.show(records * 1000)

    assert lines == [f"{n:,} records, 1,000/s\n" for n in (5000, 10000, 15000, 20000)]
