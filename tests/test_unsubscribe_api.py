"""Where unsubscribe links lead: one click unsubscribes, a look does not, and nobody learns from it who gets which mail."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from api.http import crowds, unsubscribe
from api.http.clients import client_address, network_of
from api.http.crowds import origin_of
from api.refusals import Refusals
from api.view import View
from nullsender.limits import UNSUBSCRIBE_ANSWER_SECONDS, UNSUBSCRIBE_BODY_BYTES_MAX, UNSUBSCRIBE_DAYS
from nullsender.signing.keys import Claims, SigningKeys
from nullsender.signing.unsubscribe_link import UnsubscribeLinks
from suppression import engine
from suppression.policy import Cause
from suppression.policy.scopes import Breadth, scope_for
from suppression.store.unsubscribes import StoreUnsubscribes
from suppression.unsubscribes.asking import Channel
from tests.api_world import HASHER, UNSUBSCRIBING, World, opened_client, opened_world

LINKS = UnsubscribeLinks(UNSUBSCRIBING.keys)
ADA = "ada@example.com"
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers as soon as they are there; one test looks at the least time that they take."""
    monkeypatch.setattr(unsubscribe, "UNSUBSCRIBE_ANSWER_SECONDS", 0.0)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with opened_world(tmp_path) as world:
        yield world


@pytest.fixture
def client(world: World) -> Iterator[httpx.Client]:
    with opened_client(world.api(), world.key("read", "links", "check")) as client:
        yield client


def link(world: World, *, days_ago: int = 0, **claims: str | None) -> str:
    """Where the link of a mail leads that was sent so long ago."""
    said = {"tenant": "default", "stream": None, "recipient": ADA, "message": "", "mailing_list": None} | claims
    sent_on = world.clock.now().date() - timedelta(days=days_ago)
    return "/u/" + LINKS.make(Claims(sent_on=sent_on, **said))  # type: ignore[arg-type]


def scopes(world: World, tenant: str = "default") -> set[str]:
    """Which of Ada's mail is stopped because she unsubscribed."""
    return {entry.scope for entry in world.store.entries_of(tenant, ADA) if entry.cause is Cause.UNSUBSCRIBE}


def evidence(world: World) -> list[tuple[Channel, str | None]]:
    """How people asked, newest first."""
    found = StoreUnsubscribes.beside(world.store).unsubscribes("default", cursor=None, limit=100)
    return [(one.channel, one.scope) for one in found.items]


@pytest.mark.parametrize("as_files", [True, False], ids=["multipart", "urlencoded"])
def test_one_click_unsubscribes_from_the_mails_list(world: World, client: httpx.Client, as_files: bool) -> None:
    path = link(world, stream="news", mailing_list="weekly.example.com")

    files = {"List-Unsubscribe": (None, "One-Click")}
    answer = client.post(path, files=files) if as_files else client.post(path, data=ONE_CLICK)

    assert answer.status_code == 200
    assert scopes(world) == {"list:weekly.example.com"}
    assert evidence(world) == [(Channel.ONE_CLICK, "list:weekly.example.com")]


def test_without_a_list_its_stream_and_without_that_all_mail(world: World, client: httpx.Client) -> None:
    client.post(link(world, stream="news"), data=ONE_CLICK)
    assert scopes(world) == {"news"}

    client.post(link(world), data=ONE_CLICK)
    assert scopes(world) == {"news", "*"}


def test_once_it_is_answered_the_next_lookup_is_refused_even_while_the_table_is_behind(world: World) -> None:
    world.catch_up()
    api = world.api()
    with opened_client(api, world.key("check")) as client:
        client.post(link(world, stream="news"), data=ONE_CLICK)
        world.clock.advance(seconds=2)  # past what may be stale: without its follower the store answers

        assert client.get("/v1/check", params={"address": ADA, "stream": "news"}).json()["cause"] == "unsubscribe"
        assert client.get("/v1/check", params={"address": ADA, "stream": "receipts"}).json()["allowed"]


def test_again_changes_nothing_and_writes_nothing(world: World, client: httpx.Client) -> None:
    path = link(world, stream="news")
    pages = {client.post(path, data=ONE_CLICK).text for _ in range(3)}

    assert len(pages) == 1
    assert evidence(world) == [(Channel.ONE_CLICK, "news")]
    assert client.post(link(world, stream="news", message="m8"), data=ONE_CLICK).status_code == 200
    assert len(evidence(world)) == 2, "the link of another mail is another word of the person"


def test_whoever_came_back_and_presses_the_old_link_is_unsubscribed_again(world: World, client: httpx.Client) -> None:
    path = link(world, stream="news")
    client.post(path, data=ONE_CLICK)
    world.clock.advance(days=1)
    world.store.lift("default", ADA, scope=None, cause=None, reason="a test", consent="signed up again", actor="olga")
    assert scopes(world) == set()

    client.post(path, data=ONE_CLICK)

    assert scopes(world) == {"news"}
    assert len(evidence(world)) == 2


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_a_look_changes_nothing(world: World, client: httpx.Client, method: str) -> None:
    path = link(world, stream="news")

    answer = client.request(method, path, params={"List-Unsubscribe": "One-Click"})

    assert answer.status_code in (200, 204)
    assert scopes(world) == set()
    assert "set-cookie" not in answer.headers


def test_other_methods_are_told_which_there_are(world: World, client: httpx.Client) -> None:
    answer = client.put(link(world))

    assert answer.status_code == 405
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD", "OPTIONS", "POST"}
    assert client.options(link(world)).headers["allow"] == answer.headers["allow"]


@pytest.mark.parametrize(
    "body", ["", "List-Unsubscribe=", "List-Unsubscribe=Two", "x=One-Click", '{"List-Unsubscribe": "One-Click"}']
)
def test_a_post_that_does_not_ask_for_it_does_nothing(world: World, client: httpx.Client, body: str) -> None:
    headers = {"content-type": "application/x-www-form-urlencoded"}

    assert client.post(link(world), content=body, headers=headers).status_code == 422
    assert scopes(world) == set()


def test_a_body_without_an_end_is_not_read_to_its_end(world: World, client: httpx.Client) -> None:
    body = b"List-Unsubscribe=One-Click&x=" + b"x" * UNSUBSCRIBE_BODY_BYTES_MAX

    assert client.post(link(world), content=body).status_code == 413
    assert scopes(world) == set()


def test_the_page_offers_all_mail_but_receipts(world: World, client: httpx.Client) -> None:
    answer = client.post(link(world, stream="news"), data=ONE_CLICK | {"from": "page", "scope": "all"})

    assert answer.status_code == 200
    assert scopes(world) == {"news", "*-transactional"}
    assert {channel for channel, _ in evidence(world)} == {Channel.PAGE}
    assert world.store.check_hashes("default", world.store.policy.scopes_of("default", "news"), [HASHER.hash(ADA)])
    assert not world.store.check_hashes("default", world.store.policy.scopes_of("default", "transactional"), [HASHER.hash(ADA)])


MAIL = [(stream, mailing_list) for stream in (None, "news", "transactional") for mailing_list in (None, "weekly")]


@pytest.mark.parametrize("breadth", Breadth)
def test_all_mail_is_never_less_than_the_mail_of_the_link(breadth: Breadth) -> None:
    for stream, mailing_list in MAIL:
        own, *wider = unsubscribe._scopes(scope_for(breadth, stream, mailing_list), everything=True)
        assert unsubscribe._scopes(own, everything=False) == (own,)
        assert {own, *wider} & {"*", "*-transactional"}


def test_whoever_wants_no_mail_at_all_gets_none_of_the_kind_that_the_link_came_with(world: World, client: httpx.Client) -> None:
    client.post(link(world, stream="transactional"), data=ONE_CLICK | {"from": "page", "scope": "all"})

    for stream in ("transactional", "news"):
        assert not client.get("/v1/check", params={"address": ADA, "stream": stream}).json()["allowed"]


def test_a_link_that_is_too_old_holds_for_a_week(world: World, client: httpx.Client) -> None:
    assert client.post(link(world, stream="news", days_ago=UNSUBSCRIBE_DAYS + 1), data=ONE_CLICK).status_code == 200

    assert scopes(world) == {"news"}
    world.clock.advance(days=7.1)
    assert scopes(world) == set()


def test_each_tenants_link_is_for_its_own_list(world: World, client: httpx.Client) -> None:
    client.post(link(world, tenant="acme"), data=ONE_CLICK)

    assert (scopes(world), scopes(world, "acme")) == (set(), {"*"})


def bad_links(world: World) -> list[str]:
    """What looks like a link and is none."""
    good = link(world, stream="news")
    strange = UnsubscribeLinks(SigningKeys({"a": b"a secret of a stranger, 32 bytes"}))
    forged = strange.make(Claims("default", "news", ADA, world.clock.now().date(), ""))
    return [good + "x", good[:-1], good.replace("1.a.", "1.b."), f"/u/{forged}", "/u/x", "/u/1.a.", "/u/%00%ff"]


def test_nobody_learns_from_the_answer_whether_a_token_is_one(world: World, client: httpx.Client) -> None:
    good = link(world, stream="news")
    page, done = client.get(good), client.post(good, data=ONE_CLICK)

    for bad in bad_links(world):
        for answer, other in ((client.get(bad), page), (client.post(bad, data=ONE_CLICK), done)):
            assert (answer.status_code, answer.text, dict(answer.headers)) == (200, other.text, dict(other.headers))
    assert len(evidence(world)) == 1


def test_a_good_token_and_a_bad_one_take_the_same_least_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unsubscribe, "UNSUBSCRIBE_ANSWER_SECONDS", UNSUBSCRIBE_ANSWER_SECONDS)
    with opened_client(world.api()) as client:
        for path in (link(world), bad_links(world)[0]):
            began_at_seconds = time.perf_counter()
            client.post(path, data=ONE_CLICK)
            assert time.perf_counter() - began_at_seconds >= UNSUBSCRIBE_ANSWER_SECONDS


def test_while_the_store_is_away_nothing_is_done_and_everybody_is_told_so(world: World) -> None:
    paths = [link(world, stream="news"), bad_links(world)[0]]
    with opened_client(world.api()) as client, _store_away(world):
        answers = [client.post(path, data=ONE_CLICK, headers={"accept-language": "de"}) for path in paths]

    for answer in answers:
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0
        assert "Es wurde nichts geändert" in answer.text
    assert scopes(world) == set()


def test_while_somebody_else_writes_a_bad_token_waits_as_a_good_one_does(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "STORE_TURN_SECONDS_MAX", 0.05)
    world.reconnect()
    paths = [link(world, stream="news"), bad_links(world)[0]]
    with opened_client(world.api()) as client, engine.writing(world.store._engine):
        answers = [client.post(path, data=ONE_CLICK) for path in paths]

    assert [answer.status_code for answer in answers] == [503, 503]


@contextmanager
def _store_away(world: World) -> Iterator[None]:
    """No file can be opened where the list lies."""
    file = Path(str(world.store._engine.url.database))
    world.reconnect()
    hidden = file.rename(file.with_name("hidden"))
    file.mkdir()
    try:
        yield
    finally:
        file.rmdir()
        hidden.rename(file)
        world.reconnect()


def test_one_network_that_asks_too_often_is_told_to_wait_and_others_are_not(world: World) -> None:
    api = world.api(unsubscribing=UNSUBSCRIBING._replace(requests_per_second=0.1, proxies=[network_of("127.0.0.0/8")]))
    with opened_client(api) as client:
        path = link(world)
        told = [client.get(path, headers={"x-forwarded-for": f"6.6.6.6, 2001:db8::{n}"}) for n in range(6)]
        other = client.get(path, headers={"x-forwarded-for": "2001:db8::1, 192.0.2.7"})
        refused = client.post(path, data=ONE_CLICK, headers={"x-forwarded-for": "2001:db8::99"})

    assert [answer.status_code for answer in told] == [200, 200, 200, 200, 429, 429]
    assert other.status_code == 200
    assert (refused.status_code, scopes(world)) == (429, set())
    assert int(refused.headers["retry-after"]) > 0


def test_links_are_made_for_many_mails_and_a_bad_one_spoils_none(world: World, client: httpx.Client) -> None:
    mails = [
        {"recipient": ADA, "stream": "News", "list": "weekly.example.com", "message": "m7"},
        {"recipient": "nobody"},
        {"recipient": "ben@example.com", "message": "two words"},
    ]

    answer = client.post("/v1/unsubscribe-links", json={"mails": mails}).json()

    (made,) = answer["links"]
    claims = LINKS.verify(made["token"], today=world.clock.now().date())
    assert claims == Claims("default", "news", ADA, world.clock.now().date(), "m7", "weekly.example.com")
    assert made["url"] == f"https://u.test/u/{made['token']}"
    assert made["headers"] == {
        "List-Unsubscribe": f"<{made['url']}>, <mailto:unsubscribe@bounces.test?subject={made['token']}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }
    assert [one["index"] for one in answer["invalid"]] == [1, 2]


def test_a_key_without_the_scope_makes_no_links(world: World) -> None:
    with opened_client(world.api(), world.key("check", "read", "write")) as client:
        answer = client.post("/v1/unsubscribe-links", json={"mails": [{"recipient": ADA}]})

    assert answer.status_code == 403


def test_the_evidence_says_how_when_and_by_when(world: World, client: httpx.Client) -> None:
    client.post(link(world, stream="news", message="m7"), data=ONE_CLICK, headers={"user-agent": "a provider"})

    (one,) = client.get("/v1/unsubscribes", params={"address": ADA}).json()["unsubscribes"]

    assert (one["address"], one["scope"], one["channel"], one["verified"]) == (ADA, "news", "one-click", "token")
    assert (one["message"], one["ip"], one["user_agent"]) == ("m7", "127.0.0.1", "a provider")
    assert (one["jurisdiction"], one["effective"], one["first_refused"]) == ("house", one["received"], None)
    assert client.get("/v1/unsubscribes", params={"waiting": True}).json()["unsubscribes"] == []
    with opened_client(world.api(), world.key("read", tenant="acme")) as stranger:
        assert stranger.get("/v1/unsubscribes").json()["unsubscribes"] == []


def test_the_evidence_comes_a_page_at_a_time(world: World, client: httpx.Client) -> None:
    for number in range(3):
        client.post(link(world, stream=f"s{number}"), data=ONE_CLICK)

    first = client.get("/v1/unsubscribes", params={"limit": 2}).json()
    second = client.get("/v1/unsubscribes", params={"limit": 2, "cursor": first["next"]}).json()

    assert [one["scope"] for one in first["unsubscribes"] + second["unsubscribes"]] == ["s2", "s1", "s0"]
    assert second["next"] is None


def test_the_first_refused_lookup_ends_the_clock(world: World) -> None:
    refusals = Refusals(StoreUnsubscribes.beside(world.store), world.clock)
    lookup = world.lookup(on_unsubscribed=refusals.note)
    with opened_client(world.api()) as client:
        client.post(link(world, stream="news"), data=ONE_CLICK)
    world.catch_up()
    moments = []
    for _ in range(2):
        world.clock.advance(seconds=60)
        world.catch_up()
        assert not lookup.verdict(View("default", "news"), ADA).allowed
        moments.append(world.clock.now())
        refusals.write()

    (one,) = StoreUnsubscribes.beside(world.store).unsubscribes("default", cursor=None, limit=9).items
    assert one.first_refused == moments[0]


def test_where_a_request_comes_from_is_what_our_own_proxy_says_and_nobody_else() -> None:
    proxies = [network_of("10.0.0.0/8")]

    assert str(origin_of("10.0.0.1", "6.6.6.6, 192.0.2.7", proxies)) == "192.0.2.7"
    assert str(origin_of("10.0.0.1", "192.0.2.7, 10.0.0.2", proxies)) == "192.0.2.7"
    assert str(origin_of("192.0.2.9", "6.6.6.6", proxies)) == "192.0.2.9"
    assert str(origin_of("10.0.0.1", "what, ever", proxies)) == "10.0.0.1"
    assert origin_of(None, "", proxies) is None


def test_crowds_are_forgotten_when_there_are_too_many(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crowds, "API_CLIENTS_REMEMBERED_MAX", 3)
    waiting = crowds.Crowds(world.clock, per_second=1)

    for number in range(10):
        assert waiting.wait_seconds(client_address(f"192.0.2.{number}")) is None
    assert len(waiting._buckets) == 3
