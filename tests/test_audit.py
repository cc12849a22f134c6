"""The audit trail proves itself: what was altered, removed, put in, moved or cut off is found, and an erasure is no breach."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from itertools import product
from pathlib import Path

import pytest
from sqlalchemy import Engine, Insert, Table, Update, delete, insert, select, update

import suppression
from nullsender import limits
from nullsender.cli import main
from nullsender.clock import FakeClock
from suppression.audit.chain import CHANGE, GENESIS, KINDS, Act, Head, content_of
from suppression.audit.verifying import Link, Verdict
from suppression.engine import reading, writing
from suppression.models import audit, changes, entries, numbering
from suppression.store.audit_read import Audited, AuditFilters, StoreAudit
from suppression.store.breaker import OPENED
from suppression.store.policy_seen import _ACT as POLICY_ACT
from suppression.store.store import Store
from tests.outcomes import an_outcome
from tests.store_contract import ADA, BEN, EVE, lift, put, tell
from tests.store_fixtures import BOTH_DATABASES, store_on

both_databases = pytest.mark.parametrize("database", BOTH_DATABASES)


@pytest.fixture
def trail(store: Store) -> StoreAudit:
    """The trail of a list on which a little was done: rows 1 to 6, after the row that begins it."""
    put(store, ADA)  # 1
    tell(store, an_outcome("hard", recipient=BEN))  # 2 is the report, 3 the change
    store.create_key("shop", scopes=["check"], tenant=None, expires=None, actor="olga")  # 4
    lift(store, ADA, reason="a slip of the pen")  # 5
    put(store, EVE, tenant="acme")  # 6
    return StoreAudit.beside(store)


def verdict(trail: StoreAudit, noted: Link | None = None) -> Verdict:
    """What a proof of the trail comes to."""
    return trail.verify_audit(noted)


def breach_at(trail: StoreAudit, noted: Link | None = None) -> int | None:
    """The row where the first thing shows that does not hold."""
    breach = verdict(trail, noted).breach
    return None if breach is None else breach.seq


def tamper(engine: Engine, *statements: object) -> None:
    """Do behind the store's back what an intruder would."""
    with writing(engine) as connection:
        for statement in statements:
            connection.execute(statement)  # type: ignore[call-overload]


@both_databases
def test_a_trail_that_nobody_touched_holds_and_is_told_by_its_newest_link(trail: StoreAudit) -> None:
    head = trail.audit_head()

    assert verdict(trail) == Verdict(rows=6, erased=0, newest=head, breach=None)
    assert head is not None
    assert breach_at(trail, head) is None


@both_databases
def test_a_list_that_nobody_wrote_to_has_no_trail_yet(store: Store) -> None:
    trail = StoreAudit.beside(store)

    assert trail.audit_head() is None
    assert verdict(trail) == Verdict(rows=0, erased=0, newest=None, breach=None)


@contextmanager
def tampered(engine: Engine, *statements: object) -> Iterator[None]:
    """The same, taken back afterwards."""
    tables = (audit, changes, numbering, entries)
    with reading(engine) as connection:
        kept = {table: [{**row._mapping} for row in connection.execute(select(table))] for table in tables}
    tamper(engine, *statements)
    yield
    tamper(engine, *(delete(table) for table in tables))
    tamper(engine, *(insert(table).values(rows) for table, rows in kept.items()))


@both_databases
def test_every_altered_column_of_the_trail_is_found(trail: StoreAudit, engine: Engine, clock: FakeClock) -> None:
    otherwise = {
        "seq": 99,
        "at": clock.now() + timedelta(hours=1),
        **dict.fromkeys(("kind", "tenant", "actor", "subject"), "another"),
        "body": '{"reason":"another"}',
        **dict.fromkeys(("salt", "digest", "chain"), b"another"),
    }
    assert otherwise.keys() == set(audit.c.keys())
    for seq, (column, value) in product((0, 3, 4, 6), otherwise.items()):
        with tampered(engine, update(audit).where(audit.c.seq == seq).values({column: value})):
            assert breach_at(trail) is not None, (seq, column)
    assert breach_at(trail) is None


@both_databases
def test_every_altered_column_of_a_change_is_found(trail: StoreAudit, engine: Engine, clock: FakeClock) -> None:
    kinds: dict[type, object] = {str: "another", int: 77, bytes: b"another", object: clock.now() + timedelta(hours=1)}
    for column in changes.c:
        value = kinds[column.type.python_type]
        with tampered(engine, update(changes).where(changes.c.seq == 3).values({column.name: value})):
            assert breach_at(trail) == 3, column.name


def a_copy(engine: Engine, table: Table, seq: int, as_seq: int) -> Insert:
    """Puts a row in once more under another number."""
    with reading(engine) as connection:
        row = connection.execute(select(table).where(table.c.seq == seq)).one()
    return insert(table).values({**row._mapping, "seq": as_seq})


def _another_entry(engine: Engine) -> Insert:
    with reading(engine) as connection:
        row = connection.execute(select(entries).where(entries.c.id == 3)).one()
    return insert(entries).values({**row._mapping, "id": 77, "scope": "elsewhere"})


def a_swap(table: Table, one: int, other: int) -> list[Update]:
    """Lets two rows change places."""
    return [
        update(table).where(table.c.seq == was).values(seq=becomes) for was, becomes in ((one, -1), (other, one), (-1, other))
    ]


@both_databases
def test_what_was_removed_put_in_or_moved_is_found(trail: StoreAudit, engine: Engine) -> None:
    attacks: dict[str, tuple[Sequence[object], int]] = {
        "a row of the trail is removed": ([delete(audit).where(audit.c.seq == 3)], 4),
        "its beginning is removed": ([delete(audit).where(audit.c.seq == 0)], 1),
        "its end is removed": ([delete(audit).where(audit.c.seq == 6)], 6),
        "its last rows are removed": ([delete(audit).where(audit.c.seq >= 5), delete(changes).where(changes.c.seq >= 5)], 4),
        "all of it is removed": ([delete(audit), delete(changes)], -1),
        "a change is removed": ([delete(changes).where(changes.c.seq == 3)], 3),
        "the words of an act are removed": ([update(audit).where(audit.c.seq == 4).values(body=None)], 4),
        "a row is put in": ([a_copy(engine, audit, 4, 2)], 2),
        "a change is put in": ([a_copy(engine, changes, 3, 2)], 2),
        "a change is put in behind the end": ([a_copy(engine, changes, 3, 7), update(numbering).values(last=7)], 7),
        "two rows are swapped": (a_swap(audit, 3, 5), 3),
        "two changes are swapped": (a_swap(changes, 3, 5), 3),
        "an erasure is feigned": (
            [update(changes).values(actor="nobody"), update(audit).where(audit.c.kind == CHANGE).values(salt=None)],
            6,
        ),
        "an erasure of words is feigned": ([update(audit).where(audit.c.seq == 4).values(salt=None, body=None)], 6),
    }
    for attack, (statements, where) in attacks.items():
        with tampered(engine, *statements):
            assert breach_at(trail) == where, attack


def test_every_kind_of_act_has_its_name_in_the_list_of_kinds() -> None:
    sources = [path.read_text(encoding="utf-8") for path in Path(suppression.__file__).parent.rglob("*.py")]
    told = {kind for source in sources for kind in re.findall(r'(?:\bAct\(\s*kind=|_tell\(|_act\()"([a-z-]+)"', source)}

    assert {"key-created", "import-begun", "export-requested"} <= told
    assert told <= set(KINDS)
    assert {OPENED, POLICY_ACT} <= set(KINDS)


def test_a_kind_that_there_is_not_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["audit", "list", "--kind", "exports"])

    assert "export-requested" in capsys.readouterr().err


@both_databases
def test_a_list_that_is_not_as_its_history_says_is_found(trail: StoreAudit, engine: Engine, clock: FakeClock) -> None:
    attacks: dict[str, tuple[Sequence[object], int]] = {
        "an entry is ended": ([update(entries).where(entries.c.id == 3).values(ended_at=clock.now())], 3),
        "an entry is shortened": ([update(entries).where(entries.c.id == 3).values(expires_at=clock.now())], 3),
        "an entry is removed": ([delete(entries).where(entries.c.id == 6)], 6),
        "an end is taken back": ([update(entries).where(entries.c.id == 1).values(ended_at=None)], 5),
        "an entry is put in": ([_another_entry(engine)], 77),
        "a change is put in with a number to come": ([a_copy(engine, changes, 3, 1_000_000)], 1_000_000),
        "a row of the trail is put in there": ([a_copy(engine, audit, 3, 1_000_000)], 1_000_000),
    }
    for attack, (statements, where) in attacks.items():
        with tampered(engine, *statements):
            assert breach_at(trail) == where, attack
    assert breach_at(trail) is None


@both_databases
def test_a_tail_that_was_cut_off_with_care_is_found_by_a_link_that_was_noted(trail: StoreAudit, engine: Engine) -> None:
    noted = trail.audit_head()
    with reading(engine) as connection:
        before = connection.execute(select(audit.c.chain).where(audit.c.seq == 5)).scalar_one()

    tamper(
        engine,
        delete(audit).where(audit.c.seq == 6),
        delete(changes).where(changes.c.seq == 6),
        delete(entries).where(entries.c.id == 6),
        update(numbering).values(last=5, link=before),
    )

    assert breach_at(trail) is None  # without the note nobody can know
    assert breach_at(trail, noted) == 5


@both_databases
def test_a_trail_that_was_written_anew_is_found_by_a_link_that_was_noted(
    trail: StoreAudit, store: Store, engine: Engine
) -> None:
    noted = trail.audit_head()

    tamper(engine, delete(audit), delete(changes), delete(entries), update(numbering).values(last=0, link=None))
    for address in (ADA, BEN, EVE, "more@example.com", "still-more@example.com", "most@example.com", "last@example.com"):
        put(store, address)

    assert breach_at(trail) is None
    assert breach_at(trail, noted) == 6


@both_databases
def test_what_leaves_because_its_time_is_over_is_no_breach(trail: StoreAudit, store: Store, clock: FakeClock) -> None:
    clock.advance(days=limits.HISTORY_KEPT_DAYS + 1)
    store.forget(clock.now(), 100)

    found = verdict(trail)
    assert (found.breach, found.erased) == (None, 3)  # the two changes of Ada's entry, and the words about the key
    assert listed(trail)[0].kind == "retention"


@both_databases
def test_a_list_from_before_the_trail_gets_one_that_says_where_it_begins(store: Store, engine: Engine) -> None:
    for address in (ADA, BEN):
        put(store, address)
    tamper(engine, delete(audit), update(numbering).values(link=None))

    put(store, EVE)

    trail = StoreAudit.beside(store)
    assert [(row.seq, row.kind) for row in listed(trail)] == [(3, CHANGE), (2, GENESIS)]
    assert verdict(trail).breach is None


@both_databases
def test_several_pages_are_one_trail(trail: StoreAudit, monkeypatch: pytest.MonkeyPatch, engine: Engine) -> None:
    monkeypatch.setattr("suppression.store.audit_read.AUDIT_PAGE_ROWS", 2)
    reached: list[tuple[int, int]] = []

    found = trail.verify_audit(told=lambda done, last: reached.append((done, last)))

    assert (found.rows, found.breach) == (6, None)
    assert reached[-1] == (6, 6)
    tamper(engine, a_copy(engine, changes, 3, 2))
    assert breach_at(trail) == 2


@both_databases
def test_stores_in_several_processes_write_one_trail(store: Store, engine: Engine, clock: FakeClock) -> None:
    other = store_on(engine, clock)
    for number in range(3):
        put(store, f"{number}@one.example")
        put(other, f"{number}@other.example")

    assert verdict(StoreAudit.beside(store)) == Verdict(7, 0, StoreAudit.beside(other).audit_head(), None)


def listed(trail: StoreAudit, **wanted: object) -> list[Audited]:
    """The rows that are chosen, newest first."""
    return list(trail.list_audit(AuditFilters(**wanted), cursor=None, limit=100).items)  # type: ignore[arg-type]


@both_databases
def test_the_trail_is_listed_by_kind_actor_subject_tenant_and_time(trail: StoreAudit, store: Store, clock: FakeClock) -> None:
    clock.advance(days=1)
    later = clock.now()
    lift(store, BEN, actor="ben")
    key = next(row for row in listed(trail) if row.kind == "key-created")
    ada = next(row.subject for row in listed(trail) if row.words and row.words.get("reason") == "a slip of the pen")

    assert [row.seq for row in listed(trail)] == [7, 6, 5, 4, 3, 1, 0]
    assert [row.seq for row in listed(trail, kind="key-created")] == [4]
    assert [row.seq for row in listed(trail, kind="change", actor="ben")] == [7]
    assert [row.seq for row in listed(trail, subject=ada)] == [5, 1]
    assert [row.seq for row in listed(trail, subject=key.subject)] == [4]
    assert [row.seq for row in listed(trail, tenant="acme")] == [6]
    assert [row.seq for row in listed(trail, since=later)] == [7]
    assert [row.seq for row in listed(trail, until=later, kind="change")] == [6, 5, 3, 1]
    assert key.words is not None
    assert (key.actor, key.words["name"]) == ("olga", "shop")


@both_databases
def test_the_list_of_the_trail_has_pages(trail: StoreAudit) -> None:
    pages, cursor = [], None
    while True:
        page = trail.list_audit(AuditFilters(), cursor=cursor, limit=2)
        pages.append([row.seq for row in page.items])
        cursor = page.cursor
        if cursor is None:
            break

    assert pages == [[6, 5], [4, 3], [1, 0]]


@both_databases
def test_no_act_of_a_key_tells_the_key(store: Store, trail: StoreAudit, engine: Engine) -> None:
    key_id, plain = store.create_key("secret", scopes=["check"], tenant="acme", expires=None)
    store.rotate_key(key_id, overlap=timedelta(hours=1))
    store.revoke_key(key_id)
    store.revoke_key(key_id)

    assert [row.kind for row in listed(trail)[:3]] == ["key-revoked", "key-created", "key-created"]
    with reading(engine) as connection:
        assert all(plain not in (body or "") for body in connection.execute(select(audit.c.body)).scalars())


@both_databases
def test_an_act_may_hold_any_words(store: Store, trail: StoreAudit) -> None:
    hostile = "\0 \ud800 \U0001f600 " + "x" * 100_000
    act = Act(kind="test", actor=hostile, reason=hostile, subject=hostile, tenant=hostile, body={hostile[:9]: [hostile]})

    store._turn(lambda turn: turn.tell(act))

    assert verdict(trail).breach is None
    assert listed(trail)[0].kind == "test"


def test_a_column_that_comes_later_leaves_the_digests_of_old_rows_as_they_are() -> None:
    assert content_of({"b": 1, "a": b"x"}) == content_of({"a": b"x", "b": 1, "new": None})


def test_a_head_says_what_it_is_about_whatever_is_erased() -> None:
    assert Head._fields == tuple(name for name in [column.name for column in audit.c] if name in Head._fields)
    assert {column.name for column in audit.c} - {*Head._fields} == {"body", "salt", "digest", "chain"}
