"""The ways in which a notice names an address, and which of them counts."""

import pytest

from ingest.reading.bounce_signs import looks_like_a_bounce
from ingest.reading.mime import parse
from ingest.reading.namings import Way, namings_in
from ingest.reading.notice_words import Notice, read_notice
from nullsender.events import Source
from tests.readings import read


def notice(text: str) -> Notice:
    """The notice with these words."""
    return read_notice(parse(b"Subject: x\n\n" + text.encode()))


@pytest.mark.parametrize(
    ("line", "way"),
    [
        ("<anna@example.org>:", Way.LISTED),
        ("  * anna@example.org", Way.LISTED),
        ("anna@example.org on Tue, 3 Mar 2026", Way.LISTED),
        (">>> RCPT TO:<anna@example.org>", Way.COMMANDED),
        ("Unknown user: anna@example.org", Way.LABELLED),
        ("Could not be delivered to: <anna@example.org>", Way.LABELLED),
        ("your message to anna@example.org could not be delivered", Way.TOLD),
        ("we do not know anna@example.org", Way.PASSING),
        ("   To: anna@example.org", Way.PASSING),
        (">>> MAIL FROM:<anna@example.org>", None),
        ("it came from <anna@example.org>", None),
        ("For assistance, write to anna@example.org", None),
        ("sent to postmaster@example.org", None),
        ("anna@example.org wrote:", None),
    ],
)
def test_how_a_line_names_an_address(line: str, way: Way | None) -> None:
    assert [naming.way for naming in namings_in(notice(line))] == ([way] if way else [])


def test_a_line_that_goes_on_below_a_listed_address_lists_nothing() -> None:
    """Postfix wraps a reply, and the reply may begin the next line with somebody else's address."""
    text = "<anna@example.org>: host mx.example.org said: 550\n    <news@sender.example.com>: unknown sender\n"

    assert [naming.way for naming in namings_in(notice(text))] == [Way.LISTED, Way.PASSING]


def test_an_expanded_alias_is_named_as_we_wrote_to_it() -> None:
    text = "boss@example.net\n    (expanded from: <anna@example.org>)\n"

    assert namings_in(notice(text))[0].address == "anna@example.org"


@pytest.mark.parametrize(
    "announcement",
    [
        "--- Below this line is a copy of the message.",
        "------ This is a copy of the message, including all the headers. ------",
        "----- Original message -----",
        "   ----- Unsent message follows -----",
        "Original message follows.",
        "The first 50 lines of your original message follow:",
        "Message headers follow.",
        "------- Returned Message --------",
        "Return-Path: <news@sender.example.com>",
        "-----Ursprüngliche Nachricht-----",
    ],
)
def test_the_notice_ends_where_the_returned_mail_begins(announcement: str) -> None:
    text = f"<anna@example.org>:\nno such user\n\n{announcement}\nReceived: by x\nTo: carl@example.org\nSubject: y\n\nHello\n"

    assert [naming.address for naming in namings_in(notice(text))] == ["anna@example.org"]
    assert notice(text).returned.recipients() == ("carl@example.org",)


def test_the_date_of_the_returned_mail_does_not_end_the_notice() -> None:
    assert not notice("The original message was received at Tue, 3 Mar 2026\n\n<anna@example.org>\n").was_cut


@pytest.mark.parametrize(
    ("head", "words", "bounce"),
    [
        ("From: MAILER-DAEMON@x.example\nSubject: failure notice", "<anna@example.org>:\nno mailbox here", True),
        ("From: MAILER-DAEMON@x.example\nSubject: hello", "How are you?", False),
        ("From: <>\nSubject: x", "Your message could not be delivered.", True),
        ("From: carl@example.org\nSubject: Undeliverable: x", "Your message did not reach anna@example.org", True),
        ("From: carl@example.org\nSubject: Re: Undeliverable: x", "Your message did not reach anna@example.org", False),
        ("From: carl@example.org\nSubject: x", "> 550 5.1.1 user unknown\n\nWhat is this?", False),
        ("From: no-reply@example.jp\nSubject: x", "メールを送信できませんでした。\n550 <anna@example.jp>", True),
        ("From: anna@example.org\nReturn-Path: <>\nSubject: Thank you", "I am away.", False),
    ],
)
def test_signs_of_a_bounce(head: str, words: str, bounce: bool) -> None:
    message = parse(f"{head}\nContent-Type: text/plain; charset=utf-8\n\n{words}\n".encode())

    assert looks_like_a_bounce(message, read_notice(message), Source()) is bounce


def test_the_senders_own_address_is_a_recipient_only_where_it_is_listed() -> None:
    own = b"To: anna@example.org\nFrom: MAILER-DAEMON@x.example\nSubject: failure notice\n\n"
    told = read(own + b"Your message to anna@example.org could not be delivered.\n")
    listed = read(own + b"Your message could not be delivered:\n\nanna@example.org: mailbox full\n")

    assert [report.recipient for report in (*told.reports, *listed.reports)] == [None, "anna@example.org"]


def test_each_recipient_gets_its_own_reason() -> None:
    words = b"not delivered:\n\n<anna@example.org>:\nno such user\n\n<bert@example.org>:\nmailbox full\n"
    reading = read(b"From: MAILER-DAEMON@x.example\nSubject: failure notice\n\n" + words)

    assert {report.recipient: report.diagnostic for report in reading.reports} == {
        "anna@example.org": "no such user",
        "bert@example.org": "mailbox full",
    }
