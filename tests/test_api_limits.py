"""A key can not be used to enumerate: its rate, its networks, wrong keys, and what a foreign tenant learns of a list."""

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from httpx import Client, Response

from api.http.clients import WrongKeys, client_address
from api.http.rates import Bucket, Rates
from api.view import View
from nullsender.clock import FakeClock
from nullsender.config import Settings
from nullsender.errors import Transient
from nullsender.limits import (
    API_CLIENTS_REMEMBERED_MAX,
    API_KEY_CACHE_SECONDS,
    API_RATE_BURST_SECONDS,
    API_RATE_KEYS_MAX,
    API_WRONG_KEYS_PER_MINUTE_MAX,
)
from suppression.records import ApiKey
from tests.api_world import World, opened_client, opened_world

CHECK = "/v1/check?address=somebody@example.com"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with opened_world(tmp_path) as world:
        world.catch_up()
        yield world


def kind_of(answer: Response) -> str:
    """Which problem it is."""
    return str(answer.json()["type"]).rpartition(":")[2]


def a_key(key_id: str, clock: FakeClock, rate: int | None = None) -> ApiKey:
    rest = {"tenant": "default", "created": clock.now(), "expires": None, "revoked": None, "networks": ()}
    return ApiKey(id=key_id, name="test", scopes=("check",), rate=rate, **rest)  # type: ignore[arg-type]


# --- rates -------------------------------------------------------------------------------------------------------------


def test_over_time_nobody_gets_more_than_the_rate(clock: FakeClock) -> None:
    bucket, taken = Bucket(clock, per_second=10), 0
    for _ in range(2_000):
        clock.advance(seconds=0.05)
        while bucket.take(1) is None:
            taken += 1

    assert 10 * 100 <= taken <= 10 * (100 + API_RATE_BURST_SECONDS) + 1


def test_a_batch_of_any_size_passes_and_has_to_come_in_again(clock: FakeClock) -> None:
    bucket = Bucket(clock, per_second=10)

    assert bucket.take(10_000) is None
    wait_seconds = bucket.take(1)

    assert wait_seconds == 1_000 - API_RATE_BURST_SECONDS
    clock.advance(seconds=wait_seconds - 0.001)
    assert bucket.take(1) is not None
    clock.advance(seconds=0.001)
    assert bucket.take(1) is None


def test_a_rate_of_nothing_is_no_limit_and_the_default(clock: FakeClock) -> None:
    bucket = Rates(clock, per_second=Settings().api.rate).bucket_of(a_key("a", clock))

    assert [bucket.take(10**12) for _ in range(3)] == [None] * 3


def test_several_processes_together_give_no_more_than_the_rate(clock: FakeClock) -> None:
    buckets = [Rates(clock, per_second=100, processes=4).bucket_of(a_key("a", clock, rate=40)) for _ in range(4)]

    taken = 0
    for bucket in buckets:
        while bucket.take(1) is None:
            taken += 1

    assert taken <= 40 * API_RATE_BURST_SECONDS + len(buckets)


def test_each_key_has_its_own_bucket_and_there_are_only_so_many(clock: FakeClock) -> None:
    rates = Rates(clock, per_second=1)
    first = rates.bucket_of(a_key("first", clock))

    assert rates.bucket_of(a_key("first", clock)) is first
    for number in range(API_RATE_KEYS_MAX):
        assert rates.bucket_of(a_key(str(number), clock)) is not first
    assert rates.bucket_of(a_key("first", clock)) is not first


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", CHECK, None),
        ("POST", "/v1/check", {"addresses": ["a@x.test", "b@x.test"]}),
        ("GET", "/v1/suppressions", None),
        ("GET", "/v1/suppressions/a@x.test", None),
        ("GET", "/v1/addresses/a@x.test/history", None),
        ("PUT", "/v1/suppressions/a@x.test", {"cause": "manual", "reason": "x"}),
        ("DELETE", "/v1/suppressions/a@x.test", {"reason": "x"}),
    ],
)
def test_past_its_rate_a_key_is_told_when_to_come_again(world: World, method: str, path: str, body: object) -> None:
    with opened_client(world.api(), world.key("admin", rate=1)) as client:
        large = {"addresses": [f"{n}@x.test" for n in range(1_000)]}
        assert client.post("/v1/check", json=large).status_code == 200

        refused = client.request(method, path, json=body)

        assert (refused.status_code, kind_of(refused)) == (429, "rate-exceeded")
        wait_seconds = int(refused.headers["retry-after"])
        assert wait_seconds == 1_000 - API_RATE_BURST_SECONDS
        world.clock.advance(seconds=wait_seconds)
        assert client.request(method, path, json=body).status_code in (200, 201, 404)


def test_the_quick_answer_counts_as_much_as_the_routes(world: World) -> None:
    api, key = world.api(), world.key("check", rate=1)
    with opened_client(api, key) as client:
        assert client.get(CHECK).status_code == 200
        quick, target = api.quick, CHECK.encode()
        known = quick.known_key([(b"authorization", f"Bearer {key}".encode())], "127.0.0.1")
        assert known is not None
        quick_answers = 0
        while quick.answer(known, target, len(target), world.clock.monotonic_seconds()) is not None:
            quick_answers += 1

        assert quick_answers == API_RATE_BURST_SECONDS
        assert client.get(CHECK).status_code == 429


# --- networks ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "works"),
    [
        *(("10.1.2.3", True), ("10.2.0.1", False), ("2001:db8::7", True), ("2001:db9::7", False)),
        *(("::ffff:10.1.2.3", True), ("::ffff:192.0.2.1", False), ("127.0.0.1", False), ("", False)),
    ],
)
def test_a_key_opens_nothing_from_elsewhere_whatever_a_header_says(world: World, host: str, works: bool) -> None:
    api, key = world.api(), world.key("check", networks=["::ffff:10.1.0.0/112", "2001:db8::/32"])
    with opened_client(api, key, host=host) as client:
        forwarded = {"x-forwarded-for": "10.1.2.3", "forwarded": "for=10.1.2.3", "x-real-ip": "10.1.2.3"}
        answer = client.get(CHECK, headers=forwarded)

    assert answer.status_code == (200 if works else 403)
    if not works:
        assert kind_of(answer) == "network-refused"
    with opened_client(api, key, host="10.1.2.3") as client:
        assert client.get(CHECK).status_code == 200  # the key is remembered from now on
    known = api.quick.known_key([(b"authorization", f"Bearer {key}".encode())], host)
    assert (known is not None) is works


# --- wrong keys --------------------------------------------------------------------------------------------------------


def test_too_many_wrong_keys_from_one_address_ask_no_store_and_lock_nobody_out(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    api, good, other = world.api(), world.key("check"), world.key("check")
    asked, find = [], world.store.find_key

    def find_key(plain: str) -> ApiKey | None:
        asked.append(plain)
        return find(plain)

    monkeypatch.setattr(world.store, "find_key", find_key)
    with opened_client(api, good, host="192.0.2.1") as client, opened_client(api, host="192.0.2.2") as neighbour:
        assert client.get(CHECK).status_code == 200

        def answer_to(key: str, caller: Client = client) -> Response:
            return caller.get(CHECK, headers={"authorization": f"Bearer {key}"})

        for number in range(API_WRONG_KEYS_PER_MINUTE_MAX):
            assert answer_to(f"ns_{number}").status_code == 401
        refused = answer_to("ns_one-more")

        assert (refused.status_code, kind_of(refused)) == (429, "too-many-wrong-keys")
        assert 0 < int(refused.headers["retry-after"]) <= 60
        assert "ns_one-more" not in asked
        assert client.get(CHECK).status_code == 200
        assert answer_to(other).status_code == 200  # this process has not seen it yet: it shares an address, and no more
        new = world.key("check")
        assert answer_to(new).status_code == 429
        world.clock.advance(seconds=API_KEY_CACHE_SECONDS)
        assert answer_to(new).status_code == 200
        assert client.get(CHECK).status_code == 200
        assert answer_to("ns_one-more", neighbour).status_code == 401
        world.clock.advance(seconds=60)
        assert answer_to("ns_one-more").status_code == 401


def test_an_ipv6_network_of_64_bits_is_one_address_and_an_ipv4_address_is_one_however_it_is_written(clock: FakeClock) -> None:
    wrong = WrongKeys(clock)
    for _ in range(API_WRONG_KEYS_PER_MINUTE_MAX):
        wrong.count(client_address("2001:db8:0:1::1"))
        wrong.count(client_address("192.0.2.1"))

    assert wrong.wait_seconds(client_address("2001:db8:0:1:ffff::2")) is not None
    assert wrong.wait_seconds(client_address("2001:db8:0:2::1")) is None
    assert wrong.wait_seconds(client_address("::ffff:192.0.2.1")) is not None
    assert wrong.wait_seconds(client_address("192.0.2.2")) is None


def test_those_who_try_wrong_keys_are_counted_in_bounded_memory(clock: FakeClock) -> None:
    wrong = WrongKeys(clock)
    for number in range(API_CLIENTS_REMEMBERED_MAX + 10):
        wrong.count(client_address(f"2001:db8:{number >> 16:x}:{number & 0xFFFF:x}::1"))

    assert len(wrong._seen) == API_CLIENTS_REMEMBERED_MAX


# --- a key that is remembered ------------------------------------------------------------------------------------------


def test_while_a_key_is_in_use_one_request_asks_for_it_again_and_nobody_waits(world: World) -> None:
    api, key = world.api(), world.key("check")
    headers = [(b"authorization", f"Bearer {key}".encode())]
    with opened_client(api, key) as client:
        assert client.get(CHECK).status_code == 200
        world.clock.advance(seconds=API_KEY_CACHE_SECONDS / 2)
        assert api.quick.known_key(headers, "127.0.0.1") is None
        assert client.get(CHECK).status_code == 200
        world.clock.advance(seconds=API_KEY_CACHE_SECONDS * 0.4)

        assert api.quick.known_key(headers, "127.0.0.1") is not None


def test_while_the_store_is_away_a_key_is_believed_as_long_as_ever_and_no_longer(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> object:
        raise Transient("gone")

    with opened_client(world.api(), world.key("check")) as client:
        assert client.get(CHECK).status_code == 200
        monkeypatch.setattr(world.store, "find_key", away)
        world.clock.advance(seconds=API_KEY_CACHE_SECONDS * 0.9)
        world.catch_up()
        assert client.get(CHECK).status_code == 200
        world.clock.advance(seconds=API_KEY_CACHE_SECONDS * 0.2)
        world.catch_up()
        assert client.get(CHECK).status_code == 503


# --- tenants -----------------------------------------------------------------------------------------------------------

ROUTES = [
    ("GET", "/v1/check?address={}", None),
    ("GET", "/v1/check?address={}&stream=news", None),
    ("POST", "/v1/check", '{{"addresses": ["{}"]}}'),
    ("GET", "/v1/suppressions/{}", None),
    ("GET", "/v1/addresses/{}/history", None),
    ("DELETE", "/v1/suppressions/{}", '{{"reason": "x"}}'),
    ("GET", "/v1/suppressions?domain=example.com", None),
    ("PUT", "/v1/suppressions/{}", '{{"cause": "manual", "reason": "x"}}'),
]


@pytest.mark.parametrize("field", ["Nullsender-Tenant", "Authorization"])
def test_two_tenants_or_two_keys_in_one_request_are_none(world: World, field: str) -> None:
    key = world.key("check", tenant=None)
    named = {"Nullsender-Tenant": "acme", "Authorization": f"Bearer {key}"}
    with opened_client(world.api()) as client:
        answer = client.get(CHECK, headers=[*named.items(), (field, named[field])])

    assert (answer.status_code, kind_of(answer)) == (422, "invalid-request")
    assert field in answer.json()["detail"]


@pytest.mark.parametrize("fields", [{}, {"nullsender-tenant": "acme"}, {"nullsender-tenant": "other"}])
def test_no_route_tells_a_foreign_tenant_whether_an_address_is_on_anothers_list(world: World, fields: dict[str, str]) -> None:
    world.suppress("listed@example.com", tenant="acme")
    world.suppress("listed@example.com", tenant="acme", scope="news", cause="complaint")
    world.catch_up()
    scopes = ("check", "read", "write")

    def told(address: str, key: str) -> list[tuple[int, dict[str, str], Any]]:
        with opened_client(world.api(), key) as client:
            answers = []
            for method, path, body in ROUTES:
                content = None if body is None else body.format(address)
                headers = {"content-type": "application/json"} if content else {}
                answer = client.request(method, path.format(address), content=content, headers=headers | fields)
                said = json.loads(answer.text.replace(address, "ADDRESS"), parse_int=lambda _: 0)
                answers.append((answer.status_code, dict(answer.headers) | {"content-length": ""}, said))
            return answers

    key = world.key(*scopes, tenant="other")
    listed = told("listed@example.com", key)
    world.store.lift("other", "listed@example.com", scope=None, cause=None, reason="x", consent=None, actor="test")
    clean = told("unknown@example.com", key)

    assert [status for status, _, _ in listed] == [status for status, _, _ in clean]
    assert listed == clean


def test_hits_that_wait_at_one_moment_are_one_question_to_the_store(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(20):
        world.suppress(f"{number}@example.com")
    world.catch_up()
    asked: list[int] = []
    entered, leave = threading.Event(), threading.Event()
    check = world.store.check_hashes

    def counted(tenant: str, stream: str | None, hashes: object) -> object:
        asked.append(len(hashes))  # type: ignore[arg-type]
        if len(asked) == 1:
            entered.set()
            assert leave.wait(20)
        return check(tenant, stream, hashes)  # type: ignore[arg-type]

    monkeypatch.setattr(world.store, "check_hashes", counted)
    api = world.api()

    async def all_at_once() -> list[bytes]:
        hits, view = api.app.state.parts.hits, View("default", None)
        first = asyncio.create_task(hits.body(view, "0@example.com"))
        await asyncio.to_thread(entered.wait, 20)
        others = [asyncio.create_task(hits.body(view, f"{number % 20}@example.com")) for number in range(1, 60)]
        await asyncio.sleep(0)
        leave.set()
        return list(await asyncio.gather(first, *others))

    bodies = asyncio.run(all_at_once())

    assert asked == [1, 20]
    assert [json.loads(body)["address"] for body in bodies] == [f"{number % 20}@example.com" for number in range(60)]
    assert not any(json.loads(body)["allowed"] for body in bodies)
