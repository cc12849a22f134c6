"""`explain` and `reply`: an answer for whatever they are given, in words for people and in JSON for programs."""

import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifiers.rules import Rules
from nullsender.cli.explain import explain_files, reply_lines
from nullsender.limits import MESSAGE_BYTES_MAX

RULES = Rules.load()
NOW = datetime(2026, 1, 1, tzinfo=UTC)

BOUNCE = b"""\
From: MAILER-DAEMON@mx.example.org
To: bounces@example.net
Subject: Undelivered
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary=b

--b
Content-Type: text/plain

Sorry.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.org

Final-Recipient: rfc822; kiji@example.com
Action: failed
Status: 5.1.1
Remote-MTA: dns; mail.example.com
Diagnostic-Code: smtp; 550 5.1.1 <kiji@example.com>: User unknown

Final-Recipient: rfc822; mike@example.com
Action: delivered
Status: 2.1.5
--b--
"""


class Said(NamedTuple):
    """What a command answered."""

    code: int
    out: str
    errors: str

    @property
    def objects(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


def explain(*paths: str | Path, as_json: bool = False, standard_input: bytes = b"") -> Said:
    out, errors = io.StringIO(), io.StringIO()
    code = explain_files(
        [str(path) for path in paths],
        as_json=as_json,
        rules=RULES,
        now=NOW,
        standard_input=io.BytesIO(standard_input),
        out=out,
        errors=errors,
    )
    return Said(code, out.getvalue(), errors.getvalue())


def reply(*lines: bytes, as_json: bool = True) -> Said:
    out = io.StringIO()
    return Said(reply_lines(lines, as_json=as_json, rules=RULES, out=out), out.getvalue(), "")


@pytest.fixture
def bounce(tmp_path: Path) -> Path:
    path = tmp_path / "bounce.eml"
    path.write_bytes(BOUNCE)
    return path


def test_a_bounce_is_explained_in_sentences(bounce: Path) -> None:
    said = explain(bounce)

    assert said.code == 0
    for part in (
        "a bounce",
        "kiji@example.com (from Final-Recipient)",
        "There is no such mailbox",
        "would go on the list",
        "recipient.mailbox-unknown",
        "mail.example.com said: 550 5.1.1",
    ):
        assert part in said.out


def test_a_strangers_words_do_not_reach_the_terminal_as_commands(tmp_path: Path) -> None:
    assert "\x1b" not in reply(b"550 user \x1b[31munknown\n", as_json=False).out
    assert "\x1b" not in explain(tmp_path / "\x1b[31m").errors


def test_the_object_of_a_bounce_has_the_fields_that_others_build_on(bounce: Path) -> None:
    (found,) = explain(bounce, as_json=True).objects

    assert found["file"] == str(bounce)
    assert found["kind"] == "bounce"
    assert found["reports"] == [
        {
            "recipient": "kiji@example.com",
            "action": "failed",
            "outcome": "hard",
            "permanent": True,
            "fault": "recipient",
            "category": "mailbox-unknown",
            "status": "5.1.1",
            "reply_code": 550,
            "diagnostic": "550 5.1.1 <kiji@example.com>: User unknown",
            "remote_mta": "mail.example.com",
            "feedback_type": None,
            "rule": "recipient.mailbox-unknown",
        }
    ]


def test_a_minus_sign_is_standard_input() -> None:
    (found,) = explain("-", as_json=True, standard_input=BOUNCE).objects

    assert (found["file"], found["kind"]) == ("-", "bounce")


@pytest.mark.parametrize("content", [b"", b" \n\n", b"\x7fELF\0\0\xff", b"\0" * 100])
def test_what_is_no_mail_is_told_in_a_sentence_and_is_no_failure(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "thing"
    path.write_bytes(content)

    assert explain(path).out.startswith(f"{path}: ")
    (found,) = explain(path, as_json=True).objects
    assert (found["kind"], found["reports"]) == ("other", [])
    assert found["error"]
    assert explain(path).code == 0


def test_a_file_larger_than_any_mail_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge"
    with path.open("wb") as file:
        file.truncate(MESSAGE_BYTES_MAX + 1)

    (found,) = explain(path, as_json=True).objects
    assert str(MESSAGE_BYTES_MAX) in found["error"]


def test_a_missing_file_and_a_folder_are_told_and_the_others_are_answered(tmp_path: Path, bounce: Path) -> None:
    missing = tmp_path / "nowhere.eml"
    said = explain(missing, tmp_path, bounce)

    assert said.code == 2
    assert str(missing) in said.errors
    assert f"{tmp_path}: " in said.errors
    assert "kiji@example.com" in said.out


def test_a_missing_file_has_its_object_too(tmp_path: Path, bounce: Path) -> None:
    said = explain(tmp_path / "nowhere.eml", bounce, as_json=True)

    assert said.code == 2
    assert [found["kind"] for found in said.objects] == ["other", "bounce"]
    assert "error" in said.objects[0]


def test_a_file_whose_name_is_not_utf_8_is_explained(tmp_path: Path) -> None:
    path = str(tmp_path / "b\udcff.eml")
    Path(path).write_bytes(BOUNCE)

    said = explain(path)
    said.out.encode()
    assert "kiji@example.com" in said.out
    assert explain(path, as_json=True).objects[0]["kind"] == "bounce"


@given(st.binary(max_size=2_000))
def test_any_bytes_at_all_are_answered_with_one_object(content: bytes) -> None:
    said = explain("-", as_json=True, standard_input=content)

    assert said.code == 0
    assert len(said.objects) == 1
    explain("-", standard_input=content).out.encode()


def test_a_reply_comes_back_with_its_decision() -> None:
    said = reply(b'{"text": "550 5.2.2 Mailbox full", "provider": "nobody we know"}\n')

    assert said.code == 0
    assert said.objects == [
        {
            "text": "550 5.2.2 Mailbox full",
            "provider": "nobody we know",
            "outcome": "soft",
            "permanent": True,
            "fault": "recipient",
            "category": "mailbox-full",
            "rule": "recipient.mailbox-full",
        }
    ]


def test_a_reply_code_may_be_a_number_or_text() -> None:
    said = reply(*(b'{"text": "no", "reply_code": %b}' % code for code in (b"556", b'"556"', b'""')))

    assert [found["category"] for found in said.objects] == ["domain-takes-no-mail", "domain-takes-no-mail", "unknown"]


@pytest.mark.parametrize("line", [b"550 no", b"[]", b'{"text": 5}', b'{"text": "a", "reply_code": "x"}', b"\xff", b"{}"])
def test_a_line_that_is_no_reply_is_told_and_the_next_is_decided(line: bytes) -> None:
    said = reply(line, b"", b'{"text": "550 user unknown"}')

    assert said.code == 1
    assert "line 1" in said.objects[0]["error"]
    assert said.objects[1]["outcome"] == "hard"


def test_a_person_may_type_bare_words() -> None:
    said = reply(b"550 5.1.1 user unknown\n", as_json=False)

    assert said.code == 0
    assert "There is no such mailbox" in said.out
    assert 'by "user unknown"' in said.out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (b"552 mailbox full", "It would be counted"),
        (b"554 blocked using zen.spamhaus.org", "not the recipient's fault"),
        (b"451 4.4.1 later", "The same mail may arrive later"),
    ],
)
def test_what_it_would_do_to_the_list_is_said(words: bytes, sentence: str) -> None:
    assert sentence in reply(words, as_json=False).out


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"From: kiji@example.com\nX-Apple-Unsubscribe: true\nSubject: unsubscribe\n\nPlease.\n", "an unsubscribe"),
        (b"From: a@example.com\nSubject: lunch?\n\nAt noon.\n", "no report about mail of ours"),
        (b"From: a@example.com\nAuto-Submitted: auto-replied\nSubject: Out of office\n\nAway.\n", "an automatic reply"),
    ],
)
def test_what_a_message_is_stands_first(content: bytes, sentence: str) -> None:
    assert sentence in explain("-", standard_input=content).out.splitlines()[0]
