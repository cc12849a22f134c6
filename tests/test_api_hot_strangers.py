"""No connection ever hears an answer that is not about its own question: what comes on hot connections is mixed at will."""

import random
import socket
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.batch import loading
from tests.test_api_served import Served, opened_served
from tests.test_api_ways import HOT, answer_of, asked_raw, opened
from tests.waiting import wait_for

ADDRESSES = ("clean@example.com", "gone@example.com", "news@example.com", "weekly@example.com", "Clean2@Example.com")


class Question(NamedTuple):
    """One lookup, as bytes, and how it must be answered."""

    request: bytes
    status: bytes
    said: tuple[bytes, bytes]  # parts of the body


class World(NamedTuple):
    served: Served
    questions: list[Question]


def questions_of(served: Served, keys: dict[str, bytes], whole: bytes) -> Iterator[Question]:
    ok, no = b" 200 ", b'"allowed":false'
    stopped = {
        ("default", "gone@example.com"): {"", "&stream=news", "&stream=other", "&list=weekly", "&stream=news&list=weekly"},
        ("default", "news@example.com"): {"&stream=news", "&stream=news&list=weekly"},
        ("default", "weekly@example.com"): {"&list=weekly", "&stream=news&list=weekly"},
        ("acme", "clean@example.com"): {"", "&stream=news", "&stream=other", "&list=weekly", "&stream=news&list=weekly"},
    }
    for tenant, key in keys.items():
        for address in ADDRESSES:
            for view in ("", "&stream=news", "&stream=other", "&list=weekly", "&stream=news&list=weekly"):
                is_stopped = view in stopped.get((tenant, address.lower()), ())
                said = b'"address":"%b"' % address.lower().encode(), no if is_stopped else b'"allowed":true'
                plain = served.get(f"/v1/check?address={address}{view}").replace(served.key.encode(), key)
                yield Question(plain, ok, said)
                yield Question(plain[:-2] + b"x-trace: 1\r\n\r\n", ok, said)
                yield Question(plain[:-2] + b"content-length: 3\r\n\r\nGET", ok, said)
    clean = served.get("/v1/check?address=clean@example.com")
    for_acme = clean.replace(served.key.encode(), whole)[:-2] + b"nullsender-tenant: acme\r\n\r\n"
    yield Question(for_acme, ok, (b"clean@example.com", no))
    yield Question(clean.replace(served.key.encode(), b"nsk_wrong"), b" 401 ", (b"", b""))
    yield Question(served.get("/v1/check?address=clean@example.com&stream=a%20b"), b" 422 ", (b"", b""))
    yield Question(served.get("/v1/check?address=clean"), b" 422 ", (b"", b""))
    yield Question(clean.replace(b"GET", b"PUT"), b" 405 ", (b"", b""))
    yield Question(served.get("/v1/nothing?address=clean@example.com"), b" 404 ", (b"", b""))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    loading.load()
    with opened_served(tmp_path_factory.mktemp("served")) as served:
        acme = served.store.create_key("acme", scopes=["check"], tenant="acme", expires=None)[1]
        whole = served.store.create_key("all", scopes=["admin"], tenant=None, expires=None)[1]
        for tenant, address, scope in [
            ("default", "gone@example.com", "*"),
            ("default", "news@example.com", "news"),
            ("default", "weekly@example.com", "list:weekly"),
            ("acme", "clean@example.com", "*"),
        ]:
            served.store.add(tenant, address, scope=scope, cause="hard", reason="x", expires=None, actor="test")
        questions = list(questions_of(served, {"default": served.key.encode(), "acme": acme.encode()}, whole.encode()))
        last = served.get("/v1/check?address=clean@example.com").replace(served.key.encode(), acme.encode())
        wait_for(lambda: b'"allowed":false' in asked_raw(served, last), what="the entries in the table")
        yield World(served, questions)


def assert_answered(connection: socket.socket, question: Question) -> None:
    status, _, body = answer_of(connection)
    assert question.status in status, (question, status, body)
    assert all(part in body for part in question.said), (question, body)


@settings(deadline=None, max_examples=25)
@given(chance=st.randoms(use_true_random=False), cuts=st.integers(0, 6))
def test_whatever_comes_on_a_hot_connection_each_answer_is_about_its_own_question(
    world: World, chance: random.Random, cuts: int
) -> None:
    asked = [question for _ in range(4) for question in [chance.choice(world.questions)] * chance.choice((1, 1, 2, HOT))]
    stream = b"".join(question.request for question in asked)
    places = sorted({0, len(stream), *(chance.randrange(len(stream)) for _ in range(cuts))})
    with opened(world.served, before=HOT) as connection:
        for begin, end in pairwise(places):
            connection.sendall(stream[begin:end])
        for question in asked:
            assert_answered(connection, question)


@settings(deadline=None, max_examples=10)
@given(chance=st.randoms(use_true_random=False))
def test_many_hot_connections_at_once_hear_each_its_own(world: World, chance: random.Random) -> None:
    connections = [opened(world.served, before=HOT) for _ in range(12)]
    try:
        for _ in range(10):
            asked = [chance.choice(world.questions) for _ in connections]
            for connection, question in zip(connections, asked, strict=True):
                connection.sendall(question.request)
            for connection, question in zip(connections, asked, strict=True):
                assert_answered(connection, question)
    finally:
        for connection in connections:
            connection.close()
