"""The quick answer and the route give the same answers, and the quick one is given only where that is sure."""

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nullsender.limits import API_KEY_CACHE_SECONDS
from tests.api_world import STALENESS_SECONDS_MAX, Asked, opened_asked, opened_world


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[Asked]:
    """An API whose table is fresh and which has seen the caller's key."""
    with opened_world(tmp_path) as world, opened_asked(world, "check") as asked:
        yield asked


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    with opened_world(tmp_path_factory.mktemp("world")) as world:
        for address in ("gone@example.com", "a/b@example.com", "näher@bücher.example", "a+b@example.com", '"a b"@example.com'):
            world.suppress(address)
        with opened_asked(world, "check") as asked:
            yield asked


def test_a_plain_lookup_of_a_clean_address_is_answered_quickly(asked: Asked) -> None:
    for target in ("/v1/check?address=Clean@Example.com", "/v1/check?address=clean%40example.com&stream=news"):
        quick = asked.quickly(target)

        assert quick is not None
        assert json.loads(quick) == asked.by_route(target).json()


def test_a_suppressed_address_is_left_to_the_route(asked: Asked) -> None:
    asked.world.suppress("gone@example.com")
    asked.world.catch_up()

    assert asked.quickly("/v1/check?address=gone@example.com") is None


def test_with_a_stale_table_the_route_answers(asked: Asked) -> None:
    asked.world.clock.advance(seconds=STALENESS_SECONDS_MAX * 1.5)

    assert asked.quickly("/v1/check?address=clean@example.com") is None


def test_a_key_that_was_forgotten_is_looked_up_by_the_route(asked: Asked) -> None:
    asked.world.clock.advance(seconds=API_KEY_CACHE_SECONDS)
    asked.world.catch_up()

    assert asked.quickly("/v1/check?address=clean@example.com") is None


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"authorization", b"Bearer ns_unknown")],
        [(b"authorization", b"Basic eDp5")],
        [(b"authorization", b"Bearer \xff")],
    ],
)
def test_without_a_good_key_the_route_says_so(asked: Asked, headers: list[tuple[bytes, bytes]]) -> None:
    assert asked.with_fields("/v1/check?address=clean@example.com", headers) is None


@pytest.mark.parametrize(
    "name", ["nullsender-tenant", "content-length", "transfer-encoding", "expect", "upgrade", "authorization"]
)
def test_a_request_with_an_unusual_header_is_left_to_the_route(asked: Asked, name: str) -> None:
    assert asked.quickly("/v1/check?address=clean@example.com", (name.encode(), b"x")) is None


def test_a_key_without_the_scope_is_refused_by_the_route(world_with_reader: Asked) -> None:
    assert world_with_reader.quickly("/v1/check?address=clean@example.com") is None
    assert world_with_reader.by_route("/v1/check?address=clean@example.com").status_code == 403


@pytest.fixture
def world_with_reader(tmp_path: Path) -> Iterator[Asked]:
    with opened_world(tmp_path) as world, opened_asked(world, "read") as asked:
        yield asked


PIECES = st.sampled_from(
    [
        *(
            "address=",
            "&stream=",
            "stream=",
            "&",
            "=",
            "?",
            "#",
            "%",
            "%4",
            "%40",
            "%00",
            "%ff",
            "%2B",
            "+",
            "@",
            "a",
            "/",
            ";",
        ),
        *("gone@example.com", "Gone%40EXAMPLE.com", "clean@example.com", "a%2Fb@example.com", "a+b@example.com", "news", "*"),
        *(quote("näher@bücher.example"), quote('"a b"@example.com'), "%EF%BF%BD", "\\", '"', "x" * 300),
    ]
)


@settings(deadline=None, max_examples=500)
@given(start=st.sampled_from(["/v1/check?", "/v1/check?address=", "/v1/check", "//v1/check?address="]), pieces=st.lists(PIECES))
def test_where_there_is_a_quick_answer_the_route_gives_the_same(shared: Asked, start: str, pieces: list[str]) -> None:
    target = start + "".join(pieces)
    shared.world.catch_up()
    route = shared.by_route(target)  # first, so that the key is remembered

    quick = shared.quickly(target)

    if quick is not None:
        assert route.status_code == 200
        assert json.loads(quick) == route.json()
        assert json.loads(quick)["allowed"] is True


def test_answers_with_and_without_the_quick_one_have_the_same_fields_in_the_same_order(asked: Asked) -> None:
    target = "/v1/check?address=clean@example.com"

    assert asked.quickly(target) == asked.by_route(target).content
