"""Any bytes at all, from anyone, get an answer, in bounded time and memory, and nothing is raised (G8).

A reader that is quadratic anywhere does not finish these tests: a megabyte squared is hours. Nothing here looks at a clock.
"""

import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.reading.report import Reading, read_message
from nullsender.events import Report, Source, decode, encode
from nullsender.limits import ADDRESS_CHARACTERS_MAX, DIAGNOSTIC_CHARACTERS_MAX, NAME_CHARACTERS_MAX, REPORTS_MAX
from tests.readings import MAIL, RECEIVED_AT

MEGABYTE = 2**20
MEMORY_BYTES_MAX = 64 * MEGABYTE
FIXTURES = [path.read_bytes() for path in sorted((MAIL / "handmade").glob("*.eml"))]
SOURCE = Source(ip="192.0.2.1", rcpt_to=("bounces@bounces.example.com",))

NOTICE = b"From: MAILER-DAEMON@mx.example.net\nSubject: Undelivered mail\n"
MULTIPART = b"Content-Type: multipart/mixed; boundary=b\n\n"
HTML = NOTICE + b"Content-Type: text/html\n\n"
DSN = b"Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/delivery-status\n\n"
ARF = b"Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/feedback-report\n\n"
MANY_LISTED = b"".join(b"<a%d@example.org>: no\n" % n for n in range(900))

#: What a message begins with, and what fills it up to a megabyte.
FLOODS: dict[str, tuple[bytes, bytes]] = {
    "nul": (b"", b"\0"),
    "carriage returns": (b"", b"\r"),
    "lines": (b"", b"\n"),
    "spaces": (b"", b" "),
    "mbox lines": (b"", b"From x\n"),
    "fields": (b"", b"a: b\n"),
    "folds": (b"Subject: x", b"\n "),
    "folds that are empty": (b"Subject: x\n", b" \n"),
    "semicolons": (b"Content-Type: ", b";"),
    "open quotes": (b"Content-Type: text/plain", b';a="'),
    "encoded words": (b"Subject: ", b"=?utf-8?q?a?= "),
    "encoded words that never end": (NOTICE + b"Subject: ", b"=?utf-8?b?"),
    "addresses in To": (b"To: ", b"a@example.org,"),
    "brackets in To": (NOTICE, b"To: " + b"<" * 15_900 + b"\n"),
    "brackets that never end in To": (b"To: ", b'<"a\\" (\\'),
    "failed recipients": (NOTICE + b"X-Failed-Recipients: ", b"a@example.org, "),
    "at signs": (NOTICE + b"\nnot delivered ", b"@"),
    "quoted at signs": (NOTICE + b"\nnot delivered ", b'"@'),
    "long local parts": (NOTICE + b"\nnot delivered ", b"a" * 200 + b"@"),
    "addresses on one line": (NOTICE + b"\nnot delivered ", b"to a@example.org "),
    "addresses line by line": (NOTICE + b"\nnot delivered\n", b"a@example.org\n"),
    "expanded from": (NOTICE + b"\nnot delivered\na@example.org ", b"(expanded from: "),
    "replies": (NOTICE + b"\nnot delivered\n", b"550 a@example.org\n"),
    "dashes": (NOTICE + b"\n", b"-" * 80 + b"\n"),
    "quotes": (NOTICE + b"\n", b">"),
    "opening tags": (HTML, b"<"),
    "hidden elements": (HTML, b"<style>"),
    "tags that never end": (HTML, b"<br "),
    "messages in messages": (b"", b"Content-Type: message/rfc822\n\n"),
    "multiparts in multiparts": (b"", b"Content-Type: multipart/mixed; boundary=b\n\n--b\n"),
    "parts": (MULTIPART, b"--b\n\nx\n"),
    "boundaries that are none": (MULTIPART, b"\n--bx"),
    "delivery status parts": (
        b"Content-Type: multipart/report; boundary=b\n\n",
        b"--b\nContent-Type: message/delivery-status\n\na: b\n\n",
    ),
    "recipients": (DSN, b"Final-Recipient: rfc822; a@example.org\n\n"),
    "recipients without empty lines": (DSN, b"Final-Recipient: rfc822; a@example.org\n"),
    "recipients without names": (DSN, b"Final-Recipient: x\n\n"),
    "empty lines in a group": (DSN + b"Action: failed", b" \n"),
    "brackets in a status": (DSN + b"Final-Recipient: rfc822; a@example.org\nStatus: ", b"("),
    "codes in a diagnostic": (DSN + b"Final-Recipient: rfc822; a@example.org\nDiagnostic-Code: smtp; ", b"550-5.1.1 "),
    "backslashes in a diagnostic": (DSN + b"Final-Recipient: rfc822; a@example.org\nDiagnostic-Code: smtp; ", b"\\303"),
    "numbers in a date": (DSN + b"Arrival-Date: ", b"1 "),
    "complainers": (ARF + b"Feedback-Type: abuse\n", b"Original-Rcpt-To: a@example.org\n"),
    "base64": (NOTICE + b"Content-Transfer-Encoding: base64\n\n", b"QUFB"),
    "quoted-printable": (NOTICE + b"Content-Transfer-Encoding: quoted-printable\n\n", b"="),
    "json lists": (b'From: a@amazonses.com\n\n{"bounce":', b"["),
    "json objects": (b"From: a@amazonses.com\n\n", b'{"Message":'),
    "shifts of ISO-2022-JP": (NOTICE + b"\n", b"\x1b$B$"),
    "reasons for recipients that nobody listed": (
        NOTICE
        + b"Content-Type: multipart/report; boundary=b\n\n--b\n\n"
        + MANY_LISTED
        + b"--b\nContent-Type: message/delivery-status\n\n",
        b"Final-Recipient: rfc822; other@example.org\n\n",
    ),
}


def flood(name: str) -> bytes:
    """A megabyte of that."""
    head, unit = FLOODS[name]
    return (head + unit * (MEGABYTE // len(unit) + 1))[:MEGABYTE]


def require_bounded(content: bytes) -> None:
    """`content` gets an answer that keeps every bound and can be written to the log and read back."""
    reading = read_message(content, source=SOURCE, received_at=RECEIVED_AT)

    if not isinstance(reading, Reading):
        assert reading.reason
        return
    assert 1 <= len(reading.reports) <= REPORTS_MAX
    assert len({report.id for report in reading.reports}) == len(reading.reports)
    for report in reading.reports:
        assert len(report.recipient or "") <= ADDRESS_CHARACTERS_MAX
        assert len(report.diagnostic or "") <= DIAGNOSTIC_CHARACTERS_MAX
        assert len(report.subject or "") <= NAME_CHARACTERS_MAX
        assert decode(Report, encode(report)) == report


@pytest.mark.parametrize("name", FLOODS)
def test_a_megabyte_of_one_thing_is_read(name: str) -> None:
    require_bounded(flood(name))


@pytest.mark.parametrize(
    "name", ["fields", "recipients", "parts", "addresses line by line", "json lists", "complainers", "nul"]
)
def test_a_megabyte_takes_less_than_64_megabytes(name: str) -> None:
    content = flood(name)
    tracemalloc.start()
    try:
        require_bounded(content)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak_bytes < MEMORY_BYTES_MAX


@given(st.binary(max_size=4_000))
def test_random_bytes_get_an_answer(content: bytes) -> None:
    require_bounded(content)


PIECES = st.sampled_from(
    [
        *(b"\n", b"\n\n", b"\r", b"\0", b"\x1b$B", b"\xff\xfe", b";", b'"', b"<", b"@", b"> ", b"&lt;", b"--b", b"--B=_1\n"),
        *(b"=?utf-8?b?YQBi?=", b"a@example.org", b"550 5.1.1 ", b"\\x{D800}", b"\\x{0}", b"\\303\\377", b"\\ud800"),
        *(b"charset=iso-2022-jp", b"(expanded from: <b@example.org>)", b"Final-Recipient: rfc822;", b"Feedback-Type: abuse\n"),
        *(
            b"Content-Transfer-Encoding: base64\n",
            b"Content-Type: message/rfc822\n\n",
            b"Content-Type: message/delivery-status\n\n",
        ),
        b"Content-Type: multipart/mixed; boundary=b\n\n--b\n",
    ]
)


@st.composite
def _mutated(draw: st.DrawFn) -> bytes:
    """A fixture that was cut, glued, and strewn with what readers trip over."""
    content = draw(st.sampled_from(FIXTURES))
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(content)))
        length = draw(st.integers(0, 60))
        insertion = draw(st.one_of(PIECES, st.binary(max_size=8)))
        content = content[:start] + insertion + content[start + length :]
    return content


@settings(max_examples=500)
@given(_mutated())
def test_a_mutilated_fixture_gets_an_answer(content: bytes) -> None:
    require_bounded(content)


@settings(max_examples=200)
@given(st.lists(PIECES, max_size=60).map(b"".join))
def test_pieces_in_any_order_get_an_answer(content: bytes) -> None:
    require_bounded(content)


def test_what_lies_behind_the_first_megabyte_is_not_read() -> None:
    """A returned mail of any size costs no more than a megabyte; the report before it is read all the same."""
    content = (MAIL / "handmade" / "dsn-failed.eml").read_bytes().replace(b"Hello.\n", b"Hello.\n" * MEGABYTE)
    reading = read_message(content, source=SOURCE, received_at=RECEIVED_AT)

    assert isinstance(reading, Reading)
    assert reading.reports[0].recipient == "anna@example.org"
    assert len(reading.returned) <= MEGABYTE
