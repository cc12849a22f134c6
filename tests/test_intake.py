"""Every message becomes its raw bytes and its reports, or a dead letter with the same bytes (G2)."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ingest.intake
from ingest.intake import Intake
from ingest.mx.recipients import Recipients
from ingest.mx.replies import Reply
from ingest.roles import role_of
from nullsender.events import DeadLetter, Proof, RawMessage, Report, Source, decode
from nullsender.log import Topic
from nullsender.signing.keys import Claims, SigningKeys
from nullsender.signing.return_path import Purpose, ReturnPaths

NOW = datetime(2026, 5, 17, 12, tzinfo=UTC)
KEYS = SigningKeys({"k1": b"a secret of the tests, 32 bytes."})
INTAKE = Intake(keys=KEYS)
CLAIMS = Claims(tenant="default", stream="news", recipient="jane@example.org", sent_on=NOW.date(), message="m7")
SIGNED = ReturnPaths(KEYS).make(CLAIMS)
SIGNED_UNSUBSCRIBE = ReturnPaths(KEYS).make(CLAIMS, purpose=Purpose.UNSUBSCRIBE)
PLAIN = b"From: someone@example.net\r\nSubject: hello\r\n\r\nHello.\r\n"
BOUNCE = b"""\
From: mailer-daemon@mta.example\r
Subject: Undelivered\r
MIME-Version: 1.0\r
Content-Type: multipart/report; report-type=delivery-status; boundary=b\r
\r
--b\r
\r
It did not work.\r
--b\r
Content-Type: message/delivery-status\r
\r
Reporting-MTA: dns; mta.example\r
\r
Final-Recipient: rfc822; One@example.org\r
Action: failed\r
Status: 5.1.1\r
\r
Final-Recipient: rfc822; two@example.org\r
Action: failed\r
Status: 5.2.2\r
--b--\r
"""
COMPLAINT = b"""\
From: fbl@provider.example\r
Subject: complaint\r
MIME-Version: 1.0\r
Content-Type: multipart/report; report-type=feedback-report; boundary=b\r
\r
--b\r
\r
A complaint.\r
--b\r
Content-Type: message/feedback-report\r
\r
Feedback-Type: abuse\r
User-Agent: x/1\r
Version: 1\r
Original-Rcpt-To: one@example.org\r
--b\r
Content-Type: message/rfc822\r
\r
From: us@example.net\r
To: one@example.org\r
Subject: news\r
\r
News.\r
--b--\r
"""


def _source(*recipients: str) -> Source:
    return Source(ip="192.0.2.1", rcpt_to=tuple(f"{local}@bounces.example" for local in recipients))


def test_a_bounce_is_its_raw_bytes_and_a_record_for_each_recipient() -> None:
    taken = INTAKE.take(BOUNCE, _source("bounces"), NOW)

    raw, *reports = taken.records
    assert (taken.kind, taken.reports) == ("bounce", 2)
    assert raw.topic is Topic.RAW
    assert raw.key == taken.message_id.encode()
    assert decode(RawMessage, raw.value).content == BOUNCE
    assert [(record.topic, record.key) for record in reports] == [
        (Topic.BOUNCES, b"one@example.org"),
        (Topic.BOUNCES, b"two@example.org"),
    ]
    assert {decode(Report, record.value).message_id for record in reports} == {taken.message_id}


@pytest.mark.parametrize("role", ["bounces", "complaints", "unsubscribe", "postmaster"])
@pytest.mark.parametrize(("content", "topic"), [(BOUNCE, Topic.BOUNCES), (COMPLAINT, Topic.COMPLAINTS)])
def test_what_a_message_says_it_is_counts_more_than_where_it_came(content: bytes, topic: Topic, role: str) -> None:
    assert {record.topic for record in INTAKE.take(content, _source(role), NOW).records} == {Topic.RAW, topic}


@pytest.mark.parametrize(
    ("local_part", "topic"),
    [
        ("bounces+x", Topic.BOUNCES),
        ("FBL", Topic.COMPLAINTS),
        ("abuse", Topic.COMPLAINTS),
        ("unsubscribe+list", Topic.UNSUBSCRIBES),
        ("anyone", Topic.BOUNCES),
        (SIGNED, Topic.BOUNCES),
        (SIGNED_UNSUBSCRIBE.upper(), Topic.UNSUBSCRIBES),
    ],
)
def test_ordinary_mail_goes_where_its_address_belongs(local_part: str, topic: Topic) -> None:
    raw, report = INTAKE.take(PLAIN, _source(local_part), NOW).records

    assert (raw.topic, report.topic) == (Topic.RAW, topic)


def test_a_report_without_a_recipient_is_kept_under_its_message() -> None:
    taken = INTAKE.take(PLAIN, _source("bounces"), NOW)

    assert taken.records[1].key == taken.message_id.encode()


def test_complaints_that_name_nobody_are_counted() -> None:
    fields = {to: f"Feedback-Type: abuse\r\nOriginal-Rcpt-To: {to}@example.org\r\n" for to in ("redacted", "jane")}
    top = "From: fbl@example.net\r\nContent-Type: multipart/report; boundary=b\r\n\r\n--b\r\n"
    part = "Content-Type: message/feedback-report\r\n\r\n"
    nameless = {
        to: INTAKE.take(f"{top}{part}{report}--b--\r\n".encode(), _source("fbl"), NOW).nameless for to, report in fields.items()
    }

    assert nameless == {"redacted": 1, "jane": 0}
    assert INTAKE.take(PLAIN, _source("fbl"), NOW).nameless == 0


def test_a_signed_return_path_is_proven_on_the_way() -> None:
    (_, record) = INTAKE.take(PLAIN, _source(SIGNED), NOW).records

    report = decode(Report, record.value)
    assert (report.recipient, report.proof, report.stream) == ("jane@example.org", Proof.RETURN_PATH, "news")
    assert record.key == b"jane@example.org"


def test_a_report_keeps_the_recipients_that_count_and_the_raw_message_all() -> None:
    everybody = _source(*(f"bounces+{number}" for number in range(99)), SIGNED)
    raw, report, withheld = INTAKE.take(BOUNCE.replace(b"One@", b"jane@"), everybody, NOW).records

    assert decode(RawMessage, raw.value).source == everybody
    assert decode(Report, report.value).source.rcpt_to == _source(SIGNED).rcpt_to
    assert decode(Report, withheld.value).source.rcpt_to == _source(SIGNED, "bounces+0", "bounces+1").rcpt_to


def test_the_same_message_again_makes_the_same_records() -> None:
    assert INTAKE.take(BOUNCE, _source("bounces"), NOW) == INTAKE.take(BOUNCE, _source("bounces"), NOW)


def test_bytes_that_are_no_mail_are_kept_whole_as_a_dead_letter() -> None:
    taken = INTAKE.take(b"\x00\xff nothing", _source("bounces"), NOW)

    (record,) = taken.records
    letter = decode(DeadLetter, record.value)
    assert (taken.kind, taken.reports, record.topic) == ("unreadable", 0, Topic.DEAD_LETTERS)
    assert (letter.content, letter.id, letter.stage, letter.source) == (
        b"\x00\xff nothing",
        taken.message_id,
        "ingest",
        _source("bounces"),
    )
    assert "not mail" in letter.reason


def test_a_mistake_of_our_reader_costs_nobody_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    def mistaken(_content: bytes, **_others: object) -> None:
        raise RecursionError("half a character: \udcff")

    monkeypatch.setattr(ingest.intake, "read_message", mistaken)
    taken = INTAKE.take(BOUNCE, _source("bounces"), NOW)

    letter = decode(DeadLetter, taken.records[0].value)
    assert letter.content == BOUNCE
    assert "RecursionError" in letter.reason


@given(
    content=st.binary(max_size=300) | st.binary(max_size=200).map(lambda octets: BOUNCE.replace(b"One", octets)),
    local=st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
)
def test_any_bytes_end_in_one_place(content: bytes, local: str) -> None:
    taken = INTAKE.take(content, _source(local, "bounces"), NOW)

    topics = [record.topic for record in taken.records]
    if taken.kind == "unreadable":
        assert topics == [Topic.DEAD_LETTERS]
        assert "our reader failed" not in decode(DeadLetter, taken.records[0].value).reason
    else:
        assert topics[0] is Topic.RAW
        assert len(topics) == 1 + taken.reports > 1
        assert not {Topic.RAW, Topic.DEAD_LETTERS} & set(topics[1:])


@pytest.mark.parametrize(
    ("address", "refusal"),
    [
        ("bounces@bounces.example", None),
        ("bounces@BOUNCES.example.", None),
        ("unsubscribe+x@xn--bcher-kva.example", None),
        ("unsubscribe+x@bücher.example", None),
        (f"{SIGNED}@bounces.example", None),
        ("postmaster", None),
        ("bounce@bounces.example", Reply.NO_SUCH_MAILBOX),
        ("b+k1+1+a@bounces.example", Reply.NO_SUCH_MAILBOX),
        ("bounces@bounces.example.net", Reply.RELAYING_DENIED),
        ("bounces%elsewhere@elsewhere.example", Reply.RELAYING_DENIED),
        ("bounces@[127.0.0.1]", Reply.RELAYING_DENIED),
        ("bounces", Reply.BAD_RECIPIENT),
    ],
)
def test_mail_is_taken_for_our_addresses_alone(address: str, refusal: Reply | None) -> None:
    assert Recipients(["bounces.example", "xn--bcher-kva.example"]).refusal(address) == refusal


def test_an_unknown_local_part_has_no_role() -> None:
    assert role_of("anyone@bounces.example") is None
