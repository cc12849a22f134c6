"""The API on a real socket: uvicorn, our protocol, a follower at work beside it."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from api.http import protocol, server
from api.http.app import Api, open_api
from api.http.server import serve
from api.index.follower import follow
from api.index.reader import TableReader
from api.index.table import identity_of, table_path
from api.lookup import Lookup, open_lookup
from api.view import View
from nullsender.clock import SystemClock
from nullsender.errors import Misconfigured
from nullsender.limits import API_HEAD_BYTES_MAX
from suppression.store.store import Store
from tests.api_world import HASHER, STALENESS_SECONDS_MAX, UNSUBSCRIBING, checked, opened_store
from tests.ports import free_port
from tests.waiting import wait_for

HOST = "127.0.0.1"
CLOCK = SystemClock()


class Served:
    """A served API, with its store and an admin's key."""

    def __init__(self, store: Store, folder: Path, port: int) -> None:
        self.store = store
        self.folder = folder
        self.port = port
        self.key = store.create_key("test", scopes=["admin"], tenant="default", expires=None)[1]

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=f"http://{HOST}:{self.port}", headers={"authorization": f"Bearer {self.key}"})

    def connection(self) -> socket.socket:
        return socket.create_connection((HOST, self.port), timeout=10)

    def get(self, target: str, *fields: str) -> bytes:
        """A request as bytes."""
        lines = [f"GET {target} HTTP/1.1", "host: api.test", f"authorization: Bearer {self.key}", *fields, "", ""]
        return "\r\n".join(lines).encode()


def api_of(store: Store, folder: Path) -> Api:
    lookup = open_lookup(store, HASHER, folder, clock=CLOCK, staleness_seconds_max=STALENESS_SECONDS_MAX)
    return open_api(
        store,
        lookup,
        clock=CLOCK,
        unsubscribing=UNSUBSCRIBING,
        exports_folder=folder / "exports",
        imports_folder=folder / "imports",
    )


@contextmanager
def running(work: Callable[..., None], *arguments: object) -> Iterator[threading.Event]:
    """`work` in a thread until the block ends, or until the event that it is asked about is set."""
    stop = threading.Event()
    thread = threading.Thread(target=work, args=(*arguments, stop.is_set))
    thread.start()
    try:
        yield stop
    finally:
        stop.set()
        thread.join(timeout=30)
        assert not thread.is_alive(), "it stops when it is told to"


def accepts(port: int) -> bool:
    with socket.socket() as caller:
        return caller.connect_ex((HOST, port)) == 0


@contextmanager
def opened_served(tmp_path: Path) -> Iterator[Served]:
    folder, port = tmp_path / "index", free_port()
    with (
        opened_store(tmp_path, CLOCK) as store,
        running(follow, store, folder, CLOCK),
        running(serve, api_of(store, folder), HOST, port),
    ):
        wait_for(lambda: accepts(port), what="the API")
        served = Served(store, folder, port)
        with served.client() as client:
            wait_for(lambda: client.get("/readyz").status_code == 200, what="a fresh table")
            assert client.get("/v1/check?address=a@x.test").status_code == 200  # the key is remembered from now on
        yield served


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with opened_served(tmp_path_factory.mktemp("served")) as served:
        yield served


def received(connection: socket.socket) -> bytes:
    """Everything until the server closes."""
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    return b"".join(parts)


def assert_refused(answer: bytes, status: int) -> None:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode()), answer
    assert b"application/problem+json" in head
    assert f'"status": {status}'.encode() in body


def test_what_one_worker_adds_every_worker_of_the_machine_sees_at_once(served: Served) -> None:
    reader = TableReader(
        table_path(served.folder),
        identity=identity_of(served.store.key_fingerprint),
        clock=CLOCK,
        staleness_seconds_max=STALENESS_SECONDS_MAX,
    )
    other_worker = Lookup(served.store, reader, HASHER, clock=CLOCK)
    with served.client() as client:
        for n in range(20):
            address = f"new{n}@example.com"
            assert client.get(f"/v1/check?address={address}").json()["allowed"] is True
            assert client.put(f"/v1/suppressions/{address}", json={"cause": "hard", "reason": "a test"}).status_code == 201

            assert client.get(f"/v1/check?address={address}").json()["allowed"] is False
            assert not checked(other_worker, View("default", None), address).allowed


def test_clean_lookups_ask_no_store(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_arguments: object) -> object:
        raise AssertionError("a clean address is answered from memory")

    monkeypatch.setattr(Store, "check_hashes", forbidden)
    with served.client() as client:
        answer = client.get("/v1/check?address=clean@example.com")

    assert answer.status_code == 200
    assert answer.json()["allowed"] is True


def test_quick_and_other_answers_come_in_the_order_of_their_requests(served: Served) -> None:
    targets = [
        *("/v1/check?address=first@x.test", "/healthz", "/v1/check?address=second@x.test"),
        *("/v1/suppressions/nobody@x.test", "/v1/check?address=third@x.test", "/v1/check?address=fourth@x.test"),
    ]
    with served.connection() as connection:
        requests = b"".join(map(served.get, targets)) + served.get("/healthz", "connection: close")
        connection.sendall(requests)

        answer = received(connection)

    found = [answer.index(word) for word in (b"first@", b'"ok"', b"second@", b"nobody@", b"third@", b"fourth@")]
    assert found == sorted(found)
    assert answer.count(b"HTTP/1.1 ") == 7


def test_a_request_that_comes_byte_by_byte_is_answered(served: Served) -> None:
    with served.connection() as connection:
        for byte in served.get("/v1/check?address=clean@x.test") + served.get("/healthz", "connection: close"):
            connection.sendall(bytes([byte]))

        answer = received(connection)

    assert answer.count(b"HTTP/1.1 200 OK") == 2
    assert b'"allowed":true' in answer


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_connection_that_shall_be_closed_is_closed(served: Served, version: str) -> None:
    request = served.get("/v1/check?address=clean@x.test", "connection: close").replace(b"HTTP/1.1", f"HTTP/{version}".encode())
    with served.connection() as connection:
        connection.sendall(request)

        assert b'"allowed":true' in received(connection)


@pytest.mark.parametrize(
    "garbage", [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GET / HTTP/9.9\r\n\r\n", b"\r\n\r\nnonsense\r\n\r\n"]
)
def test_what_is_no_http_is_refused_and_cut_off(served: Served, garbage: bytes) -> None:
    with served.connection() as connection:
        connection.sendall(garbage)

        assert_refused(received(connection), 400)


def test_a_head_without_end_is_refused(served: Served) -> None:
    with served.connection() as connection:
        connection.sendall(b"GET /?" + b"x" * (API_HEAD_BYTES_MAX + 1))

        assert_refused(received(connection), 400)


def test_a_request_that_does_not_come_to_its_end_is_refused(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "API_REQUEST_SECONDS_MAX", 0.05)
    with served.connection() as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: ")

        assert_refused(received(connection), 408)
    with served.connection() as connection:
        head = served.get("/v1/check", "content-type: application/json", "content-length: 10").replace(b"GET", b"POST", 1)
        connection.sendall(head + b"{")

        assert_refused(received(connection), 408)
    with served.connection() as connection:
        connection.sendall(b"POST /v1/check HTTP/1.1\r\ncontent-length: 10\r\n\r\n{")

        answer = received(connection)
        assert_refused(answer, 415)
        assert answer.count(b"HTTP/1.1 ") == 1, "one request has one answer"
    with served.connection() as connection:
        assert_refused(received(connection), 408)


class LazyReader:
    """A client with little room for answers, which reads them when it likes."""

    def __init__(self, served: Served) -> None:
        self.connection = socket.socket()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        self.connection.settimeout(10)
        self.connection.connect((HOST, served.port))

    def __enter__(self) -> socket.socket:
        return self.connection

    def __exit__(self, *_: object) -> None:
        self.connection.close()


def is_cut_off(connection: socket.socket) -> bool:
    """Whether the server knows the connection no more; reads nothing."""
    try:
        connection.sendall(b"\r\n")
    except ConnectionError:
        return True
    return False


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(server, "API_UNREAD_SECONDS_MAX", 0.5)
        with opened_served(tmp_path_factory.mktemp("impatient")) as served:
            yield served


def test_whoever_reads_nothing_of_an_answer_is_hung_up_on(impatient: Served) -> None:
    def flood() -> None:
        while True:
            connection.sendall(impatient.get("/openapi.json") * 20)

    with LazyReader(impatient) as connection, pytest.raises(ConnectionError):  # else until nobody has room for what is sent
        flood()


def test_whoever_leaves_a_few_answers_unread_is_hung_up_on(impatient: Served) -> None:
    with LazyReader(impatient) as connection:
        connection.sendall(impatient.get("/v1/check?address=clean@x.test") * 100)

        wait_for(lambda: is_cut_off(connection), what="the end")


def test_whoever_reads_now_and_then_gets_the_whole_answer(impatient: Served) -> None:
    with LazyReader(impatient) as connection:
        connection.sendall(impatient.get("/openapi.json") * 60 + impatient.get("/healthz", "connection: close"))

        answer = received(connection)

    assert answer.count(b"HTTP/1.1 200 ") == 61


def test_what_comes_without_a_method_is_no_request_whatever_came_before(served: Served) -> None:
    whole = served.get("/v1/check?address=clean@x.test")
    with served.connection() as connection:
        for _ in range(2):
            connection.sendall(whole)
            assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        connection.sendall(whole.removeprefix(b"GET "))

        assert_refused(received(connection), 400)


def test_one_connection_too_many_is_told_to_come_again(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "API_CONNECTIONS_MAX", 0)
    with served.connection() as connection:
        answer = received(connection)

    assert_refused(answer, 503)
    assert b"\r\nretry-after: " in answer


def test_when_the_follower_dies_lookups_ask_the_store_and_readiness_says_so(tmp_path: Path) -> None:
    folder, port = tmp_path / "index", free_port()
    with opened_store(tmp_path, CLOCK) as store, running(serve, api_of(store, folder), HOST, port):
        wait_for(lambda: accepts(port), what="the API")
        served = Served(store, folder, port)
        with served.client() as client:
            with running(follow, store, folder, CLOCK):
                wait_for(lambda: client.get("/readyz").status_code == 200, what="a fresh table")
            wait_for(lambda: client.get("/readyz").status_code == 503, what="a stale table")

            assert client.put("/v1/suppressions/a@x.test", json={"cause": "hard", "reason": "a test"}).status_code == 201
            assert client.get("/v1/check?address=a@x.test").json()["allowed"] is False
            assert "nullsender follow" in client.get("/readyz").json()["detail"]


def test_a_request_under_way_is_finished_when_the_server_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entered, leave = threading.Event(), threading.Event()

    def slow(*_arguments: object) -> list[object]:
        entered.set()
        leave.wait(20)
        return []

    monkeypatch.setattr(Store, "entries_of", slow)
    port = free_port()
    with opened_store(tmp_path, CLOCK) as store, running(serve, api_of(store, tmp_path / "index"), HOST, port) as stop:
        wait_for(lambda: accepts(port), what="the API")
        served = Served(store, tmp_path, port)
        with served.connection() as connection:
            connection.sendall(served.get("/v1/suppressions/a@x.test"))
            assert entered.wait(20)
            stop.set()
            wait_for(lambda: not accepts(port), what="the closed door")
            leave.set()

            assert b"HTTP/1.1 404 " in received(connection)


def test_a_port_that_is_taken_is_the_operators_to_mend(tmp_path: Path) -> None:
    with socket.create_server((HOST, 0)) as taken, opened_store(tmp_path, CLOCK) as store:
        port = taken.getsockname()[1]

        with pytest.raises(Misconfigured, match=f"{HOST}:{port}"):
            serve(api_of(store, tmp_path), HOST, port, lambda: True)
