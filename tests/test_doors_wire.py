"""The doors' protocols byte by byte: any split, any garbage, any order, and clients that behave badly."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.doors import connection, listening
from api.doors.asking import Asking, Manner
from api.doors.choosing import Chooser
from api.doors.connection import Connection
from api.doors.listening import Guests
from api.doors.opening import GRAMMARS, DoorSettings, Listener, Where
from api.doors.said import Garbage, Kind
from api.threads import StoreThreads
from nullsender.errors import Misconfigured
from nullsender.limits import TABLE_REOPEN_SECONDS
from suppression.policy import Cause
from tests.api_world import World
from tests.doors_world import (
    HOST,
    Heard,
    calling,
    conversation,
    doors_opened,
    heard_to_the_end,
    lookup_of,
    netstring,
    policy_question,
    understood,
)
from tests.waiting import wait_for
from tests.world_fixtures import shared_world as shared_world
from tests.world_fixtures import world as world

DOORS = ("socketmap", "tcp_table", "policy", "readsocket")

#: Questions about two addresses, as one connection may ask them, and the kinds of what is said.
PIPELINED: Mapping[str, tuple[bytes, Sequence[Kind]]] = {
    "socketmap": (
        netstring("* hard@example.com")
        + netstring("* clean@example.com")
        + netstring("what?")
        + netstring("a/b/c x@y.example"),
        (Kind.SUPPRESSED, Kind.ALLOWED, Kind.REFUSED, Kind.REFUSED),
    ),
    "tcp_table": (
        b"get hard%40example.com\nget clean@example.com\nput x y\nget %zz@example.com\nget b\xff@example.com\n",
        (Kind.SUPPRESSED, Kind.ALLOWED, Kind.UNKNOWN, Kind.UNKNOWN, Kind.INVALID),
    ),
    "policy": (
        policy_question("hard@example.com", novelty="1")
        + policy_question("hard@example.com", protocol_state="DATA")
        + policy_question("clean@example.com")
        + policy_question(""),
        (Kind.SUPPRESSED, Kind.ALLOWED, Kind.ALLOWED, Kind.REFUSED),
    ),
    "readsocket": (b"hard@example.com *\nignored@example.com\n", (Kind.SUPPRESSED,)),
}
_ENDS = {"tcp_table": b"\n", "policy": b"\n\n", "readsocket": b"\n"}


def one_by_one(door: str, said: bytes) -> Iterator[bytes]:
    """Answers that came one behind the other."""
    while said:
        if door == "socketmap":
            length = said.partition(b":")[0]
            end = len(length) + 1 + int(length) + 1
        else:
            end = said.index(_ENDS[door]) + len(_ENDS[door])
        yield said[:end]
        said = said[end:]


def split_answers(door: str, said: bytes) -> list[Kind]:
    """What they mean."""
    return [understood(door, answer).kind for answer in one_by_one(door, said)]


class Wire(asyncio.Transport):
    """A connection's other end, in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def write_eof(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True

    abort = close

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


async def answered(world: World, door: str, parts: Sequence[bytes]) -> bytes:
    """What one connection says to bytes that come in these parts, before the client closes its end."""
    threads = StoreThreads(threads=2, waiting_max=10)
    asking = Asking(door, lookup=lookup_of(world), threads=threads, chooser=Chooser(None, {}), manner=Manner())
    wire, ours = Wire(), Connection(GRAMMARS[door](), asking, Guests())
    ours.connection_made(wire)
    for part in parts:
        if not wire.closed:
            ours.data_received(part)
        while ours._is_answering:  # noqa: ASYNC110
            await asyncio.sleep(0)
    ours.eof_received()
    while not wire.closed:  # noqa: ASYNC110
        await asyncio.sleep(0)
    return wire.written


@pytest.fixture(scope="module")
def filled(shared_world: World) -> World:
    shared_world.suppress("hard@example.com")
    shared_world.catch_up()
    return shared_world


@pytest.mark.parametrize("door", DOORS)
def test_a_question_is_the_same_wherever_it_is_cut_in_two(filled: World, door: str) -> None:
    asked, kinds = PIPELINED[door]

    async def every_cut() -> set[bytes]:
        cuts = [(asked[:at], asked[at:]) for at in range(len(asked) + 1)]
        return {await answered(filled, door, cut) for cut in [*cuts, [bytes([byte]) for byte in asked]]}

    (said,) = asyncio.run(every_cut())

    assert split_answers(door, said) == list(kinds)


_PIECES = [
    *(
        b"get ",
        b"%40",
        b"%",
        b"\n",
        b"\n\n",
        b",",
        b":",
        b"5:",
        b"0:",
        b"99999:",
        b"9:NOTFOUND ,",
        b" ",
        b"@",
        b"\x00",
        b"\xff",
    ),
    *(b"request=smtpd_access_policy\n", b"recipient=", b"protocol_state=RCPT\n", b"policy_context=a/b\n", b"=", b"postmaster"),
    *(b"hard@example.com", b"GET / HTTP/1.1\r\n", b"EHLO x\r\n", b"17:* bob@example.com,", b"marketing"),
]
_BYTES = st.lists(st.one_of(st.sampled_from(_PIECES), st.binary(max_size=40)), max_size=12)


@pytest.mark.parametrize("door", DOORS)
@given(parts=_BYTES)
@settings(max_examples=60, deadline=None)
def test_any_bytes_are_answered_in_the_doors_grammar_or_hung_up_on(filled: World, door: str, parts: list[bytes]) -> None:
    said = asyncio.run(answered(filled, door, parts))

    whole = asyncio.run(answered(filled, door, [b"".join(parts)]))
    assert said == whole
    if said:
        split_answers(door, said)


@pytest.mark.parametrize("door", DOORS)
@given(held=st.binary(max_size=300), start=st.integers(0, 300))
@settings(deadline=None)
def test_a_grammar_reads_on_only_and_never_past_the_end(door: str, held: bytes, start: int) -> None:
    cut = GRAMMARS[door]().cut(held, min(start, len(held)))

    assert cut is None or isinstance(cut[0], Garbage) or min(start, len(held)) < cut[1] <= len(held)


@pytest.fixture
def places(world: World) -> Iterator[dict[str, Where]]:
    """Every door, with nothing in memory: each answer has to wait for the store."""
    world.suppress("hard@example.com")
    settings = DoorSettings(listeners=[Listener(door, (HOST, 0)) for door in DOORS], connections_max=5)
    with doors_opened(settings, lookup_of(world)) as places:
        yield dict(zip(DOORS, places, strict=True))


@pytest.mark.parametrize("door", DOORS)
def test_questions_that_wait_for_the_store_are_answered_in_their_order(places: dict[str, Where], door: str) -> None:
    asked, kinds = PIPELINED[door]

    assert split_answers(door, conversation(places[door], asked)) == list(kinds)


def test_a_flood_of_questions_on_one_connection_is_answered_one_by_one(places: dict[str, Where], world: World) -> None:
    world.catch_up()
    world.clock.advance(seconds=TABLE_REOPEN_SECONDS)

    with calling(places["tcp_table"]) as caller:
        for _ in range(5):
            caller.sendall(b"get hard@example.com\nget clean@example.com\n" * 100)
            answer = b""
            while answer.count(b"\n") < 200:
                answer += caller.recv(65536)
            assert answer.count(b"200 550") == answer.count(b"500 not") == 100


TOO_LONG = {
    "socketmap": b"10001:" + b"x" * 10_001 + b",",
    "tcp_table": b"get " + b"x" * 5_000 + b"\n",
    "policy": b"request=smtpd_access_policy\nrecipient=" + b"x" * 20_000 + b"\n\n",
    "readsocket": b"x" * 5_000 + b"\n",
}
LAST_WORDS = {
    "socketmap": b"PERM a question may have ",
    "tcp_table": b"400 a%20question",
    "policy": b"",
    "readsocket": b"ERR a",
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("is_whole", [True, False])
def test_a_question_that_is_too_long_is_refused_whether_or_not_it_ends(
    places: dict[str, Where], door: str, is_whole: bool
) -> None:
    asked = TOO_LONG[door] if is_whole else TOO_LONG[door][:-2]

    said = conversation(places[door], asked)

    assert LAST_WORDS[door] in said
    assert bool(said) == bool(LAST_WORDS[door])


def test_somebody_else_hears_what_this_is_not(places: dict[str, Where]) -> None:
    assert b"PERM this is no netstring" in conversation(places["socketmap"], b"GET / HTTP/1.1\r\n\r\n")
    assert conversation(places["policy"], b"request=junk_mail\n\n") == b""
    assert conversation(places["policy"], b"\n") == b""


def test_one_connection_too_many_is_told_to_come_again(places: dict[str, Where]) -> None:
    with contextlib.ExitStack() as held:
        callers = [held.enter_context(calling(places["tcp_table"])) for _ in range(5)]
        for caller in callers:
            caller.sendall(b"get clean@example.com\n")
            assert caller.recv(100) == b"500 not%20listed\n"

        with calling(places["tcp_table"]) as caller:
            assert heard_to_the_end(caller) == b"400 too%20many%20connections,%20try%20again%20later\n"

        callers[0].close()
        wait_for(lambda: conversation(places["tcp_table"], b"get clean@example.com\n").startswith(b"500"), what="a free place")


def test_who_is_silent_slow_or_does_not_read_is_hung_up_on(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.catch_up()
    monkeypatch.setattr(listening, "DOOR_LOOK_SECONDS", 0.01)
    for bound in ("DOOR_IDLE_SECONDS_MAX", "DOOR_QUESTION_SECONDS_MAX", "DOOR_WRITE_SECONDS_MAX", "DOOR_GOODBYE_SECONDS_MAX"):
        monkeypatch.setattr(connection, bound, 0.05)
    opened = doors_opened(DoorSettings(listeners=[Listener("tcp_table", tmp_path / "door")]), lookup_of(world))

    with opened as (place,), calling(place) as silent, calling(place) as slow, calling(place) as deaf:
        slow.sendall(b"get clean@exam")
        with contextlib.suppress(ConnectionError):
            while True:
                deaf.sendall(b"get clean@example.com\n" * 1000)

        for caller in (silent, slow):
            with contextlib.suppress(ConnectionError):
                assert caller.recv(1) == b""


def test_a_stop_answers_what_is_in_hand(world: World) -> None:
    world.suppress("hard@example.com")
    with doors_opened(DoorSettings(listeners=[Listener("readsocket", (HOST, 0))]), lookup_of(world)) as (place,):
        caller = calling(place)
        idle = calling(place)
        caller.sendall(b"hard@example.com\n")

        assert understood("readsocket", heard_to_the_end(caller)) == Heard(Kind.SUPPRESSED, Cause.HARD)
    assert idle.recv(1) == b""
    caller.close()
    idle.close()


# --- sockets with a path ---


def readsocket_at(path: Path) -> DoorSettings:
    return DoorSettings(listeners=[Listener("readsocket", path)], socket_mode=0o660)


def test_a_socket_with_a_path_has_the_mode_that_was_set_and_goes_with_the_doors(world: World, tmp_path: Path) -> None:
    path = tmp_path / "door"

    with doors_opened(readsocket_at(path), lookup_of(world)):
        assert path.stat().st_mode & 0o777 == 0o660
        assert conversation(path, b"clean@example.com") == b"OK\n"

    assert not path.exists()


def test_a_socket_that_a_killed_process_left_is_taken_away_and_one_in_use_is_not(world: World, tmp_path: Path) -> None:
    path = tmp_path / "door"
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(path))

    with doors_opened(readsocket_at(path), lookup_of(world)):
        with pytest.raises(Misconfigured, match="can not be listened on"), doors_opened(readsocket_at(path), lookup_of(world)):
            pass
        assert conversation(path, b"clean@example.com") == b"OK\n"


def test_the_log_says_where_a_door_listens_as_settings_write_it(
    world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="doors")
    settings = DoorSettings(listeners=[Listener("readsocket", tmp_path / "door"), Listener("policy", (HOST, 0))])

    with doors_opened(settings, lookup_of(world)) as (path, place):
        assert isinstance(place, tuple)
        at = [vars(record)["facts"]["at"] for record in caplog.records]

    assert at == [f"unix:{path}", f"{HOST}:{place[1]}"]


def test_somebodys_file_is_not_taken_for_a_socket(world: World, tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_text("precious")

    with pytest.raises(Misconfigured, match="can not be listened on"), doors_opened(readsocket_at(path), lookup_of(world)):
        pass

    assert path.read_text() == "precious"


def test_a_port_that_is_taken_is_a_sentence(world: World) -> None:
    with socket.create_server((HOST, 0)) as held:
        settings = DoorSettings(listeners=[Listener("policy", held.getsockname())])
        with pytest.raises(Misconfigured, match="can not be listened on"), doors_opened(settings, lookup_of(world)):
            pass
