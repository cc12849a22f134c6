"""Each unsubscribe keeps its evidence and its clock, whichever way it comes, on both databases."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import Engine

from nullsender.address import AddressHasher
from nullsender.cli.working.unheeded import Unheeded, Unheededs
from nullsender.cli.working.unsubscribe_clock import UnsubscribeClock
from nullsender.clock import FakeClock
from nullsender.events import DeadLetter, Kind, Outcome, Proof, Source, encode
from nullsender.log import Log, Record, Topic, wait_until_durable
from nullsender.log_embedded import EmbeddedLog
from suppression.policy import Cause, Policy, PolicySettings
from suppression.records import Addition
from suppression.store.rows import Person
from suppression.store.store import Store
from suppression.store.unsubscribes import StoreUnsubscribes
from suppression.unsubscribes.asking import Asking, Channel
from suppression.unsubscribes.deadlines import Deadlines, Jurisdiction
from suppression.unsubscribes.evidence import Unsubscribe
from tests.outcomes import START, an_outcome
from tests.store_contract import ADA, BEN, lift, put, tell
from tests.store_fixtures import ADDRESS_KEY, BOTH_DATABASES

pytestmark = pytest.mark.parametrize("database", BOTH_DATABASES)

HASHER = AddressHasher(ADDRESS_KEY)
WITHHELD = "it names someone else than the address that the mail was sent to"
READERS = {"classify": (Topic.UNSUBSCRIBES,), "suppress": (Topic.URGENT_OUTCOMES,)}


def unsubscribe(
    report_id: str = "1", *, format_name: str = "mailto", feedback_type: str | None = None, **given: Any
) -> Outcome:
    """The outcome of a mail that asks for no more."""
    told = {name: given.pop(name) for name in ("mailing_list", "message") if name in given}
    outcome = an_outcome(report_id, "unsubscribe", **given)
    kind = {"kind": Kind.UNSUBSCRIBE, "format": format_name, "feedback_type": feedback_type}
    return msgspec.structs.replace(outcome, report=msgspec.structs.replace(outcome.report, **kind, **told))


def kept(store: Store) -> list[Unsubscribe]:
    """The evidence, oldest first."""
    return list(reversed(StoreUnsubscribes.beside(store).unsubscribes("default", cursor=None, limit=100).items))


def test_a_mail_keeps_how_it_came_and_what_proved_it(store: Store, clock: FakeClock) -> None:
    clock.advance(seconds=300)
    tell(store, unsubscribe(stream="news", mailing_list="weekly.example.com", message="m7", proof=Proof.TOKEN))

    (one,) = kept(store)
    (entry,) = store.entries_of("default", ADA)
    assert (one.address, one.scope, one.entry) == (ADA, "list:weekly.example.com", entry.id)
    assert (one.channel, one.verified, one.report, one.message) == (Channel.MAILTO, "token", "1", "m7")
    assert (one.received, one.effective) == (START, START + timedelta(minutes=5))
    assert (one.limit_at, one.jurisdiction) == (START + timedelta(days=1), Jurisdiction.HOUSE)
    assert (one.ip, one.first_refused, one.why_not) == ("192.0.2.1", None, None)


def test_every_way_is_told_from_the_others(store: Store) -> None:
    tell(store, unsubscribe("1", format_name="apple-mail", stream="a"), unsubscribe("2", feedback_type="opt-out", stream="b"))
    put(store, cause="unsubscribe", scope="c")
    asking = Asking(channel=Channel.IMPORT, verified="import", received_at=START - timedelta(days=400))
    addition = Addition(address=ADA, scope="d", cause=Cause.UNSUBSCRIBE, reason="a list", asking=asking)
    store.add_all("default", [addition], actor="import")

    assert [(one.channel, one.scope) for one in kept(store)] == [
        (Channel.APPLE_MAIL, "a"),
        (Channel.ARF, "b"),
        (Channel.OPERATOR, "c"),
        (Channel.IMPORT, "d"),
    ]
    assert kept(store)[3].limit_at == START - timedelta(days=399)


def test_other_causes_and_lifts_keep_nothing_here(store: Store) -> None:
    put(store, cause="manual")
    tell(store, an_outcome("1", "complaint"), an_outcome("2"))
    put(store, BEN, cause="unsubscribe")
    lift(store, BEN, consent="signed up again")

    assert [one.address for one in kept(store)] == [BEN]


def test_the_same_report_keeps_one_row_and_another_persons_word_another(store: Store) -> None:
    tell(store, unsubscribe("1"))
    tell(store, unsubscribe("1"), unsubscribe("2"))

    assert [one.report for one in kept(store)] == ["1", "2"]
    assert len({one.entry for one in kept(store)}) == 1


def test_what_proves_nothing_and_comes_again_is_no_more_evidence(store: Store) -> None:
    tell(store, *(unsubscribe(str(number), proof=Proof.NONE) for number in range(3)))

    assert [(one.report, one.verified) for one in kept(store)] == [("0", "none")]


def test_a_word_in_vain_waits_with_the_reason_until_something_heeds_it(store: Store, clock: FakeClock) -> None:
    tell(store, unsubscribe("1", withheld=WITHHELD), unsubscribe("2", recipient=None, withheld=WITHHELD))
    waiting = StoreUnsubscribes.beside(store).waiting(START, 10)

    assert [(one.report, one.effective, one.scope) for one in waiting] == [("1", None, None)]
    assert WITHHELD in (waiting[0].why_not or "")

    clock.advance(seconds=1 * 3600)
    put(store, cause="unsubscribe")
    assert StoreUnsubscribes.beside(store).waiting(START, 10) == []
    assert [one.effective for one in kept(store)] == [clock.now(), clock.now()]


def test_a_policy_that_ignores_what_is_unproven_lets_it_wait(engine: Engine, clock: FakeClock) -> None:
    policy = Policy(PolicySettings(unproven="ignore"))
    store = Store(engine, hasher=HASHER, clock=clock, policy=policy)
    tell(store, unsubscribe(proof=Proof.NONE))

    assert [one.report for one in StoreUnsubscribes.beside(store).waiting(START, 10)] == ["1"]


def test_the_strictest_rule_of_the_tenant_is_written_down(engine: Engine, clock: FakeClock) -> None:
    deadlines = Deadlines({"default": [Jurisdiction.EU, Jurisdiction.PROVIDERS]})
    store = Store(engine, hasher=HASHER, clock=clock, policy=Policy(), deadlines=deadlines)
    tell(store, unsubscribe())

    (one,) = kept(store)
    assert (one.jurisdiction, one.limit_at) == (Jurisdiction.PROVIDERS, START + timedelta(days=2))


def test_the_first_refusal_is_written_once_and_only_for_those_who_unsubscribed(store: Store, clock: FakeClock) -> None:
    tell(store, unsubscribe("1"), unsubscribe("2", recipient=BEN, withheld=WITHHELD))
    unsubscribes = StoreUnsubscribes.beside(store)
    people = [Person("default", HASHER.hash(address)) for address in (ADA, BEN, "eve@example.org")]
    for hours in (1, 2):
        unsubscribes.note_refused(
            dict.fromkeys([*people, Person("acme", people[0].address_hash)], START + timedelta(hours=hours))
        )

    assert {one.report: one.first_refused for one in kept(store)} == {"1": START + timedelta(hours=1), "2": None}


# --- what is held up ---


@pytest.fixture
def log(tmp_path: Path, clock: FakeClock) -> Iterator[Log]:
    """A log on the clock of the test."""
    with EmbeddedLog(tmp_path / "log", clock=clock, partitions=2, readers=READERS) as log:
        yield log


def publish(log: Log, *records: Record) -> None:
    """Put them there."""
    with log.producer() as producer:
        wait_until_durable(producer.publish(records))


def held_up(log: Log, store: Store, clock: FakeClock) -> list[Unheeded]:
    """What a fresh look finds."""
    return list(Unheededs(log, StoreUnsubscribes.beside(store)).look(clock.now()))


def test_what_lies_on_the_log_is_found_at_each_stage_and_not_what_was_dealt_with(
    log: Log, store: Store, clock: FakeClock
) -> None:
    reports = [Record(Topic.UNSUBSCRIBES, b"a", encode(unsubscribe(name).report)) for name in ("1", "2")]
    urgent = [encode(unsubscribe("3")), encode(an_outcome("4", "complaint"))]
    publish(log, *reports, *(Record(Topic.URGENT_OUTCOMES, b"a", value) for value in urgent))
    with log.consumer("classify", READERS["classify"]) as consumer:
        (first, _) = consumer.poll(records_max=2, timeout_seconds=5)
        consumer.store({first.partition: first.offset + 1})
    clock.advance(seconds=20 * 3600)

    found = held_up(log, store, clock)

    assert [(one.report, one.address) for one in found] == [("2", ADA), ("3", ADA)]
    assert "classify" in found[0].held_up
    assert "suppress" in found[1].held_up
    assert all(one.is_at_risk(clock.now()) and not one.is_breached(clock.now()) for one in found)


def test_a_dead_letter_is_found_until_it_is_replayed(log: Log, store: Store, clock: FakeClock) -> None:
    letters = [
        _letter("a", "unsubscribes", encode(unsubscribe("1").report)),
        _letter("b", "outcomes-urgent", encode(unsubscribe("2"))),
        _letter("c", "outcomes-urgent", encode(an_outcome("3", "complaint"))),
        _letter("d", "", b"no mail at all", to="unsubscribe+x@bounces.example"),
        _letter("e", "", b"no mail at all", to="bounces@bounces.example"),
        _letter("f", "unsubscribes", b"nothing that can be read"),
    ]
    publish(log, *letters)
    unheededs = Unheededs(log, StoreUnsubscribes.beside(store))

    assert {one.report for one in unheededs.look(clock.now())} == {"1", "2", "d"}

    publish(log, *(Record(Topic.DEAD_LETTERS, letter.key, b"") for letter in letters[:2]))
    assert [one.report for one in unheededs.look(clock.now())] == ["d"]


def _letter(name: str, topic: str, content: bytes, *, to: str = "") -> Record:
    letter = DeadLetter(
        id=name, reason="a test", stage="a test", dead_at=START, topic=topic, content=content, source=Source(rcpt_to=(to,))
    )
    return Record(Topic.DEAD_LETTERS, name.encode(), encode(letter))


def test_the_alarm_is_raised_before_the_limit_and_not_at_once(
    log: Log, store: Store, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    tell(store, unsubscribe("1", withheld=WITHHELD))
    duty = UnsubscribeClock(lambda: log, StoreUnsubscribes.beside(store))

    clock.advance(seconds=17 * 3600)
    duty.look(clock.now())
    assert caplog.records == []
    clock.advance(seconds=2 * 3600)
    duty.look(clock.now())
    (told,) = caplog.records
    assert told.levelname == "ERROR"
    assert ADA not in str(vars(told)), "no address goes into a log"
    clock.advance(days=31)
    duty.look(clock.now())
    assert len(caplog.records) == 1, "nobody mends what is so old"
