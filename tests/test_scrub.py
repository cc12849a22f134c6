"""A list of any size goes in, those who may be sent to come out, and the last line says that nothing is missing."""

import json
import threading
from collections.abc import Iterator
from itertools import count, pairwise

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.batch import loading
from api.batch.asking import Batch
from api.batch.scrubbing import Form, Scrub, Summary, Wanted
from api.http import scrub as scrub_module
from api.view import View
from nullsender.errors import Transient
from nullsender.limits import SCRUB_LINE_BYTES_MAX
from suppression.policy import Cause
from suppression.store.store import Store
from tests.api_world import STALENESS_SECONDS_MAX, World, opened_client
from tests.world_fixtures import shared_world as shared_world
from tests.world_fixtures import world as world

_numbers = count()


@pytest.fixture(autouse=True, scope="module")
def _compiled() -> None:
    loading.load()


@pytest.fixture
def client(world: World) -> Iterator[httpx.Client]:
    with opened_client(world.api(), world.key("check")) as client:
        yield client


def scrub(client: httpx.Client, content: str | bytes, media_type: str = "text/plain", **query: str) -> httpx.Response:
    return client.post("/v1/scrub", content=content, params=query, headers={"content-type": media_type})


def scrubbed(
    world: World, content: bytes, view: View, *, form: Form = Form.TEXT, cuts: list[int] | None = None
) -> dict[str, object]:
    """What the pure core makes of a list that comes in pieces, for each kind that can be wanted, and the summary."""
    lookup = world.lookup()
    work = Scrub(Batch(lookup), view, form)
    kept: list[list[bytes]] = []
    edges = [0, *sorted(cuts or []), len(content)]
    for start, end in pairwise(edges):
        work.put(content[start:end])
        step_all(work, world, kept)
    work.finish()
    step_all(work, world, kept)
    by_kind = [b"".join(parts) for parts in zip(*kept, strict=True)] if kept else [b"", b"", b""]
    return dict(zip(Wanted, by_kind, strict=True)) | {"summary": work.summary()}


def step_all(work: Scrub, world: World, kept: list[list[bytes]]) -> None:
    while work.step():
        if work.batch.waiting:
            work.tell(world.lookup().verdicts_of(work.view, list(work.batch.waiting.values())))
        kept.append(work.kept(*Wanted))


def test_those_who_may_be_sent_to_come_back_as_they_were(client: httpx.Client, world: World) -> None:
    world.suppress("gone@example.com", cause="hard")
    world.suppress("angry@example.com", cause="complaint")
    world.suppress("reader@example.com", scope="news", cause="unsubscribe")
    world.catch_up()

    answer = scrub(
        client,
        "A@example.com\r\n\nGONE@example.com\nnäher@example.com\nreader@example.com\n \nnonsense\n"
        "angry@example.com \nlast@example.com",
        stream="news",
    )

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.text == (
        "A@example.com\r\nnäher@example.com\nlast@example.com\n"
        "# checked=7 allowed=3 suppressed=3 complaint=1 unsubscribe=1 hard=1 manual=0 soft=0 invalid=1\n"
    )


def test_an_empty_list_is_a_summary(client: httpx.Client) -> None:
    assert scrub(client, "").text.startswith("# checked=0 allowed=0 suppressed=0 ")


@pytest.mark.parametrize(("want", "lines"), [("suppressed", "gone@example.com\n"), ("invalid", "nonsense\n# checked=1\n")])
def test_the_others_can_be_asked_for(client: httpx.Client, world: World, want: str, lines: str) -> None:
    world.suppress("gone@example.com")
    world.catch_up()

    answer = scrub(client, "a@example.com\ngone@example.com\nnonsense\n# checked=1\n", want=want)

    assert answer.text.rpartition("# checked")[0] == lines


def test_records_pass_through_unchanged(client: httpx.Client, world: World) -> None:
    world.suppress("gone@example.com")
    world.catch_up()
    rows = [
        '"a@example.com"',
        '{"name": "Ada", "address": "GONE@example.com"}',
        ' {"address":"b@example.com","more":[1,{"x":null}]} ',
        '"n\\u00e4her@example.com"',
        '"gone@example.com"',
        "5",
        '{"mail":"c@example.com"}',
        "d@example.com",
        '"',
    ]

    answer = scrub(client, "\n".join(rows), "application/x-ndjson")

    lines = answer.text.splitlines()
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert lines[:-1] == [rows[0], rows[2], rows[3]]
    summary = json.loads(lines[-1])["summary"]
    assert (summary["checked"], summary["allowed"], summary["suppressed"], summary["invalid"]) == (9, 3, 2, 4)
    assert summary["causes"]["hard"] == 2


@pytest.mark.parametrize(
    "row",
    [
        '{"address":"gone@example.com","address":"b@example.com"}',
        '{"address":"gone@example.com","\\u0061ddress":"b@example.com"}',
        '{"address":"b@example.com","deep":' + "[" * 3_000 + "]" * 3_000 + "}",
    ],
)
def test_a_record_that_readers_understand_differently_is_invalid(client: httpx.Client, row: str) -> None:
    answer = scrub(client, f'{row}\n{{"address":"c@example.com","of":{{"address":"d"}}}}\n', "application/x-ndjson")

    assert answer.text.startswith('{"address":"c@example.com","of":{"address":"d"}}\n{"summary":{"checked":2,"allowed":1,')


@pytest.mark.parametrize(
    ("media_type", "first"), [("text/plain", "a@example.com"), ("application/x-ndjson", '"a@example.com"')]
)
def test_a_byte_order_mark_is_no_part_of_the_first_address(client: httpx.Client, media_type: str, first: str) -> None:
    answer = scrub(client, f"\ufeff{first}\n\ufeff{first}\n".encode(), media_type)

    assert answer.content.startswith(f"\ufeff{first}\n".encode())
    assert "invalid=1" in answer.text or '"invalid":1' in answer.text


@pytest.mark.parametrize("media_type", ["application/json", "text/csv", ""])
def test_another_kind_of_list_is_refused_and_told_what_to_send(client: httpx.Client, media_type: str) -> None:
    answer = scrub(client, "a@example.com", media_type)

    assert answer.status_code == 415
    assert "text/plain" in answer.json()["detail"]


@pytest.mark.parametrize(("charset", "status"), [("utf-16", 415), ("UTF-8", 200), ('"us-ascii"', 200)])
def test_a_list_in_other_characters_than_utf_8_is_refused(client: httpx.Client, charset: str, status: int) -> None:
    assert scrub(client, "a@example.com\n", f"text/plain; charset={charset}").status_code == status


def test_one_list_more_than_a_process_can_scrub_is_told_to_come_again(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert scrub(client, "").status_code == 200
    monkeypatch.setattr(scrub_module, "_PLACES", threading.BoundedSemaphore(1))
    scrub_module._PLACES.acquire()

    answer = scrub(client, "a@example.com\n")

    assert answer.status_code == 503
    assert "retry-after" in answer.headers


def test_while_the_compiled_code_is_made_a_list_is_told_to_come_again(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scrub_module, "SCRUB_LOADING_SECONDS_MAX", 0.0)
    monkeypatch.setattr(loading, "is_loaded", lambda: False)

    assert scrub(client, "a@example.com\n").status_code == 503


def test_a_compressed_list_is_refused(client: httpx.Client) -> None:
    headers = {"content-type": "text/plain", "content-encoding": "gzip"}

    assert client.post("/v1/scrub", content=b"\x1f\x8b", headers=headers).status_code == 415


def test_without_table_and_store_nothing_is_guessed(
    client: httpx.Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    scrub(client, "")  # the key is known from now on
    monkeypatch.setattr(Store, "check_hashes", in_trouble)

    answer = scrub(client, "a@example.com\n")

    assert answer.status_code == 503
    assert answer.json()["type"] == "urn:nullsender:problem:unavailable"


def in_trouble(*_arguments: object, **_named: object) -> object:
    raise Transient("no database")


def test_when_the_table_goes_stale_midway_the_store_is_asked_for_the_rest(world: World) -> None:
    world.suppress("gone@example.com")
    world.catch_up()
    work, kept = Scrub(Batch(world.lookup()), View("default", None)), list[list[bytes]]()
    work.put(b"a@example.com\n")
    step_all(work, world, kept)
    world.clock.advance(seconds=STALENESS_SECONDS_MAX * 2)
    world.suppress("late@example.com")
    work.put(b"b@example.com\nlate@example.com\ngone@example.com\n")

    assert work.step()
    assert len(work.batch.waiting) == 3
    work.tell(world.lookup().verdicts_of(work.view, list(work.batch.waiting.values())))
    kept.append(work.kept(*Wanted))

    assert b"".join(allowed for allowed, _, _ in kept) == b"a@example.com\nb@example.com\n"


def test_a_line_without_an_end_costs_no_memory_and_is_invalid(world: World) -> None:
    world.catch_up()
    work, kept = Scrub(Batch(world.lookup()), View("default", None)), list[list[bytes]]()
    for _ in range(100):
        work.put(b"x" * SCRUB_LINE_BYTES_MAX)
        step_all(work, world, kept)
    assert len(work._text.raw) < 3 * SCRUB_LINE_BYTES_MAX
    work.put(b"\na@example.com\n" + b"y" * (SCRUB_LINE_BYTES_MAX + 1) + b"\nb@example.com")
    step_all(work, world, kept)
    work.finish()
    step_all(work, world, kept)

    assert b"".join(allowed for allowed, _, _ in kept) == b"a@example.com\nb@example.com\n"
    assert (work.summary().checked, work.summary().invalid) == (4, 2)


LINES = st.one_of(
    st.sampled_from([b"", b" ", b"\r", b"a@b.c", b"A@B.C\r", b"nonsense", b"\x00", b"\xff@x.y", "ä@x.y".encode(), b"a@b.c."]),
    st.emails().map(str.encode),
    st.binary(max_size=12).filter(lambda line: b"\n" not in line),
    st.integers(120, 132).map(lambda size: b"x" * (size - 6) + b"@x.com"),
)


@settings(deadline=None)
@given(lines=st.lists(LINES, max_size=12), ends=st.booleans(), data=st.data())
def test_any_list_in_any_pieces_is_judged_as_address_by_address(
    shared_world: World, lines: list[bytes], ends: bool, data: st.DataObject
) -> None:
    world, view = shared_world, View(f"tenant{next(_numbers)}", "news")
    content = b"\n".join(lines) + (b"\n" if ends else b"")
    there = [line for line in content.split(b"\n") if line.strip(b" \t\r")]
    texts = [line.decode("utf-8", "surrogateescape") if is_utf_8(line) else None for line in there]
    lookup = world.lookup()
    valid = [text for text in texts if text is not None and not lookup.check_many(view, [text]).invalid]
    for text in valid[::2]:
        scope, cause = data.draw(st.sampled_from(["*", "news", "other"])), data.draw(st.sampled_from(Cause))
        world.suppress(text.strip(), tenant=view.tenant, scope=scope, cause=cause)
    world.catch_up()
    answers = lookup.check_many(view, texts)

    said = scrubbed(world, content, view, cuts=data.draw(st.lists(st.integers(0, len(content)), max_size=5)))

    invalid = {item.index for item in answers.invalid}
    kinds = [
        Wanted.INVALID if index in invalid else Wanted.SUPPRESSED if index in answers.suppressed else Wanted.ALLOWED
        for index in range(len(there))
    ]
    for wanted in Wanted:
        assert said[wanted] == b"".join(line + b"\n" for line, kind in zip(there, kinds, strict=True) if kind is wanted)
    summary = said["summary"]
    assert isinstance(summary, Summary)
    assert summary.checked == len(there) == summary.allowed + summary.suppressed + summary.invalid
    causes = [answer.entry.cause for answer in answers.suppressed.values() if answer.entry is not None]
    assert summary.causes == {cause: causes.count(cause) for cause in Cause}


def is_utf_8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def test_a_border_at_every_byte_changes_nothing(world: World) -> None:
    world.suppress("gone@example.com")
    world.catch_up()
    content = "a@example.com\r\n\ngone@example.com\nnäher@example.com\nnonsense\nlast@example.com".encode()
    view = View("default", None)
    whole = scrubbed(world, content, view)

    for border in range(len(content) + 1):
        assert scrubbed(world, content, view, cuts=[border]) == whole
    assert scrubbed(world, content, view, cuts=list(range(len(content)))) == whole


def test_many_lines_go_through_in_their_order(world: World) -> None:
    for number in range(0, 5_000, 250):
        world.suppress(f"user{number}@example.com")
    world.catch_up()
    content = b"".join(b"user%d@example.com\n" % number for number in range(5_000))

    said = scrubbed(world, content, View("default", None), cuts=[30_000, 60_001])

    assert said[Wanted.ALLOWED] == b"".join(b"user%d@example.com\n" % n for n in range(5_000) if n % 250)
