"""Exports and jobs over HTTP: asked for, made by a worker, fetched in parts, removed; each tenant sees its own."""

import hashlib
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from suppression.exports.jobs import ExportRunner, ExportsBroom
from suppression.exports.verifying import verify
from suppression.jobs.worker import Worker
from suppression.store.audit_read import AuditFilters, StoreAudit
from suppression.store.exports import StoreExports
from suppression.store.jobs import StoreJobs
from tests.api_world import World, opened_client, opened_world
from tests.export_world import SIGNER

ASKED = {"purpose": "yearly audit", "recipient": "Jane Doe"}
NOBODYS = "0" * 24


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """An installation with three people on its list."""
    with opened_world(tmp_path) as world:
        for name, cause in (("ada", "hard"), ("ben", "unsubscribe"), ("eve", "complaint")):
            world.suppress(f"{name}@example.com", cause=cause)
        yield world


@pytest.fixture
def client(world: World) -> Iterator[httpx.Client]:
    """Somebody who may export, and see jobs."""
    with opened_client(world.api(), world.key("export", "read", "write")) as client:
        yield client


def work(world: World) -> None:
    """Let a worker do all that waits."""
    runner = ExportRunner(world.exports_folder, StoreExports.beside(world.store), SIGNER, world.clock)
    worker = Worker(StoreJobs.beside(world.store), {"export": runner}, clock=world.clock, stop=lambda: False)
    while worker.step():
        pass


def ask(client: httpx.Client, **given: Any) -> dict[str, Any]:
    """Ask for an export; the export as it waits."""
    answer = client.post("/v1/exports", json={**ASKED, **given})
    assert answer.status_code == 202, answer.text
    assert answer.headers["Location"] == f"/v1/exports/{answer.json()['id']}"
    return dict(answer.json())


def problem(answer: httpx.Response) -> tuple[int, str]:
    """The status and the kind of a refusal."""
    return answer.status_code, answer.json()["type"].rpartition(":")[2]


def test_an_export_is_asked_for_made_fetched_and_checked(world: World, client: httpx.Client, tmp_path: Path) -> None:
    export = ask(client, format="ndjson", filters={"cause": "unsubscribe", "from": "2025-01-01T00:00:00Z"})
    path = f"/v1/exports/{export['id']}"
    assert (export["state"], export["file"]) == ("waiting", None)
    assert problem(client.get(f"{path}/file")) == (409, "not-complete")

    work(world)

    shown = client.get(path).json()
    assert (shown["state"], shown["done"], shown["total"]) == ("complete", 1, 1)
    assert shown["filters"] == {"tenant": "default", "from": "2025-01-01T00:00:00Z", "cause": "unsubscribe"}
    file, manifest = client.get(f"{path}/file"), client.get(f"{path}/manifest")
    assert json.loads(file.content)["address"] == "ben@example.com"
    assert hashlib.sha256(file.content).hexdigest() == shown["file"]["sha256"] == manifest.json()["file"]["sha256"]
    assert file.headers["ETag"] == f'"{shown["file"]["sha256"]}"'
    (tmp_path / shown["file"]["name"]).write_bytes(file.content)
    (tmp_path / "m.json").write_bytes(manifest.content)
    verify(tmp_path / "m.json", SIGNER.public)


def test_a_download_that_broke_goes_on_where_it_was(world: World, client: httpx.Client) -> None:
    path = f"/v1/exports/{ask(client)['id']}/file"
    work(world)
    whole = client.get(path)

    rest = client.get(path, headers={"Range": "bytes=100-", "If-Range": whole.headers["ETag"]})

    size = len(whole.content)
    assert (rest.status_code, rest.content) == (206, whole.content[100:])
    assert rest.headers["Content-Range"] == f"bytes 100-{size - 1}/{size}"
    assert client.get(path, headers={"Range": "bytes=100-", "If-Range": '"another"'}).content == whole.content
    behind = client.get(path, headers={"Range": f"bytes={size}-"})
    assert (problem(behind), behind.headers["Content-Range"]) == ((416, "no-such-range"), f"bytes */{size}")


def test_every_export_is_logged_with_what_for_and_for_whom(world: World, client: httpx.Client) -> None:
    export = ask(client)
    work(world)

    told = StoreAudit.beside(world.store).list_audit(AuditFilters(subject=export["id"]), cursor=None, limit=10).items

    assert [row.kind for row in told] == ["export", "export-requested"]
    for row in told:
        assert (row.actor, row.tenant) == (export["requested_by"], "default")
        assert row.words is not None
        assert (row.words["reason"], row.words["recipient"]) == ("yearly audit", "Jane Doe")
    assert told[0].words is not None
    assert told[0].words["file"]["sha256"] == client.get(f"/v1/exports/{export['id']}").json()["file"]["sha256"]


def test_an_export_that_is_removed_has_no_file_any_more(world: World, client: httpx.Client) -> None:
    export = ask(client)
    work(world)
    path = f"/v1/exports/{export['id']}"

    assert client.delete(path).json()["state"] == "expired"

    assert problem(client.get(f"{path}/file")) == (410, "gone")
    assert not (world.exports_folder / export["id"]).exists()
    assert client.delete(path).json()["state"] == "expired"


def test_an_export_that_is_cancelled_is_not_made(world: World, client: httpx.Client) -> None:
    path = f"/v1/exports/{ask(client)['id']}"

    assert client.delete(path).json()["state"] == "cancelled"
    work(world)

    assert client.get(path).json()["state"] == "cancelled"
    assert problem(client.get(f"{path}/manifest")) == (410, "gone")


def test_files_leave_when_their_time_is_over_and_what_nobody_knows_at_once(world: World, client: httpx.Client) -> None:
    export = ask(client)
    work(world)
    (world.exports_folder / NOBODYS).mkdir()
    broom = ExportsBroom(world.exports_folder, StoreJobs.beside(world.store), timedelta(days=7))

    broom.sweep(world.clock.now())
    assert [path.name for path in world.exports_folder.iterdir()] == [export["id"]]
    world.clock.advance(days=7)
    broom.sweep(world.clock.now())

    assert list(world.exports_folder.iterdir()) == []
    assert client.get(f"/v1/exports/{export['id']}").json()["state"] == "expired"


def test_an_export_is_none_of_another_tenants_business(world: World, client: httpx.Client) -> None:
    export = ask(client)
    work(world)
    with opened_client(world.api(), world.key("export", "read", "write", tenant="other")) as other:
        for path in (f"/v1/exports/{export['id']}", f"/v1/jobs/{export['id']}"):
            assert problem(other.get(path)) == (404, "no-such-job")
            assert problem(other.delete(path)) == (404, "no-such-job")
        assert problem(other.get(f"/v1/exports/{export['id']}/file")) == (404, "no-such-job")
        assert other.get("/v1/exports").json()["exports"] == []
        theirs = ask(other)
    work(world)
    assert client.get(f"/v1/exports/{export['id']}").json()["state"] == "complete"
    assert StoreJobs.beside(world.store).job("other", theirs["id"]).done == 0  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"recipient": "Jane"}, "purpose"),
        ({**ASKED, "filters": {"caus": "hard"}}, "caus"),
        ({**ASKED, "filters": {"from": "2026"}}, "RFC 3339"),
        ({**ASKED, "filters": {"from": "2025-02-01T00:00:00Z", "to": "2025-01-01T00:00:00Z"}}, "ends before it begins"),
        ({**ASKED, "format": "xlsx"}, "csv"),
        ({**ASKED, "format": "md5", "filters": {"ended": True}}, "leave `ended` out"),
    ],
)
def test_what_makes_no_sense_is_refused_and_nothing_waits(client: httpx.Client, body: dict[str, Any], says: str) -> None:
    answer = client.post("/v1/exports", json=body)

    assert answer.status_code == 422
    assert says in answer.json()["detail"]
    assert client.get("/v1/exports").json()["exports"] == []


def test_a_key_needs_the_scope(world: World) -> None:
    with opened_client(world.api(), world.key("check", "read", "write")) as client:
        assert problem(client.post("/v1/exports", json=ASKED)) == (403, "scope-missing")
        assert problem(client.get("/v1/exports")) == (403, "scope-missing")


def test_jobs_of_every_kind_are_shown_and_cancelled(world: World, client: httpx.Client) -> None:
    first, second = ask(client), ask(client)

    page = client.get("/v1/jobs", params={"limit": 1}).json()
    rest = client.get("/v1/jobs", params={"limit": 1, "cursor": page["next"]}).json()
    assert {page["jobs"][0]["id"], rest["jobs"][0]["id"]} == {first["id"], second["id"]}
    assert client.delete(f"/v1/jobs/{first['id']}").json()["state"] == "cancelled"
    work(world)

    job = client.get(f"/v1/jobs/{second['id']}").json()
    assert (job["kind"], job["state"], job["reason"]) == ("export", "complete", "yearly audit")
    assert job["result"]["rows"] == 3
    assert problem(client.get(f"/v1/jobs/{NOBODYS}")) == (404, "no-such-job")
    assert "no job's id" in client.get("/v1/jobs/nonsense").json()["detail"]
