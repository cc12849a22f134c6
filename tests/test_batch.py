"""Many addresses in one request get the answers that each of them would get alone."""

import json
from collections.abc import Iterator
from itertools import count
from typing import Any

import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from api.batch import loading
from api.batch.asking import Batch
from api.batch.checking import Checking, NotPlain, read_body
from api.batch.hashing import COLUMNS
from api.lookup import Keys
from api.view import View
from nullsender.errors import Transient
from nullsender.limits import CHECK_ADDRESSES_MAX
from suppression.policy import Cause
from suppression.store.store import Store
from tests.api_world import World, opened_client
from tests.world_fixtures import shared_world as shared_world
from tests.world_fixtures import world as world

_numbers = count()


@pytest.fixture(autouse=True, scope="module")
def _compiled() -> None:
    loading.load()


@pytest.fixture
def client(world: World) -> Iterator[httpx.Client]:
    with opened_client(world.api(), world.key("check")) as client:
        yield client


def answered(world: World, body: bytes, view: View) -> dict[str, Any] | None:
    """What the compiled loops answer; None where they leave the body to JSON's own reader."""
    question = read_body(body)
    if question is None:
        return None
    lookup = world.lookup()
    checking = Checking(Batch(lookup), view, question)
    try:
        for _ in checking.steps():
            pass
    except NotPlain:
        return None
    if checking.waiting:
        checking.tell(lookup.verdicts_of(view, checking.waiting))
    said: dict[str, Any] = json.loads(checking.answer())
    return said


ITEMS = st.one_of(
    st.emails(),
    st.text('aZé@. \t"\\<', max_size=8),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    st.integers(124, 132).map(lambda size: "x" * (size - 6) + "@x.com"),
    st.sampled_from(["a@b.c", "A@B.C ", "a@bücher.example", '"a b"@c.d', "", "a\nb@c.d", "a\x00@b.c", "a@b.c."]),
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
)


@settings(deadline=None, max_examples=40)
@given(items=st.lists(ITEMS, min_size=1, max_size=12), ascii_only=st.booleans(), spaces=st.booleans(), data=st.data())
def test_a_batch_and_single_lookups_agree(
    shared_world: World, items: list[object], ascii_only: bool, spaces: bool, data: st.DataObject
) -> None:
    world, view = shared_world, View(f"tenant{next(_numbers)}", "news")
    lookup = world.lookup()
    for item in items[::2]:
        if isinstance(item, str) and not lookup.check_many(view, [item]).invalid:
            scope, cause = data.draw(st.sampled_from(["*", "news", "other"])), data.draw(st.sampled_from(Cause))
            world.suppress(item.strip(), tenant=view.tenant, scope=scope, cause=cause)
    world.catch_up()
    expected = lookup.check_many(view, items)
    body = json.dumps({"addresses": items}, ensure_ascii=ascii_only, separators=(", ", ": ") if spaces else (",", ":"))

    said = answered(world, body.encode(), view)

    assert said is not None
    assert said["checked"] == len(items)
    assert [(item["index"], item["address"], item["cause"], item["scope"]) for item in said["suppressed"]] == [
        (index, answer.address, answer.entry.cause, answer.entry.scope)
        for index, answer in expected.suppressed.items()
        if answer.entry is not None
    ]
    assert [(item["index"], item["address"], item["reason"]) for item in said["invalid"]] == [
        (item.index, item.address, item.reason) for item in expected.invalid
    ]


PIECES = st.sampled_from(
    [
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        '"',
        "\\",
        '"addresses"',
        '"stream"',
        '"explain"',
        '"a@b.c"',
        "[]",
        '["a@b.c"]',
        "null",
        " ",
        "é",
        "1",
        "tru",
    ]
)


@settings(deadline=None, max_examples=300)
@given(body=st.lists(PIECES, max_size=14).map("".join) | st.text(max_size=20))
@example(body='{"addresses":["a@b.c"],"addresses":[]}')
@example(body='{"addresses":[],"addresses":["a@b.c"]}')
@example(body='{"stream":"[","addresses":["a@b.c"]}')
@example(body='{"stream":["a@b.c"],"addresses":"x"}')
@example(body='{"addresses":["a@b.c",]}')
@example(body='{"addresses":[a@b.c]}')
@example(body='{"addresses":["a@b.c"}')
@example(body='{"addresses":[["a@b.c"]]}')
@example(body='{"addresses":["a@b.c"]} x')
def test_what_is_read_of_a_body_is_what_json_reads(shared_world: World, body: str) -> None:
    world, view = shared_world, View("nobody", None)
    question = read_body(body.encode())

    said = answered(world, body.encode(), view)

    if said is not None:
        assert question is not None
        read = json.loads(body)
        assert set(read) <= {"addresses", "stream", "explain"}
        assert said["checked"] == len(read["addresses"])
        assert question.stream == read.get("stream")


def test_a_batch_of_several_slices_keeps_every_place(client: httpx.Client, world: World) -> None:
    places = [0, 1, COLUMNS - 1, COLUMNS, 2 * COLUMNS, CHECK_ADDRESSES_MAX - 1]
    for place in places:
        world.suppress(f"user{place}@example.com")
    world.catch_up()
    addresses = [f"USER{n}@example.com" for n in range(CHECK_ADDRESSES_MAX)]

    body = client.post("/v1/check", json={"addresses": addresses}).json()

    assert [item["index"] for item in body["suppressed"]] == places
    assert body["suppressed"][1] == {"index": 1, "address": "user1@example.com", "cause": "hard", "scope": "*"}
    assert body["checked"] == CHECK_ADDRESSES_MAX


@pytest.mark.parametrize("odd", [None, "\ud800@example.com"])
def test_who_asks_why_is_told_whatever_else_is_in_the_batch(client: httpx.Client, world: World, odd: object) -> None:
    world.suppress("gone@example.com")
    world.catch_up()
    headers = {"content-type": "application/json"}
    content = json.dumps({"addresses": ["gone@example.com", odd], "explain": True})

    (item,) = client.post("/v1/check", content=content, headers=headers).json()["suppressed"]

    assert item["entry"] == world.store.entries_of("default", "gone@example.com")[0].id
    assert item["since"].startswith(f"{world.clock.now():%Y-%m-%d}")
    assert item["expires"] is None


def test_the_store_is_not_asked_while_the_table_is_fresh(
    client: httpx.Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.suppress("gone@example.com", scope="news", cause="complaint")
    world.catch_up()
    client.post("/v1/check", json={"addresses": ["a@example.com"]})  # the key is known from now on
    monkeypatch.setattr(Store, "check_hashes", in_trouble)

    body = client.post("/v1/check", json={"addresses": ["gone@example.com", "ä@example.com"], "stream": "News"}).json()

    assert body["suppressed"] == [{"index": 0, "address": "gone@example.com", "cause": "complaint", "scope": "news"}]


def in_trouble(*_arguments: object, **_named: object) -> object:
    raise Transient("no database")


PLAIN = {"addresses": ["gone@example.com", "a@example.com", "nonsense"], "stream": "news"}


def test_a_plain_batch_is_answered_before_the_framework(
    client: httpx.Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.suppress("gone@example.com")
    world.catch_up()
    by_route = client.post("/v1/check", json=PLAIN)  # the key is known from now on
    monkeypatch.setattr("api.http.batches._read", lambda _: pytest.fail("the route was asked"))
    monkeypatch.setattr("api.http.auth._known", lambda *_: pytest.fail("the route was asked"))

    quickly = client.post("/v1/check", json=PLAIN)

    assert quickly.status_code == 200
    assert quickly.json() == by_route.json()
    assert quickly.headers["content-type"] == by_route.headers["content-type"]


@pytest.mark.parametrize(
    ("headers", "query", "content", "status"),
    [
        ({"nullsender-tenant": "another"}, "", None, 403),
        ({"authorization": "Bearer ns_nobody"}, "", None, 401),
        ({"authorization": ""}, "", None, 401),
        ({"content-type": "text/plain"}, "", None, 415),
        ({"content-encoding": "gzip"}, "", None, 415),
        ({}, "?a=1&a=2", None, 422),
        ({}, "", b"{", 400),
        ({}, "", b'{"addresses":[]}', 200),
        ({}, "", b'{"addresses":["a@example.com",{}],"explain":false}', 200),
        ({}, "", b'{"addresses":["a@example.com"],"stream":"no stream"}', 422),
        ({}, "", b'{"addresses":"a@example.com"}', 422),
    ],
)
def test_what_is_not_plain_is_the_routes_to_answer(
    client: httpx.Client, headers: dict[str, str], query: str, content: bytes | None, status: int
) -> None:
    client.post("/v1/check", json=PLAIN)  # the key is known from now on
    headers = {"content-type": "application/json"} | headers

    answer = client.post(f"/v1/check{query}", content=content or json.dumps(PLAIN).encode(), headers=headers)

    assert answer.status_code == status, answer.text


def test_without_table_and_store_a_batch_has_no_answer(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    client.post("/v1/check", json={"addresses": ["a@example.com"]})  # the key is known from now on
    monkeypatch.setattr(Store, "check_hashes", in_trouble)

    assert client.post("/v1/check", json={"addresses": ["a@example.com"]}).status_code == 503


def test_while_the_compiled_code_is_being_loaded_a_batch_is_answered_all_the_same(
    client: httpx.Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.suppress("gone@example.com")
    world.catch_up()
    question = {"addresses": ["gone@example.com", "a@example.com", "nonsense"]}
    loaded = client.post("/v1/check", json=question).json()
    monkeypatch.setattr(loading, "is_loaded", lambda: False)

    assert client.post("/v1/check", json=question).json() == loaded


@pytest.mark.parametrize("question", [{}, {"explain": True}, {"addresses": ["gone@example.com", "\ud800@example.com"]}])
def test_a_hit_is_no_permission_although_the_store_is_away_and_unknown_mail_may_go(
    world: World, monkeypatch: pytest.MonkeyPatch, question: dict[str, object]
) -> None:
    world.suppress("gone@example.com")
    world.catch_up()
    headers = {"content-type": "application/json"}
    with opened_client(world.api(allow_unknown=[View("default", None)]), world.key("check")) as client:
        client.post("/v1/check", json={"addresses": ["a@example.com"]})  # the key is known from now on
        monkeypatch.setattr(Store, "check_hashes", in_trouble)

        content = json.dumps({"addresses": ["gone@example.com"]} | question)
        body = client.post("/v1/check", content=content, headers=headers).json()

    assert [item["address"] for item in body["suppressed"]] == ["gone@example.com"]


def test_where_nobody_can_tell_the_answer_is_marked(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened_client(world.api(allow_unknown=[View("default", None)]), world.key("check")) as client:
        client.post("/v1/check", json={"addresses": ["a@example.com"]})  # the key is known from now on
        monkeypatch.setattr(Store, "check_hashes", in_trouble)

        body = client.post("/v1/check", json={"addresses": ["a@example.com", "nonsense"]}).json()

    assert (body["known"], body["suppressed"], len(body["invalid"])) == (False, [], 1)


def test_a_hash_that_others_made_stops_whoever_it_is_of(world: World) -> None:
    world.suppress_hash("ada@example.com", algorithm="md5")
    world.suppress_hash("bob@example.com", algorithm="sha256")
    world.suppress("ed@example.com", cause=Cause.HARD)
    world.catch_up()
    items = ["Ada@Example.com", "bob@example.com", "eve@example.com", "ed@example.com", "x", "dora@bücher.example"]

    said = answered(world, json.dumps({"addresses": items}).encode(), View("default", None))
    of_another = answered(world, json.dumps({"addresses": items}).encode(), View("acme", None))

    assert said is not None
    assert of_another is not None
    assert [(item["index"], item["address"], item["cause"]) for item in said["suppressed"]] == [
        (0, "ada@example.com", "unsubscribe"),
        (1, "bob@example.com", "unsubscribe"),
        (3, "ed@example.com", "hard"),
    ]
    assert [item["index"] for item in said["invalid"]] == [4]
    assert not of_another["suppressed"]


def test_whom_an_unsubscribe_stops_is_told_of(world: World) -> None:
    world.suppress("ada@example.com", cause=Cause.UNSUBSCRIBE)
    world.suppress("ed@example.com", cause=Cause.HARD)
    world.catch_up()
    told: list[tuple[str, Keys]] = []
    lookup = world.lookup()
    lookup.on_unsubscribed = lambda tenant, keys: told.append((tenant, keys))
    question = read_body(b'{"addresses":["Ada@example.com","ed@example.com","eve@example.com"]}')
    assert question is not None

    for _ in Checking(Batch(lookup), View("default", None), question).steps():
        pass

    assert told == [("default", (lookup.hasher.hash("ada@example.com"),))]
