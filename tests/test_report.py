"""`read_message`: identity, purity, and what is no mail at all."""

import json
from collections.abc import Callable, Sequence
from datetime import timedelta

import msgspec
import pytest

from ingest.reading.report import Reading, Unreadable, message_id_of, read_message
from nullsender.events import Kind, Source
from nullsender.limits import DIAGNOSTICS_CHARACTERS_MAX, READ_BYTES_MAX, REPORTS_MAX
from nullsender.signing.keys import SIGNATURE_CHARACTERS
from tests.readings import MAIL, RECEIVED_AT, only, read, read_file

SOURCE = Source(rcpt_to=("bounces@bounces.example.com",))
BOUNCE = (MAIL / "handmade" / "dsn-mixed-actions.eml").read_bytes()


def test_the_same_message_makes_the_same_reports() -> None:
    """However often a message comes, its reports have the same ids (G3)."""
    later = read_message(BOUNCE, source=SOURCE, received_at=RECEIVED_AT + timedelta(days=1))

    assert isinstance(later, Reading)
    assert [report.id for report in later.reports] == [report.id for report in read(BOUNCE).reports]


def test_ids_are_made_of_the_message_and_the_place_in_it() -> None:
    reading = read(BOUNCE)
    message_id = message_id_of(BOUNCE, SOURCE)

    assert len(message_id) == 32
    assert [report.id for report in reading.reports] == [f"{message_id}-{index}" for index in range(3)]
    assert {report.message_id for report in reading.reports} == {message_id}


def test_a_group_that_says_nothing_new_changes_no_id() -> None:
    """Ids stay what they were before such groups were left out; otherwise a replay would count the others once more (G3)."""
    twice = (MAIL / "handmade" / "dsn-says-it-twice.eml").read_bytes()
    group = b"Final-Recipient: rfc822; bert@example.org\r\nAction: failed\r\nStatus: 5.2.2\r\n"
    behind = b"--B=_1\r\nContent-Type: text/rfc822-headers"
    reading = read(twice.replace(behind, group + b"\r\n" + behind))

    assert [(report.recipient, report.id[32:]) for report in reading.reports] == [
        ("anna@example.org", "-0"),
        ("bert@example.org", "-2"),
    ]


def test_another_recipient_of_the_envelope_makes_another_message() -> None:
    assert message_id_of(BOUNCE, SOURCE) != message_id_of(BOUNCE, Source(rcpt_to=("b+x@bounces.example.com",)))


def test_recipients_and_content_are_not_mixed_up() -> None:
    """A line that moves from the envelope into the content makes another message."""
    assert message_id_of(b"b\n\nx", Source(rcpt_to=("a",))) != message_id_of(b"x", Source(rcpt_to=("a", "b")))


@pytest.mark.parametrize("content", [b"", b" \r\n \n", b"hello", b"hello\n\nthere", b"\x00\xff" * 100, b": no name\n\n"])
def test_what_has_no_header_is_unreadable_and_says_why(content: bytes) -> None:
    unreadable = read_message(content, source=SOURCE, received_at=RECEIVED_AT)

    assert isinstance(unreadable, Unreadable)
    assert unreadable.reason.startswith("not mail: ")


def test_ordinary_mail_gives_one_report_so_that_counts_add_up() -> None:
    reading = read(b"From: carl@example.org\nSubject: Hello\n\nLunch?\n")

    assert reading.kind is Kind.OTHER
    assert only(reading).format == "mail"


def test_mail_to_an_unsubscribe_address_is_an_unsubscribe_of_its_sender() -> None:
    content = b"From: Carl <carl@example.org>\nSubject: Hello\n\nLunch?\n"

    assert only(read(content, rcpt_to="Unsubscribe+x@bounces.example.com")).recipient == "carl@example.org"


def test_an_auto_reply_to_an_unsubscribe_address_unsubscribes_nobody() -> None:
    content = b"From: Carl <carl@example.org>\nAuto-Submitted: auto-replied\nSubject: away\n\nI am away.\n"

    assert read(content, rcpt_to="unsubscribe@bounces.example.com").kind is Kind.AUTO_REPLY


SIGNED = f"Unsubscribe+k1+20515+{'a' * SIGNATURE_CHARACTERS}+m1++news@bounces.example.com"


@pytest.mark.parametrize("mark", ["Auto-Submitted: auto-generated", "Auto-Submitted: auto-replied", "Precedence: bulk"])
@pytest.mark.parametrize("sender", ["", "From: Carl <carl@example.org>\n"])
def test_a_provider_may_press_the_signed_unsubscribe_button(mark: str, sender: str) -> None:
    """From the null sender, marked as automatic: nobody but its recipient and his provider knows the address."""
    reading = read(f"Return-Path: <>\n{sender}{mark}\nSubject: unsubscribe\n\nunsubscribe\n".encode(), rcpt_to=SIGNED)

    assert reading.kind is Kind.UNSUBSCRIBE
    assert only(reading).recipient == ("carl@example.org" if sender else None)


def test_an_automatic_mail_to_a_signed_return_path_for_bounces_unsubscribes_nobody() -> None:
    content = b"From: Carl <carl@example.org>\nAuto-Submitted: auto-generated\nSubject: x\n\nI am away.\n"

    assert read(content, rcpt_to=SIGNED.replace("Unsubscribe", "b")).kind is Kind.AUTO_REPLY


@pytest.mark.parametrize("path", ["dsn-failed.eml", "qmail.eml"])
def test_a_bounce_to_a_signed_unsubscribe_address_is_a_bounce(path: str) -> None:
    assert read((MAIL / "handmade" / path).read_bytes(), rcpt_to=SIGNED).kind is Kind.BOUNCE


def test_a_bounce_to_an_unsubscribe_address_is_a_bounce() -> None:
    assert read(BOUNCE, rcpt_to="unsubscribe@bounces.example.com").kind is Kind.BOUNCE


DSN = "Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/delivery-status\n\n"
NOTICE = "Return-Path: <>\nFrom: MAILER-DAEMON@example.net\nSubject: Undelivered mail\n"
#: What reports on as many recipients as there are addresses, in every form that names several.
ON_SEVERAL: dict[str, Callable[[Sequence[str]], str]] = {
    "groups": lambda to: DSN + "Reporting-MTA: dns; x\n\n" + "\n\n".join(f"Final-Recipient: rfc822; {a}" for a in to),
    "groups together": lambda to: DSN + "\n".join(f"Final-Recipient: rfc822; {a}" for a in to),
    "groups together, originals first": lambda to: (
        DSN + "\n".join(f"Original-Recipient: rfc822; {a}\nFinal-Recipient: rfc822; final-{a}" for a in to)
    ),
    "groups together, the first with its original": lambda to: (
        DSN + f"Original-Recipient: rfc822; {to[0]}\n" + "\n".join(f"Final-Recipient: rfc822; {a}" for a in to)
    ),
    "groups in two": lambda to: DSN + "X: y\n\n" + "\n\n".join(f"Final-Recipient: rfc822; {a}\n\nAction: failed" for a in to),
    "failed recipients": lambda to: NOTICE + "".join(f"X-Failed-Recipients: {a}\n" for a in to) + "\nnot delivered\n",
    "failed recipients in one field": lambda to: NOTICE + f"X-Failed-Recipients: {','.join(to)}\n\nnot delivered\n",
    "complaints": lambda to: (
        "Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/feedback-report\n\n"
        + "\n".join(f"Original-Rcpt-To: {a}" for a in to)
    ),
    "bounces of SES": lambda to: (
        "From: a@amazonses.com\n\n" + json.dumps({"bounce": {"bouncedRecipients": [{"emailAddress": a} for a in to]}})
    ),
    "complaints of SES": lambda to: (
        "From: a@amazonses.com\n\n" + json.dumps({"complaint": {"complainedRecipients": [{"emailAddress": a} for a in to]}})
    ),
    "words": lambda to: NOTICE + "\nnot delivered:\n" + "".join(f"<{a}>\n" for a in to),
}


@pytest.mark.parametrize("recipients", [2, 400, 501, 601, REPORTS_MAX, REPORTS_MAX + 1, 3 * REPORTS_MAX])
@pytest.mark.parametrize("form", ON_SEVERAL)
def test_of_many_recipients_all_are_reported_on_or_the_message_is_kept_whole(form: str, recipients: int) -> None:
    """Nobody is dropped unseen, however many there are (G2)."""
    addresses = [f"a{number}@b.example" for number in range(recipients)]
    reading = read_message(ON_SEVERAL[form](addresses).encode(), source=SOURCE, received_at=RECEIVED_AT)

    if isinstance(reading, Unreadable):
        assert recipients > 400
        assert "recipients" in reading.reason
    else:
        assert [report.recipient for report in reading.reports] == addresses


@pytest.mark.parametrize("recipients", [60, REPORTS_MAX])
def test_what_is_said_of_many_recipients_is_cut_alike_and_keeps_its_beginning_and_its_codes(recipients: int) -> None:
    """A kilobyte of words for each of a thousand would be decided for longer than the message is read."""
    words = "no such user here " * 40
    group = f"Final-Recipient: rfc822; %s\nDiagnostic-Code: smtp; 550 %s {words} 5.1.1\n\n"
    content = DSN + "".join(group % (f"a{number}@b.example", number) for number in range(recipients))
    reading = read_message(content.encode(), source=SOURCE, received_at=RECEIVED_AT)

    assert isinstance(reading, Reading)
    assert [report.recipient for report in reading.reports] == [f"a{number}@b.example" for number in range(recipients)]
    assert {(report.reply_code, report.status) for report in reading.reports} == {(550, "5.1.1")}
    diagnostics = [report.diagnostic or "" for report in reading.reports]
    assert [said[:40] for said in diagnostics] == [f"550 {number} {words}"[:40] for number in range(recipients)]
    assert sum(map(len, diagnostics)) <= DIAGNOSTICS_CHARACTERS_MAX
    assert all(said.endswith("5.1.1") for said in diagnostics) == (recipients == 60)


def test_a_report_that_is_cut_is_kept_whole() -> None:
    """Of few recipients with much to say the last may lie behind the bytes that are read."""
    group = f"Final-Recipient: rfc822; a@b.example\nDiagnostic-Code: smtp; {'x' * 9_000}\n\n"
    reading = read_message((DSN + group * (READ_BYTES_MAX // 9_000 + 1)).encode(), source=SOURCE, received_at=RECEIVED_AT)

    assert isinstance(reading, Unreadable)
    assert "recipients" in reading.reason


def test_the_returned_mail_is_given_for_the_proofs() -> None:
    reading = read_file(MAIL / "handmade" / "dsn-failed.eml")

    assert reading.returned.startswith(b"Return-Path: <news@sender.example.com>\n")
    assert only(reading).original_message_id == "letter-17@sender.example.com"


def test_a_report_is_frozen() -> None:
    with pytest.raises(AttributeError):
        only(read(b"Subject: x\n\nx")).recipient = "a@example.org"  # type: ignore[misc]


def test_no_character_that_a_store_or_terminal_chokes_on_is_kept() -> None:
    """NUL, escape sequences and halves of characters do not get into a report, however they are encoded."""
    subject = b"Subject: =?utf-8?b?YQBiG1szMW1j?=\n"
    report = only(read(b"From: MAILER-DAEMON <>\n" + subject + b"\nnot delivered\n"))

    assert report.subject == "ab[31mc"
    assert msgspec.json.encode(report)
