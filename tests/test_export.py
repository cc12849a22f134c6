"""What exports are asked for, how their cells are written, and how others check them. Pure, and OpenSSL."""

import base64
import csv
import io
import json
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.http.ranges import NotSatisfiable, Part, part_of
from nullsender.clock import FakeClock
from nullsender.errors import Invalid
from suppression.exports.cells import guarded, unguarded
from suppression.exports.columns import COLUMNS
from suppression.exports.formats import CsvWriter
from suppression.exports.manifest import read_manifest
from suppression.exports.request import Format, What
from suppression.exports.running import Files
from suppression.exports.signing import DocumentKey, DocumentSigner, canonical_json
from suppression.exports.verifying import verify
from suppression.policy import Cause
from suppression.store.store import Store
from tests.export_world import SIGNER, asked, fill, made
from tests.missing import give_up

NOW = datetime(2026, 3, 1, tzinfo=UTC)
on_sqlite = pytest.mark.parametrize("database", ["sqlite"])

# --- what makes no sense ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"purpose": " "}, "`purpose` is missing"),
        ({"recipient": ""}, "`recipient` is missing"),
        ({"purpose": "x" * 501}, "up to 500 characters"),
        ({"recipient": "Jane\nDoe"}, "can be printed"),
        ({"begins": NOW, "ends": NOW}, "ends before it begins"),
        ({"begins": NOW + timedelta(days=1)}, "begins in the future"),
        ({"format": Format.PARQUET, "gzip": True}, "leave `gzip` out"),
        ({"what": What.CHANGES, "ended": True}, "leave it out"),
        ({"what": What.CHANGES, "format": Format.MD5}, "choose another `format`"),
        ({"format": Format.SHA256, "ended": True}, "leave `ended` out"),
        ({"what": What.UNSUBSCRIBES, "cause": Cause.HARD}, "leave `cause` out"),
        ({"scope": "*", "stream": "news"}, "give one or the others"),
        ({"tenant": None, "stream": "news"}, "name one tenant"),
        ({"scope": "a b"}, "not a name"),
        ({"domain": "exämple..com"}, "not a valid internationalised name"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused_with_what_to_do_instead(given: dict[str, Any], says: str) -> None:
    with pytest.raises(Invalid, match=says):
        asked(NOW, **given)


def test_everything_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(Invalid, match=r"`purpose` is missing.*; .*ends before it begins"):
        asked(NOW, purpose="", begins=NOW, ends=NOW - timedelta(days=1))


def test_names_are_taken_in_the_one_form_that_the_list_knows() -> None:
    request = asked(NOW, tenant=" Default", scope="list:News", domain="EXÄMPLE.com.")

    assert (request.tenant, request.scope, request.domain) == ("default", "list:news", "xn--exmple-cua.com")


# --- cells -----------------------------------------------------------------------------------------------------------------


@given(st.text())
def test_a_cell_is_never_a_formula_and_comes_back_as_it_was(text: str) -> None:
    cell = guarded(text)

    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert unguarded(cell) == text


@given(st.lists(st.one_of(st.none(), st.text().filter(lambda text: text != "")), min_size=1, max_size=5))
def test_what_is_written_as_csv_is_read_again(reasons: list[str | None]) -> None:
    names = [column.name for column in COLUMNS[What.CHANGES]]
    place = names.index("reason")
    rows: list[list[Any]] = [[None] * place + [reason] + [None] * (len(names) - place - 1) for reason in reasons]

    try:
        text = CsvWriter(COLUMNS[What.CHANGES], compressed=False).part(rows).decode()
    except UnicodeEncodeError:
        return  # half a character: no database holds one

    assert [unguarded(line[place]) or None for line in csv.reader(io.StringIO(text, newline=""))] == reasons


# --- signatures ------------------------------------------------------------------------------------------------------------


def test_a_document_is_checked_with_the_key_that_signed_it_and_no_other() -> None:
    signed = SIGNER.signed({"what": "a test", "rows": 3})

    DocumentKey.from_pem(SIGNER.public.pem().encode()).check(signed)
    with pytest.raises(Invalid, match="this key is"):
        DocumentSigner(b"another address key.............").public.check(signed)


@pytest.mark.parametrize("change", [{"rows": 4}, {"more": 1}, {"signature": "AAAA"}, {"signature": "?"}, {"signature": None}])
def test_a_document_that_was_changed_is_found_out(change: dict[str, Any]) -> None:
    with pytest.raises(Invalid, match="its signature is wrong"):
        SIGNER.public.check({**SIGNER.signed({"rows": 3}), **change})


def test_the_same_address_key_gives_the_same_key_on_every_machine() -> None:
    assert DocumentSigner(b"the address key of the tests.....").public.pem() == SIGNER.public.pem()


@pytest.mark.parametrize("pem", [b"", b"nonsense", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"])
def test_what_is_no_key_is_said_to_be_none(pem: bytes) -> None:
    with pytest.raises(Invalid, match="public-key"):
        DocumentKey.from_pem(pem)


def test_openssl_checks_a_manifest_as_the_page_says(tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        give_up("there is no openssl that would check it")
    manifest = SIGNER.signed({"recipient": 'Jöhn "x"\n\u2028', "rows": 3, "none": None, "nested": {"b": [1], "a": True}})
    signature = base64.b64decode(manifest.pop("signature"))
    (tmp_path / "signed").write_bytes(canonical_json(manifest))
    (tmp_path / "signature").write_bytes(signature)
    (tmp_path / "key.pem").write_text(SIGNER.public.pem())
    words = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "key.pem", "-rawin", "-in", "signed", "-sigfile", "signature"]

    checked = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)

    assert (checked.returncode, checked.stdout.strip()) == (0, "Signature Verified Successfully")


# --- verifying -------------------------------------------------------------------------------------------------------------


@on_sqlite
def test_verify_says_in_a_sentence_what_is_wrong(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    fill(store, clock, 4)
    target = tmp_path / "list.csv"
    manifest, whole = made(store, clock, target), target.read_bytes()
    told = Files(target).manifest

    def problem(octets: bytes | None = whole, **change: Any) -> str:
        target.unlink(missing_ok=True)
        if octets is not None:
            target.write_bytes(octets)
        told.write_text(json.dumps({**manifest, **change}))
        with pytest.raises(Invalid) as raised:
            verify(told, SIGNER.public)
        return raised.value.reason

    assert "bytes, and the manifest says" in problem(whole + b"\r\n")
    assert "was changed: its SHA-256 is" in problem(whole.replace(b"person1", b"person2"))
    assert "can not be read: No such file" in problem(None)
    assert "can not be believed: its signature is wrong" in problem(recipient="somebody else")
    assert "this key is" in problem(key_id="0" * 16)
    rest = {name: value for name, value in manifest.items() if name not in ("signature", "key_id")}
    assert "has 4 rows, and the manifest says 5" in problem(**SIGNER.signed({**rest, "file": {**manifest["file"], "rows": 5}}))
    elsewhere = SIGNER.signed({**rest, "file": {**manifest["file"], "name": "../list.csv"}})
    assert "names a file in another folder" in problem(**elsewhere)


@pytest.mark.parametrize(
    "text", [b"", b"{}", b"[]", b"\xff", b"[" * 50_000, b'{"form": "nullsender export 1"' + b" " * 70_000 + b"}"]
)
def test_what_is_no_manifest_is_said_to_be_none(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "manifest").write_bytes(text)

    with pytest.raises(Invalid, match="no manifest"):
        read_manifest(tmp_path / "manifest")


# --- ranges ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked_for", "part"),
    [
        (None, None),
        ("bytes=0-", Part(0, 10)),
        ("bytes=4-", Part(4, 10)),
        ("Bytes=4-5", Part(4, 6)),
        ("bytes=4-99", Part(4, 10)),
        ("bytes=-3", Part(7, 10)),
        ("bytes=-30", Part(0, 10)),
        ("bytes=5-4", None),
        ("bytes=1-2,4-5", None),
        ("lines=1-2", None),
        ("bytes=-", None),
        ("nonsense", None),
    ],
)
def test_a_range_of_bytes_is_understood_and_all_else_passed_over(asked_for: str | None, part: Part | None) -> None:
    assert part_of(asked_for, None, size_bytes=10, etag='"a"') == part


@pytest.mark.parametrize("asked_for", ["bytes=10-", "bytes=11-12", "bytes=-0"])
def test_a_range_behind_the_end_can_not_be_given(asked_for: str) -> None:
    with pytest.raises(NotSatisfiable):
        part_of(asked_for, None, size_bytes=10, etag='"a"')


def test_a_range_of_a_file_that_is_another_by_now_is_passed_over() -> None:
    assert part_of("bytes=4-", '"b"', size_bytes=10, etag='"a"') is None
    assert part_of("bytes=4-", '"a"', size_bytes=10, etag='"a"') == Part(4, 10)


@given(st.text(), st.integers(0, 100))
def test_whatever_a_range_says_it_is_a_part_of_the_file(text: str, size_bytes: int) -> None:
    try:
        part = part_of(text, None, size_bytes=size_bytes, etag='"a"')
    except NotSatisfiable:
        return
    assert part is None or 0 <= part.start < part.end <= size_bytes
