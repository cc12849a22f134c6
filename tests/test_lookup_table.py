"""The table file: every key that was put in is found, by every process, and what can not be believed is not."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.index.table import HEADER_BYTES, Table, create, identity_of, key_of, open_table
from nullsender.errors import Misconfigured
from nullsender.limits import TABLE_SLOTS_MIN

IDENTITY = identity_of("a key")
KEYS = st.integers(min_value=1, max_value=2**64 - 1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "table"


def new(path: Path) -> Table:
    return create(path, identity=IDENTITY, slots=TABLE_SLOTS_MIN)


@given(present=st.sets(KEYS | st.integers(2**16 - 4, 2**16 + 4), max_size=200), others=st.sets(KEYS, max_size=50))
def test_a_table_holds_what_was_put_in_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, present: set[int], others: set[int]
) -> None:
    path = tmp_path_factory.mktemp("table") / "table"
    table = new(path)
    for key in present:
        table.add(key)
        table.add(key)

    reader = open_table(path, identity=IDENTITY)

    assert reader is not None
    assert all(map(reader.holds, present))
    assert not any(map(reader.holds, others - present))
    assert reader.count == len(present)
    assert set(reader) == present


def test_keys_that_collide_at_the_end_of_the_table_go_on_at_its_start(path: Path) -> None:
    table = new(path)
    colliding = [TABLE_SLOTS_MIN * n - 1 for n in range(1, 20)]

    for key in colliding:
        table.add(key)

    assert all(map(table.holds, colliding))
    assert not table.holds(TABLE_SLOTS_MIN * 20 - 1)


def test_a_reader_sees_what_the_writer_does_afterwards(path: Path) -> None:
    writer = new(path)
    reader = open_table(path, identity=IDENTITY)
    assert reader is not None

    writer.add(4711)
    writer.move_to(12, 4712)
    writer.checked_at_seconds = 99.5
    writer.supersede()

    assert reader.holds(4711)
    assert (reader.position, reader.fingerprint, reader.checked_at_seconds) == (12, 4712, 99.5)
    assert reader.superseded


def test_a_reader_can_not_write(path: Path) -> None:
    new(path)
    reader = open_table(path, identity=IDENTITY)
    assert reader is not None

    with pytest.raises(TypeError):
        reader.add(4711)


def test_a_full_table_says_so_while_probes_still_end(path: Path) -> None:
    table = new(path)
    key = 0
    while not table.is_full:
        key += 1
        table.add(key)

    assert table.count < table.slots
    assert not table.holds(2**63)
    with pytest.raises(AssertionError, match="grows"):
        table.add(2**63)


def test_a_missing_table_is_none(path: Path) -> None:
    assert open_table(path, identity=IDENTITY) is None


@pytest.mark.parametrize("size_bytes", [0, 7, HEADER_BYTES - 1, HEADER_BYTES, HEADER_BYTES + 8 * TABLE_SLOTS_MIN - 8])
def test_a_table_that_was_cut_short_is_not_believed(path: Path, size_bytes: int) -> None:
    new(path)
    os.truncate(path, size_bytes)

    assert open_table(path, identity=IDENTITY) is None


@pytest.mark.parametrize("place", [0, 8, 16, 24, 32])
def test_a_table_with_another_word_in_its_header_is_not_believed(path: Path, place: int) -> None:
    new(path)
    content = bytearray(path.read_bytes())
    content[place] ^= 0x40
    path.write_bytes(content)

    assert open_table(path, identity=IDENTITY) is None


def test_a_table_of_another_address_key_is_not_believed(path: Path) -> None:
    new(path)

    assert open_table(path, identity=identity_of("another key")) is None


def test_making_a_table_does_not_cut_short_the_one_that_others_have_mapped(path: Path) -> None:
    first = new(path)
    first.add(4711)

    second = new(path)

    assert first.holds(4711)
    assert not second.holds(4711)


def test_a_folder_that_is_not_there_is_the_operators_to_mend(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured):
        new(tmp_path / "missing" / "table")


@given(tenant=st.text(max_size=20), address_hash=st.binary(min_size=16, max_size=16))
def test_no_address_has_the_key_of_a_free_slot(tenant: str, address_hash: bytes) -> None:
    assert 0 < key_of(tenant, address_hash) < 2**64


def test_one_address_has_different_keys_for_different_tenants() -> None:
    assert key_of("a", b"x" * 16) != key_of("b", b"x" * 16)
