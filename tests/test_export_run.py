"""Exports: all as of one moment, whatever happens meanwhile; complete, or seen not to be; the same in every format."""

import gzip
import hashlib
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, delete, insert

from nullsender.address import AddressHasher
from nullsender.clock import FakeClock
from nullsender.errors import Invalid, Transient
from nullsender.file_lock import locked
from suppression.engine import writing
from suppression.exports import running
from suppression.exports.manifest import SUFFIX
from suppression.exports.request import Format, What
from suppression.exports.running import Files
from suppression.exports.verifying import verify
from suppression.models import addresses as names
from suppression.models import erased, prehashed
from suppression.policy import Cause
from suppression.store import meanwhile
from suppression.store.exports import START, StoreExports
from suppression.store.store import Store
from tests.export_world import SIGNER, Died, Steps, addresses, asked, export_of, fill, made, read
from tests.store_contract import lift, put
from tests.store_fixtures import ADDRESS_KEY, BOTH_DATABASES

both_databases = pytest.mark.parametrize("database", BOTH_DATABASES)
on_sqlite = pytest.mark.parametrize("database", ["sqlite"])  # what does not depend on the database
HASHER = AddressHasher(ADDRESS_KEY)


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "EXPORT_PART_ROWS", 3)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Where the file goes."""
    return tmp_path / "list.csv"


# --- what is in it -------------------------------------------------------------------------------------------------------


@both_databases
@pytest.mark.parametrize(("what", "rows"), [(What.ENTRIES, 10), (What.UNSUBSCRIBES, 2), (What.CHANGES, 10)])
def test_every_format_gives_the_same_rows(store: Store, clock: FakeClock, tmp_path: Path, what: What, rows: int) -> None:
    fill(store, clock)
    read_rows = []
    ways: list[dict[str, Any]] = [{}, {"gzip": True}, {"format": Format.NDJSON}, {"format": Format.PARQUET}]
    for number, given in enumerate(ways):
        manifest = made(store, clock, tmp_path / f"{number}", what=what, **given)
        assert manifest["counts"]["rows"] == rows
        read_rows.append(read(tmp_path / f"{number}", manifest))

    assert len(read_rows[0]) == rows
    assert all(found == read_rows[0] for found in read_rows)


@both_databases
def test_a_row_tells_all_of_an_entry(store: Store, clock: FakeClock, target: Path) -> None:
    entry = put(store, cause="hard", scope="marketing", expires=clock.now() + timedelta(days=3), reason="@home")

    [row] = read(target, made(store, clock, target))

    assert row == {
        "tenant": "default",
        "address": "ada@example.com",
        "address_hash": HASHER.hash("ada@example.com").hex(),
        "known_as": None,
        "scope": "marketing",
        "cause": "hard",
        "category": None,
        "provisional": False,
        "since": "2026-01-01T00:00:00.000000Z",
        "expires": "2026-01-04T00:00:00.000000Z",
        "ended": None,
        "ended_by": None,
        "reason": "@home",
        "created_by": "olga",
        "rule": None,
        "evidence": None,
        "entry": entry.id,
    }


@on_sqlite
def test_a_csv_file_ends_lines_with_crlf_and_holds_no_formula(store: Store, clock: FakeClock, target: Path) -> None:
    fill(store, clock)

    made(store, clock, target)

    text = target.read_bytes().decode()
    assert text.count("\r\n") == 11
    assert "'=1+1" in text
    assert ",=1+1" not in text
    assert '"=1+1' not in text


@on_sqlite
def test_a_list_of_hashes_has_each_address_once_in_an_order_that_tells_nothing(
    store: Store, clock: FakeClock, target: Path
) -> None:
    for number in range(20):
        put(store, f"Person{number}@Example.COM", cause="hard")
        put(store, f"person{number}@example.com", cause="complaint")

    for format_, compressed in ((Format.MD5, False), (Format.SHA256, True)):
        target = target.with_name(format_.value)
        manifest = made(store, clock, target, format=format_, gzip=compressed)

        text = gzip.decompress(target.read_bytes()) if compressed else target.read_bytes()
        addresses_ = [f"person{number}@example.com".encode() for number in range(20)]
        assert text.decode().splitlines() == sorted(hashlib.new(format_.value, one).hexdigest() for one in addresses_)
        assert (manifest["file"]["rows"], manifest["counts"]["rows"]) == (20, 40)
        verify(Files(target).manifest, SIGNER.public)


@both_databases
def test_whoever_was_erased_is_known_by_the_hash_alone(
    store: Store, clock: FakeClock, target: Path, engine: Engine, tmp_path: Path
) -> None:
    put(store)
    put(store, tenant="other")
    with writing(engine) as connection:  # as an erasure for one tenant does, where another still knows the address
        connection.execute(insert(erased).values(address_hash=HASHER.hash("ada@example.com"), tenant="default", at=clock.now()))

    manifest = made(store, clock, target, tenant=None)
    hashes = made(store, clock, tmp_path / "hashes", format=Format.MD5)

    assert {row["tenant"]: row["address"] for row in read(target, manifest)} == {"default": None, "other": "ada@example.com"}
    assert {row["address_hash"] for row in read(target, manifest)} == {HASHER.hash("ada@example.com").hex()}
    assert manifest["counts"]["without_address"] == 1
    assert hashes["file"]["rows"] == 0
    assert made(store, clock, tmp_path / "domain", domain="example.com")["counts"]["rows"] == 0


@both_databases
def test_whom_somebody_brought_as_a_hash_leaves_as_that_hash(
    store: Store, clock: FakeClock, target: Path, engine: Engine, tmp_path: Path
) -> None:
    put(store)
    digest = hashlib.md5(b"somebody@example.com").hexdigest()
    with writing(engine) as connection:
        connection.execute(insert(prehashed).values(address_hash=HASHER.hash("ada@example.com"), name=f"md5:{digest}"))
        connection.execute(delete(names))

    assert read(target, made(store, clock, target))[0]["known_as"] == f"md5:{digest}"
    made(store, clock, tmp_path / "md5", format=Format.MD5)
    made(store, clock, tmp_path / "sha256", format=Format.SHA256)
    assert (tmp_path / "md5").read_text() == digest + "\n"
    assert (tmp_path / "sha256").read_text() == ""


@both_databases
def test_filters_hold_together(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    fill(store, clock)
    put(store, "persona@example.com", tenant="other", scope="elsewhere")
    cases: list[tuple[dict[str, Any], str]] = [
        ({}, "0123456789"),
        ({"cause": Cause.UNSUBSCRIBE}, "16"),
        ({"scope": "list:news"}, "258"),
        ({"stream": "Marketing"}, "0134679"),
        ({"stream": "other"}, "0369"),
        ({"stream": "other", "mailing_list": "news"}, "0235689"),
        ({"domain": "Example.org"}, "13579"),
        ({"begins": datetime.fromisoformat("2026-01-01T00:00:03Z")}, "3456789"),
        ({"ends": datetime.fromisoformat("2026-01-01T01:00:03+01:00")}, "012"),
        ({"tenant": None}, "0123456789a"),
        ({"tenant": "other"}, "a"),
        ({"cause": Cause.UNSUBSCRIBE, "scope": "*"}, "6"),
    ]

    for number, (given, expected) in enumerate(cases):
        target = tmp_path / f"{number}"
        found = addresses(target, made(store, clock, target, **given))
        assert "".join(name.removeprefix("person")[0] for name in found) == expected, given


@both_databases
def test_what_has_ended_is_left_out_unless_it_is_asked_for(
    store: Store, clock: FakeClock, target: Path, tmp_path: Path
) -> None:
    put(store, "lifted@example.com")
    lift(store, "lifted@example.com")
    put(store, "over@example.com", expires=clock.now() + timedelta(days=1))
    put(store, "stands@example.com")
    clock.advance(days=2)

    assert addresses(target, made(store, clock, target)) == ["stands@example.com"]
    manifest = made(store, clock, tmp_path / "all", ended=True)
    assert addresses(tmp_path / "all", manifest) == ["lifted@example.com", "over@example.com", "stands@example.com"]
    assert read(tmp_path / "all", manifest)[0]["ended_by"] == "lifted"


@both_databases
def test_every_tenant_is_read_whole(store: Store, clock: FakeClock, target: Path) -> None:
    fill(store, clock, 5, tenant="b")
    fill(store, clock, 5, tenant="a")
    fill(store, clock, 5, tenant="c")

    rows = read(target, made(store, clock, target, tenant=None))

    assert [row["tenant"] for row in rows] == [*"aaaaabbbbbccccc"]


@on_sqlite
def test_an_empty_list_is_an_export_too(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    for format_ in Format:
        target = tmp_path / format_
        manifest = made(store, clock, target, format=format_)
        assert manifest["counts"]["rows"] == 0
        verify(target.with_name(target.name + SUFFIX), SIGNER.public)


# --- as of one moment ----------------------------------------------------------------------------------------------------


class _Meddling(Steps):
    """Lets something happen to the list after each part."""

    def __init__(self, *happens: Any) -> None:
        super().__init__()
        self._happens = list(happens)

    def checkpoint(self, cursor: str, *, done: int, total: int | None) -> None:
        super().checkpoint(cursor, done=done, total=max(total or 0, done))
        if self._happens:
            self._happens.pop(0)()


@both_databases
def test_an_export_shows_the_list_as_it_stood_when_it_began(
    store: Store, clock: FakeClock, target: Path, tmp_path: Path
) -> None:
    fill(store, clock)
    for number in (3, 5, 7):
        put(store, f"soon{number}@example.com", expires=clock.now() + timedelta(days=1))
    before = read(tmp_path / "before", made(store, clock, tmp_path / "before"))

    def lift_some() -> None:
        for number in (0, 1, 4, 8):
            lift(store, f"person{number}@example.{('com', 'org')[number % 2]}", consent="signed up again")

    def bring_one_back_and_change_another() -> None:
        put(store, "person8@example.com", cause="manual", scope="list:news")
        put(store, "person9@example.org", cause="soft", scope="*")
        put(store, "new@example.com")

    def let_time_pass() -> None:
        clock.advance(days=2)
        store.expire(clock.now(), 100)

    steps = _Meddling(lift_some, bring_one_back_and_change_another, let_time_pass)
    manifest = export_of(store, clock, asked(clock.now()), target).run(None, steps)

    assert read(target, manifest) == before
    assert len(steps.dones) > 3


@both_databases
def test_filters_are_held_against_what_stood_when_it_began(store: Store, clock: FakeClock, target: Path) -> None:
    fill(store, clock)

    def change() -> None:
        lift(store, "person6@example.com", consent="signed up again")
        lift(store, "person7@example.org")
        put(store, "person5@example.org", cause="unsubscribe")

    request = asked(clock.now(), cause=Cause.UNSUBSCRIBE, domain="example.com", begins=clock.now() - timedelta(seconds=5))
    cut = StoreExports.beside(store).cut()
    change()
    rows = StoreExports.beside(store).rows(request, cut, meanwhile.Meanwhile(cut.position), START, 100).rows

    assert [row[1] for row in rows] == ["person6@example.com"]


@on_sqlite
def test_where_too_much_changes_meanwhile_the_export_is_refused_and_not_guessed(
    store: Store, clock: FakeClock, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store, clock)
    monkeypatch.setattr(meanwhile, "EXPORT_MEANWHILE_MAX", 2)

    def lift_many() -> None:
        for number in (2, 4, 6):
            lift(store, f"person{number}@example.com", consent="signed up again")

    with pytest.raises(Invalid, match="more than 2 entries were changed"):
        export_of(store, clock, asked(clock.now()), target).run(None, _Meddling(lift_many))
    assert not target.exists()


# --- what is interrupted --------------------------------------------------------------------------------------------------


@on_sqlite
@pytest.mark.parametrize("format_", [Format.CSV, Format.PARQUET, Format.MD5])
def test_wherever_it_dies_the_next_run_makes_the_same_file(
    store: Store, clock: FakeClock, tmp_path: Path, format_: Format
) -> None:
    fill(store, clock)
    whole = made(store, clock, tmp_path / "whole", format=format_)
    request = asked(clock.now(), format=format_)
    for dies_at in range(20):
        target = tmp_path / f"{dies_at}" / "list"
        target.parent.mkdir()
        steps = Steps(dies_at)
        try:
            export_of(store, clock, request, target).run(None, steps)
        except Died:
            assert not target.exists()
            assert not Files(target).manifest.exists()
        else:
            break
        manifest = export_of(store, clock, request, target).run(steps.cursor, Steps())
        assert manifest["file"]["sha256"] == whole["file"]["sha256"]
        assert {path.name for path in target.parent.iterdir()} == {target.name, Files(target).manifest.name}
    assert dies_at > 5


@on_sqlite
def test_what_was_written_behind_the_last_checkpoint_is_cut_off(store: Store, clock: FakeClock, target: Path) -> None:
    fill(store, clock)
    steps, request = Steps(dies_at=5), asked(clock.now())
    with pytest.raises(Died):
        export_of(store, clock, request, target).run(None, steps)
    with Files(target).draft.open("ab") as draft:
        draft.write(b"half a ro")

    manifest = export_of(store, clock, request, target).run(steps.cursor, Steps())

    assert len(read(target, manifest)) == 10


@on_sqlite
def test_a_draft_that_is_gone_is_begun_again(store: Store, clock: FakeClock, target: Path) -> None:
    fill(store, clock)
    steps, request = Steps(dies_at=5), asked(clock.now())
    with pytest.raises(Died):
        export_of(store, clock, request, target).run(None, steps)
    Files(target).draft.unlink()

    manifest = export_of(store, clock, request, target).run(steps.cursor, Steps())

    assert len(read(target, manifest)) == 10


@on_sqlite
def test_two_processes_never_write_one_file(store: Store, clock: FakeClock, target: Path) -> None:
    other = locked(Files(target).lock)
    assert other is not None

    with other, pytest.raises(Transient, match="another process"):
        made(store, clock, target)


# --- the manifest ---------------------------------------------------------------------------------------------------------


@on_sqlite
def test_the_manifest_says_what_for_as_of_when_and_how_much(store: Store, clock: FakeClock, target: Path) -> None:
    fill(store, clock)

    manifest = made(store, clock, target, domain="example.com", begins=clock.now() - timedelta(days=1))

    assert manifest == json.loads(Files(target).manifest.read_text())
    assert {name: manifest[name] for name in ("purpose", "recipient", "requested_by", "what", "format")} == {
        "purpose": "a test",
        "recipient": "Jane Doe",
        "requested_by": "olga",
        "what": "entries",
        "format": "csv",
    }
    assert manifest["filters"] == {"tenant": "default", "from": "2025-12-31T00:00:10Z", "domain": "example.com"}
    assert manifest["counts"] == {
        "rows": 5,
        "by_cause": dict.fromkeys(sorted(Cause), 1),
        "without_address": 0,
    }
    assert manifest["file"]["sha256"] == hashlib.sha256(target.read_bytes()).hexdigest()
    assert manifest["file"]["bytes"] == target.stat().st_size
    number, _, link = manifest["audit_head"].partition(":")
    assert int(number) <= manifest["as_of"]["position"]
    assert len(link) == 64


@on_sqlite
def test_a_file_that_names_people_is_its_owners_alone(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    for format_ in Format:
        made(store, clock, tmp_path / format_, format=format_)
        assert (tmp_path / format_).stat().st_mode & 0o077 == 0
