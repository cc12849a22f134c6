"""Lists of other systems as they are read: which list it is, what each row says, and what is refused."""

import gzip
import io
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nullsender.errors import Invalid
from nullsender.limits import IMPORT_LINE_BYTES_MAX
from suppression.imports.parquet import read_parquet
from suppression.imports.reading import RowOrRefused, read_list
from suppression.imports.row import Refused, Row
from suppression.imports.systems import FORMATS, SHAPES
from suppression.imports.times import UNREADABLE, time_of
from suppression.imports.unpacking import unpacked
from suppression.imports.words import WORDS, cause_for
from suppression.policy import Cause

ROOT = Path(__file__).parent.parent
LISTS = ROOT / "fixtures" / "imports"
ADA, BEN, EVE, ZOE, MAX = "ada@example.com", "ben@example.org", "eve@example.net", "zoe@example.net", "max@example.net"


def read(*pieces: bytes, chosen: str | None = None) -> tuple[str, Sequence[RowOrRefused]]:
    """The format of a list, and its rows."""
    reading = read_list(pieces, chosen)
    return reading.format, list(reading.rows)


def read_file(path: Path, chosen: str | None = None) -> tuple[str, Sequence[RowOrRefused]]:
    with unpacked(path) as file:
        return read(*file.pieces(), chosen=chosen)


def told(rows: Iterable[RowOrRefused]) -> list[str]:
    """A word for each row: `ada hard`, with the scope where it says one; `- ben` where it is refused."""
    return [
        f"- {row.address.partition('@')[0]}".strip()
        if isinstance(row, Refused)
        else f"{row.address.partition('@')[0]} {row.said.cause} {row.said.scope or ''}".strip()
        for row in rows
    ]


@pytest.mark.parametrize(
    ("file", "chosen", "format_", "expected"),
    [
        ("ses/bulk.csv", None, "ses", ["ada hard", "ben complaint", "- not an address", "- eve"]),
        ("ses/bulk.jsonl", None, "ses", ["ada hard", "ben complaint", "-", "zoe hard"]),
        ("ses/list-suppressed-destinations.json", None, "ses", ["ada hard", "ben complaint"]),
        ("sendgrid/bounces.json", "sendgrid-bounces", None, ["ada hard", "ben hard"]),
        ("sendgrid/bounces.csv", "sendgrid-bounces", None, ["ada hard", "ben hard"]),
        ("sendgrid/blocks.csv", "sendgrid-blocks", None, ["- ada", "- ben"]),
        ("sendgrid/invalid_emails.json", None, "sendgrid-invalid-emails", ["ada hard"]),
        ("sendgrid/spam_reports.csv", None, "sendgrid-spam-reports", ["ada complaint"]),
        ("sendgrid/unsubscribes.csv", "sendgrid-unsubscribes", None, ["ada unsubscribe *"]),
        (
            "sendgrid/group_unsubscribes.json",
            None,
            "sendgrid-group-unsubscribes",
            ["ada unsubscribe list:weekly-news", "ben unsubscribe list:4712"],
        ),
        ("mailgun/bounces.csv", None, "mailgun-bounces", ["ada hard", "ben hard", "eve soft"]),
        (
            "mailgun/unsubscribes.csv",
            None,
            "mailgun-unsubscribes",
            [
                "ada unsubscribe *",
                "ben unsubscribe list:newsletter",
                "ben unsubscribe list:product-tips",
                "eve unsubscribe *",
            ],
        ),
        ("mailgun/unsubscribes.json", None, "mailgun-unsubscribes", ["ada unsubscribe *", "ben unsubscribe list:newsletter"]),
        ("mailgun/complaints.csv", "mailgun-complaints", None, ["ada complaint"]),
        ("mailgun/whitelists.json", None, "mailgun-allowlist", ["- ada"]),
        (
            "sparkpost/search.json",
            None,
            "sparkpost",
            [
                "ada complaint *-transactional",
                "ben hard",
                "eve unsubscribe list:news.example.net",
                "zoe complaint *-transactional",
            ],
        ),
        ("sparkpost/upload.csv", None, "sparkpost", ["ada None *", "ben None *-transactional"]),
        ("postmark/dump.json", None, "postmark", ["ada hard", "ben unsubscribe", "eve manual", "zoe complaint"]),
        ("postmark/dump.csv", None, "postmark", ["ada hard"]),
        ("mandrill/rejects.csv", None, "mandrill", ["ada hard", "ben soft", "eve complaint", "zoe unsubscribe", "max manual"]),
        ("mandrill/allowlist.csv", "mandrill-allowlist", None, ["- ada"]),
        ("powermta/acct.csv", None, "powermta", ["- max", "ada hard", "ben hard", "- eve", "- zoe"]),
        ("powermta/address-file.txt", None, "plain", ["ada None", "ben None", "- *"]),
        ("postal/suppressions.csv", None, "postal", ["ada hard", "ben soft"]),
        ("listmonk/subscribers.csv", None, "listmonk", ["ada unsubscribe *", "- ben", "eve manual *"]),
        (
            "listmonk/subscribers.json",
            None,
            "listmonk",
            ["ada unsubscribe list:weekly-news", "- ben", "eve unsubscribe *"],
        ),
        ("listmonk/bounces.json", None, "listmonk-bounces", ["ada hard", "- ben", "eve complaint"]),
        ("mautic/dnc.csv", None, "mautic", ["ada unsubscribe", "ben hard", "eve manual", "- zoe", "- max"]),
        ("mautic/dnc.json", None, "mautic", ["ada unsubscribe"]),
        ("plain/addresses.txt", None, "plain", ["ada None", "ben None", "- nobody", '"quoted name" None']),
        ("plain/with-columns.csv", None, "plain", ["ada None", "- ben"]),
        (
            "nullsender/entries.csv",
            None,
            "nullsender",
            [
                "ada hard *",
                "+ben unsubscribe list:news",
                "md5:3e3417d7ef77d5932a6734b916515ed5 complaint *-transactional",
                "- eve",
                "- zoe",
                "-",
            ],
        ),
        ("hashed/sha256.txt", None, "plain", ["sha256:b5fc85e55755f9e0d030a10ab4429b6b2944855f9a0d60077fe832becbc41d72 None"]),
    ],
)
def test_a_list_is_known_by_its_shape_and_its_words_are_understood(
    file: str, chosen: str | None, format_: str | None, expected: list[str]
) -> None:
    found, rows = read_file(LISTS / file, chosen)

    assert found == (format_ or chosen)
    assert told(rows) == expected


@pytest.mark.parametrize(
    "file",
    [
        "sendgrid/bounces.csv",
        "sendgrid/bounces.json",
        "sendgrid/unsubscribes.csv",
        "mailgun/complaints.csv",
        "mandrill/allowlist.csv",
    ],
)
def test_a_list_that_could_be_several_is_asked_about(file: str) -> None:
    with pytest.raises(Invalid, match="say which it is, its `format` is one of"):
        read_file(LISTS / file)


def test_every_system_has_lists_among_the_fixtures_and_every_word_of_theirs_has_one_meaning() -> None:
    systems = {shape.name.partition("-")[0] for shape in SHAPES} | {"plain"}

    assert systems <= {folder.name for folder in LISTS.iterdir() if folder.is_dir()}
    assert systems == WORDS.keys()
    for system, words in WORDS.items():
        for word, meaning in words.items():
            assert word == word.strip().lower()
            if isinstance(meaning, Cause):
                assert cause_for(system, f" {word.upper()} ") is meaning
            else:
                with pytest.raises(Invalid, match="not a suppression"):
                    cause_for(system, word)


def test_the_page_shows_every_format_and_what_each_word_comes_to() -> None:
    page = (ROOT / "docs" / "imports.md").read_text()

    assert not [name for name in FORMATS if f"`{name}`" not in page]
    for system, words in WORDS.items():
        for word, meaning in words.items():
            line = f"| {system} | {word} | {meaning if isinstance(meaning, Cause) else 'refused'} |"
            assert line in page, line


def test_what_stops_nobody_elsewhere_stops_nobody_here() -> None:
    _, rows = read(b"email,status\nada@example.com,Enabled\nben@example.org,bounced\n", chosen="plain")

    assert told(rows) == ["- ada", "ben None"]
    assert isinstance(rows[0], Refused)
    assert "not a suppression" in rows[0].reason


def test_a_row_that_can_not_be_read_is_named_by_its_line_and_spoils_no_other() -> None:
    text = b'email,reason,channel\nada@example.com,1,email\n"ben@example.org,2,email\neve@example.net,2,email\n' + b"x" * 99_999
    _, rows = read(text + b"\nzoe@example.net,3,email\n")

    assert [(row.line, isinstance(row, Row)) for row in rows] == [(2, True), (3, False), (4, True), (5, False), (6, True)]


def test_a_first_line_of_any_words_is_a_row_like_the_others_where_addresses_follow() -> None:
    assert told(read(b"nobody\nada@example.com\n")[1]) == ["- nobody", "ada None"]
    assert told(read(b"Kunde;Mailadresse\nAda;ada@example.com\n")[1]) == ["- Mailadresse", "ada None"]


def test_a_broken_object_ends_an_array_and_says_so() -> None:
    rows = b'[{"emailAddress":"ada@example.com","reason":"BOUNCE"},\n{"emailAddress":"ben@example.org" oops},\n{"x":1}]'
    _, found = read(rows)

    assert told(found) == ["ada hard", "-"]
    assert isinstance(found[1], Refused)
    assert "nothing was read from here on" in found[1].reason


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_an_encoding_with_a_mark_or_a_pattern_is_understood(encoding: str) -> None:
    text = "email;channel;reason;name\r\nada@example.com;email;2;Jörg\r\n" * 1
    text += "ben@example.org;email;1;Zoë\r\n"

    assert told(read(text.encode(encoding))[1]) == ["ada hard", "ben unsubscribe"]


def test_no_older_encoding_is_guessed_for_an_address() -> None:
    _, rows = read("j\u00f6rg@example.com\nada@example.com\n".encode("latin-1"), chosen="plain")

    assert [isinstance(row, Refused) for row in rows] == [True, False]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "empty"),
        (b"\n\n  \n", "empty"),
        (b"# nothing\n", "comments only"),
        (b"\x7fELF\x02\x01\x01\x00\x00\x00" * 40, "binary"),
        ("email\nada@example.com".encode("utf-32"), "UTF-32"),
        (b"first,second\na,b\n", "no column holds addresses"),
        (b'{"a": {"b": 1}}', "no object near its beginning names an address"),
    ],
)
def test_what_is_no_list_is_refused_with_a_sentence(text: bytes, words: str) -> None:
    with pytest.raises(Invalid, match=words):
        read(text)


def test_a_packed_list_is_unpacked_and_an_archive_of_several_is_not_guessed_at(tmp_path: Path) -> None:
    rejects = (LISTS / "mandrill" / "rejects.csv").read_bytes()
    (tmp_path / "list.gz").write_bytes(gzip.compress(rejects))
    with zipfile.ZipFile(tmp_path / "mandrill.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("rejects.csv", rejects)
        archive.writestr("allowlist.csv", b"email,detail,created_at\n")
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.writestr("one.csv", rejects)
        archive.writestr("two.csv", rejects)
    with zipfile.ZipFile(tmp_path / "book.xlsx", "w") as archive:
        archive.writestr("[Content_Types].xml", b"<Types/>")

    assert len(read_file(tmp_path / "list.gz")[1]) == len(read_file(tmp_path / "mandrill.zip")[1]) == 5
    with pytest.raises(Invalid, match="holds 2 files"):
        read_file(tmp_path / "two.zip")
    with pytest.raises(Invalid, match="save it as CSV"):
        read_file(tmp_path / "book.xlsx")


def test_what_unpacks_to_more_than_any_list_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("suppression.imports.unpacking.IMPORT_BYTES_MAX", 2**20)
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(b"ada@example.com\n" * 2**20))

    with unpacked(tmp_path / "bomb.gz") as file, pytest.raises(Invalid, match="import it in parts"):
        list(file.pieces())


def test_a_list_in_parquet_is_read_and_a_damaged_one_refused(tmp_path: Path) -> None:
    rows = {
        "address": [ADA, None, "nobody"],
        "known_as": [None, "md5:" + "0" * 32, None],
        "cause": ["hard"] * 3,
        "scope": ["*"] * 3,
    }
    pq.write_table(pa.table(rows), tmp_path / "list.parquet")
    whole = (tmp_path / "list.parquet").read_bytes()
    (tmp_path / "torn.parquet").write_bytes(whole[:-20])

    reading = read_parquet(tmp_path / "list.parquet", None)
    assert (reading.format, told(reading.rows)) == ("nullsender", ["ada hard *", f"md5:{'0' * 32} hard *", "- nobody"])
    with pytest.raises(Invalid, match="damaged"):
        read_parquet(tmp_path / "torn.parquet", None)


@given(st.binary(max_size=4_000))
@settings(max_examples=150, deadline=None)
def test_any_packed_bytes_cost_no_more_than_a_refusal(tmp_path_factory: pytest.TempPathFactory, tail: bytes) -> None:
    file = tmp_path_factory.mktemp("any") / "list"
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr("list.csv", b"ada@example.com\n")
    for begins in (b"PK\x03\x04", b"\x1f\x8b\x08", whole.getvalue()[:-9], b""):
        file.write_bytes(begins + tail)
        try:
            with unpacked(file) as packed:
                list(packed.pieces())
        except Invalid:
            pass


_LIKELY = st.sampled_from(
    [
        b'"',
        b",",
        b"\n",
        b"\r",
        b"[",
        b"{",
        b"}",
        b"]",
        b":",
        b"ada@example.com",
        b"email",
        b"reason",
        b"\x00",
        b"\xff\xfe",
        b"1",
    ]
)


@given(st.one_of(st.binary(max_size=600), st.lists(_LIKELY, max_size=60).map(b"".join)), st.sampled_from([None, *FORMATS]))
@settings(max_examples=400, deadline=None)
def test_any_bytes_are_rows_or_refused(text: bytes, chosen: str | None) -> None:
    for begins in (b"", b"email,created,reason,status\n", b'[{"email":"ada@example.com","group_id":1},'):
        try:
            _, rows = read(begins + text, chosen=chosen)
        except Invalid:
            continue
        for row in rows:
            assert row.line >= 1
            assert isinstance(row, Row) or row.reason


@given(st.lists(st.binary(max_size=40), max_size=12), st.integers(0, 3))
@settings(deadline=None)
def test_a_list_is_the_same_however_its_bytes_are_cut(cuts: list[bytes], which: int) -> None:
    name = ["ses/bulk.jsonl", "sparkpost/search.json", "mailgun/unsubscribes.csv", "powermta/acct.csv"][which]
    whole, pieces = (LISTS / name).read_bytes(), []
    rest = whole
    for cut in cuts:
        pieces.append(rest[: len(cut)])
        rest = rest[len(cut) :]

    assert read(*filter(None, pieces), rest) == read(whole)


def test_a_line_without_an_end_is_skipped_in_bounded_memory() -> None:
    _, rows = read(b"ada@example.com\n", *[b"x" * 10_000] * (IMPORT_LINE_BYTES_MAX // 10_000 + 5), b"\nben@example.org\n")

    assert told(rows) == ["ada None", "-", "ben None"]


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        (1443651141, "2015-09-30T22:12:21+00:00"),
        ("1443651141", "2015-09-30T22:12:21+00:00"),
        (1443651141000, "2015-09-30T22:12:21+00:00"),
        ("2024-12-10T08:58:33-05:00", "2024-12-10T13:58:33+00:00"),
        ("2024-01-02 03:04:05.678+00", "2024-01-02T03:04:05.678000+00:00"),
        ("Mon, 21 Oct 2024 11:02:55 UTC", "2024-10-21T11:02:55+00:00"),
        ("2024-12-10", "2024-12-10T00:00:00+00:00"),
        ("20241210", "2024-12-10T00:00:00+00:00"),
        ("yesterday", UNREADABLE.isoformat()),
        (10**400, UNREADABLE.isoformat()),
        (float("nan"), UNREADABLE.isoformat()),
        (True, None),
        ("", None),
        (" ", None),
    ],
)
def test_times_are_read_as_systems_write_them(written: object, moment: str | None) -> None:
    found = time_of(written)

    assert (found and found.isoformat()) == moment
