"""Connections that ask one plain lookup after the other are answered together; whatever is not plain is given back."""

import asyncio
import re
import socket
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from uvicorn.server import ServerState

from api import lookup
from api.batch import loading
from api.batch.answering import BEFORE, PACKET_BYTES, take
from api.batch.hashing import BLOCK_BYTES, BLOCK_WORDS, COLUMNS, columns_of
from api.http import hot as hot_module
from api.http import keys, protocol, server
from api.http.hot import HotConnections
from api.http.keys import KnownKey
from api.http.protocol import Protocol, Shared
from api.http.quick import _PLAIN
from api.http.server import serve
from api.index.follower import follow
from api.index.table import Table
from nullsender import counting
from nullsender.limits import API_HOT_KINDS_MAX, API_HOT_READY_MAX, API_KEY_CACHE_SECONDS, API_RATE_BURST_SECONDS
from tests.api_world import STALENESS_SECONDS_MAX, Asked, opened_asked, opened_store, opened_world
from tests.ports import free_port
from tests.test_api_served import CLOCK, Served, accepts, api_of, opened_served, received, running
from tests.test_api_ways import HOT, WARM, answer_of, opened
from tests.waiting import wait_for

REST = b" HTTP/1.1\r\nhost: a.test\r\n\r\n"
CLEAN = BEFORE.tobytes() + b"Clean@Example.com"

# --- the grammar -------------------------------------------------------------------------------------------------------

PIECES = st.sampled_from(
    ["GET /v1/check?address=", "&stream=", "&list=", "a@b", "Näher@x.test", "a.b", "@", ".", "&", "%40", "+", "A-Z_9", "x" * 63]
)
PACKETS = st.lists(PIECES | st.text(max_size=3), max_size=6).map(lambda pieces: CLEAN + "".join(pieces).encode())


@settings(deadline=None, max_examples=200)
@given(packet=PACKETS | st.binary(max_size=60) | st.lists(PIECES, max_size=6).map(lambda pieces: "".join(pieces).encode()))
@example(packet=BEFORE.tobytes() + b"@a@b")
@example(packet=BEFORE.tobytes() + b"a@b.")
@example(packet=BEFORE.tobytes() + b"a" * (BLOCK_BYTES - 2) + b"@b")
@example(packet=BEFORE.tobytes() + b"a" * (BLOCK_BYTES - 1) + b"@b")
@example(packet=CLEAN + b"&stream=" + b"s" * 64 + b"&list=" + b"l" * 64)
@example(packet=CLEAN + b"&list=l&stream=s")
@example(packet=CLEAN + b"&stream=")
def test_what_is_plain_is_so_for_compiled_code_and_for_the_protocol(packet: bytes) -> None:
    columns, text = columns_of(BLOCK_WORDS), np.zeros(PACKET_BYTES, np.uint8)
    whole = packet + REST
    text[: len(whole)] = np.frombuffer(whole, np.uint8)

    length = take(text, 0, len(whole), np.frombuffer(REST, np.uint8), columns, 7)

    matched = _PLAIN(packet)
    expected = matched[1].lower() if matched and len(matched[1]) <= BLOCK_BYTES else b""
    assert length == len(expected)
    assert not length or columns[7::COLUMNS].tobytes() == expected.ljust(BLOCK_BYTES, b"\0")


# --- connections beside each other, on a clock of ours -------------------------------------------------------------------


class Given:
    """One connection: the client's end, and what was given back of ours."""

    def __init__(self, hot: HotConnections, known: KnownKey, rest: bytes = REST) -> None:
        self.ours, self.client = socket.socketpair()
        self.ours.setblocking(False)
        self.client.settimeout(5)
        self.back: tuple[bytes, bytes] | None = None
        self.place = hot.take(self, self.ours.fileno(), known, rest)

    def given_back(self, packet: bytes, unsent: bytes) -> None:
        assert self.back is None, "once only"
        self.back = packet, unsent

    def heard(self) -> bytes:
        """What the client can read now."""
        self.client.setblocking(False)
        try:
            return self.client.recv(2**20)
        except BlockingIOError:
            return b""


class Bench:
    """Hot connections over a real list, answered when told to."""

    def __init__(self, asked: Asked, loop: asyncio.AbstractEventLoop) -> None:
        self.asked = asked
        self.loop = loop
        self.state = ServerState()
        self.state.default_headers = [(b"date", b"today")]
        quick = asked.api.quick
        self.hot = HotConnections(quick.lookup, Shared(quick), self.state, loop)
        self.known = self.known_key(asked.key)
        self.opened: list[Given] = []

    def known_key(self, key: str) -> KnownKey:
        known = self.asked.api.quick.known_key([(b"authorization", f"Bearer {key}".encode())], None)
        assert known is not None
        return known

    def connection(self, known: KnownKey | None = None, rest: bytes = REST) -> Given:
        self.opened.append(Given(self.hot, known or self.known, rest))
        return self.opened[-1]

    def turn(self) -> None:
        """Let the loop see what is ready, once."""
        self.loop.call_soon(self.loop.stop)
        self.loop.run_forever()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    loop = asyncio.SelectorEventLoop()
    with opened_world(tmp_path) as world:
        world.suppress("gone@example.com")
        with opened_asked(world, "check") as asked:
            bench = Bench(asked, loop)
            yield bench
            for given in bench.opened:
                if given.place is not None and given.back is None:
                    given.place.leave()
                given.ours.close()
                given.client.close()
    assert not loop._selector.get_map() or len(loop._selector.get_map()) == 1, "nothing is watched but the loop's own pipe"  # type: ignore[attr-defined]
    loop.close()


def test_all_that_are_ready_are_answered_in_one_turn_and_each_about_its_own_address(bench: Bench) -> None:
    connections = [bench.connection() for _ in range(API_HOT_READY_MAX)]
    for number, connection in enumerate(connections):
        connection.client.sendall(BEFORE.tobytes() + b"User%d@Example.com&stream=news" % number + REST)

    bench.turn()

    for number, connection in enumerate(connections):
        head, _, body = connection.heard().partition(b"\r\n\r\n")
        assert body.startswith(b'{"address":"user%d@example.com","allowed":true' % number)
        assert head.splitlines()[:2] == [b"HTTP/1.1 200 OK", b"date: today"]
        assert int(re.search(rb"content-length: (\d+)", head)[1]) == len(body)  # type: ignore[index]
        assert connection.back is None


def test_the_date_of_an_answer_is_that_of_the_server(bench: Bench) -> None:
    connection = bench.connection()
    for date in (b"today", b"tomorrow"):
        bench.state.default_headers = [(b"date", date)]
        connection.client.sendall(CLEAN + REST)
        bench.turn()

        assert b"\r\ndate: %b\r\n" % date in connection.heard()


@pytest.mark.parametrize(
    "packet",
    [
        BEFORE.tobytes() + b"gone@example.com" + REST,  # on the list
        CLEAN + REST[:-1],  # not all of it is here
        CLEAN + REST + CLEAN + REST,  # two at once
        CLEAN + b" HTTP/1.1\r\nhost: b.test\r\n\r\n",
        CLEAN.lower() + REST,  # no method that there is
        b"x" * PACKET_BYTES,
        BEFORE.tobytes() + b"a" * 200 + b"@example.com" + REST,
    ],
)
def test_what_is_not_plain_is_given_back_as_it_came(bench: Bench, packet: bytes) -> None:
    connection, other = bench.connection(), bench.connection()
    connection.client.sendall(packet)
    other.client.sendall(CLEAN + REST)

    bench.turn()

    assert connection.back == (packet, b"")
    assert connection.heard() == b""
    assert b'"allowed":true' in other.heard()


def test_whoever_hangs_up_is_given_back(bench: Bench) -> None:
    connection = bench.connection()
    connection.client.close()

    bench.turn()

    assert connection.back == (b"", b"")


def test_what_a_client_has_no_room_for_is_given_back_to_be_written(bench: Bench) -> None:
    connection, size = bench.connection(), 0
    connection.ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)
    for _ in range(100):
        connection.client.sendall(CLEAN + REST)
        bench.turn()
        if connection.back:
            break
        size += 1

    assert connection.back is not None
    packet, unsent = connection.back
    assert packet == b"", "it was answered"
    heard = connection.heard() + unsent
    assert heard.count(b'"clean@example.com","allowed":true') == size + 1
    assert heard == heard[: len(heard) // (size + 1)] * (size + 1), "nothing is missing, and nothing comes twice"


def test_with_a_stale_table_nobody_is_answered_here(bench: Bench) -> None:
    connection = bench.connection()
    bench.asked.world.clock.advance(seconds=STALENESS_SECONDS_MAX * 1.5)
    connection.client.sendall(CLEAN + REST)

    bench.turn()

    assert connection.back == (b"", b"")
    assert connection.ours.recv(1_000) == CLEAN + REST, "it is still to be received"


def test_what_was_told_to_anybody_before_a_request_came_in_is_answered(bench: Bench) -> None:
    connection = bench.connection()
    bench.asked.world.suppress("clean@example.com")
    bench.asked.world.catch_up()
    connection.client.sendall(CLEAN + REST)

    bench.turn()

    assert connection.back == (CLEAN + REST, b"")


def test_a_hash_that_was_brought_in_the_midst_of_a_turn_counts(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    earlier, later = bench.connection(), bench.connection()
    world, tell = bench.asked.world, bench.hot.lookup.telling_table

    def in_the_midst(tenant: str, now_seconds: float) -> Table | None:
        table = tell(tenant, now_seconds)
        world.suppress_hash("clean@example.com", algorithm="md5")
        world.catch_up()
        later.client.sendall(CLEAN + REST)
        return table

    monkeypatch.setattr(bench.hot.lookup, "telling_table", in_the_midst)
    earlier.client.sendall(CLEAN + REST)

    bench.turn()

    assert later.back == (CLEAN + REST, b"")


def test_one_of_all_asks_for_the_key_again(bench: Bench) -> None:
    connections = [bench.connection() for _ in range(5)]
    bench.asked.world.clock.advance(seconds=API_KEY_CACHE_SECONDS * 0.6)
    bench.asked.world.catch_up()
    for connection in connections:
        connection.client.sendall(CLEAN + REST)

    bench.turn()

    assert [connection.back for connection in connections].count((b"", b"")) == 1
    bench.known.ask_again_at_seconds = bench.known.until_seconds  # as that one's question does it
    bench.turn()
    assert [bool(connection.heard()) for connection in connections].count(True) == 4


def test_a_key_gets_no_more_than_its_rate_and_is_told_so_by_the_ordinary_way(bench: Bench) -> None:
    world = bench.asked.world
    known = bench.known_key(_seen(bench, world.key("check", rate=2)))
    taken = known.bucket.full_at_seconds
    connection, answered = bench.connection(known), 0
    while connection.back is None:
        connection.client.sendall(CLEAN + REST)
        bench.turn()
        answered += bool(connection.heard())

    assert connection.back == (CLEAN + REST, b"")
    assert answered == pytest.approx(2 * API_RATE_BURST_SECONDS + 1, abs=1 + taken)
    assert known.bucket.take(1) is not None, "nor does anybody else get more"


def _seen(bench: Bench, key: str) -> str:
    answer = bench.asked.client.get("http://api.test/v1/check?address=a@x.test", headers={"authorization": f"Bearer {key}"})
    assert answer.status_code == 200
    return key


def test_everything_is_counted_as_on_the_other_ways(bench: Bench) -> None:
    connections = [bench.connection() for _ in range(3)]
    counting.flush()
    before = _counted()
    for _ in range(5):
        for connection in connections:
            connection.client.sendall(CLEAN + REST)
        bench.turn()
    counting.flush()

    assert [after - earlier for after, earlier in zip(_counted(), before, strict=True)] == [15, 15, 15]
    assert bench.state.total_requests == 15


def _counted() -> list[float]:
    return [protocol._ANSWERED.count, sum(protocol._SECONDS._counts), lookup._FROM_TABLE.count]


def test_more_kinds_of_requests_than_there_is_room_for_stay_where_they_are(bench: Bench) -> None:
    connections = [bench.connection(rest=b" %d" % number + REST) for number in range(API_HOT_KINDS_MAX + 1)]

    assert [connection.place is None for connection in connections] == [False] * API_HOT_KINDS_MAX + [True]
    assert connections[0].place is not None
    connections[0].place.leave()
    connections[0].place = None
    assert bench.connection(rest=b" another" + REST).place is not None


def test_a_descriptor_past_those_that_are_known_stays_where_it_is(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hot_module, "API_HOT_DESCRIPTORS_MAX", 3)

    assert bench.connection().place is None


# --- served ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    loading.load()
    with opened_served(tmp_path_factory.mktemp("served")) as served:
        yield served


def asked_on(connection: socket.socket, served: Served, address: str) -> bytes:
    connection.sendall(served.get(f"/v1/check?address={address}"))
    return answer_of(connection)[2]


def test_the_event_loop_reads_nothing_of_a_hot_connection_but_what_is_given_back(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bytes] = []
    receive = Protocol.data_received

    def noted(protocol: Protocol, data: bytes) -> None:
        seen.append(data)
        receive(protocol, data)

    monkeypatch.setattr(Protocol, "data_received", noted)

    def goes_past(address: str) -> bool:
        seen.clear()
        assert address.encode() in asked_on(connection, served, address)
        return not seen

    served.store.add("default", "gone@example.com", scope="*", cause="hard", reason="x", expires=None, actor="test")
    with opened(served, before=HOT) as connection:
        wait_for(lambda: b'"allowed":false' in asked_on(connection, served, "gone@example.com"), what="the entry in the table")
        wait_for(lambda: goes_past("clean@example.com"), what="a hot connection")
        assert all(goes_past(f"clean{number}@example.com") for number in range(5))
        assert not goes_past("gone@example.com")
        assert len(seen) == 1
        assert not goes_past("clean@example.com"), "it has to become hot again"
        wait_for(lambda: goes_past("clean@example.com"), what="a hot connection")


def test_connections_come_and_go_and_each_is_answered_about_what_it_asked(served: Served) -> None:
    for turn in range(12):
        connections = [opened(served, before=HOT) for _ in range(4)]
        for number, connection in enumerate(connections):
            if turn % 3 == 0 and number == 1:
                connection.close()  # its descriptor is the next one's
                connections[number] = connection = opened(served, before=number)
            assert b'"u%d-%d@example.com"' % (turn, number) in asked_on(connection, served, f"u{turn}-{number}@example.com")
        for connection in connections:
            if turn % 2:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # it ends with a reset
            connection.close()


def test_a_revoked_key_opens_a_hot_connection_no_longer_than_any_other(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "_ASK_AGAIN_SECONDS", 0.05)
    monkeypatch.setattr(keys, "API_KEY_CACHE_SECONDS", 0.1)
    other, plain = served.store.create_key("other", scopes=["check"], tenant="default", expires=None)
    request = served.get(WARM).replace(served.key.encode(), plain.encode())
    with served.connection() as connection:
        for _ in range(2 * HOT):
            connection.sendall(request)
            assert answer_of(connection)[0] == b"http/1.1 200 ok"
        served.store.revoke_key(other)

        def is_refused() -> bool:
            connection.sendall(request)
            return b" 401 " in answer_of(connection)[0]

        wait_for(is_refused, what="the end of the key")


def test_a_hot_connection_ends_when_nothing_comes_and_not_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "API_KEEP_ALIVE_SECONDS", 0.3)
    loading.load()
    with opened_served(tmp_path) as served, opened(served, before=HOT) as connection:
        began_at_seconds = CLOCK.monotonic_seconds()
        numbers = count()
        while CLOCK.monotonic_seconds() < began_at_seconds + 0.8:
            assert b'"allowed":true' in asked_on(connection, served, f"clean{next(numbers)}@example.com")

        assert received(connection) == b"", "it ends by itself"


def test_hot_connections_end_when_the_server_stops(tmp_path: Path) -> None:
    loading.load()
    with opened_served(tmp_path) as served:
        connection = opened(served, before=HOT)
    with connection:
        assert received(connection) == b""


def test_when_the_follower_dies_a_hot_connection_is_answered_from_the_store(tmp_path: Path) -> None:
    loading.load()
    port, folder = free_port(), tmp_path / "index"
    with opened_store(tmp_path, CLOCK) as store, running(serve, api_of(store, folder), "127.0.0.1", port):
        wait_for(lambda: accepts(port), what="the API")
        served = Served(store, folder, port)
        with running(follow, store, folder, CLOCK), served.client() as client:
            wait_for(lambda: client.get("/readyz").status_code == 200, what="a fresh table")
            connection = opened(served, before=HOT)
        with connection:
            store.add("default", "gone@example.com", scope="*", cause="hard", reason="x", expires=None, actor="test")
            wait_for(lambda: b'"allowed":false' in asked_on(connection, served, "gone@example.com"), what="a stale table")
            assert b'"allowed":true' in asked_on(connection, served, "clean@example.com")
