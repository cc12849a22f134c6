"""A lookup has four ways through the server: nothing of it is parsed, beside the event loop or on it, or only its head, or it
goes to the route.

They answer the same, and in the order of the requests.
"""

import json
import re
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.batch import loading
from api.http import server
from api.http.protocol import Protocol
from api.lookup import Lookup
from nullsender.errors import Transient
from nullsender.limits import API_FIELDS_REMEMBERED_BYTES_MAX, API_HOT_AFTER_ANSWERS
from suppression.store.store import Store
from tests.test_api_quick import PIECES
from tests.test_api_served import Served, opened_served, received
from tests.waiting import wait_for

WARM = "/v1/check?address=warm@example.com"
COLD, WARM_ONE, HOT = 0, 1, 1 + API_HOT_AFTER_ANSWERS  # how many plain lookups were answered on a connection before
LISTED = ("gone@example.com", "a/b@example.com", "näher@bücher.example")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    loading.load()
    with opened_served(tmp_path_factory.mktemp("served")) as served:
        with served.client() as client:
            for address in LISTED:
                body = {"cause": "hard", "reason": "a test"}
                assert client.put(f"/v1/suppressions/{address.replace('/', '%2F')}", json=body).status_code == 201
        yield served


def answer_of(connection: socket.socket) -> tuple[bytes, list[bytes], bytes]:
    """The next answer: its status line, its fields without the date, its body."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        assert byte, f"the connection ended after {head!r}"
        head += byte
    status, *fields = head.decode().lower().encode().split(b"\r\n")
    length = int(re.search(rb"content-length: (\d+)", head)[1])  # type: ignore[index]
    body = b""
    while len(body) < length:
        body += connection.recv(length - len(body))
    return status, sorted(field for field in fields if not field.startswith(b"date:")), body


def asked(served: Served, target: str, *fields: str, before: int = COLD) -> tuple[bytes, list[bytes], bytes]:
    """What a connection of its own hears, on which so many lookups with the same fields were answered before."""
    with opened(served, *fields, before=before) as connection:
        connection.sendall(served.get(target, *fields))
        return answer_of(connection)


def opened(served: Served, *fields: str, before: int) -> socket.socket:
    """A connection on which so many lookups with these fields were answered."""
    connection = served.connection()
    for _ in range(before):
        connection.sendall(served.get(WARM, *fields))
        answer_of(connection)
    return connection


@settings(deadline=None, max_examples=150)
@given(pieces=st.lists(PIECES, max_size=5))
def test_all_ways_answer_the_same(served: Served, pieces: list[str]) -> None:
    target = "/v1/check?address=" + "".join(pieces)

    by_route = asked(served, target, "origin: http://a.test")

    assert asked(served, target) == by_route
    assert asked(served, target, before=WARM_ONE) == by_route
    assert asked(served, target, before=HOT) == by_route


@pytest.mark.parametrize("field", ["origin: http://a.test", "x-plain: yes"])
def test_hit_and_miss_have_the_same_shape(served: Served, field: str) -> None:
    for before in (COLD, WARM_ONE, HOT):
        hit = asked(served, "/v1/check?address=gone@example.com", field, before=before)
        miss = asked(served, "/v1/check?address=clean@example.com", field, before=before)

        assert hit[0] == miss[0]
        assert [name.partition(b":")[0] for name in hit[1]] == [name.partition(b":")[0] for name in miss[1]]
        assert list(json.loads(hit[2])) == list(json.loads(miss[2]))


def test_of_a_plain_lookup_with_the_same_fields_nothing_is_parsed(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed = []
    begin = Protocol.on_message_begin

    def counted(protocol: Protocol) -> None:
        parsed.append(1)
        begin(protocol)

    with served.connection() as connection:
        for _ in range(2):  # the first may be the one for which the key is asked for again
            connection.sendall(served.get(WARM))
            answer_of(connection)
        monkeypatch.setattr(Protocol, "on_message_begin", counted)
        for number in range(5):
            connection.sendall(served.get(f"/v1/check?address=clean{number}@example.com"))
            assert f"clean{number}@".encode() in answer_of(connection)[2]
            connection.sendall(served.get("/v1/check?address=gone@example.com"))
            assert b'"cause":"hard"' in answer_of(connection)[2]

    assert not parsed


def test_what_comes_while_the_store_explains_a_hit_is_answered_behind_it(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, leave = threading.Event(), threading.Event()
    check = Store.check_hashes

    def slow(*arguments: Any) -> Any:
        entered.set()
        assert leave.wait(20)
        return check(*arguments)

    monkeypatch.setattr(Store, "check_hashes", slow)
    with served.connection() as connection:
        connection.sendall(served.get(WARM))
        answer_of(connection)
        connection.sendall(served.get("/v1/check?address=gone@example.com"))
        assert entered.wait(20)
        for target in ("/v1/check?address=clean@example.com", "/healthz", "/v1/check?address=gone@example.com"):
            connection.sendall(served.get(target))
        leave.set()
        bodies = [answer_of(connection)[2] for _ in range(4)]

    for word, body in zip((b'"cause":"hard"', b"clean@", b"ok", b'"cause":"hard"'), bodies, strict=True):
        assert word in body


def test_where_nobody_can_tell_all_ways_say_so_and_the_connection_goes_on(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise Transient("gone")

    target = "/v1/check?address=clean@example.com"
    with monkeypatch.context() as patched, served.connection() as connection:
        connection.sendall(served.get(WARM))
        answer_of(connection)
        patched.setattr(Lookup, "is_clean", lambda *_: False)
        patched.setattr(Lookup, "at_once", lambda *_: None)
        patched.setattr(Lookup, "answers_of", away)
        by_route = asked(served, target, "origin: http://a.test")
        answers = []
        for _ in range(2):
            connection.sendall(served.get(target))
            answers.append(answer_of(connection))

    assert by_route[0] == b"http/1.1 503 service unavailable"
    assert answers == [by_route, by_route]


def test_a_hit_that_is_being_explained_is_answered_when_the_server_stops(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, leave = threading.Event(), threading.Event()
    check = Store.check_hashes

    def slow(*arguments: Any) -> Any:
        entered.set()
        assert leave.wait(20)
        return check(*arguments)

    with opened_served(tmp_path_factory.mktemp("served")) as served:
        connection = served.connection()
        served.store.add("default", LISTED[0], scope="*", cause="hard", reason="x", expires=None, actor="test")
        target = f"/v1/check?address={LISTED[0]}"
        wait_for(lambda: b'"allowed":false' in asked_raw(served, served.get(target)), what="the entry in the table")
        connection.sendall(served.get(WARM))
        answer_of(connection)
        monkeypatch.setattr(Store, "check_hashes", slow)
        connection.sendall(served.get(target))
        assert entered.wait(20)
        threading.Timer(0.3, leave.set).start()  # by then the server has been told to stop
    with connection:
        assert b'"cause":"hard"' in received(connection)


@pytest.mark.parametrize("before", [WARM_ONE, HOT])
def test_packets_may_be_cut_anywhere_and_hold_several_requests(served: Served, before: int) -> None:
    requests = [served.get(f"/v1/check?address=clean{number}@example.com") for number in range(6)]
    stream = b"".join(requests)
    for cut in range(1, len(requests[0]), 7):
        with opened(served, before=before) as connection:
            for part in (stream[:cut], stream[cut : cut + len(requests[1])], stream[cut + len(requests[1]) :]):
                connection.sendall(part)
            answers = [answer_of(connection)[2] for _ in requests]

        assert [f"clean{number}@".encode() in body for number, body in enumerate(answers)] == [True] * 6


def test_what_was_remembered_of_one_key_answers_no_other(served: Served) -> None:
    served.store.add("acme", "acme@example.com", scope="*", cause="hard", reason="x", expires=None, actor="test")
    other = served.store.create_key("other", scopes=["check"], tenant="acme", expires=None)[1]
    served.store.feed_head()
    target = "/v1/check?address=acme@example.com"
    theirs = served.get(target).replace(served.key.encode(), other.encode())
    wait_for(lambda: b'"allowed":false' in asked_raw(served, theirs), what="the entry in the table")
    long_field = f"x-trace: {'x' * API_FIELDS_REMEMBERED_BYTES_MAX}\r\n\r\n".encode()
    with served.connection() as connection:
        for request, allowed in [
            *((served.get(target), True), (theirs, False), (served.get(target), True)),
            *((theirs[:-2] + long_field, False), (served.get(target), True), (theirs[:-2] + long_field, False)),
        ]:
            connection.sendall(request)
            assert (b'"allowed":true' in answer_of(connection)[2]) is allowed


def asked_raw(served: Served, request: bytes) -> bytes:
    """The body of the answer to one request."""
    with served.connection() as connection:
        connection.sendall(request)
        return answer_of(connection)[2]


def test_a_connection_on_which_nothing_comes_any_more_ends(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "API_KEEP_ALIVE_SECONDS", 0.3)
    with opened_served(tmp_path_factory.mktemp("served")) as served:
        with served.connection() as connection:
            connection.sendall(served.get(WARM))
            answer_of(connection)
            connection.sendall(served.get(WARM))
            answer_of(connection)
            assert received(connection) == b"", "it ends by itself"
        with served.connection() as connection:
            connection.sendall(b"\r\n")
            assert received(connection) == b"", "a line end is no request, and keeps nothing open"
