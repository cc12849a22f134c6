"""Every message in fixtures/mail is read as the JSON beside it says."""

import json
from pathlib import Path

import pytest

from ingest.reading.phrases import AUTO_REPLY_SUBJECTS, WORDS
from nullsender.events import Action, DerivedFrom, Kind
from tests.readings import MAIL, expected_of, only, read, read_file

MESSAGES = sorted(MAIL.glob("*/*.eml"))
HANDMADE = MAIL / "handmade"


@pytest.mark.parametrize("path", MESSAGES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_fixture_is_read_as_the_file_beside_it_says(path: Path) -> None:
    assert expected_of(path) == json.loads(path.with_suffix(".json").read_text())


def test_no_expectation_stands_alone() -> None:
    """Every JSON has its message; a message that was renamed would otherwise not be tested any more."""
    alone = [path.name for path in MAIL.glob("*/*.json") if not path.with_suffix(".eml").exists()]

    assert not alone
    assert len(MESSAGES) > 70


def test_the_original_recipient_counts_where_a_forward_failed() -> None:
    report = only(read_file(HANDMADE / "dsn-forwarded-recipient.eml"))

    assert (report.recipient, report.derived_from) == ("anna@example.org", DerivedFrom.ORIGINAL_RECIPIENT)


def test_a_reply_in_the_transcript_outweighs_the_reason_that_sendmail_makes_up() -> None:
    """Every other MTA hands on 5.0.0 and the reply for the same case."""
    report = only(read_file(MAIL / "sendmail" / "contradiction.eml"))

    assert (report.status, report.diagnostic) == (
        "5.0.0",
        "550 4.2.2 mailbox of contradiction@example.net is temporarily full",
    )


@pytest.mark.parametrize(
    ("status", "reply", "action"),
    [
        ("4.4.7", "envelope expired", Action.FAILED),
        ("4.0.0", "421 this message has expired", Action.FAILED),
        ("4.4.1", "Delivery time expired", Action.FAILED),
        ("4.7.5", "451 4.7.5 the TLS certificate expired", Action.DELAYED),
        ("4.2.0", "450 greylisted: your message is too early, the triplet expired, try again", Action.DELAYED),
    ],
)
def test_a_delay_is_the_end_only_where_the_time_of_the_mail_has_expired(status: str, reply: str, action: Action) -> None:
    delayed = (HANDMADE / "dsn-delayed.eml").read_bytes()
    head, _, _ = delayed.partition(b"Final-Recipient:")
    group = f"Final-Recipient: rfc822; anna@example.org\nAction: delayed\nStatus: {status}\nDiagnostic-Code: smtp; {reply}\n"

    assert only(read(head + group.encode())).action is action


def test_a_success_report_is_no_bounce() -> None:
    reading = read_file(HANDMADE / "dsn-success.eml")

    assert reading.kind is Kind.OTHER
    assert only(reading).action is Action.DELIVERED


def test_a_redacted_complaint_names_nobody_but_returns_our_token() -> None:
    report = only(read_file(HANDMADE / "arf-redacted.eml"))

    assert report.recipient is None
    assert report.returned_token == "t1.example-token"
    assert report.notes


@pytest.mark.parametrize("path", sorted(HANDMADE.glob("other-*.eml")), ids=lambda path: path.stem)
def test_mail_about_bounces_is_no_bounce(path: Path) -> None:
    reading = read_file(path)

    assert reading.kind is Kind.OTHER
    assert only(reading).recipient is None


ANSWERS = sorted(HANDMADE.glob("out-of-office*.eml"))


@pytest.mark.parametrize("path", ANSWERS, ids=lambda path: path.stem)
def test_an_automatic_answer_is_no_bounce_whatever_it_says(path: Path) -> None:
    """Every phrase of a bounce in its words, beside an address, from the null sender."""
    head, _, body = path.read_bytes().decode().replace("\r", "").partition("\n\n")
    head = f"Return-Path: <>\nContent-Type: text/plain; charset=utf-8\n{head.partition(chr(10))[2]}"
    read_as = {
        phrase: read(f"{head}\n\n<bob@example.org>: {phrase}\n550 5.1.1 {phrase}\n{body}".encode()).kind for phrase in WORDS
    }

    assert {phrase for phrase, kind in read_as.items() if kind is not Kind.AUTO_REPLY} == set()


@pytest.mark.parametrize("subject", AUTO_REPLY_SUBJECTS)
def test_a_subject_alone_makes_an_answer_of_words_about_a_bounce(subject: str) -> None:
    content = (
        f"Return-Path: <>\nFrom: anna@example.org\nSubject: {subject} Re: delivery failed\n\nbob@example.org: user unknown\n"
    )

    assert read(content.encode()).kind is Kind.AUTO_REPLY


def test_a_bounce_of_mail_whose_subject_is_an_answers_is_a_bounce() -> None:
    content = b"Return-Path: <>\nFrom: mx@example.net\nSubject: Undeliverable: Vacation\n\n<bob@example.org>: user unknown\n"

    assert only(read(content)).recipient == "bob@example.org"


@pytest.mark.parametrize(
    "way", ["X-Failed-Recipients: bob@example.org\n\n", "Content-Type: multipart/report; boundary=b\n\n--b\n\n"]
)
def test_a_bounce_that_is_called_auto_replied_is_a_bounce(way: str) -> None:
    """RFC 3834 section 5 is read both ways; whoever writes fields of a bounce answers for no person."""
    content = (
        f"Return-Path: <>\nFrom: Ann <mx@example.net>\nAuto-Submitted: auto-replied\n{way}<bob@example.org>: user unknown\n"
    )

    assert only(read(content.encode())).recipient == "bob@example.org"


def test_an_auto_replied_mail_that_brings_mail_back_is_a_bounce() -> None:
    head = "Return-Path: <>\nFrom: Ann <mx@example.net>\nAuto-Submitted: auto-replied\n\n<bob@example.org>: user unknown\n\n"
    back = "Received: from shop.example.com\nMessage-ID: <1@example.com>\nTo: bob@example.org\n\nHello\n"

    assert only(read(f"{head}{back}".encode())).recipient == "bob@example.org"


def test_bare_carriage_returns_and_nul_change_nothing() -> None:
    """The same notice, once with LF, once with bare CR line ends and a NUL in its first word."""
    ruined, whole = read_file(HANDMADE / "ruined-lines.eml"), read_file(HANDMADE / "qmail.eml")

    assert [report.diagnostic for report in ruined.reports] == [report.diagnostic for report in whole.reports]
