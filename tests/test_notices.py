"""Notices in words: the phrases they are known by, the lines that tell, and the reasons they give."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.reading import phrases
from ingest.reading.auto_reply import is_challenge_in_reply
from ingest.reading.mime import parse
from ingest.reading.notice_words import Notice, read_notice
from ingest.reading.said import Says, plain, said_in
from nullsender.events import Action, Kind
from tests.readings import only, read

LISTS = {
    Says.DAEMON: phrases.DAEMON_NAMES,
    Says.SUBJECT: phrases.SUBJECTS,
    Says.WORDS: phrases.WORDS,
    Says.DELAYED: phrases.DELAYED,
    Says.GIVEN_UP: phrases.GIVEN_UP,
    Says.DELIVERED: phrases.DELIVERED,
    Says.CHALLENGE: phrases.CHALLENGES,
    Says.ANSWER: phrases.AUTO_REPLY_SUBJECTS,
    Says.PERSON: phrases.PERSONS,
}
ALL = [phrase for list_ in LISTS.values() for phrase in list_]
HEAD = "From: MAILER-DAEMON@mx.example.net\nTo: bounces@bounces.example.com\nSubject: failure notice\n"


def notice(text: str) -> Notice:
    """The notice with these words."""
    return read_notice(parse(f"Subject: x\nContent-Type: text/plain; charset=utf-8\n\n{text}".encode()))


@given(st.lists(st.sampled_from([*ALL, "x", "no", "\u2019", "  "]), max_size=6).map(" ".join))
def test_one_pass_finds_what_looking_for_each_phrase_finds(text: str) -> None:
    said, plain_text = said_in(plain(text)), plain(text)

    assert {says for says in Says if says in said} == {
        says for says, list_ in LISTS.items() if any(phrase in plain_text for phrase in list_)
    }


@pytest.mark.parametrize("says", Says)
def test_phrases_are_written_in_the_form_that_they_are_looked_for(says: Says) -> None:
    assert [phrase for phrase in LISTS[says] if plain(phrase) != phrase] == []


def test_which_of_two_lists_comes_first() -> None:
    said = said_in("automatic reply: delivery failure")

    assert said.comes_first(Says.ANSWER, Says.SUBJECT)
    assert not said.comes_first(Says.SUBJECT, Says.ANSWER)
    assert not said_in("hello").comes_first(Says.ANSWER, Says.SUBJECT)


def test_the_place_of_the_returned_mail_counts_characters_and_not_bytes() -> None:
    found = notice(
        "Ihre Nachricht wurde nicht zugestellt: Größe überschritten\n\n--- Original message ---\nTo: a@example.org\nX: y\n"
    )

    assert found.text.endswith("überschritten\n\n")
    assert found.returned.recipients() == ("a@example.org",)


@pytest.mark.parametrize(
    ("text", "has_reply"),
    [
        ("Sorry.\n550 no such user\n", True),
        ("Sorry.\n<<< 550 no such user\n", True),
        ("> 550 no such user\nWhat is this?\n", False),
        ("> why?\n550 no such user\n", True),
        ("Room 550\n", False),
        ("Sorry.\n\n--- Original message ---\n550 no such user\n", False),
    ],
)
def test_a_reply_is_a_line_that_is_not_quoted_and_not_of_the_returned_mail(text: str, has_reply: bool) -> None:
    assert notice(text).has_reply is has_reply


@pytest.mark.parametrize(
    "words",
    [
        "A levelet nem sikerült kézbesíteni:\n\n<anna@example.org>: 550 5.1.1 ismeretlen",
        "Mesajul nu a putut fi livrat.\n\nanna@example.org: host said: 550-5.1.1 necunoscut",
        "Viestiäsi ei voitu toimittaa (550 #5.1.1): anna@example.org",
        "Thư không gửi được.\n\nanna@example.org\n550 5.1.1 không tồn tại",
    ],
)
def test_a_daemons_notice_with_a_reply_is_a_bounce_in_any_language(words: str) -> None:
    report = only(read(f"{HEAD.replace('failure notice', 'x')}Content-Type: text/plain; charset=utf-8\n\n{words}\n".encode()))

    assert (report.kind, report.recipient, report.status) == (Kind.BOUNCE, "anna@example.org", "5.1.1")


def test_two_codes_in_a_persons_mail_make_no_bounce() -> None:
    content = b"From: Ann <ann@example.org>\nSubject: help\n\nBob says that he gets 550 5.1.1 for carl@example.org. Why?\n"

    assert read(content).kind is Kind.OTHER


@pytest.mark.parametrize(
    ("words", "diagnostic"),
    [
        ("<anna@example.org>:\nfull\n\nPlease write again.", "full"),
        ("Over quota:\n\n<anna@example.org>\n\nPlease write to the postmaster.", "Over quota: Please write to the postmaster."),
        ("Failed:\n\n<anna@example.org>\n\nThe mailbox is full.", "The mailbox is full."),
        (
            "anna@example.org\nnot found\n\nFor administrators:\n\nanna@example.org\n#550 5.1.1 gone",
            "not found #550 5.1.1 gone",
        ),
        ("anna@example.org, bert@example.org\n\n550 5.1.1 gone", "550 5.1.1 gone"),
    ],
)
def test_where_the_reason_stands(words: str, diagnostic: str) -> None:
    reports = read(f"{HEAD}\nYour mail could not be delivered.\n\n{words}\n".encode()).reports

    assert {(report.diagnostic or "").removeprefix("Your mail could not be delivered. ") for report in reports} == {diagnostic}


def test_a_warning_that_says_that_it_has_given_up_is_a_failure() -> None:
    late = f"{HEAD.replace('failure notice', 'x')}\nanna@example.org: your mail has been delayed.\n"

    assert only(read(late.encode())).action is Action.DELAYED
    assert only(read(f"{late}It failed permanently.\n".encode())).action is Action.FAILED


@pytest.mark.parametrize(
    ("reply", "is_challenge"),
    [
        ("550 Your host requires confirmation. Visit https://gate.example.org/17", True),
        ("550 5.7.1 Message is awaiting sender verification, see http://gate.example.org", True),
        ("550 5.7.1 Sender verification failed, see https://help.example.org", False),
        ("550 5.7.1 Blocked, to be delisted confirm that you are no robot: https://list.example.org", False),
        ("550 Your host requires confirmation.", False),
    ],
)
def test_a_reply_that_asks_for_a_proof_is_a_challenge(reply: str, is_challenge: bool) -> None:
    assert is_challenge_in_reply(reply) is is_challenge
