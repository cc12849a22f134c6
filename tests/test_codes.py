"""Reply codes and enhanced status codes in fields and in words."""

import pytest

from ingest.reading.codes import has_reply_line, reply_code_in, status_code_in


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("5.1.1", "5.1.1"),
        ("5.7.1 (delivery not authorised)", "5.7.1"),
        ("550-5.7.26 unauthenticated", "5.7.26"),
        ("Sorry, no mailbox here by that name. (#5.1.1)", "5.1.1"),
        ("smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound", "5.1.10"),
        ("host mx[192.0.2.5]: 450 4.7.1 wait", "4.7.1"),
        ("ERROR_CODE :5.1.1", "5.1.1"),
        ("connect to 192.0.2.5.1 failed", None),
        ("blocked [5.1.1.9] today", None),
        ("Exim 4.9.1.2", None),
        ("exim-4.9.1", None),
        ("v5.1.1", None),
        ("3.1.1", None),
        ("", None),
    ],
)
def test_status_code(text: str, status: str | None) -> None:
    assert status_code_in(text) == status


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("550 5.1.1 no such user", 550),
        ("550-5.1.1 no such\n550 user", 550),
        ("550: 5.1.1 no", 550),
        ("<<< 554 no", 554),
        ("host mx.example.org[192.0.2.1] said: 452 4.2.2 full", 452),
        ("Remote host said: 550-192.0.2.9 is listed", 550),
        ("SMTP error from remote mail server: 421 wait", 421),
        ("requested action not taken [SMTP Error Code 550]", 550),
        ("It responded as follows: [550 no such user]", 550),
        ("the message was refused (554 5.7.1 spam)", 554),
        ("250 2.0.0 Ok", 250),
        ("gave up after 550 messages, host said 451 wait", 451),
        ("refused with 4550 5.1.1, then 421 4.4.2 gone", 421),
        ("code .550 5.1.1", None),
        ("message size 552000 exceeds 500 kB", None),
        ("will try for 450 minutes", None),
        ("port 25: 2001:db8:550:1::1 refused", None),
        ("mailbox of user 550b", None),
        ("", None),
    ],
)
def test_reply_code(text: str, code: int | None) -> None:
    assert reply_code_in(text) == code


def test_a_reply_line_begins_with_its_code() -> None:
    assert has_reply_line("The server said:\n  <<< 550 no\n")
    assert has_reply_line("550")
    assert not has_reply_line("room 550\n250 ok\n")
