"""The compiled loops of batches do what the plain Python of the single lookup does, for any bytes at all."""

import json
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from api.batch.hashes import Hashes
from api.batch.hashing import BLOCK_BYTES, BLOCK_WORDS, COLUMNS, columns_of, hash_columns, state_of
from api.batch.keeping import keep
from api.batch.probing import ALLOWED, ASK, probe
from api.batch.reading import BROKEN, COMPLETE, MORE, PADDING, Spans, Text, find_items, find_lines
from api.batch.warming import warm
from api.index.kernels import read_only
from api.index.slots import (
    CAUSE_CODES,
    CAUSE_MASK,
    CAUSES,
    CHECK_SHIFT,
    EPOCH,
    OTHER_SCOPE,
    home_of,
    identity_of_hash,
    tenant_mask,
    value_of,
)
from nullsender.address import AddressHasher, canonical
from nullsender.errors import Invalid
from suppression.policy import Cause


@pytest.fixture(autouse=True, scope="module")
def _compiled() -> None:
    warm()


HASHER = AddressHasher(b"a key that is only for tests....")


LONGEST = 12


def lines_of(raw: bytes, room: int) -> list[bytes]:
    """The lines of `raw` as `find_lines` gives them, `room` at a time."""
    text, spans, lines, at = Text.of(raw + PADDING), Spans.of(max(room, 1)), list[bytes](), 0
    while True:
        count, at = find_lines(text.text, text.words, at, *spans, room, LONGEST)
        if not count:
            return lines
        lines += [raw[spans.starts[i] : spans.ends[i]] for i in range(count)]
        assert [bool(it) for it in spans.odd[:count]] == [len(line) > LONGEST for line in lines[-count:]]


@given(raw=st.binary() | st.text("ab \r\n", max_size=60).map(str.encode), room=st.integers(1, 5))
@example(raw=b"\n" * 40, room=3)
@example(raw=b"\x0b\x0a\x8a\x0a\x0a\x0b", room=2)
def test_lines_end_at_line_feeds_and_nowhere_else(raw: bytes, room: int) -> None:
    assert lines_of(raw, room) == [line for line in raw.split(b"\n")[:-1] if line.strip(b" \t\r")]


def items_of(raw: bytes, room: int) -> list[bytes] | None:
    """The items of the array that `raw` is the rest of, behind its `[`; None where it is not plain."""
    text, spans, items, at, state = Text.of(raw + PADDING), Spans.of(room), list[bytes](), 0, MORE
    while state == MORE:
        count, at, state = find_items(text.text, text.words, at, *spans, room)
        quotes = [b"" if spans.odd[i] else b'"' for i in range(count)]
        items += [quotes[i] + raw[spans.starts[i] : spans.ends[i]] + quotes[i] for i in range(count)]
    return items if state == COMPLETE and not raw[at:].strip() else None


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)


@given(
    items=st.lists(st.text(st.characters()) | st.emails() | SCALARS, min_size=1, max_size=8),
    separator=st.sampled_from([",", ", ", " ,", ",\n\t"]),
    ascii_only=st.booleans(),
    room=st.integers(1, 4),
)
def test_the_items_of_an_array_are_found_as_they_stand(
    items: list[object], separator: str, ascii_only: bool, room: int
) -> None:
    written = [json.dumps(item, ensure_ascii=ascii_only) for item in items]

    assert items_of((separator.join(written) + " ] ").encode(errors="surrogatepass"), room) == [
        item.encode(errors="surrogatepass") for item in written
    ]


@given(raw=st.binary() | st.text('",[]\\ aé{}1', max_size=30).map(str.encode))
def test_any_bytes_in_place_of_an_array_end_well(raw: bytes) -> None:
    text, spans = Text.of(raw + PADDING), Spans.of(100)

    count, _, state = find_items(text.text, text.words, 0, *spans, 100)

    assert state in (COMPLETE, BROKEN, MORE)
    assert 0 <= count <= 100
    assert all(0 <= spans.starts[i] <= spans.ends[i] <= len(raw) for i in range(count))


class Taken(NamedTuple):
    """What the loops make of items: whether each is plain, and its hash."""

    is_plain: list[bool]
    hashes: list[bytes]


def spans_of(items: list[bytes]) -> tuple[Text, Spans, int]:
    spans, at = Spans.of(len(items)), 0
    for place, item in enumerate(items):
        spans.starts[place], spans.ends[place] = at, at + len(item)
        at += len(item) + 1
    return Text.of(b"\n".join(items) + PADDING), spans, len(items)


def taken(items: list[bytes]) -> Taken:
    hashes = Hashes(HASHER)
    hashes.make(*spans_of([b"x" * 126 + b"@b"] * 20))  # what stood there before makes no difference
    unusual = hashes.make(*spans_of(items))
    return Taken([place not in unusual for place in range(len(items))], [hashes.of(place) for place in range(len(items))])


def quick_form(item: bytes) -> str | None:
    """The canonical form of what is plain: as `canonical` has it, if it says so without a second look."""
    try:
        text = item.decode("ascii")
        address = canonical(text)
    except (UnicodeDecodeError, Invalid):
        return None
    if address != text.strip().lower() or len(address) > BLOCK_BYTES or address.startswith('"') or address.endswith("]"):
        return None
    return address if text.strip() == text.strip(" \t\r") else None


NEAR_ADDRESSES = st.text("aZ@.[]<>()\\\",;: \t\r\x00\x7f'+-é{", max_size=40).map(str.encode)
LONG_ADDRESSES = (st.integers(34, 48) | st.integers(110, 140)).map(lambda size: b"x" * (size - 6) + b"@x.com")


@settings(deadline=None)
@given(items=st.lists(st.binary() | NEAR_ADDRESSES | st.emails().map(str.encode) | LONG_ADDRESSES, min_size=1, max_size=20))
@example(items=[b"x" * 122 + b"@x.com", b"x" * 123 + b"@x.com", b" A@B.c\r", b"a@b", b"@ab", b"ab@", b"a@b.", b"a@@b", b""])
@example(items=[bytes([byte]) + b"a@example.com" for byte in range(256)])
@example(items=[b"aaaaaaa" + bytes([byte]) + b"aaaaa@example.com" for byte in range(256)])
@example(items=[b"a@example.co" + bytes([byte]) for byte in range(256)])
def test_what_is_plain_has_its_canonical_form_and_its_hash(items: list[bytes]) -> None:
    made = taken(items)

    for item, is_plain, address_hash in zip(items, *made, strict=True):
        form = quick_form(item)
        assert is_plain == (form is not None), item
        if form is not None:
            assert address_hash == HASHER.hash(form), item


@pytest.mark.parametrize("size", [16, 33, 64])
def test_the_hash_is_that_of_every_key(size: int) -> None:
    hasher, columns, hashes = AddressHasher(bytes(range(size))), columns_of(BLOCK_WORDS), columns_of(8)
    columns[0] = int.from_bytes(b"a@b", "little")

    hash_columns(columns, np.array([BLOCK_BYTES + 3], np.uint64), state_of(hasher), hashes, 1)

    assert hashes[::COLUMNS][:2].tobytes() == hasher.hash("a@b")


class Slot(NamedTuple):
    """An entry of a drawn table."""

    address: int
    cause: Cause
    provisional: bool
    scope: int
    seconds: int | None  # from now on
    damage: str


NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SLOTS = st.builds(
    Slot,
    st.integers(0, 5),
    st.sampled_from(Cause),
    st.booleans(),
    st.sampled_from([0, 1, 2, 4094, OTHER_SCOPE]),
    st.none() | st.sampled_from([-1, 0, 1]),
    st.sampled_from(["", "", "", "", "lifted", "half written", "another check"]),
)


def written(slot: Slot) -> tuple[int, int]:
    key, check = identity_of_hash("acme", HASHER.hash(f"{slot.address}@example.com"))
    expires = None if slot.seconds is None else NOW + timedelta(seconds=slot.seconds)
    value = value_of(slot.cause, provisional=slot.provisional, scope=slot.scope, check=check, expires=expires)
    if slot.damage == "lifted":
        return key, value & ~CAUSE_MASK
    if slot.damage == "half written":
        return key, 0
    return key, value ^ (1 << CHECK_SHIFT) if slot.damage == "another check" else value


def table_of(slots: list[Slot], size: int) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    words = np.zeros(2 * size, np.uint64)
    for key, value in map(written, slots):
        place = home_of(key, size)
        while words[2 * place]:
            place = (place + 1) % size
        words[2 * place], words[2 * place + 1] = key, value
    return words


def said_by_model(slots: list[Slot], address: int, stream: int) -> tuple[Cause, bool, int] | str | None:
    """Cause, whether in full, and scope of what stops this mail; None: nothing does; "ask": nobody knows."""
    about = [slot for slot in slots if slot.address == address]
    if any(slot.damage in ("half written", "another check") for slot in about):
        return "ask"
    about = [slot for slot in about if not slot.damage]
    if stream == OTHER_SCOPE and any(slot.scope == OTHER_SCOPE for slot in about):
        return "ask"
    about = [slot for slot in about if slot.seconds is None or slot.seconds > 0]
    stopping = [slot for slot in about if slot.scope in (0, stream)]
    gravest = max(stopping, key=lambda slot: (CAUSE_CODES[slot.cause], not slot.provisional, slot.scope == 0), default=None)
    return gravest and (gravest.cause, gravest.provisional, gravest.scope)


@settings(deadline=None)
@given(slots=st.lists(SLOTS, max_size=12), size=st.integers(13, 40), stream=st.sampled_from([0, 1, 7, OTHER_SCOPE]))
@example(slots=[Slot(0, Cause.HARD, False, OTHER_SCOPE, -1, "")], size=13, stream=OTHER_SCOPE)
def test_a_table_says_what_its_gravest_entry_for_this_mail_is(slots: list[Slot], size: int, stream: int) -> None:
    hashes, values = columns_of(8), columns_of(1)
    for address in range(7):
        hashes[address::COLUMNS][:2] = np.frombuffer(HASHER.hash(f"{address}@example.com"), np.uint64)
    now_seconds = int((NOW - EPOCH).total_seconds())

    probe(
        read_only(table_of(slots, size)),
        hashes,
        np.uint64(tenant_mask("acme")),
        np.uint64(stream),
        np.uint64(now_seconds),
        values,
        7,
    )

    for address in range(7):
        said, value = said_by_model(slots, address, stream), int(values[address])
        if said == "ask":
            assert value == ASK
        elif said is None:
            assert value == ALLOWED
        else:
            assert (CAUSES[value & 7], bool(value & 8), value >> 4 & 0xFFF) == said


def test_a_table_without_a_free_slot_is_looked_through_once() -> None:
    values, words = columns_of(1), np.full(2 * 8, 5, np.uint64)

    probe(read_only(words), columns_of(8), np.uint64(77), np.uint64(0), np.uint64(0), values, 3)

    assert not values.any()


@given(lines=st.lists(st.tuples(st.sampled_from([b"", b"a", b"bb", b"a line of its own"]), st.integers(0, 7)), max_size=12))
def test_the_lines_that_are_wanted_are_kept_as_they_were(lines: list[tuple[bytes, int]]) -> None:
    raw, there = b"".join(line + b"\n" for line, _ in lines), [(line, code) for line, code in lines if line]
    text, spans, values, kept = Text.of(raw + PADDING), Spans.of(20), columns_of(1), np.zeros(len(raw), np.uint8)
    count, _ = find_lines(text.text, text.words, 0, *spans, 20, 20)
    values[: len(there)] = [code | 0xF0 for _, code in there]

    size = keep(text.text, spans.starts, spans.ends, values, count, np.uint64(1 << 0 | 1 << 3), kept)

    assert kept[:size].tobytes() == b"".join(line + b"\n" for line, code in there if code in (0, 3))
