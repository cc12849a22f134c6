"""The table file: it says of everybody what was put in, to every process, and what can not be believed is not."""

import os
from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.index import writing
from api.index.building import batch_of
from api.index.slots import CAUSE_MASK, CAUSES, EPOCH, SCOPE_MASK, SCOPE_SHIFT
from api.index.table import (
    ASK_STORE,
    DIRTY_AT,
    HEADER_BYTES,
    NOTHING,
    SLOTS_AT_BYTES,
    Table,
    identity_of,
    open_table,
    this_boot,
)
from api.index.writing import WritableTable, create, taken_over
from nullsender import limits
from nullsender.errors import Misconfigured, Transient
from nullsender.limits import TABLE_SLOTS_MIN
from suppression.policy import Cause
from suppression.store.standing import Kind, Standing

IDENTITY = identity_of("a key")
NOW = EPOCH + timedelta(days=2000)


class Entry(NamedTuple):
    """One entry, by a number in place of an address."""

    person: int
    tenant: str = "default"
    scope: str = "*"
    cause: Cause = Cause.HARD
    provisional: bool = False
    expires: datetime | None = None
    ends: bool = False


def hash_of(person: int) -> bytes:
    return blake2b(person.to_bytes(8, "little"), digest_size=16).digest()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "table"


def new(path: Path, slots: int = TABLE_SLOTS_MIN) -> WritableTable:
    return create(path, identity=IDENTITY, slots=slots)


def put(table: WritableTable, *entries: Entry) -> None:
    kinds = [Kind(it.tenant, it.scope, it.cause, it.provisional, it.expires) for it in entries]
    standing = Standing([hash_of(it.person) for it in entries], kinds, {kind: kind for kind in kinds})
    table.put(batch_of(standing, table, [it.ends for it in entries]))


def said(table: Table, person: int, stream: str | None = None, tenant: str = "default") -> tuple[Cause, str] | str | None:
    """Cause and scope of what stops this mail; None where nothing does."""
    value = table.value_of(tenant, ("*", *([stream] if stream else [])), hash_of(person), lambda: (NOW - EPOCH).total_seconds())
    if value == ASK_STORE:
        return "ask the store"
    return None if value == NOTHING else (CAUSES[value & CAUSE_MASK], table.scope_name(value >> SCOPE_SHIFT & SCOPE_MASK))


def reader_of(path: Path) -> Table:
    table = open_table(path, identity=IDENTITY)
    assert table is not None
    return table


# --- what it says ---


def test_a_table_says_what_stops_mail_and_for_everybody_else_nothing(path: Path) -> None:
    put(new(path), Entry(1), Entry(2, scope="news", cause=Cause.UNSUBSCRIBE), Entry(3, tenant="acme"))
    reader = reader_of(path)

    assert said(reader, 1, "news") == said(reader, 1) == (Cause.HARD, "*")
    assert said(reader, 2, "news") == (Cause.UNSUBSCRIBE, "news")
    assert said(reader, 2, "receipts") is said(reader, 2) is said(reader, 3) is said(reader, 4) is None
    assert said(reader, 3, tenant="acme") == (Cause.HARD, "*")
    assert (reader.used, reader.standing) == (3, 3)


def test_of_several_entries_the_gravest_is_given(path: Path) -> None:
    table = new(path)
    put(table, *(Entry(1, cause=cause) for cause in Cause), Entry(1, scope="news", cause=Cause.COMPLAINT))

    for cause in Cause:
        assert said(table, 1) == (cause, "*")
        put(table, Entry(1, cause=cause, ends=True))
    assert said(table, 1) is None
    assert said(table, 1, "news") == (Cause.COMPLAINT, "news")


def test_an_entry_ends_at_its_time_and_not_before(path: Path) -> None:
    table = new(path)
    put(
        table,
        Entry(1, expires=NOW),
        Entry(2, expires=NOW + timedelta(microseconds=1)),
        Entry(3, expires=datetime.max.replace(tzinfo=NOW.tzinfo)),
    )

    assert said(table, 1) is None
    assert said(table, 2) == said(table, 3) == (Cause.HARD, "*")


def test_an_entry_that_is_put_in_again_has_its_new_end(path: Path) -> None:
    table = new(path)
    put(table, Entry(1, expires=NOW, provisional=True))
    put(table, Entry(1))

    assert said(table, 1) == (Cause.HARD, "*")
    assert (table.used, table.standing) == (1, 1)


def test_the_slot_of_an_entry_that_ended_is_used_again_by_the_same_address(path: Path) -> None:
    table = new(path)
    put(table, Entry(1), Entry(1, ends=True), Entry(1, ends=True), Entry(1, scope="news"), Entry(2, ends=True))

    assert said(table, 1) is None
    assert said(table, 1, "news") == (Cause.HARD, "news")
    assert (table.used, table.standing) == (1, 1)


def test_a_reader_sees_what_the_writer_does_afterwards(path: Path) -> None:
    writer = new(path)
    reader = reader_of(path)
    assert said(reader, 1, "news") is None

    put(writer, Entry(1, scope="news"))
    writer.move_to(12, 4712)
    writer.checked(99.5)

    assert said(reader, 1, "news") == (Cause.HARD, "news")
    assert (reader.position, reader.fingerprint, reader.checked_at_seconds) == (12, 4712, 99.5)
    writer.supersede()
    assert reader.superseded
    assert reader.checked_at_seconds < 0


def test_a_reader_can_not_write(path: Path) -> None:
    new(path)

    with pytest.raises(TypeError):
        reader_of(path).words[0] = 4711


def test_a_scope_without_a_number_is_the_stores_to_tell(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "TABLE_SCOPES_MAX", 2)
    table = new(path)
    put(table, Entry(1, scope="a"), Entry(1, scope="b"), Entry(1, scope="c"), Entry(2, scope="c"), Entry(2, scope="d"))
    put(table, Entry(2, scope="c", ends=True), Entry(1, scope="a", ends=True))

    assert [said(table, 1, stream) for stream in ("a", "b", None)] == [None, (Cause.HARD, "b"), None]
    assert said(table, 1, "c") == said(table, 2, "c") == said(table, 2, "d") == said(table, 2, "e") == "ask the store"
    assert said(table, 3, "c") is None


def test_a_stranger_with_the_same_key_is_the_stores_to_tell(path: Path) -> None:
    table = new(path)
    put(table, Entry(1))
    stranger = hash_of(1)[:8] + hash_of(2)[8:]

    assert table.value_of("default", ("*",), stranger, lambda: 0.0) == ASK_STORE


def test_keys_that_collide_at_the_end_of_the_table_go_on_at_its_start(path: Path) -> None:
    table = new(path, slots=64)
    kind = Kind("default", "*", Cause.HARD, False, None)
    mask = int.from_bytes(b"\xff" * 8, "little") ^ writing_mask()
    hashes = [(mask - n).to_bytes(8, "little") + bytes(8) for n in range(40)]

    table.put(batch_of(Standing(hashes, [kind] * 40, {kind: kind}), table))

    assert all(table.value_of("default", ("*",), it, lambda: 0.0) not in (NOTHING, ASK_STORE) for it in hashes)
    assert table.value_of("default", ("*",), (mask - 41).to_bytes(8, "little") + bytes(8), lambda: 0.0) == NOTHING


def writing_mask() -> int:
    from api.index.slots import tenant_mask

    return tenant_mask("default")


@settings(deadline=None)
@given(tenant=st.text(max_size=20), address_hash=st.binary(min_size=16, max_size=16))
def test_any_hash_is_looked_up_in_an_empty_table(
    tmp_path_factory: pytest.TempPathFactory, tenant: str, address_hash: bytes
) -> None:
    table = new(tmp_path_factory.mktemp("table") / "table", slots=4)

    assert table.value_of(tenant, ("*",), address_hash, lambda: 0.0) == NOTHING


# --- room ---


def test_a_table_without_room_says_so_and_stays_as_it_was(path: Path) -> None:
    table = new(path, slots=100)
    people = range(95)
    put(table, *map(Entry, people))

    with pytest.raises(Transient, match="full"):
        put(table, Entry(1000), Entry(1001))

    assert said(table, 1000) is None
    assert all(said(table, person) for person in people)
    assert table.wants_to_grow


@settings(deadline=None)
@given(numbers=st.lists(st.tuples(st.integers(0, 30), st.booleans()), max_size=60), slices=st.integers(1, 40))
def test_what_stands_is_copied_and_what_ended_is_left_behind(
    tmp_path_factory: pytest.TempPathFactory, numbers: Sequence[tuple[int, bool]], slices: int
) -> None:
    folder = tmp_path_factory.mktemp("table")
    table, larger = new(folder / "table", slots=40), new(folder / "larger", slots=64)
    for number, ends in numbers:
        put(table, Entry(number, scope="news", ends=ends))
    larger.take_names(table)

    for begin in range(0, table.slots, slices):
        larger.copy_from(table, begin, min(begin + slices, table.slots))

    assert [said(larger, number, "news") for number in range(31)] == [said(table, number, "news") for number in range(31)]
    assert larger.used == larger.standing == table.standing
    del larger
    assert taken_over(folder / "larger", identity=IDENTITY) is not None


# --- believing ---


def test_a_missing_table_is_none(path: Path) -> None:
    assert open_table(path, identity=IDENTITY) is None
    assert taken_over(path, identity=IDENTITY) is None


@pytest.mark.parametrize(
    "size_bytes", [0, 7, HEADER_BYTES - 1, HEADER_BYTES, SLOTS_AT_BYTES, SLOTS_AT_BYTES + 16 * TABLE_SLOTS_MIN - 16]
)
def test_a_table_that_was_cut_short_is_not_believed(path: Path, size_bytes: int) -> None:
    new(path)
    os.truncate(path, size_bytes)

    assert open_table(path, identity=IDENTITY) is None
    assert taken_over(path, identity=IDENTITY) is None


@pytest.mark.parametrize("place", [0, 8, 16, 48])
def test_a_table_with_another_word_in_its_header_is_not_believed(path: Path, place: int) -> None:
    """What file it is, its format, its list, its size."""
    new(path)
    flip(path, place)

    assert open_table(path, identity=IDENTITY) is None
    assert taken_over(path, identity=IDENTITY) is None


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 0x40
    path.unlink()
    path.write_bytes(content)


def test_a_table_of_another_address_key_is_not_believed(path: Path) -> None:
    new(path)

    assert open_table(path, identity=identity_of("another key")) is None
    assert taken_over(path, identity=identity_of("another key")) is None


@pytest.mark.parametrize("what", ["a key", "a value", "a free slot", "a name", "the count"])
def test_a_damaged_table_is_not_taken_over(path: Path, what: str) -> None:
    table = new(path)
    put(table, Entry(1, scope="news"))
    used = next(place for place in range(table.slots) if table.words[2 * place])
    free = next(place for place in range(table.slots) if not table.words[2 * place])
    places = {
        "a key": SLOTS_AT_BYTES + used * 16 + 1,
        "a value": SLOTS_AT_BYTES + used * 16 + 9,
        "a free slot": SLOTS_AT_BYTES + free * 16 + 3,
        "a name": HEADER_BYTES + limits.NAME_LENGTH_MAX,
        "the count": 7 * 8,
    }
    assert taken_over(path, identity=IDENTITY) is not None

    flip(path, places[what])

    assert taken_over(path, identity=IDENTITY) is None


@pytest.fixture
def rebooted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test's tables were made by a process of the boot before."""
    real_boot = this_boot()
    monkeypatch.setattr(writing, "this_boot", lambda: b"the boot before ")
    monkeypatch.setattr("api.index.table.this_boot", lambda: real_boot)


def test_a_table_of_another_boot_is_believed_by_readers_only_after_its_writer(
    path: Path, rebooted: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = new(path)
    put(table, Entry(1))
    table.checked(5.0)
    assert open_table(path, identity=IDENTITY) is None
    monkeypatch.undo()

    assert taken_over(path, identity=IDENTITY) is not None

    assert said(reader_of(path), 1) == (Cause.HARD, "*")
    assert reader_of(path).checked_at_seconds < 0


def test_a_dirty_table_of_another_boot_is_not_believed(path: Path, rebooted: None, monkeypatch: pytest.MonkeyPatch) -> None:
    new(path).header[DIRTY_AT] = 1
    monkeypatch.undo()

    assert taken_over(path, identity=IDENTITY) is None


def test_a_writer_that_was_killed_in_a_batch_leaves_a_table_that_is_counted_anew(path: Path) -> None:
    table = new(path)
    put(table, Entry(1))
    checksum = table.header[14]
    put(table, Entry(2), Entry(1, ends=True))
    table.header[DIRTY_AT], table.header[14], table.header[7], table.header[8] = 1, checksum, 1, 1

    again = taken_over(path, identity=IDENTITY)

    assert again is not None
    assert (again.used, again.standing, again.header[DIRTY_AT]) == (2, 1, 0)
    assert taken_over(path, identity=IDENTITY) is not None


# --- making ---


def test_making_a_table_does_not_cut_short_the_one_that_others_have_mapped(path: Path) -> None:
    first = new(path)
    put(first, Entry(1))

    second = new(path)

    assert said(first, 1)
    assert said(second, 1) is None


def test_a_folder_that_is_not_there_is_the_operators_to_mend(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured):
        new(tmp_path / "missing" / "table")


def test_a_table_without_room_on_the_disk_is_trouble_that_may_pass(path: Path) -> None:
    with pytest.raises(Transient, match="can not be written"):
        new(path, slots=2**44)  # more than any file system has

    assert not path.exists()
