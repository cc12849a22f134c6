"""Feedback reports: whom they are about, where that is known from, and what is none. Each form has its fixture beside these."""

import base64
import json
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.proof import SEVERAL_CANDIDATES, Prover
from ingest.reading.complainer import complainers
from ingest.reading.headers import read_fields
from ingest.reading.origin import origin_of
from ingest.reading.redaction import is_redacted
from ingest.reading.returned import Returned
from ingest.reading.sender_trace import traced_recipient
from nullsender.events import DerivedFrom, Kind, Proof, Report, Source
from nullsender.signing.keys import Claims, SigningKeys
from nullsender.signing.token import Tokens, token_in_feedback_id
from tests.readings import MAIL, only, read, read_file

HANDMADE = MAIL / "handmade"
TODAY = date(2026, 3, 3)
KEYS = SigningKeys({"k1": b"a secret of the tests, 32 bytes."})
CLAIMS = Claims(tenant="acme", stream="news", recipient="anna@example.org", sent_on=TODAY, message="m7")
PROVER = Prover(KEYS)


def _arf(fields: str, returned: str = "", part: str = "message/feedback-report", top: str = "multipart/report") -> Report:
    content = (
        f"From: fbl@example.net\nContent-Type: {top}; boundary=F\n\n--F\n\nA report.\n\n--F\nContent-Type: {part}\n\n{fields}\n"
        f"--F\nContent-Type: message/rfc822\n\nFrom: us@example.com\n{returned}\n\nHello.\n--F--\n"
    )
    return only(read(content.encode()))


def _kumo(recipient: object, mark: str = "\\_/") -> str:
    return base64.b64encode(json.dumps({"_@_": mark, "recipient": recipient}).encode()).decode()


@pytest.mark.parametrize(
    ("fields", "returned", "expected"),
    [
        ("Original-Rcpt-To: a@b.example", f"X-KumoRef: {_kumo('c@d.example')}", ("c@d.example", DerivedFrom.SENDER_TRACE)),
        ("Original-Rcpt-To: a@b.example", "Delivered-To: c@d.example", ("a@b.example", DerivedFrom.ORIGINAL_RCPT_TO)),
        ("Original-Recipient: rfc822; a@b.example", "To: c@d.example", ("a@b.example", DerivedFrom.ORIGINAL_RECIPIENT)),
        ("Removal-Recipient: a@b.example", "Delivered-To: c@d.example", ("a@b.example", DerivedFrom.REMOVAL_RECIPIENT)),
        ("Version: 1", "X-HmXmrOriginalRecipient: a@b.example\nTo: c@d.example", ("a@b.example", DerivedFrom.DELIVERED_TO)),
        ("Version: 1", "To: <a@b.example>", ("a@b.example", DerivedFrom.ORIGINAL_TO)),
        ("Version: 1", "To: a@b.example, c@d.example", (None, DerivedFrom.NOWHERE)),
        ("Original-Rcpt-To: hashed@b.example", "To: redacted@b.example", (None, DerivedFrom.NOWHERE)),
        ("Original-Rcpt-To: hashed@b.example", "To: a@b.example", ("a@b.example", DerivedFrom.ORIGINAL_TO)),
    ],
)
def test_the_recipient_is_found_in_the_order_of_trust(
    fields: str, returned: str, expected: tuple[str | None, DerivedFrom]
) -> None:
    report = _arf(f"Feedback-Type: abuse\n{fields}", returned)

    assert (report.recipient, report.derived_from) == expected
    assert bool(report.notes) == (report.recipient is None or report.derived_from is DerivedFrom.SENDER_TRACE)


@pytest.mark.parametrize(
    "fields",
    [
        f"X-KumoRef: {_kumo('anna@example.org')}",
        f"X-Own-Name: {_kumo(['anna@example.org'])}",
        "X-MSFBL: " + base64.b64encode(b"anna@example.org@binding@group@words@more").decode(),
        "X-MSFBL: c2ln|" + base64.b64encode(b'{"g":"group","r":"anna@example.org"}').decode(),
        f"X-Other: eyJub3QganNvbg==\nX-KumoRef: {_kumo('anna@example.org')[:20]}\n {_kumo('anna@example.org')[20:]}",
    ],
)
def test_the_senders_own_trace_says_whom_the_mail_was_sent_to(fields: str) -> None:
    assert traced_recipient(read_fields(fields.encode())) == "anna@example.org"


@pytest.mark.parametrize(
    "fields",
    [
        f"X-KumoRef: {_kumo('anna@example.org', mark='other')}",
        f"X-KumoRef: {_kumo(['anna@example.org', 'bert@example.org'])}",
        f"X-KumoRef: {_kumo(17)}",
        f"X-KumoRef: {_kumo('redacted@example.org')}",
        f"KumoRef: {_kumo('anna@example.org')}",
        "X-MSFBL: a",
        "X-MSFBL: " + base64.b64encode(b"{" * 3_000).decode(),
        "X-KumoRef: eyJ" + "eyJ" * 1_000,
    ],
)
def test_what_is_no_trace_says_nobody(fields: str) -> None:
    assert traced_recipient(read_fields(fields.encode())) is None


def test_where_report_and_trace_differ_the_note_says_both() -> None:
    report = _arf("Feedback-Type: abuse\nOriginal-Rcpt-To: a@b.example, c@d.example", f"X-KumoRef: {_kumo('e@f.example')}")

    assert (report.recipient, report.notes[0]) == (
        "e@f.example",
        "the report names a@b.example and 1 more, but the mail was sent to e@f.example, as its sender's MTA wrote into it",
    )


def test_only_an_opt_out_says_by_removal_recipient_before_all_whom_it_is_about() -> None:
    fields = "Original-Rcpt-To: a@b.example\nRemoval-Recipient: c@d.example"

    assert _arf(f"Feedback-Type: abuse\n{fields}").recipient == "a@b.example"
    assert _arf(f"Feedback-Type: opt-out\n{fields}").recipient == "c@d.example"


def test_a_member_of_a_list_who_complains_is_not_the_list() -> None:
    """The provider knows both addresses of his domain; whom a mail was forwarded to, elsewhere, we have never sent to."""
    member = _arf("Feedback-Type: abuse\nOriginal-Rcpt-To: member@B.example", f"X-KumoRef: {_kumo('list@b.example')}")
    elsewhere = _arf("Feedback-Type: abuse\nOriginal-Rcpt-To: me@c.example", f"X-KumoRef: {_kumo('list@b.example')}")

    assert (member.recipient, member.derived_from) == ("member@B.example", DerivedFrom.ORIGINAL_RCPT_TO)
    assert "list@b.example" in member.notes[0]
    assert (elsewhere.recipient, elsewhere.derived_from) == ("list@b.example", DerivedFrom.SENDER_TRACE)


@pytest.mark.parametrize(
    ("address", "redacted"),
    [
        ("redacted@example.org", True),
        ("redacted-17@example.org", True),
        ("[REDACTED]", True),
        ("0f1e2d3c4b5a69788796a5b4c3d2e1f0@example.org", True),
        ("AAECAwQFBgcICQoLDA0ODxAREhM=@example.org", True),
        ("xxx@example.org", True),
        ("recipient@example.org", False),
        ("anna@example.org", False),
        ("b+k1=anna=example.org@example.org", False),
        ("deadbeef@example.org", False),
    ],
)
def test_a_hash_or_a_word_in_an_addresss_place_is_known(address: str, redacted: bool) -> None:
    assert is_redacted(address) is redacted


@pytest.mark.parametrize(
    ("fields", "source_ip", "place"),
    [
        ("X-Originating-IP: [192.0.2.1]\nReceived-SPF: Pass client-ip=192.0.2.2;", "192.0.2.1", "X-Originating-IP"),
        ("Received-SPF: Pass (words) client-ip=2001:db8::2;\nReceived: from x ([192.0.2.3])", "2001:db8::2", "Received-SPF"),
        ("Authentication-Results: spf=pass (sender IP is 192.0.2.2) smtp.mailfrom=x", "192.0.2.2", "Authentication-Results"),
        ("Received: from a (10.0.0.1) by b (fe80::1)\nReceived: from c ([192.0.2.3]) by d", "192.0.2.3", "Received"),
        ("X-Originating-IP: 999.1.1.1\nReceived: from c (IPv6:2001:db8::3)\n by d", "2001:db8::3", "Received"),
        ("Received: from a (10.0.0.1) by b (at 12:30)", None, None),
    ],
)
def test_the_host_is_found_in_the_returned_mail_where_the_report_names_none(
    fields: str, source_ip: str | None, place: str | None
) -> None:
    returned = read_fields(fields.encode())

    origin = origin_of(read_fields(b"Version: 1"), returned)
    assert origin.source_ip == source_ip
    assert not place or f"stands in {place} of" in origin.notes[0]
    assert origin_of(read_fields(b"Source-Ip: [192.0.2.9]"), returned).source_ip == "192.0.2.9"


@pytest.mark.parametrize("written", ["abuse", '"Abuse"', " ABUSE (a comment)", "abuse;x=y"])
def test_a_feedback_type_is_one_word_whatever_stands_around_it(written: str) -> None:
    assert _arf(f"Feedback-Type: {written}\nOriginal-Rcpt-To: a@b.example").feedback_type == "abuse"


@pytest.mark.parametrize(
    ("part", "top"),
    [
        ("message/feedback-report", "multipart/mixed"),
        ("text/feedback-report; charset=utf-8", "multipart/mixed"),
        ("message/feedback-reports", "multipart/report"),
        ("text/plain", "multipart/report"),
        ("application/octet-stream", "multipart/report; report-type=feedback-report"),
        ("text/plain", 'multipart/mixed; report-type="feedback-report"'),
    ],
)
def test_a_report_part_is_known_by_its_type_or_by_what_the_message_calls_itself(part: str, top: str) -> None:
    report = _arf("Feedback-Type: abuse\nOriginal-Rcpt-To: a@b.example", part=part, top=top)

    assert (report.kind, report.recipient) == (Kind.COMPLAINT, "a@b.example")


def test_fields_of_a_report_that_a_person_quotes_are_no_report() -> None:
    report = _arf("Feedback-Type: abuse\nOriginal-Rcpt-To: a@b.example", part="text/plain", top="multipart/mixed")

    assert (report.kind, report.recipient) == (Kind.OTHER, None)


def test_a_person_who_sends_on_what_microsoft_reported_complains_of_nothing() -> None:
    report = (HANDMADE / "jmrp-attached.eml").read_bytes()

    assert only(read(report)).kind is Kind.COMPLAINT
    by_a_person = report.replace(b"staff@hotmail.com", b"carl@example.org").replace(
        b"Subject: complaint", b"Subject: Fwd: a complaint", 1
    )
    assert only(read(by_a_person.replace(b"complaint about message", b"complaint about us", 1))).kind is Kind.OTHER


def test_a_report_of_abuse_in_json_that_ends_in_the_middle_says_so() -> None:
    report = only(read_file(HANDMADE / "xarf-ends-in-the-middle.eml"))

    assert (report.kind, report.recipient) == (Kind.COMPLAINT, None)
    assert "its report in JSON can not be read" in report.notes


@pytest.mark.parametrize("attached", [b"{}", b"[]", b'{"xarf_version": 4}', b'{"Report": {}}', b"[" * 100_000, b"\xff", b""])
def test_other_json_is_no_report_of_abuse(attached: bytes) -> None:
    head = b"From: a@b.example\nContent-Type: multipart/mixed; boundary=X\n\n--X\nContent-Type: application/json\n\n"

    assert read(head + attached + b"\n--X--\n").kind is Kind.OTHER


@pytest.mark.parametrize(
    ("fixture", "written", "changed"),
    [
        ("amazon-bounce", rb"\"status\":\"5.1.1\"", rb"\"status\":\"\\u001b[31m5.1.1 gone\""),
        ("amazon-bounce-not-tried", rb"\"bounceType\": \"", rb"\"bounceType\": \"\\u0000" + 2_000 * b"x"),
        ("xarf-4", b'"source_identifier": "192.0.2.25"', b'"source_identifier": "192.0.2.25\\u0000 evil"'),
        ("xarf-4", b'"type": "spam"', b'"type": "\\u0000spam"'),
        ("spamcop", b"[SpamCop (192.0.2.25)", b"[SpamCop (....)"),
    ],
)
def test_what_stands_in_json_or_a_subject_is_kept_only_as_what_it_has_to_be(
    fixture: str, written: bytes, changed: bytes
) -> None:
    """A status is a status code, an IP an IP, and words can be shown."""
    content = (MAIL / "handmade" / f"{fixture}.eml").read_bytes()
    assert written in content

    report = only(read(content.replace(written, changed), rcpt_to="abuse@bounces.example.com"))

    assert report.status in (None, "5.0.0", "5.1.1")
    assert report.original_source_ip in (None, "192.0.2.25")
    assert all(note.isprintable() and len(note) < 1_200 for note in report.notes)


def test_a_token_proves_a_report_that_returns_nothing_but_its_feedback_id() -> None:
    feedback_id = Tokens(KEYS).make(CLAIMS).replace(".", ":")
    content = (
        "From: fbl@example.net\nContent-Type: multipart/report; report-type=feedback-report; boundary=F\n\n--F\n\nA report.\n\n"
        "--F\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\nVersion: 1\n\n--F\n"
        f"Content-Type: text/rfc822-headers\n\nCFBL-Feedback-ID: {feedback_id[:40]}\n {feedback_id[40:]}\n\n--F--\n"
    )
    (report,) = PROVER.prove(read(content.encode()), Source(), today=TODAY)

    assert (report.recipient, report.proof, report.stream) == ("anna@example.org", Proof.TOKEN, "news")


@pytest.mark.parametrize(
    "value", ["111:222:333:4444", "", "1:k1:20515:short:names", "mail-17.example", "1.k1.20515.abcdefghijkl.mfrgg"]
)
def test_a_feedback_id_of_another_kind_is_no_token(value: str) -> None:
    assert token_in_feedback_id(value) is None


def test_a_complaint_of_seven_people_suppresses_none_of_them() -> None:
    reading = read_file(HANDMADE / "arf-seven-recipients.eml")

    assert len(reading.reports) == 7
    assert {report.withheld for report in PROVER.prove(reading, Source(), today=TODAY)} == {SEVERAL_CANDIDATES}


@given(st.text(st.sampled_from("abx@=.;<>\"',:[]() \n\t{}|\\"), max_size=300), st.binary(max_size=300))
def test_whatever_stands_in_its_fields_a_complaint_gets_an_answer(text: str, octets: bytes) -> None:
    for block in (text.encode(), octets, b"X-MSFBL: " + base64.b64encode(octets), b"X-A: eyJ" + base64.b64encode(octets)):
        fields = read_fields(block)
        assert complainers([(text, DerivedFrom.ORIGINAL_RCPT_TO)], Returned(headers=fields)).places
        origin_of(fields, read_fields(b"Received: " + block.replace(b"\n", b" ")))
