"""The Python client against the real API: what each call answers, sync and async held to the same."""

import itertools
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from api.batch import loading
from nullsender import limits
from nullsender.client import AsyncClient, Change, Check, Client, Refused, calls, entries, lookups
from suppression.policy import Cause
from tests.client_world import Caller
from tests.test_api_served import Served, opened_served

LATER = datetime(2099, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    loading.load()  # where the loops are not compiled yet, this takes longer than a client waits
    with opened_served(tmp_path_factory.mktemp("served")) as served:
        for address, cause, scope in [("gone@x.test", Cause.HARD, "*"), ("reader@x.test", Cause.UNSUBSCRIBE, "marketing")]:
            with served.client() as client:
                expires = LATER.isoformat() if cause is Cause.HARD else None
                body = {"cause": cause, "reason": "a test", "expires": expires}
                assert client.put(f"/v1/suppressions/{address}", params={"scope": scope}, json=body).status_code == 201
        yield served


def caller_of(kind: type[Client] | type[AsyncClient], served: Served, **options: Any) -> Caller:
    return Caller(kind, f"http://127.0.0.1:{served.port}", served.key, **options)


@pytest.fixture(params=[Client, AsyncClient])
def kind(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def caller(kind: type[Client] | type[AsyncClient], served: Served) -> Iterator[Caller]:
    caller = caller_of(kind, served)
    yield caller
    caller.end()


def fresh(kind: type) -> str:
    """An address of its own for each client, because both use one list."""
    return f"a/b+{kind.__name__}@x.test"


# --- may I send? -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "stream", "allowed", "cause", "scope"),
    [
        ("clean@x.test", None, True, None, None),
        ("Gone@X.test ", None, False, "hard", "*"),
        ("gone@x.test", "marketing", False, "hard", "*"),
        ("reader@x.test", "marketing", False, "unsubscribe", "marketing"),
        ("reader@x.test", "receipts", True, None, None),
        ("reader@x.test", None, True, None, None),
        ("plus+and&more?#%@x.test", None, True, None, None),
        ("zoë@bücher.example", None, True, None, None),
    ],
)
def test_one_and_many_are_answered_the_same(
    caller: Caller, address: str, stream: str | None, allowed: bool, cause: str | None, scope: str | None
) -> None:
    one = caller.check(address, stream=stream)
    (many,) = caller.check_many([address], stream=stream)

    for answer in (one, many):
        assert (answer.address, answer.allowed, answer.cause, answer.scope) == (address, allowed, cause, scope)
        assert (answer.known, answer.invalid) == (True, None)
    assert caller.allowed([address], stream=stream) == ([address] if allowed else [])


def test_the_entry_that_stops_mail_is_told(caller: Caller) -> None:
    answer = caller.check("gone@x.test")

    assert answer.expires == LATER
    assert datetime.now(UTC) - answer.since < timedelta(minutes=5)
    assert [entry.id for entry in caller.show("gone@x.test")] == [answer.entry]


def test_many_are_explained_as_one_is_where_that_is_asked_for(caller: Caller) -> None:
    assert caller.check_many(["clean@x.test", "gone@x.test"], explain=True) == [
        caller.check("clean@x.test"),
        caller.check("gone@x.test"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        *("", "nonsense", "a b@x.test", "<gone@x.test>", "a@b\n@x.test", "\ud800@x.test", "x" * 10**6),
        *("clean@x.test" + " " * 1_000 + ", gone@x.test", " " * 985 + "clean@x.test" + " " * 10 + "x"),
    ],
)
def test_what_is_no_address_is_never_allowed_and_spoils_nothing(caller: Caller, text: str) -> None:
    one = caller.check(text, on_unknown="allow")
    many = caller.check_many(["clean@x.test", text, "gone@x.test"], on_unknown="allow")

    assert (one.address, one.allowed, one.known) == (text, False, True)
    assert one.invalid
    assert [answer.allowed for answer in many] == [True, False, False]
    assert [bool(answer.invalid) for answer in many] == [False, True, False]


def test_what_begins_with_an_address_changes_nobodys_entries(caller: Caller) -> None:
    text = "gone@x.test" + " " * 1_000 + ", other@x.test"

    for call, reason in ((caller.show, []), (caller.history, []), (caller.lift, ["a test"])):
        with pytest.raises(Refused):
            call(text, *reason)
    with pytest.raises(Refused):
        caller.suppress("clean@x.test" + " " * 1_000 + "x", "hard", "a test")
    assert caller.check("clean@x.test").allowed
    assert not caller.check("gone@x.test").allowed


def test_any_number_is_asked_in_requests_of_bounded_size(caller: Caller) -> None:
    asked = 0

    def addresses() -> Iterator[str]:
        nonlocal asked
        for n in range(25_001):
            asked += 1
            yield "gone@x.test" if n % 10_000 == 9_999 else f"n{n}@x.test"

    stopped = [place for place, answer in enumerate(caller.check_many(addresses())) if not answer.allowed]

    assert asked == 25_001
    assert stopped == [9_999, 19_999]


def test_a_list_is_read_no_further_than_its_answers_are() -> None:
    endless = itertools.count()

    assert list(next(lookups.in_batches(endless, 10))) == list(range(10))
    assert next(endless) == 10


def test_very_long_addresses_take_several_requests(caller: Caller) -> None:
    addresses = [f"{n}{'ü' * 300}@x.test" for n in range(2_999)] + ["gone@x.test"]

    assert [answer.allowed for answer in caller.check_many(addresses)] == [True] * 2_999 + [False]
    assert len(list(lookups.check_many(addresses, lookups.Mail(None, None), False))) > 1


def test_no_addresses_are_no_request(caller: Caller) -> None:
    assert caller.check_many([]) == []
    assert caller.scrubbed([]) == ([], {})


@pytest.mark.parametrize("encode", [str, str.encode])
def test_a_scrub_gives_the_lines_that_may_be_sent_to_as_they_were(caller: Caller, encode: Any) -> None:
    lines = ["Clean@x.test", "gone@x.test\r\n", "nonsense\n", "zoë@bücher.example\n", "reader@x.test"]
    many = [f"n{n}@x.test" for n in range(12_000)]

    kept, counts = caller.scrubbed(map(encode, [*lines, *many]), stream="marketing")

    assert kept == ["Clean@x.test", "zoë@bücher.example", *many]
    assert {name: count for name, count in counts.items() if count} == {
        "checked": 12_005,
        "allowed": 12_002,
        "suppressed": 2,
        "invalid": 1,
        "hard": 1,
        "unsubscribe": 1,
    }


def test_an_asynchronous_source_is_asked_about_as_any_other(served: Served) -> None:
    async def source() -> AsyncIterator[str]:
        for n in range(10_001):
            yield f"n{n}@x.test"
        yield "gone@x.test"

    caller = caller_of(AsyncClient, served)
    answers = caller.check_many(source())
    caller.end()

    assert [answer.allowed for answer in answers] == [True] * 10_001 + [False]


# --- the list ----------------------------------------------------------------------------------------------------------


def test_an_address_is_put_on_the_list_shown_and_lifted(caller: Caller, kind: type) -> None:
    address = fresh(kind)
    assert caller.show(address) == []
    assert caller.lift(address, "not there") == []

    entry = caller.suppress(address, "unsubscribe", "asked by phone", scope="marketing")

    assert (entry.address, entry.cause, entry.scope, entry.expires) == (address.lower(), "unsubscribe", "marketing", None)
    assert caller.suppress(address, "unsubscribe", "asked again", scope="marketing").id == entry.id
    assert caller.check(address, stream="marketing").entry == entry.id
    assert [shown.id for shown in caller.show(address)] == [entry.id]
    with pytest.raises(Refused) as refused:
        caller.lift(address, "a mistake")
    assert (refused.value.kind, refused.value.status) == ("protected-cause", 409)
    assert [lifted.id for lifted in caller.lift(address, "signed up", consent="double opt-in", scope="marketing")] == [entry.id]
    assert caller.check(address, stream="marketing").allowed

    history = caller.history(address)
    assert [item.action for item in history if isinstance(item, Change)] == ["lifted", "added"]
    assert history[0].consent == "double opt-in"


def test_the_list_is_read_page_by_page(caller: Caller, kind: type, monkeypatch: pytest.MonkeyPatch) -> None:
    domain = f"{kind.__name__.lower()}.pages.test"
    for n in range(5):
        caller.suppress(f"n{n}@{domain}", "manual", "a test")
    monkeypatch.setattr(entries, "PAGE_ITEMS", 2)

    found = caller.list(domain=domain, cause="manual", since_from=datetime(2020, 1, 1, tzinfo=UTC))

    assert [entry.address for entry in found] == [f"n{n}@{domain}" for n in (4, 3, 2, 1, 0)]
    assert caller.list(domain=domain, cause="hard") == []


# --- refusals ----------------------------------------------------------------------------------------------------------


def test_a_wrong_key_is_refused_whatever_was_chosen_for_the_unknown(kind: Any, served: Served) -> None:
    caller = Caller(kind, f"http://127.0.0.1:{served.port}", "ns_wrong", on_unknown="allow")
    for ask, about in ((caller.check, "a@x.test"), (caller.check_many, ["a@x.test"]), (caller.show, "a@x.test")):
        with pytest.raises(Refused) as refused:
            ask(about)
        assert (refused.value.kind, refused.value.status) == ("key-needed", 401)
        assert refused.value.type == "urn:nullsender:problem:key-needed"
        assert refused.value.detail in str(refused.value)
    caller.end()


def test_a_tenant_that_is_not_the_keys_is_refused(kind: Any, served: Served) -> None:
    caller = caller_of(kind, served, tenant="acme")
    with pytest.raises(Refused) as refused:
        caller.check("clean@x.test")
    assert refused.value.kind == "tenant-mismatch"
    caller.end()


@pytest.mark.parametrize(
    "ask",
    [
        lambda caller: caller.check("a@x.test", stream="two words"),
        lambda caller: caller.check("a@x.test", stream="x" * 10**6),
        lambda caller: caller.check_many(["a@x.test"], stream="two words"),
        lambda caller: caller.suppress("nonsense", "hard", "a test"),
        lambda caller: caller.suppress("a@x.test", "grudge", "a test"),
        lambda caller: caller.suppress("a@x.test", "hard", ""),
        lambda caller: caller.suppress("a@x.test", "hard", "a test", expires=datetime(2099, 1, 1)),
        lambda caller: caller.list(domain=""),
    ],
)
def test_what_can_not_be_asked_is_refused(caller: Caller, ask: Any) -> None:
    with pytest.raises(Refused):
        ask(caller)


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("", "k"),
        ("localhost:8080", "k"),
        ("ftp://x.test", "k"),
        ("http://", "k"),
        ("http://x", "k\n"),
        ("http://x", "schlüssel"),
    ],
)
def test_what_can_be_no_api_or_key_is_told_at_once(kind: Any, url: str, key: str) -> None:
    with pytest.raises(ValueError, match=r"URL|copied whole"):
        kind(url, key)


# --- the package -------------------------------------------------------------------------------------------------------


def test_the_clients_bounds_are_within_the_servers() -> None:
    assert lookups.CHECK_ADDRESSES_MAX <= limits.CHECK_ADDRESSES_MAX
    assert lookups.CHECK_BODY_BYTES_MAX <= limits.API_BODY_BYTES_MAX
    assert entries.PAGE_ITEMS <= limits.API_PAGE_ITEMS_MAX
    assert calls.ADDRESS_CHARACTERS_MAX > limits.ADDRESS_CHARACTERS_MAX


def test_both_clients_have_the_same_calls_with_the_same_parameters() -> None:
    def shape(client: type) -> dict[str, list[str]]:
        return {name: sorted(call.__annotations__) for name, call in vars(client).items() if name[0] != "_"}

    assert shape(Client) == shape(AsyncClient)


def test_importing_the_client_imports_nothing_else_of_ours_and_nothing_heavy() -> None:
    code = "import nullsender.client, sys; print(*sorted({name.partition('.')[0] for name in sys.modules}), *sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()

    ours = {name for name in loaded if name.startswith("nullsender.") and not name.startswith("nullsender.client")}
    assert not ours
    assert not {"numba", "numpy", "fastapi", "pydantic", "sqlalchemy", "api", "suppression"} & set(loaded)


def test_its_types_are_told_to_those_who_use_it() -> None:
    assert (Path(calls.__file__).parent / "py.typed").exists()
    assert Check("a@x.test", True).known
