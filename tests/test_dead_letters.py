"""Dead letters are shown and replayed one at a time, however many bytes of them there are."""

import argparse
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ingest.intake import Intake
from nullsender.cli import dead_letters
from nullsender.cli.dead_letters import chosen, open_letters, read_letters
from nullsender.cli.replaying.letters import replay_letters
from nullsender.clock import SystemClock
from nullsender.errors import Invalid, Transient
from nullsender.events import DeadLetter, Source, encode
from nullsender.log import Log, Producer, Record, Topic, wait_until_durable
from nullsender.log_embedded import EmbeddedLog
from nullsender.signing.keys import SigningKeys

INTAKE = Intake(keys=SigningKeys({"k1": b"a secret of the tests, 32 bytes."}))
NOON = datetime(2026, 5, 17, 12, tzinfo=UTC)
LETTER_BYTES = 2**20
LETTERS = 24


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    """An empty log."""
    with EmbeddedLog(tmp_path / "log", clock=SystemClock()) as log:
        yield log


def _publish(log: Log, *letters: DeadLetter) -> None:
    with log.producer() as producer:
        for letter in letters:
            wait_until_durable(producer.publish([Record(Topic.DEAD_LETTERS, letter.id.encode(), encode(letter))]))


def _letter(name: str, content: bytes, *, stage: str = "ingest", topic: str = "") -> DeadLetter:
    source = Source(ip="192.0.2.1", rcpt_to=("bounces@bounces.example",))
    return DeadLetter(id=name, reason="why", stage=stage, dead_at=NOON, source=source, topic=topic, key=b"k", content=content)


def test_what_was_replayed_is_struck_off_and_what_can_not_be_read_still_stays(
    log: Log, capsys: pytest.CaptureFixture[str]
) -> None:
    record = _letter("a-record", b"of ours", stage="classify", topic="bounces")
    _publish(log, record, _letter("mail", b"Subject: x\r\n\r\nhello\r\n"), _letter("nothing", b"\x00"))

    assert not replay_letters(log, [], intake=INTAKE, dry_run=True)
    assert len(open_letters(log)) == 3
    assert not replay_letters(log, [], intake=INTAKE, dry_run=False)

    assert set(open_letters(log)) == {"nothing"}
    assert (b"k", b"of ours") in [(record.key, record.value) for record in log.read(Topic.BOUNCES)]
    assert len(list(log.read(Topic.RAW))) == 1
    assert "still a dead letter" in capsys.readouterr().out


class _LandsInPart(EmbeddedLog):
    """Of what is published the first record is lost."""

    def producer(self) -> Producer:
        return _LosesTheFirst(super().producer())


class _LosesTheFirst(Producer):
    def __init__(self, producer: Producer) -> None:
        self._producer = producer

    def publish(self, records: Sequence[Record]) -> "Future[None]":
        wait_until_durable(self._producer.publish(records[1:]))
        failed: Future[None] = Future()
        failed.set_exception(Transient("the log failed in the middle of a batch"))
        return failed


def test_a_letter_whose_record_did_not_land_is_not_struck_off(tmp_path: Path) -> None:
    with _LandsInPart(tmp_path / "log", clock=SystemClock()) as log:
        letter = _letter("a-record", b"of ours", stage="classify", topic="bounces")
        record = Record(Topic.DEAD_LETTERS, letter.id.encode(), encode(letter))
        wait_until_durable(EmbeddedLog.producer(log).publish([record]))

        with pytest.raises(Transient):
            replay_letters(log, [], intake=INTAKE, dry_run=False)

        assert set(open_letters(log)) == {"a-record"}


def test_those_that_are_named_are_replayed_and_no_others(log: Log) -> None:
    _publish(log, *(_letter(name, b"Subject: x\r\n\r\nhello\r\n") for name in ("one", "two", "three")))

    assert replay_letters(log, ["tw", "th"], intake=INTAKE, dry_run=False)
    assert set(open_letters(log)) == {"one"}
    with pytest.raises(Invalid, match="0 dead letters"):
        replay_letters(log, ["tw"], intake=INTAKE, dry_run=False)


def test_the_latest_of_two_letters_with_one_id_is_the_letter(log: Log) -> None:
    _publish(log, _letter("one", b"first"), _letter("one", b"second"))

    assert [letter.content for letter in read_letters(log, [chosen(open_letters(log), "o")])] == [b"second"]


@pytest.mark.parametrize(
    "work",
    [
        lambda log: dead_letters._list(log, argparse.Namespace(json=True)),
        lambda log: dead_letters._count(log, argparse.Namespace()),
        lambda log: replay_letters(log, [], intake=INTAKE, dry_run=True),
    ],
    ids=["list", "count", "replay"],
)
def test_gigabytes_of_dead_letters_are_gone_through_one_at_a_time(work: Callable[[Log], object], log: Log) -> None:
    _publish(log, *(_letter(f"{number:02}", b"\x00" * LETTER_BYTES) for number in range(LETTERS)))

    tracemalloc.start()
    try:
        work(log)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak_bytes < LETTERS * LETTER_BYTES / 2
