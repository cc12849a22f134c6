"""Any request at all, from anyone, is answered with a status that is meant: never with 500, and every error is a problem."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote_from_bytes

import pytest
from httpx import Client
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.api_world import opened_client, opened_world

MEANT = {200, 201, 400, 401, 403, 404, 405, 409, 413, 415, 422}

SEGMENT = st.one_of(
    st.sampled_from(["user@example.com", "A/B+c@example.com", "history", "..", ".", "", "näher@bücher.example", "@", "*"]).map(
        lambda text: quote_from_bytes(text.encode())
    ),
    st.binary(max_size=30).map(quote_from_bytes),
)
PATHS = st.one_of(
    st.sampled_from(["/v1/check", "/v1/suppressions", "/healthz", "/openapi.json", "/", "//", "/v1//check"]),
    SEGMENT.map("/v1/suppressions/{}".format),
    SEGMENT.map("/v1/addresses/{}/history".format),
    SEGMENT.map("/{}".format),
)
NAMES = st.sampled_from(["address", "stream", "scope", "cause", "cursor", "limit", "domain", "since_from", "since_to", "x"])
VALUES = st.one_of(
    st.sampled_from(
        ["user@example.com", "*", "hard", "0", "1", "-1", "1e9", "2026-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59"]
    ),
    st.binary(max_size=20).map(quote_from_bytes),
)
QUERIES = st.lists(st.tuples(NAMES, VALUES), max_size=3).map(lambda pairs: "&".join(f"{n}={v}" for n, v in pairs))
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()) | VALUES
FIELDS = st.sampled_from(["addresses", "stream", "cause", "reason", "expires", "consent", "x"]) | st.text()
JSON: st.SearchStrategy[Any] = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(FIELDS, inner, max_size=4), max_leaves=10
)
HEADERS = st.dictionaries(
    st.sampled_from(["authorization", "nullsender-tenant", "content-type", "host", "content-length", "accept", "x-y"]),
    st.sampled_from(
        ["application/json", "Bearer", "-1", "default", "[", "text/plain; charset=x", "\xff", "multipart/form-data"]
    ),
    max_size=2,
)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with opened_world(tmp_path_factory.mktemp("world")) as world:
        world.suppress("user@example.com", cause="complaint")
        with opened_client(world.api(), world.key("admin")) as client:
            yield client


@settings(deadline=None, max_examples=300)
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE"]),
    path=PATHS,
    query=QUERIES,
    body=st.one_of(st.none(), st.binary(max_size=60), JSON),
    headers=HEADERS,
)
def test_every_request_has_an_answer_that_is_meant(
    client: Client, method: str, path: str, query: str, body: object, headers: dict[str, str]
) -> None:
    raw = {name.encode(): value.encode("latin-1") for name, value in headers.items()}
    content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    if not isinstance(body, bytes):
        raw.setdefault(b"content-type", b"application/json")

    answer = client.request(method, f"http://api.test{path}?{query}", headers=raw, content=content)

    assert answer.status_code in MEANT, answer.text
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        if method != "HEAD":
            assert answer.json()["status"] == answer.status_code
