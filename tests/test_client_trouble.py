"""The Python client when things go wrong: servers that are away, busy, broken or strange; real ones, on real ports."""

import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest

from api.http.server import serve
from nullsender.client import ApiError, AsyncClient, Client, Failed, Refused, Unavailable, lookups
from nullsender.client.retrying import WAIT_SECONDS_MAX, Retries
from tests.api_world import opened_store
from tests.client_world import HOST, Answer, Asked, Caller, Scripted
from tests.ports import free_port
from tests.test_api_served import CLOCK, accepts, api_of, running
from tests.waiting import wait_for

YES = Answer(200, b'{"address":"a@x.test","allowed":true,"cause":null,"brand-new-field":7}')
BUSY = Answer(503, b'{"type":"urn:nullsender:problem:unavailable","title":"Unavailable","detail":"ask again"}')
BUG = Answer(500, b'{"type":"urn:nullsender:problem:bug","title":"Bug","status":500,"detail":"logged"}')


@pytest.fixture(params=[Client, AsyncClient])
def kind(request: pytest.FixtureRequest) -> Any:
    return request.param


class Time:
    """Stands still but for the waits of the client, which it writes down."""

    def __init__(self, during_a_wait: Callable[[], None] = lambda: None) -> None:
        self.waits: list[float] = []
        self._during_a_wait = during_a_wait

    def monotonic_seconds(self) -> float:
        return sum(self.waits)

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self._during_a_wait()

    def options(self) -> dict[str, Any]:
        return {"sleep": self.sleep, "monotonic_seconds": self.monotonic_seconds, "chance": lambda: 0.5}


@pytest.fixture
def ask(kind: Any) -> Iterator[Callable[..., Caller]]:
    """Makes callers, which are closed at the end."""
    with ExitStack() as stack:

        def make(url: str, time: Time | None = None, **options: Any) -> Caller:
            caller = Caller(kind, url, **{**(time or Time()).options(), **options})
            stack.callback(caller.end)
            return caller

        yield make


# --- trying again ------------------------------------------------------------------------------------------------------


def test_a_server_that_is_not_there_yet_is_waited_for(ask: Callable[..., Caller]) -> None:
    port = free_port()
    with ExitStack() as stack:

        def start() -> None:
            stack.enter_context(Scripted(YES).serving(port))

        time = Time(start)

        assert ask(f"http://{HOST}:{port}", time).check("a@x.test").allowed

    assert len(time.waits) == 1


def test_the_real_api_may_go_away_and_come_back_between_two_calls(kind: Any, tmp_path: Path) -> None:
    port = free_port()
    with opened_store(tmp_path, CLOCK) as store, ExitStack() as stack:
        key = store.create_key("test", scopes=["admin"], tenant="default", expires=None)[1]

        def start() -> None:
            stack.enter_context(running(serve, api_of(store, tmp_path / "index"), HOST, port))
            wait_for(lambda: accepts(port), what="the API")

        time = Time(start)
        caller = Caller(kind, f"http://{HOST}:{port}", key, **time.options())
        caller.suppress("gone@x.test", "hard", "a test")
        stack.close()  # the server stops; the client's connection is one to nobody from now on

        assert caller.check("gone@x.test").allowed is False
        assert caller.check("clean@x.test").allowed is True
        caller.end()

    assert len(time.waits) == 2


@pytest.mark.parametrize("status", [408, 429, 502, 503, 504])
def test_what_may_work_later_is_tried_again(ask: Callable[..., Caller], status: int) -> None:
    server, time = Scripted(Answer(status), BUSY, YES), Time()
    with server.serving() as url:
        assert ask(url, time).check("a@x.test").allowed

    assert len(server.asked) == 3
    assert time.waits == [0.05, 0.1]


@pytest.mark.parametrize(
    "call",
    [
        lambda caller: caller.check("a@x.test"),
        lambda caller: caller.check_many(["a@x.test"]),
        lambda caller: caller.scrubbed(["a@x.test"]),
        lambda caller: caller.suppress("a@x.test", "hard", "a test"),
        lambda caller: caller.lift("a@x.test", "a test"),
        lambda caller: caller.show("a@x.test"),
        lambda caller: caller.list(),
        lambda caller: caller.history("a@x.test"),
    ],
)
def test_every_call_is_tried_again_with_the_same_request(ask: Callable[..., Caller], call: Callable[[Caller], object]) -> None:
    server = Scripted(BUSY, Answer(200, b"", cut=True), Answer(401))
    with server.serving() as url, pytest.raises(Refused):
        call(ask(url))

    assert len({(asked.method, asked.target, asked.body) for asked in server.asked}) == 1
    assert len(server.asked) == 3


def test_the_server_is_left_alone_for_as_long_as_it_asks(ask: Callable[..., Caller]) -> None:
    busy = [BUSY._replace(headers={"Retry-After": said}) for said in ("3", "0", "soon", "9" * 20)]
    server, time = Scripted(*busy, YES), Time()
    with server.serving() as url:
        ask(url, time).check("a@x.test")

    assert time.waits == [3.05, 0.1, 0.2, 0.4]


def test_a_call_ends_before_its_time_is_over(ask: Callable[..., Caller]) -> None:
    server, time = Scripted(BUSY), Time()
    with server.serving() as url, pytest.raises(Unavailable) as unavailable:
        ask(url, time, retry_seconds=20).check("a@x.test")

    assert 20 - WAIT_SECONDS_MAX < sum(time.waits) <= 20
    assert (unavailable.value.status, unavailable.value.kind, unavailable.value.detail) == (503, "unavailable", "ask again")


def test_a_wait_that_would_be_too_long_is_not_begun(ask: Callable[..., Caller]) -> None:
    server, time = Scripted(BUSY._replace(headers={"Retry-After": "60"})), Time()
    with server.serving() as url, pytest.raises(Unavailable) as unavailable:
        ask(url, time).check("a@x.test")

    assert time.waits == []
    assert unavailable.value.retry_after_seconds == 60


def test_without_time_for_it_nothing_is_tried_again(ask: Callable[..., Caller]) -> None:
    server = Scripted(BUSY)
    with server.serving() as url, pytest.raises(Unavailable):
        ask(url, retry_seconds=0).check("a@x.test")

    assert len(server.asked) == 1


def test_callers_that_failed_together_come_back_at_different_times() -> None:
    chances = iter([0.0, 0.25, 1.0])
    waits = [Retries(10, lambda: 0.0, lambda: next(chances)).wait_seconds(Unavailable("", title="")) for _ in range(3)]

    assert waits == [0.0, 0.025, 0.1]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 422, 500, 501])
def test_what_will_not_work_later_is_not_tried_again(ask: Callable[..., Caller], status: int) -> None:
    server = Scripted(Answer(status), YES)
    with server.serving() as url, pytest.raises(Refused if status < 500 else Failed) as error:
        ask(url).check("a@x.test")

    assert len(server.asked) == 1
    assert (error.value.status, error.value.type) == (status, "about:blank")


def test_a_try_waits_for_an_answer_no_longer_than_its_time_out(ask: Callable[..., Caller]) -> None:
    with socket.create_server((HOST, 0)) as silent, pytest.raises(Unavailable):
        ask(f"http://{HOST}:{silent.getsockname()[1]}", timeout_seconds=0.01, retry_seconds=0).check("a@x.test")


# --- nobody can tell ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("trouble", [BUSY, BUG, Answer(200, b"<html>Welcome</html>"), None])
def test_when_nobody_can_tell_the_answer_is_the_callers_choice_and_is_marked(
    ask: Callable[..., Caller], trouble: Answer | None, caplog: pytest.LogCaptureFixture
) -> None:
    with ExitStack() as stack:
        url = stack.enter_context(Scripted(trouble).serving()) if trouble else f"http://{HOST}:{free_port()}"
        with caplog.at_level(logging.WARNING, "nullsender.client"), pytest.raises(ApiError):
            ask(url).check("a@x.test")
        assert not caplog.records
        for chosen, allowed in (("defer", False), ("allow", True)):
            by_client, by_call = ask(url, on_unknown=chosen), ask(url)
            one = [by_client.check("a@x.test"), by_call.check("a@x.test", on_unknown=chosen)]
            many = [by_client.check_many(["a@x.test"] * 2), by_call.check_many(["a@x.test"] * 2, on_unknown=chosen)]

            for answer in (*one, *many[0], *many[1]):
                assert (answer.allowed, answer.known, answer.invalid) == (allowed, False, None)
            assert by_client.allowed(["a@x.test"]) == (["a@x.test"] if allowed else [])
            with pytest.raises(ApiError):
                by_client.check("a@x.test", on_unknown="raise")
            assert "without an answer: 2" in caplog.text


def test_one_part_of_a_list_that_nobody_can_tell_of_leaves_the_others_as_they_are(
    ask: Callable[..., Caller], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookups, "CHECK_ADDRESSES_MAX", 2)
    no = Answer(200, b'{"checked":2,"suppressed":[{"index":1,"address":"b","cause":"hard","scope":"*"}],"invalid":[]}')
    with Scripted(no, BUG, no).serving() as url:
        answers = ask(url).check_many(["a@x.test", "b@x.test"] * 3, on_unknown="defer")

    assert [answer.known for answer in answers] == [True, True, False, False, True, True]
    assert [answer.allowed for answer in answers] == [True, False, False, False, True, False]


def test_what_the_server_marks_as_unknown_stays_marked(ask: Callable[..., Caller]) -> None:
    one = Answer(200, b'{"address":"a@x.test","allowed":true,"known":false}')
    many = Answer(200, b'{"checked":1,"suppressed":[],"invalid":[],"known":false}')
    with Scripted(one, many).serving() as url:
        caller = ask(url)

        answers = [caller.check("a@x.test"), *caller.check_many(["a@x.test"])]

    assert [(answer.allowed, answer.known) for answer in answers] == [(True, False)] * 2


# --- strange answers ---------------------------------------------------------------------------------------------------

STRANGE = [
    b"",
    b"null",
    b"[]",
    b"{}",
    b"\xff\xfe",
    b'{"allowed":"yes"}',
    b'{"checked":2,"suppressed":[],"invalid":[]}',
    b'{"checked":1,"suppressed":[{"index":7,"cause":"hard","scope":"*"}],"invalid":[]}',
    b'{"checked":1,"suppressed":[{"index":-1,"cause":"hard","scope":"*"}],"invalid":[]}',
    b'{"checked":1,"suppressed":[],"invalid":[{"index":-1,"reason":"x"}]}',
    b"# checked=1\n",
    b"# checked=0 allowed=0\n",
    b"a@x.test\n# checked=2 allowed=1 suppressed=1\n",
    b"# checked=one allowed=0\n",
    b"a@x.test\n# checked=1 allowed=0\n",
    b"\xff\n# checked=1 allowed=1\n",
]


@pytest.mark.parametrize("content", STRANGE)
def test_an_answer_that_this_api_does_not_give_is_no_answer(ask: Callable[..., Caller], content: bytes) -> None:
    with Scripted(Answer(200, content)).serving() as url:
        caller = ask(url)
        for question in (
            lambda: caller.check("a@x.test"),
            lambda: caller.check_many(["a@x.test"]),
            lambda: caller.show("a@x.test"),
            lambda: caller.list(),
            lambda: caller.history("a@x.test"),
            lambda: caller.suppress("a@x.test", "hard", "a test"),
            lambda: caller.lift("a@x.test", "a test"),
            lambda: caller.scrubbed(["a@x.test"]),
        ):
            with pytest.raises((Failed, Unavailable)):
                question()


@pytest.mark.parametrize(
    "answer",
    [
        Answer(302, b"", {"Location": "http://elsewhere.test/"}),
        Answer(204),
        Answer(299, b"{}"),
        Answer(599, b"<html>"),
        Answer(200, b"not gzip", {"Content-Encoding": "gzip"}),
    ],
)
def test_a_server_that_is_no_nullsender_is_told_as_such(ask: Callable[..., Caller], answer: Answer) -> None:
    with Scripted(answer).serving() as url, pytest.raises(Failed):
        ask(url).check("a@x.test")


def test_only_the_clients_own_errors_come_out_and_what_httpx_said_stays_inside(ask: Callable[..., Caller]) -> None:
    with pytest.raises(Unavailable) as unavailable:
        ask(f"http://{HOST}:{free_port()}").check("a@x.test")

    assert type(unavailable.value.__cause__).__module__ == "httpx"
    assert unavailable.value.status is None
    assert issubclass(Unavailable, ApiError)
    assert not issubclass(ApiError, (OSError, msgspec.MsgspecError))


# --- scrubbing ---------------------------------------------------------------------------------------------------------


def test_an_incomplete_scrub_is_asked_for_again_and_never_taken_for_whole(ask: Callable[..., Caller]) -> None:
    incomplete, whole = Answer(200, b"a@x.test\n"), Answer(200, b"a@x.test\n# checked=2 allowed=1 suppressed=1 hard=1\n")
    server = Scripted(incomplete, whole, incomplete)
    with server.serving() as url:
        caller = ask(url)

        assert caller.scrubbed(["a@x.test", "b@x.test\r\n"])[0] == ["a@x.test"]
        with pytest.raises(Unavailable, match="summary"):
            caller.scrubbed(["a@x.test", "b@x.test"])

    assert server.asked[0].body == b"a@x.test\nb@x.test\n"
    assert server.asked[0].headers["content-type"] == "text/plain"


def test_a_long_scrub_is_sent_in_parts_of_bounded_size_and_its_counts_added_up(ask: Callable[..., Caller]) -> None:
    lines = [b"n%d%b@x.test" % (n, b"x" * 60) for n in range(11_000)]

    class Counting(Scripted):
        def take(self, asked: Asked) -> Answer:
            super().take(asked)
            count = asked.body.count(b"\n")
            return Answer(200, b"# checked=%d allowed=0 suppressed=%d\n" % (count, count))

    server = Counting(Answer(200))
    with server.serving() as url:
        _, counts = ask(url).scrubbed(lines, stream="marketing")

    assert b"".join(asked.body for asked in server.asked) == b"".join(line + b"\n" for line in lines)
    assert max(len(asked.body) for asked in server.asked) <= lookups.SCRUB_BODY_BYTES_MAX
    assert counts == {"checked": len(lines), "allowed": 0, "suppressed": len(lines)}
    assert len(server.asked) > 1
    assert {asked.target for asked in server.asked} == {"/v1/scrub?stream=marketing"}
