"""A person is erased: no word and no plain address is left, or comes back; mail stays stopped; the audit trail holds."""

import hashlib
import json
from collections.abc import Iterator
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import Engine, insert, select

from nullsender.address import AddressHasher
from nullsender.clock import FakeClock
from nullsender.errors import Invalid
from suppression.audit.chain import Act
from suppression.engine import reading, writing
from suppression.exports.signing import DocumentSigner
from suppression.incidents.incident import IncidentKind, Marks
from suppression.models import metadata, unsubscribes
from suppression.policy import Cause, Did, Standing
from suppression.privacy.access import text_of
from suppression.privacy.certificate import REMOVED, Certificate
from suppression.privacy.retention import Kept, leaving_later
from suppression.records import Told
from suppression.store.access import StoreAccess
from suppression.store.audit_read import StoreAudit
from suppression.store.erasure import StoreErasure
from suppression.store.incidents import StoreIncidents
from suppression.store.jobs import StoreJobs
from suppression.store.prehashed import insert_prehashed
from suppression.store.rows import Key, Person
from suppression.store.store import Store
from suppression.store.turn import Grounds, Turn
from tests.outcomes import START, an_outcome
from tests.store_contract import ADA, BEN, did, lift, live, plain_addresses, put, stops, tell
from tests.store_fixtures import ADDRESS_KEY, BOTH_DATABASES

both_databases = pytest.mark.parametrize("database", BOTH_DATABASES)

_NOTHING = {"addresses": 0}
SECRETS = (ADA, "Lovelace", "double opt-in", "192.0.2.77", "Firefox")


def erase(store: Store, address: str = ADA, tenant: str | None = None) -> Certificate:
    """An operator's erasure."""
    return StoreErasure.beside(store).erase(address, tenant=tenant, reason="ticket 4711", actor="olga")


def everything(engine: Engine) -> Iterator[str]:
    """Every value that the store holds, as text."""
    with reading(engine) as connection:
        for table in metadata.sorted_tables:
            for row in connection.execute(select(table)):
                yield from (repr(value) for value in row)


def traces(engine: Engine) -> list[str]:
    """What the store tells of Ada in plain words."""
    return [text for text in everything(engine) if any(secret in text for secret in SECRETS)]


@pytest.fixture
def known(store: Store, engine: Engine) -> Store:
    """A list that knows Ada well, and Ben."""
    tell(store, an_outcome("hard"), an_outcome("soft", "soft"), an_outcome("ben", recipient=BEN))
    put(store, cause="unsubscribe", reason="Ada Lovelace asked by phone")
    lift(store, cause="unsubscribe", reason="Ada Lovelace is back", consent="double opt-in of Lovelace")
    put(store, cause="unsubscribe", reason="Ada Lovelace asked again")
    row = {"seq": 10_000, "tenant": "default", "address_hash": AddressHasher(ADDRESS_KEY).hash(ADA)}
    clock = {"channel": "one-click", "received_at": START, "jurisdiction": "us", "limit_at": START, "verified": "token"}
    source = {"ip": "192.0.2.77", "user_agent": "Firefox", "message": "to Lovelace", "token": "t"}
    with writing(engine) as connection:
        connection.execute(insert(unsubscribes).values(**row, **clock, **source))
    about = AddressHasher(ADDRESS_KEY).hash(ADA).hex()
    store._turn(lambda turn: turn.tell(Act(kind="review", tenant="default", actor="olga", reason="Lovelace", subject=about)))
    return store


@both_databases
def test_no_trace_in_words_is_left_and_mail_stays_stopped(known: Store, engine: Engine) -> None:
    before = live(known)
    assert traces(engine)

    certificate = erase(known)

    assert traces(engine) == []
    assert live(known) == before
    assert stops(known) == "unsubscribe"
    assert plain_addresses(engine) == {BEN}
    assert certificate.removed == {
        "addresses": 1,
        "outcomes": 2,
        "changes": 4,
        "entries": 2,
        "strikes": 1,
        "unsubscribes": 1,
        "audit": 1,
    }
    assert certificate.tenants == ["default"]


@both_databases
def test_the_audit_trail_holds_after_an_erasure_and_tells_of_it(known: Store) -> None:
    trail = StoreAudit.beside(known)
    noted = trail.audit_head()

    certificate = erase(known)

    verdict = trail.verify_audit(noted)
    assert verdict.breach is None
    assert verdict.erased == 5  # four changes and an act
    assert verdict.newest is not None
    assert certificate.id == f"erasure-{verdict.newest.seq}"


@both_databases
def test_reports_that_come_later_count_and_bring_no_word_back(known: Store, engine: Engine) -> None:
    erase(known)

    assert did(known, an_outcome("later", "complaint", days=1), an_outcome("other", "soft", days=1)) == [Did.ADDED, Did.COUNTED]
    put(known, cause="manual", reason="by hand")

    assert not any(ADA in text for text in everything(engine))
    assert [entry.address for entry in known.entries_of("default", ADA)] == [None] * len(known.entries_of("default", ADA))
    told = known.history("default", ADA, cursor=None, limit=10).items
    assert all(item.outcome is None for item in told if isinstance(item, Told))


@both_databases
def test_twice_is_as_good_and_so_is_somebody_whom_nobody_knows(known: Store, engine: Engine) -> None:
    erase(known)

    again, stranger = erase(known), erase(known, "nobody@example.com")

    assert (again.removed, stranger.removed) == (_NOTHING, _NOTHING)
    assert stranger.tenants == []
    tell(known, an_outcome("first", recipient="nobody@example.com", tenant="acme"))
    assert "nobody@example.com" not in plain_addresses(engine)
    assert StoreAudit.beside(known).verify_audit().breach is None


@both_databases
def test_an_erasure_from_one_list_leaves_the_others(known: Store, engine: Engine) -> None:
    put(known, tenant="acme", reason="theirs")

    erase(known, tenant="default")

    assert ADA in plain_addresses(engine)  # the other tenant needs it
    assert {entry.address for entry in known.entries_of("default", ADA)} == {None}
    assert {entry.address for entry in known.entries_of("acme", ADA)} == {ADA}
    erase(known, tenant="acme")
    assert plain_addresses(engine) == {BEN}


@both_databases
def test_very_many_reports_are_erased_in_several_turns(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("suppression.store.erasure.ERASURE_TURN_ROWS_MAX", 2)
    tell(store, *(an_outcome(str(number), "none") for number in range(5)))
    for _ in range(3):
        put(store)
        lift(store)

    removed = erase(store).removed

    assert (removed["outcomes"], removed["changes"]) == (5, 6)
    assert StoreAudit.beside(store).verify_audit().breach is None


@both_databases
def test_words_that_name_the_person_go_wherever_they_were_typed(
    known: Store, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("suppression.store.erasure.ERASURE_TURN_ROWS_MAX", 2)
    for number in range(3):
        act = Act(kind="export", tenant="default", actor="olga", reason=f"{number}", body={"recipient": f"Ada <{ADA.upper()}>"})
        known._turn(partial(Turn.tell, act=act))
    other = Act(kind="export", tenant="default", actor="olga", reason=f"for x{ADA}.au, not her")
    known._turn(lambda turn: turn.tell(other))
    StoreJobs.beside(known).submit(
        "export", "default", json.dumps({"recipient": ADA}), reason=f"for {ADA}, Lovelace", requested_by="olga"
    )
    StoreIncidents.beside(known).make(
        "default", IncidentKind.SENDER_FAULT, Marks(text=f"<{ADA}>"), reason=f"complaint of {ADA} Lovelace", actor="olga"
    )

    certificate = erase(known)

    assert [text for text in traces(engine) if f"x{ADA}.au" not in text] == []
    assert (certificate.removed["audit"], certificate.removed["jobs"]) == (5, 3)  # an act each, and the incident has a job
    assert any(f"x{ADA}.au" in text for text in everything(engine))
    assert StoreAudit.beside(known).verify_audit().breach is None


def bring_hash(store: Store) -> tuple[bytes, str]:
    """Let Ada complain on a list of MD5 hashes: the key of the entry, and the hash as it came."""
    hasher = AddressHasher(ADDRESS_KEY)
    name = f"md5:{hashlib.md5(ADA.encode()).hexdigest()}"
    key = hasher.hash_prehashed(name)

    def bring(turn: Turn) -> None:
        turn.load([Person("default", key)])
        standing = Standing(since=START, expires=None, provisional=False)
        grounds = Grounds(actor="olga", reason="Lovelace")
        turn.put(Key(Person("default", key), "*", Cause.COMPLAINT), Did.ADDED, standing, grounds)
        turn.at_end(lambda connection: insert_prehashed(connection, {key: name}))

    store._turn(bring)
    return key, name


@both_databases
def test_whoever_was_brought_as_a_hash_is_erased_by_the_address(store: Store, engine: Engine) -> None:
    key, name = bring_hash(store)
    access = StoreAccess.beside(store).access("default", ADA)
    assert [entry.reason for entry in access.entries] == ["Lovelace"]
    assert len(access.history) == 1

    certificate = erase(store)

    assert not any(secret in text for text in everything(engine) for secret in (*SECRETS, name))
    assert (certificate.tenants, certificate.removed["addresses"]) == (["default"], 1)
    assert store.check_hashes("default", ["*"], [key])[key].cause is Cause.COMPLAINT


@pytest.mark.parametrize("database", ["sqlite"])
def test_a_reason_that_names_the_person_is_refused(known: Store) -> None:
    for reason in (f"asked by {ADA.upper()}", "  "):
        with pytest.raises(Invalid):
            StoreErasure.beside(known).erase(ADA, tenant=None, reason=reason, actor="olga")


@pytest.mark.parametrize("database", ["sqlite"])
def test_the_certificate_is_signed_and_says_what_is_left_and_until_when(known: Store) -> None:
    certificate = erase(known)

    document = StoreErasure.beside(known).signed(certificate)
    DocumentSigner(ADDRESS_KEY).public.check(document)

    assert {one["where"] for one in document["removed"]} == set(REMOVED)
    assert all(one["basis"].startswith("GDPR Art.") for one in document["kept"])
    assert {one["where"] for one in document["leaves_later"]} == {rule.kind for rule in leaving_later(Kept())}
    assert ADA not in str(document)
    assert ADA not in certificate.text()
    assert "2026-01-08" in certificate.text()  # raw mail, seven days on
    with pytest.raises(Invalid):
        DocumentSigner(ADDRESS_KEY).public.check({**document, "reason": "another"})


@both_databases
def test_what_is_held_about_a_person_is_told_in_words(known: Store) -> None:
    access = StoreAccess.beside(known).access("default", ADA)

    assert (access.address_kept, access.erased) == (True, None)
    assert {entry.cause for entry in access.entries} == {"hard", "unsubscribe"}
    text = text_of(access, known.kept)
    for words in ("you asked for no more mail", "Ada Lovelace asked by phone", "192.0.2.77", "read as hard", "mail as it came"):
        assert words in text
    erase(known)
    told = StoreAccess.beside(known).access("default", ADA)
    assert (told.address_kept, told.erased) == (False, START)
    assert not any(secret in text_of(told, known.kept) for secret in SECRETS[1:])


@pytest.mark.parametrize("database", ["sqlite"])
def test_of_somebody_unknown_nothing_is_held(store: Store, clock: FakeClock) -> None:
    clock.advance(days=timedelta(days=1).days)
    access = StoreAccess.beside(store).access("default", ADA)

    assert not access.address_kept
    assert "We hold nothing else" in text_of(access, store.kept)
