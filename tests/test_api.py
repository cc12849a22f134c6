"""The HTTP API: what each route answers, and that every error is a problem that says what to do."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from httpx import Client, Response

from api.http import schemas
from api.http.problems import KINDS, ProblemKind
from api.view import View
from nullsender.errors import Transient
from nullsender.limits import API_BODY_BYTES_MAX, API_KEY_CACHE_SECONDS, CHECK_ADDRESSES_MAX
from suppression.policy import Did
from suppression.store.store import Store
from tests.api_world import World, opened_client, opened_world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with opened_world(tmp_path) as world:
        yield world


@pytest.fixture
def client(world: World) -> Iterator[Client]:
    """A caller with every scope."""
    with opened_client(world.api(), world.key("admin")) as client:
        yield client


def assert_problem(answer: Response, status: int, kind: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body.keys() == {"type", "title", "status", "detail", "instance"}
    assert (body["status"], body["type"]) == (status, f"urn:nullsender:problem:{kind}")
    return body


def put(client: Client, address: str, **body: object) -> Response:
    return client.put(f"/v1/suppressions/{quote(address, safe='')}", json={"cause": "manual", "reason": "a test"} | body)


# --- lookups -----------------------------------------------------------------------------------------------------------


def test_a_clean_address_is_allowed(client: Client) -> None:
    answer = client.get("/v1/check", params={"address": "Clean@Example.com"})

    assert answer.status_code == 200
    assert answer.json() == {
        "address": "clean@example.com",
        "allowed": True,
        "cause": None,
        "scope": None,
        "since": None,
        "expires": None,
        "entry": None,
    }


def test_a_suppressed_address_is_not_allowed_and_the_entry_is_named(client: Client) -> None:
    entry = put(client, "gone@example.com", cause="hard", expires="2026-02-01T00:00:00+01:00").json()

    answer = client.get("/v1/check", params={"address": "gone@example.com"}).json()

    assert answer == {
        "address": "gone@example.com",
        "allowed": False,
        "cause": "hard",
        "scope": "*",
        "since": "2026-01-01T00:00:00Z",
        "expires": "2026-01-31T23:00:00Z",
        "entry": entry["id"],
    }


def test_a_stream_is_the_same_however_it_is_written(client: Client) -> None:
    body = {"cause": "unsubscribe", "reason": "a test"}
    assert client.put("/v1/suppressions/reader@example.com?scope=Marketing", json=body).status_code == 201

    for written in ("marketing", "MARKETING", " marketing "):
        answer = client.get("/v1/check", params={"address": "reader@example.com", "stream": written}).json()
        assert (answer["allowed"], answer["scope"]) == (False, "marketing")
    assert client.get("/v1/check", params={"address": "a@example.com", "stream": "two words"}).status_code == 422


@pytest.mark.parametrize(
    "text", ["<gone@example.com>", "Gone <gone@example.com>", "mailto:gone@example.com", "gone@example.com,"]
)
def test_what_stands_around_an_address_is_told_and_never_allowed(client: Client, text: str) -> None:
    put(client, "gone@example.com", cause="hard")

    assert client.get("/v1/check", params={"address": text}).status_code == 422
    batch = client.post("/v1/check", json={"addresses": [text]}).json()
    assert [item["index"] for item in batch["invalid"]] == [0]


def test_an_entry_that_expired_stops_nothing(client: Client, world: World) -> None:
    put(client, "back@example.com", expires=(world.clock.now() + timedelta(days=1)).isoformat())
    world.clock.advance(days=1)

    assert client.get("/v1/check", params={"address": "back@example.com"}).json()["allowed"] is True


def test_many_addresses_are_checked_at_once(client: Client) -> None:
    put(client, "gone@example.com", cause="hard")
    put(client, "reader@example.com", cause="unsubscribe")
    addresses = [
        "a@example.com",
        "GONE@example.com",
        "nonsense",
        "b@example.com",
        "reader@example.com",
        7,
        "\ud800@example.com",
    ]

    answer = client.post(
        "/v1/check", content=json.dumps({"addresses": addresses}), headers={"content-type": "application/json"}
    )

    assert answer.status_code == 200
    body = answer.json()
    assert body["checked"] == 7
    assert [(item["index"], item["address"], item["cause"]) for item in body["suppressed"]] == [
        (1, "gone@example.com", "hard"),
        (4, "reader@example.com", "unsubscribe"),
    ]
    assert [(item["index"], item["address"]) for item in body["invalid"]] == [(2, "nonsense"), (5, None), (6, "?@example.com")]


def test_a_batch_is_answered_in_the_shape_that_is_documented(client: Client) -> None:
    put(client, "gone@example.com")

    body = client.post("/v1/check", json={"addresses": ["gone@example.com", "nonsense", None]}).json()

    assert schemas.CheckManyAnswer.model_validate(body).model_dump(mode="json", exclude_unset=True) == body


def test_the_largest_batch_is_answered_and_one_more_is_too_many(client: Client) -> None:
    addresses = [f"user{n}@example.com" for n in range(CHECK_ADDRESSES_MAX + 1)]

    assert client.post("/v1/check", json={"addresses": addresses[:-1]}).json()["checked"] == CHECK_ADDRESSES_MAX
    assert_problem(client.post("/v1/check", json={"addresses": addresses}), 413, "too-many-addresses")


def test_an_empty_batch_is_an_answer(client: Client) -> None:
    assert client.post("/v1/check", json={"addresses": []}).json() == {"checked": 0, "suppressed": [], "invalid": []}


def test_an_entry_of_a_stream_stops_that_stream_in_a_batch(client: Client) -> None:
    client.put("/v1/suppressions/a@example.com?scope=news", json={"cause": "unsubscribe", "reason": "a test"})

    def stopped(stream: str | None) -> int:
        return len(client.post("/v1/check", json={"stream": stream, "addresses": ["a@example.com"]}).json()["suppressed"])

    assert (stopped("news"), stopped("receipts"), stopped(None)) == (1, 0, 0)


@pytest.mark.parametrize("query", ["", "?address=nonsense", "?address=", "?address=%ff@x.test", "?address=a%00@x.test"])
def test_no_address_is_no_question(client: Client, query: str) -> None:
    answer = client.get(f"/v1/check{query}")

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_plus_sign_that_became_a_space_is_explained(client: Client) -> None:
    assert "%2B" in assert_problem(client.get("/v1/check?address=a+b@x.test"), 422, "invalid")["detail"]


def test_a_parameter_given_twice_is_refused(client: Client) -> None:
    body = assert_problem(client.get("/v1/check?address=a@x.test&address=b@x.test"), 422, "invalid-request")

    assert "more than once: address" in body["detail"]


def test_a_misspelt_parameter_is_refused_and_named(client: Client) -> None:
    body = assert_problem(client.get("/v1/check?address=a@x.test&steam=news"), 422, "invalid-request")

    assert "steam" in body["detail"]


def test_a_lookup_without_table_and_store_says_that_it_can_not_be_told(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    client.get("/v1/check?address=a@x.test")  # the key is known from now on
    monkeypatch.setattr(Store, "check_hashes", in_trouble)

    answer = client.get("/v1/check?address=a@x.test")

    assert_problem(answer, 503, "unavailable")
    assert int(answer.headers["retry-after"]) > 0


def test_where_nobody_can_tell_mail_goes_if_the_operator_lets_it_and_the_answer_is_marked(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened_client(world.api(allow_unknown=[View("default", "receipts")]), world.key("check")) as client:
        client.get("/v1/check?address=a@x.test")  # the key is known from now on
        monkeypatch.setattr(Store, "check_hashes", in_trouble)

        marked = client.get("/v1/check?address=A@x.test&stream=receipts")

        assert marked.status_code == 200
        nothing = dict.fromkeys(("cause", "scope", "since", "expires", "entry"))
        assert marked.json() == {"address": "a@x.test", "allowed": True, "known": False} | nothing
        assert schemas.CheckAnswer.model_validate(marked.json()).model_dump(mode="json") == marked.json()
        for target in ("/v1/check?address=a@x.test", "/v1/check?address=a@x.test&stream=news"):
            assert_problem(client.get(target), 503, "unavailable")


def test_a_hit_is_no_permission_although_the_store_is_away_and_the_operator_lets_unknown_mail_go(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.suppress("gone@x.test", cause="complaint")
    world.catch_up()
    for allow_unknown in ([], [View("default", None)]):
        with opened_client(world.api(allow_unknown=allow_unknown), world.key("check")) as client:
            client.get("/v1/check?address=a@x.test")
            with monkeypatch.context() as broken:
                broken.setattr(Store, "check_hashes", in_trouble)

                answer = client.get("/v1/check?address=gone@x.test").json()

        assert (answer["allowed"], answer["cause"], answer["scope"]) == (False, "complaint", "*")
        assert answer.keys() == {"address", "allowed", "cause", "scope", "since", "expires", "entry"}


def in_trouble(*_arguments: object, **_named: object) -> object:
    raise Transient("no database at db.internal:5432")


@pytest.mark.parametrize("path", ["/readyz", "/v1/check?address=a@x.test", "/v1/suppressions/a@x.test"])
def test_what_the_driver_says_goes_to_the_log_and_to_no_caller(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    for question in ("ready", "find_key"):
        monkeypatch.setattr(Store, question, in_trouble)
    with opened_client(world.api(), "ns_x") as client:
        detail = assert_problem(client.get(path), 503, "unavailable")["detail"]

    assert "the store does not answer" in detail.lower()
    assert "db.internal" not in detail
    assert "db.internal" in str([vars(record) for record in caplog.records])


# --- the list ----------------------------------------------------------------------------------------------------------


def test_adding_shows_the_entry_and_adding_again_changes_nothing(client: Client) -> None:
    first = put(client, "User@Example.com", cause="complaint", reason="wrote to abuse@")
    second = put(client, "user@example.com", cause="complaint", reason="again")

    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()
    assert first.json()["address"] == "user@example.com"
    assert first.json()["reason"] == "wrote to abuse@"


def test_the_key_that_changed_the_list_stands_in_the_history(client: Client, world: World) -> None:
    put(client, "user@example.com")
    (key,) = world.store.list_keys()

    history = client.get("/v1/addresses/user@example.com/history").json()

    assert [(item["what"], item["action"], item["actor"]) for item in history["items"]] == [("change", "added", key.id)]


@pytest.mark.parametrize(
    "address",
    [
        "a/b@example.com",
        "a+b@example.com",
        '"we ird"@example.com',
        '"quoted local"@example.com',
        "with%percent@example.com",
        "q?uery#hash@example.com",
        "näher@bücher.example",
        "用户@例子.测试",
        "dotty..name.@docomo.example",
        "user@localhost",
        "user@[192.0.2.1]",
        "x/history@example.com",
        "history@suppressions",
    ],
)
def test_any_address_finds_its_way_through_a_path(client: Client, world: World, address: str) -> None:
    world.suppress(address)
    path = quote(address, safe="")

    shown = client.get(f"/v1/suppressions/{path}").json()
    history = client.get(f"/v1/addresses/{path}/history").json()
    lifted = client.request("DELETE", f"/v1/suppressions/{path}", json={"reason": "a test"})

    assert [entry["address"] for entry in shown["entries"]] == [shown["address"]]
    assert len(history["items"]) == 1
    assert lifted.status_code == 200
    assert client.get("/v1/check", params={"address": address}).json()["allowed"] is True


@pytest.mark.parametrize("address", ["user%0A@example.com", "user@example.com%0A%0A.", "%0A", "a%0D%0Ab@example.com"])
def test_a_newline_in_a_path_is_a_bad_address_and_no_unknown_path(client: Client, address: str) -> None:
    assert_problem(client.get(f"/v1/suppressions/{address}"), 422, "invalid")
    assert_problem(client.get(f"/v1/addresses/{address}/history"), 422, "invalid")


@pytest.mark.parametrize(
    "address",
    ["a/b@example.com", "user@example.com", "user@x.test", "user@localhost", "dotty..name.@docomo.example", '"a b"@x.test'],
)
def test_an_address_that_real_lists_hold_can_be_added(client: Client, address: str) -> None:
    assert put(client, address).status_code == 201


@pytest.mark.parametrize("address", ["nonsense", "a@b@c.example", "user@exa_mple..com", "user@-x.test", "Us Er <u@x.test>"])
def test_an_address_that_no_mail_can_be_sent_to_is_not_added(client: Client, address: str) -> None:
    assert_problem(put(client, address), 422, "invalid")


@pytest.mark.parametrize(
    "body",
    [
        {"cause": "spite", "reason": "x"},
        {"cause": "manual"},
        {"cause": "manual", "reason": "   "},
        {"cause": "manual", "reason": "nul \0"},
        {"cause": "manual", "reason": "x", "expires": "2027-01-01T00:00:00"},
        {"cause": "manual", "reason": "x", "expires": "2025-01-01T00:00:00Z"},
        {"cause": "manual", "reason": "x", "expires": 99999999999999},
        {"cause": "manual", "reason": "x", "expires": "99999999999999"},
        {"cause": "manual", "reason": "x", "expires": "9999-12-31T23:59:59-14:00"},
        {"cause": "manual", "reason": "x", "expire": "2027-01-01T00:00:00Z"},
        {"cause": "manual", "reason": "x" * 5000},
        [],
        None,
        "manual",
    ],
)
def test_a_wrong_body_is_refused_and_nothing_is_added(client: Client, body: object) -> None:
    answer = client.put("/v1/suppressions/user@example.com", json=body)

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert client.get("/v1/suppressions").json()["entries"] == []


def test_a_complaint_is_lifted_only_with_consent(client: Client) -> None:
    put(client, "user@example.com", cause="complaint")
    path = "/v1/suppressions/user@example.com"

    body = assert_problem(client.request("DELETE", path, json={"reason": "nicer numbers"}), 409, "protected-cause")
    assert "consent" in body["detail"]
    assert client.get("/v1/check?address=user@example.com").json()["allowed"] is False

    answer = client.request("DELETE", path, json={"reason": "signed up again", "consent": "double opt-in of 2026-01-01"})

    assert [entry["cause"] for entry in answer.json()["lifted"]] == ["complaint"]
    assert client.get("/v1/check?address=user@example.com").json()["allowed"] is True
    newest = client.get("/v1/addresses/user@example.com/history").json()["items"][0]
    assert (newest["action"], newest["consent"]) == ("lifted", "double opt-in of 2026-01-01")


def test_only_the_entries_that_are_named_are_lifted(client: Client) -> None:
    put(client, "user@example.com", cause="hard")
    put(client, "user@example.com", cause="complaint")

    answer = client.request("DELETE", "/v1/suppressions/user@example.com?cause=hard", json={"reason": "works again"})

    assert [entry["cause"] for entry in answer.json()["lifted"]] == ["hard"]
    assert [e["cause"] for e in client.get("/v1/suppressions/user@example.com").json()["entries"]] == ["complaint"]


def test_what_is_not_there_can_be_neither_shown_nor_lifted(client: Client) -> None:
    assert_problem(client.get("/v1/suppressions/nobody@example.com"), 404, "not-on-the-list")
    answer = client.request("DELETE", "/v1/suppressions/nobody@example.com", json={"reason": "x"})
    assert_problem(answer, 404, "not-on-the-list")


def test_the_list_is_read_page_by_page_without_gap_or_repetition(client: Client, world: World) -> None:
    for n in range(7):
        world.suppress(f"user{n}@example.com")

    addresses, cursor = [], None
    while True:
        page = client.get("/v1/suppressions", params={"limit": 3} | ({"cursor": cursor} if cursor is not None else {})).json()
        addresses += [entry["address"] for entry in page["entries"]]
        cursor = page["next"]
        if cursor is None:
            break

    assert addresses == [f"user{n}@example.com" for n in reversed(range(7))]


def test_the_list_is_filtered(client: Client, world: World) -> None:
    world.suppress("old@example.com", cause="hard")
    world.clock.advance(days=1)
    world.suppress("new@example.org", cause="complaint", scope="news")

    def listed(**parameters: str) -> list[str]:
        return [entry["address"] for entry in client.get("/v1/suppressions", params=parameters).json()["entries"]]

    assert listed(cause="hard") == ["old@example.com"]
    assert listed(scope="news") == ["new@example.org"]
    assert listed(domain="EXAMPLE.org") == ["new@example.org"]
    assert listed(since_from="2026-01-01T12:00:00Z") == ["new@example.org"]
    assert listed(since_to="2026-01-01T12:00:00Z") == ["old@example.com"]
    assert listed(cause="hard", scope="news") == []


@pytest.mark.parametrize(
    "query",
    [
        *("cursor=x", "cursor=-1", "cursor=99999999999999999999", "limit=0", "limit=1001", "casue=hard"),
        *("since_from=2026", "since_to=1e9", "since_to=2026-01-01", "since_from=2026-01-01T00:00:00+01:00"),
    ],
)
def test_a_wrong_page_or_filter_is_refused(client: Client, query: str) -> None:
    assert_problem(client.get(f"/v1/suppressions?{query}"), 422, "invalid-request")


def test_a_write_waits_for_the_table_so_that_the_next_lookup_sees_it(
    client: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.catch_up()
    assert client.get("/v1/check?address=user@example.com").json()["allowed"] is True
    feed_head = world.store.feed_head

    def head_while_the_follower_works() -> int:
        head = feed_head()
        world.catch_up()
        return head

    monkeypatch.setattr(world.store, "feed_head", head_while_the_follower_works)

    put(client, "user@example.com")

    assert client.get("/v1/check?address=user@example.com").json()["allowed"] is False


# --- keys --------------------------------------------------------------------------------------------------------------

CALLS = [
    ("GET", "/v1/check?address=a@x.test", "check"),
    ("POST", "/v1/check", "check"),
    ("GET", "/v1/suppressions", "read"),
    ("GET", "/v1/suppressions/a@x.test", "read"),
    ("GET", "/v1/addresses/a@x.test/history", "read"),
    ("PUT", "/v1/suppressions/a@x.test", "write"),
    ("DELETE", "/v1/suppressions/a@x.test", "write"),
]
BODIES = {"POST": {"addresses": []}, "PUT": {"cause": "manual", "reason": "x"}, "DELETE": {"reason": "x"}}


@pytest.mark.parametrize(("method", "path", "scope"), CALLS)
def test_each_call_needs_its_scope(world: World, method: str, path: str, scope: str) -> None:
    others = {"check", "read", "write"} - {scope}
    with opened_client(world.api()) as client:

        def call(*scopes: str) -> Response:
            headers = {"authorization": f"Bearer {world.key(*scopes)}"}
            return client.request(method, path, headers=headers, json=BODIES.get(method))

        refused = call(*others)

        assert scope in assert_problem(refused, 403, "scope-missing")["detail"]
        assert f'scope="{scope}"' in refused.headers["www-authenticate"]
        assert call(scope).status_code in (200, 201, 404)
        assert call("admin").status_code in (200, 201, 404)


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "Bearer ns_nonsense", "Bearer " + "x" * 5000, "Bearer ns_\xff\xfe"],
)
def test_without_a_good_key_there_is_nothing_to_see(world: World, authorization: str | None) -> None:
    headers = {} if authorization is None else {b"authorization": authorization.encode("latin-1")}
    with opened_client(world.api()) as client:
        answer = client.get("/v1/check?address=a@x.test", headers=headers)

        assert_problem(answer, 401, "key-needed")
        assert answer.headers["www-authenticate"].startswith("Bearer ")


def test_a_revoked_key_is_refused_once_it_is_forgotten(world: World) -> None:
    key_id, plain = world.store.create_key("test", scopes=["check"], tenant="default", expires=None)
    with opened_client(world.api(), plain) as client:
        assert client.get("/v1/check?address=a@x.test").status_code == 200
        world.store.revoke_key(key_id)
        world.clock.advance(seconds=API_KEY_CACHE_SECONDS)

        assert client.get("/v1/check?address=a@x.test").status_code == 401


def test_a_key_sees_the_list_of_its_tenant_only(world: World) -> None:
    world.suppress("user@example.com", tenant="acme")
    with opened_client(world.api(), world.key("check", tenant="other")) as client:
        assert client.get("/v1/check?address=user@example.com").json()["allowed"] is True
        refused = client.get("/v1/check?address=user@example.com", headers={"nullsender-tenant": "acme"})
        assert_problem(refused, 403, "tenant-mismatch")


def test_a_key_of_every_tenant_names_the_tenant_that_it_means(world: World) -> None:
    world.suppress("user@example.com", tenant="acme")
    with opened_client(world.api(), world.key("check", tenant=None)) as client:

        def allowed(tenant: str) -> bool:
            answer = client.get("/v1/check?address=user@example.com", headers={"nullsender-tenant": tenant})
            return bool(answer.json()["allowed"])

        assert (allowed("acme"), allowed("default")) == (False, True)
        assert client.get("/v1/check?address=user@example.com").json()["allowed"] is True


@pytest.mark.parametrize("tenant", ["", " ", "two words"])
def test_a_tenant_that_is_no_name_is_refused_and_never_means_the_default_one(world: World, tenant: str) -> None:
    with opened_client(world.api(), world.key("check", tenant=None)) as client:
        answer = client.get("/v1/check?address=user@example.com", headers={"nullsender-tenant": tenant})

        assert "Nullsender-Tenant" in assert_problem(answer, 422, "invalid-request")["detail"]


def test_only_a_key_of_every_tenant_means_the_default_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.suppress("user@example.com")
    key = world.store.find_key(world.key("check"))
    assert key is not None
    for tenant, allowed in ((None, False), ("", True)):
        monkeypatch.setattr(Store, "find_key", lambda *_, tenant=tenant: msgspec.structs.replace(key, tenant=tenant))
        with opened_client(world.api(), "ns_x") as client:
            assert client.get("/v1/check?address=user@example.com").json()["allowed"] is allowed


# --- operations --------------------------------------------------------------------------------------------------------


def test_health_and_readiness_need_no_key(world: World) -> None:
    world.catch_up()
    with opened_client(world.api()) as client:
        assert client.get("/healthz").json() == {"status": "ok"}
        assert client.get("/readyz").json() == {"status": "ok"}


def test_readiness_says_what_is_wrong(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    api = world.api(lambda: None, lambda: "the MX is not listening")
    monkeypatch.setattr(Store, "ready", in_trouble)
    with opened_client(api) as client:
        detail = assert_problem(client.get("/readyz"), 503, "unavailable")["detail"]

        assert "the store does not answer" in detail
        assert "the lookup table is stale or missing" in detail
        assert "the MX is not listening" in detail
        assert client.get("/healthz").status_code == 200


def test_metrics_tell_of_requests_and_of_the_tables_age(world: World, client: Client) -> None:
    world.catch_up()
    world.clock.advance(seconds=0.25)
    client.get("/v1/check?address=a@x.test")
    client.get("/no/such/path")

    text = client.get("/metrics").text

    assert "nullsender_lookup_staleness_seconds 0.25" in text
    assert 'nullsender_api_requests_total{route="/v1/check",status="200"}' in text
    assert 'nullsender_api_requests_total{route="other",status="404"}' in text


def test_the_documentation_names_every_route_with_its_problems(client: Client) -> None:
    paths = client.get("/openapi.json").json()["paths"]

    for method, path, _ in CALLS:
        documented = paths[path.split("?")[0].replace("a@x.test", "{address}")][method.lower()]
        assert {"401", "403", "422", "503"} <= documented["responses"].keys()
        assert "application/problem+json" in documented["responses"]["422"]["content"]
        assert documented["security"]


def test_the_documentation_says_what_each_answer_and_each_closed_list_is(client: Client) -> None:
    document = client.get("/openapi.json").json()

    for operations in document["paths"].values():
        for method, operation in operations.items():
            answers = operation["responses"]
            assert {"400", "408", "422", "500", "503"} <= answers.keys()
            assert {"200", "202"} & answers.keys(), "it is done, or long work has begun"
            assert "Retry-After" in answers["503"]["headers"]
            assert "Successful Response" not in [answer["description"] for answer in answers.values()], method
            if "security" in operation:
                assert "WWW-Authenticate" in answers["401"]["headers"]
                assert "WWW-Authenticate" in answers["403"]["headers"]
    shapes = document["components"]["schemas"]
    assert shapes["Did"]["enum"] == list(Did)
    assert "kept" not in shapes["ChangeItem"]["properties"]["action"]["enum"]
    assert shapes["EntryReply"]["properties"]["ended_by"]["anyOf"][0]["enum"] == ["lifted", "expired", "released"]


def test_the_documentation_lists_every_type_of_problem_with_its_meaning(client: Client) -> None:
    document = client.get("/openapi.json").json()
    type_ = document["components"]["schemas"]["ProblemBody"]["properties"]["type"]

    assert type_["enum"] == [f"urn:nullsender:problem:{kind}" for kind in ProblemKind]
    assert type_["examples"][0] in type_["enum"]
    for kind, (status, meaning) in KINDS.items():
        assert f"| `urn:nullsender:problem:{kind}` | {status.value} | {meaning} |" in document["info"]["description"]


# --- what is none of our routes, or broke ------------------------------------------------------------------------------


def test_an_unknown_path_is_a_problem(client: Client) -> None:
    assert "openapi" in assert_problem(client.get("/v1/chekc"), 404, "no-such-path")["detail"]


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/v1/check", "GET, POST"),
        ("/v1/suppressions/a@x.test", "DELETE, GET, PUT"),
        ("/v1/suppressions", "GET"),
        ("/openapi.json", "GET, HEAD"),
    ],
)
def test_a_wrong_method_is_a_problem_that_names_all_the_right_ones(client: Client, path: str, allowed: str) -> None:
    answer = client.request("PATCH", path)

    assert_problem(answer, 405, "wrong-method")
    assert ", ".join(sorted(answer.headers["allow"].split(", "))) == allowed


def test_a_body_that_is_too_large_is_a_problem(client: Client) -> None:
    answer = client.post("/v1/check", content=b" " * (API_BODY_BYTES_MAX + 1), headers={"content-type": "application/json"})

    assert_problem(answer, 413, "body-too-large")


@pytest.mark.parametrize(
    "content",
    [b"{", b"\xff\xfe", b'{"addresses": ["\xff"]}', b"[" * 100_000, b"1" * 10_000, b'{"addresses": ' + b"[" * 2000 + b"}"],
)
def test_a_body_that_is_no_json_is_a_problem(client: Client, content: bytes) -> None:
    answer = client.post("/v1/check", content=content, headers={"content-type": "application/json"})

    assert_problem(answer, 400, "not-json")


def test_a_body_without_its_type_says_which_one_is_needed(client: Client) -> None:
    for headers in ({"content-type": "text/plain"}, {}):
        answer = client.post("/v1/check", content=b'{"addresses": []}', headers=headers)

        assert "application/json" in assert_problem(answer, 415, "unsupported-media-type")["detail"]
        assert answer.headers["accept"] == "application/json"


def test_a_bug_of_ours_is_a_problem_without_a_traceback(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_arguments: object) -> object:
        raise RuntimeError("the secret of the house")

    monkeypatch.setattr(Store, "entries_of", broken)

    answer = client.get("/v1/suppressions/a@x.test")

    assert_problem(answer, 500, "bug")
    assert "secret" not in answer.text
    assert "the secret of the house" in caplog.text


def test_too_many_requests_for_the_store_are_told_to_come_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.http.app.API_STORE_WAITING_MAX", 0)
    with opened_client(world.api(), "ns_x") as client:
        assert "wait" in assert_problem(client.get("/v1/suppressions"), 503, "unavailable")["detail"]


def test_times_in_answers_are_utc(client: Client) -> None:
    since = put(client, "user@example.com").json()["since"]

    assert datetime.fromisoformat(since) == datetime(2026, 1, 1, tzinfo=UTC)
    assert since.endswith("Z")
