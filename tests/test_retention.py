"""Every kind of data has its time, in one table; what names people leaves when that is over."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, insert, select, update

from nullsender import config, limits
from nullsender.cli.store_parts import kept_of
from nullsender.clock import FakeClock
from suppression.audit.chain import Act
from suppression.engine import reading, writing
from suppression.incidents.incident import IncidentKind, Marks
from suppression.models import held_reports, incident_reports, incidents, metadata, outcomes, unsubscribes
from suppression.privacy.retention import DataKind, Kept, leaving_later, rules_of
from suppression.store.audit_read import AuditFilters, StoreAudit
from suppression.store.incidents import StoreIncidents
from suppression.store.retention import Removed, StoreRetention
from suppression.store.store import Store
from tests.outcomes import START, an_outcome
from tests.store_contract import ADA, BEN, EVE, lift, plain_addresses, put, tell
from tests.store_fixtures import BOTH_DATABASES

both_databases = pytest.mark.parametrize("database", BOTH_DATABASES)

#: Tables that tell nothing of anybody.
_OF_NOBODY = {"numbering", "consumer_offsets", "api_keys", "meta", "duties", "deadlines"}


def test_every_table_of_the_store_has_its_time() -> None:
    told = [table for rule in rules_of(Kept()).values() for table in rule.tables]

    assert len(told) == len(set(told))
    assert {table.name for table in metadata.sorted_tables} - _OF_NOBODY <= set(told)
    assert set(told) <= {table.name for table in metadata.sorted_tables}


def test_what_is_kept_for_ever_names_nobody_and_all_else_has_days() -> None:
    rules = rules_of(Kept())

    assert {kind for kind, rule in rules.items() if rule.days is None} == {DataKind.SUPPRESSION, DataKind.AUDIT_DIGESTS}
    assert all(rule.days for rule in leaving_later(Kept()))


@both_databases
def test_a_plain_address_leaves_some_time_after_its_last_entry_ended(store: Store, engine: Engine, clock: FakeClock) -> None:
    put(store, ADA, expires=START + timedelta(days=1))
    put(store, BEN, expires=START + timedelta(days=1))
    put(store, BEN, cause="hard")
    put(store, EVE)
    clock.advance(days=2)
    store.expire(clock.now(), 100)
    lift(store, EVE)
    put(store, EVE, cause="hard")
    lift(store, EVE)
    put(store, EVE, tenant="acme")
    clock.advance(days=limits.PLAIN_ADDRESSES_KEPT_DAYS)
    store.forget(clock.now(), 100)
    assert plain_addresses(engine) == {ADA, BEN, EVE}
    clock.advance(seconds=1)

    store.forget(clock.now(), 100)

    assert plain_addresses(engine) == {BEN, EVE}
    assert StoreRetention.beside(store).removed_last()[DataKind.PLAIN_ADDRESSES] == Removed(clock.now(), 1)


@both_databases
def test_who_struck_out_long_ago_leaves_with_the_name(store: Store, engine: Engine, clock: FakeClock) -> None:
    tell(store, an_outcome("1", "soft"))
    assert plain_addresses(engine) == {ADA}
    clock.advance(days=limits.STRIKES_KEPT_DAYS + 1)

    store.forget(clock.now(), 100)

    assert plain_addresses(engine) == set()


@both_databases
def test_from_where_somebody_unsubscribed_leaves_but_not_the_word(store: Store, engine: Engine, clock: FakeClock) -> None:
    clocks = {"channel": "one-click", "received_at": START, "jurisdiction": "us", "limit_at": START, "verified": "token"}
    row = {"seq": 7, "tenant": "default", "address_hash": b"x" * 16, "ip": "192.0.2.77", "user_agent": "Firefox"}
    with writing(engine) as connection:
        connection.execute(insert(unsubscribes).values(**row, **clocks))
    clock.advance(days=limits.UNSUBSCRIBE_SOURCES_KEPT_DAYS + 1)

    store.forget(clock.now(), 100)

    with reading(engine) as connection:
        left = connection.execute(select(unsubscribes)).one()
    assert (left.ip, left.user_agent, left.verified) == (None, None, "token")


@both_databases
def test_a_wish_that_was_never_heeded_leaves_and_one_that_belongs_to_an_entry_stays(
    store: Store, engine: Engine, clock: FakeClock
) -> None:
    put(store, cause="unsubscribe")
    row = {"tenant": "default", "address_hash": b"x" * 16, "channel": "mailto", "received_at": START, "jurisdiction": "us"}
    with writing(engine) as connection:
        connection.execute(insert(unsubscribes).values(seq=7, limit_at=START, verified="", why_not="too many", **row))
    clock.advance(days=limits.HISTORY_KEPT_DAYS + 1)

    store.forget(clock.now(), 100)

    with reading(engine) as connection:
        assert [entry for (entry,) in connection.execute(select(unsubscribes.c.entry_id))] == [1]
    assert StoreRetention.beside(store).removed_last()[DataKind.UNHEEDED] == Removed(clock.now(), 1)


@both_databases
def test_reports_that_were_set_aside_leave_with_all_that_is_known_of_them(
    store: Store, engine: Engine, clock: FakeClock
) -> None:
    tell(store, an_outcome("1", "none"), an_outcome("2", "none"))
    key = {"proven": True, "address_hash": b"x" * 16}
    with writing(engine) as connection:
        connection.execute(update(outcomes).where(outcomes.c.report_id == "1").values(did="held"))
        connection.execute(update(outcomes).where(outcomes.c.report_id == "2").values(did="released"))
        connection.execute(insert(held_reports).values(report_id="1", tenant="default", key="rule x", held_at=START, **key))
        connection.execute(insert(incident_reports).values(report_id="2", incident_id=1, own="{}", **key))
    clock.advance(days=limits.HISTORY_KEPT_DAYS + 1)

    store.forget(clock.now(), 100)

    with reading(engine) as connection:
        for table in (outcomes, held_reports, incident_reports):
            assert connection.execute(select(table)).all() == [], table.name


@both_databases
def test_what_people_typed_into_incidents_leaves_and_the_incident_holds(store: Store, engine: Engine, clock: FakeClock) -> None:
    made = StoreIncidents.beside(store).make(
        "default", IncidentKind.SENDER_FAULT, Marks(rule="x"), reason="Ada Lovelace", actor="olga"
    )
    clock.advance(days=limits.AUDIT_WORDS_KEPT_DAYS + 1)

    store.forget(clock.now(), 100)

    with reading(engine) as connection:
        left = connection.execute(select(incidents)).one()
    assert (left.id, left.reason, left.undone_at) == (made.id, "erased", None)


def test_the_days_are_those_that_were_set_and_kafka_lets_go_a_little_later() -> None:
    as_set = rules_of(Kept(import_days=3, export_days=4, log_spare=7))

    assert (as_set[DataKind.IMPORT_FILES].days, as_set[DataKind.EXPORT_FILES].days) == (3, 4)
    assert as_set[DataKind.RAW_MAIL].days == limits.LOG_RAW_DAYS + 1
    assert as_set[DataKind.DEAD_LETTERS].days == limits.LOG_DEAD_LETTER_DAYS + 13


def test_what_an_operator_sets_is_what_the_table_says() -> None:
    kafka = {"NULLSENDER_LOG_KIND": "kafka", "NULLSENDER_KAFKA_SERVERS": "localhost:9092"}

    kept = kept_of(config.load(environment={"NULLSENDER_IMPORTS_DAYS": "3", **kafka}))

    assert (kept.import_days, kept.log_spare) == (3, limits.KAFKA_SEGMENTS_PER_RETENTION)


@both_databases
def test_what_people_typed_into_acts_leaves_and_the_trail_holds(store: Store, clock: FakeClock) -> None:
    store._turn(lambda turn: turn.tell(Act(kind="test", actor="olga", reason="Ada Lovelace")))
    clock.advance(days=limits.AUDIT_WORDS_KEPT_DAYS + 1)

    store.forget(clock.now(), 100)

    trail = StoreAudit.beside(store)
    (act,) = trail.list_audit(AuditFilters(kind="test"), cursor=None, limit=10).items
    assert (act.actor, act.words) == ("olga", None)
    assert trail.verify_audit().breach is None


@both_databases
def test_when_the_oldest_leaves_is_told(store: Store) -> None:
    tell(store, an_outcome("1", "none"))

    due = StoreRetention.beside(store).next_due()

    assert due[DataKind.REPORT_WORDS] == START + timedelta(days=limits.OUTCOME_BODIES_KEPT_DAYS)
    assert due[DataKind.REPORTS] == START + timedelta(days=limits.HISTORY_KEPT_DAYS)


def test_the_page_about_privacy_shows_the_table() -> None:
    page = (Path(__file__).parent.parent / "docs" / "privacy.md").read_text(encoding="utf-8")

    for rule in rules_of(Kept()).values():
        how_long = "as long as it is needed" if rule.days is None else f"{rule.days} days after {rule.since}"
        setting = f"`{rule.setting}`" if rule.setting else ""
        assert f"| {rule.what} | {how_long} | {setting} | {rule.why} | {rule.by} |" in page
