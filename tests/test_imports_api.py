"""Imports over HTTP: sent as they are, taken by a worker, reported. Each tenant sees its own; what broke leaves nothing."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from suppression.imports.jobs import KIND, ImportRunner
from suppression.jobs.worker import Worker
from suppression.store.imports import StoreImports
from suppression.store.jobs import StoreJobs
from tests.api_world import HASHER, World, opened_client, opened_world

ADA, BEN = "ada@example.com", "ben@example.org"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with opened_world(tmp_path) as world:
        yield world


@pytest.fixture
def client(world: World) -> Iterator[httpx.Client]:
    """Somebody who may write and ask."""
    with opened_client(world.api(), world.key("check", "read", "write")) as client:
        yield client


def work(world: World) -> None:
    runner = ImportRunner(world.imports_folder, StoreImports.beside(world.store), HASHER, world.clock)
    worker = Worker(StoreJobs.beside(world.store), {KIND: runner}, clock=world.clock, stop=lambda: False)
    while worker.step():
        pass
    world.catch_up()


def test_a_list_is_sent_taken_and_reported(world: World, client: httpx.Client) -> None:
    text = f"{ADA},BOUNCE\n{BEN},COMPLAINT\nnobody,BOUNCE\n"
    asked = client.post("/v1/imports", params={"reason": "we leave them", "name": "ses.csv"}, content=text)
    place = asked.headers["Location"]

    assert (asked.status_code, asked.json()["state"], asked.json()["report"]) == (202, "waiting", None)
    assert client.get(f"{place}/refused").json()["type"].endswith("not-complete")
    work(world)
    shown = client.get(place).json()
    report = shown["report"]
    assert (shown["state"], shown["done"], shown["total"], shown["name"]) == ("complete", 3, 3, "ses.csv")
    assert [report[name] for name in ("rows", "taken", "merged", "kept", "refused")] == [3, 2, 0, 0, 1]
    assert report["shown"] == [{"line": 3, "reason": "not an address: it has no @"}]
    assert report["sha256"] == hashlib.sha256(text.encode()).hexdigest()
    assert client.get(f"{place}/refused").text.splitlines()[1] == "3,not an address: it has no @,nobody"
    assert client.get("/v1/check", params={"address": ADA}).json()["cause"] == "hard"
    assert [one["id"] for one in client.get("/v1/imports").json()["imports"]] == [shown["id"]]


def test_an_address_of_a_hashed_list_is_refused_by_a_lookup(world: World, client: httpx.Client) -> None:
    digest = hashlib.md5(ADA.encode()).hexdigest()
    client.post("/v1/imports", params={"reason": "a partner's", "cause": "unsubscribe"}, content=f"{digest}\n")
    work(world)

    assert client.get("/v1/check", params={"address": "Ada@Example.com"}).json()["cause"] == "unsubscribe"
    assert client.get("/v1/check", params={"address": BEN}).json()["allowed"] is True


def test_each_tenant_sees_its_own_imports(world: World, client: httpx.Client) -> None:
    place = client.post("/v1/imports", params={"reason": "r", "cause": "hard"}, content=ADA).headers["Location"]

    with opened_client(world.api(), world.key("read", "write", tenant="acme")) as other:
        for path in (place, f"{place}/refused"):
            assert other.get(path).status_code == 404
        assert other.delete(place).status_code == 404
        assert other.get("/v1/imports").json()["imports"] == []


def test_what_is_cancelled_takes_nothing(world: World, client: httpx.Client) -> None:
    place = client.post("/v1/imports", params={"reason": "r", "cause": "hard"}, content=ADA).headers["Location"]

    assert client.delete(place).json()["state"] == "cancelled"
    work(world)
    assert client.get("/v1/check", params={"address": ADA}).json()["allowed"] is True
    assert client.get(f"{place}/refused").json()["type"].endswith("gone")


@pytest.mark.parametrize(
    ("parameters", "body"),
    [
        ({"reason": "r"}, b""),
        ({}, b"ada@example.com"),
        ({"reason": "r", "format": "lotus"}, b"ada@example.com"),
        ({"reason": "r", "cause": "boredom"}, b"ada@example.com"),
        ({"reason": "r", "scope": "no scope at all"}, b"ada@example.com"),
    ],
)
def test_what_makes_no_sense_is_refused_and_leaves_nothing(
    world: World, client: httpx.Client, parameters: dict[str, str], body: bytes
) -> None:
    answer = client.post("/v1/imports", params=parameters, content=body)

    assert answer.status_code == 422
    assert not list(world.imports_folder.glob("*"))


def test_a_list_that_is_too_large_is_refused_while_it_comes(
    world: World, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.http.imports.IMPORT_UPLOAD_BYTES_MAX", 1_000)

    answer = client.post("/v1/imports", params={"reason": "r", "cause": "hard"}, content=b"ada@example.com\n" * 100)

    assert answer.status_code == 413
    assert not list(world.imports_folder.glob("*"))
