"""What the API tells of the past, and what it does for a person who asks: stories of entries, access, erasure."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from httpx import Client

from suppression.exports.signing import DocumentSigner
from tests.api_world import World, opened_client, opened_world
from tests.outcomes import an_outcome
from tests.store_contract import ADA, put, tell


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A list on which something happened to Ada."""
    with opened_world(tmp_path) as world:
        tell(world.store, an_outcome("hard"), an_outcome("again", days=1), *(an_outcome(f"s{n}", "soft") for n in range(5)))
        put(world.store, tenant="acme")
        yield world


@pytest.fixture
def client(world: World) -> Iterator[Client]:
    """A caller with every scope."""
    with opened_client(world.api(), world.key("admin", tenant=None)) as client:
        yield client


def test_an_entry_tells_who_made_it_by_which_rule_and_how_the_recipient_was_proven(client: Client) -> None:
    (hard, soft) = client.get(f"/v1/suppressions/{ADA}").json()["entries"]

    story = client.get(f"/v1/entries/{hard['id']}").json()

    assert (story["entry"], story["in_force"], story["next"]) == (hard, True, None)
    again, change, report = story["items"]
    assert (change["what"], change["action"], change["actor"]) == ("change", "added", "suppress")
    assert (change["before"], change["after"]["cause"]) == (None, "hard")
    assert (report["report"], report["did"], again["did"]) == ("hard", "added", "kept")
    assert (report["read_as"], report["category"], report["rule"]) == ("hard", "mailbox-unknown", "a rule of the tests")
    assert report["policy"] == change["policy"]
    assert report["policy"].startswith("built-in")
    assert report["recipient"] == {
        "derived_from": "nowhere",
        "derived_how": "the report does not say where the recipient was found",
        "proof": "return-path",
        "proven_by": "it came to a return path that we signed",
        "counted_as_proven": True,
    }
    counted = [item["report"] for item in client.get(f"/v1/entries/{soft['id']}").json()["items"] if item["what"] == "report"]
    assert sorted(counted) == ["s0", "s1", "s2", "s3", "s4"]


def test_an_entry_that_ended_and_stands_again_has_two_stories(client: Client) -> None:
    first = client.get(f"/v1/suppressions/{ADA}").json()["entries"][0]["id"]
    client.request("DELETE", f"/v1/suppressions/{ADA}", params={"cause": "hard"}, json={"reason": "a mistake"})
    client.put(f"/v1/suppressions/{ADA}", json={"cause": "hard", "reason": "no mistake"})

    old = client.get(f"/v1/entries/{first}").json()

    assert (old["entry"]["id"], old["entry"]["ended_by"], old["in_force"]) == (first, "lifted", False)
    assert [item["action"] for item in old["items"] if item["what"] == "change"] == ["lifted", "added"]


@pytest.mark.parametrize("entry", ["0", "999999", "1"])
def test_what_is_no_entry_is_not_found(client: Client, entry: str) -> None:
    assert client.get(f"/v1/entries/{entry}").status_code == 404


def test_another_tenants_entry_is_not_found(client: Client) -> None:
    theirs = client.get(f"/v1/suppressions/{ADA}", headers={"Nullsender-Tenant": "acme"}).json()["entries"][0]["id"]

    assert client.get(f"/v1/entries/{theirs}").status_code == 404
    assert client.get(f"/v1/entries/{theirs}", headers={"Nullsender-Tenant": "acme"}).status_code == 200


def test_a_person_is_told_everything_and_erased_and_mail_stays_stopped(client: Client, world: World) -> None:
    told = client.get(f"/v1/addresses/{ADA}/access").json()
    assert told["address_kept"]
    assert len(told["entries"]) == 2
    assert "mail to this address came back" in told["text"]

    done = client.post("/v1/erasures", json={"address": ADA.upper(), "reason": "ticket 4711"}).json()

    assert done["certificate"]["subject"] == told["subject"]
    assert ADA not in str(done)
    assert {entry["address"] for entry in client.get(f"/v1/suppressions/{ADA}").json()["entries"]} == {None}
    assert not client.get("/v1/check", params={"address": ADA}).json()["allowed"]
    after = client.get(f"/v1/addresses/{ADA}/access").json()
    assert not after["address_kept"]
    assert after["erased"] is not None
    signer = DocumentSigner(world.store._hasher.key)
    signer.public.check(done["certificate"])
    assert client.get(f"/v1/suppressions/{ADA}", headers={"Nullsender-Tenant": "acme"}).json()["entries"][0]["address"] == ADA


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"address": ADA, "reason": f"asked by {ADA}"}, 422),
        ({"address": "nobody", "reason": "x"}, 422),
        ({"address": ADA}, 422),
        ({"address": ADA, "reason": " "}, 422),
    ],
)
def test_an_erasure_that_can_not_be_is_refused(client: Client, body: dict[str, str], status: int) -> None:
    assert client.post("/v1/erasures", json=body).status_code == status
    assert client.get(f"/v1/addresses/{ADA}/access").json()["erased"] is None
