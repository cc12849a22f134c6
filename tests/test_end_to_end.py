"""From a real MTA's bounce to the lookup that turns, with the whole system running as `nullsender up` runs it."""

import json
import smtplib
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from tests.mtas.postfix import Postfix
from tests.mtas.refusing_server import RefusingServer
from tests.system import System
from tests.waiting import wait_for

pytestmark = pytest.mark.xdist_group("end-to-end")

FIXTURES = Path(__file__).parent.parent / "fixtures" / "mail"
PROVISIONAL = timedelta(days=7)
FLUSH_EVERY_SECONDS = 10.0
LOG_CHARS_MAX = 8000  # of Postfix's log, where a test says that its bounce never came


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with System(tmp_path_factory.mktemp("system") / "data") as running:
        yield running


@pytest.fixture(scope="module")
def refusing() -> Iterator[RefusingServer]:
    with RefusingServer() as server:
        yield server


@pytest.fixture(scope="module")
def postfix(system: System, refusing: RefusingServer) -> Iterator[Postfix]:
    routes = {"example.net": refusing.address, "example.org": refusing.address, "bounces.localhost": system.smtp}
    with Postfix(routes=routes, queue_lifetime_seconds=5) as running:
        yield running


def mail_through(postfix: Postfix, return_path: str, *recipients: str, headers: dict[str, str] | None = None) -> None:
    """Give Postfix a message to deliver; what it can not deliver it bounces to `return_path`."""
    message = EmailMessage()
    message["From"] = "Shop <shop@example.com>"
    message["To"] = ", ".join(recipients)
    message["Subject"] = "Your order"
    message["Message-ID"] = f"<{abs(hash(recipients))}@shop.example.com>"
    for name, value in (headers or {}).items():
        message[name] = value
    message.set_content("It is on its way.\n")
    with smtplib.SMTP(*postfix.submission, timeout=30) as client:
        client.send_message(message, from_addr=return_path, to_addrs=list(recipients))


def history(system: System, address: str) -> list[dict[str, Any]]:
    """What the system tells of an address, newest first."""
    answer = system.http.get(f"/v1/addresses/{address}/history")
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def wait_for_history(system: System, address: str, postfix: Postfix) -> list[dict[str, Any]]:
    """What the system tells of an address, as soon as it knows anything; if it never does, what Postfix's log says.

    Postfix is told to try again now and then: it puts a message away for minutes that came up while it was still in hand.
    """
    flush_at_seconds = time.monotonic() + FLUSH_EVERY_SECONDS

    def told() -> list[dict[str, Any]]:
        nonlocal flush_at_seconds
        if time.monotonic() > flush_at_seconds:
            postfix.flush()
            flush_at_seconds = time.monotonic() + FLUSH_EVERY_SECONDS
        return history(system, address)

    try:
        return wait_for(told, what=f"a report about {address}")
    except AssertionError as error:
        error.add_note(postfix.log()[-LOG_CHARS_MAX:])
        raise


def test_a_bounce_that_postfix_writes_turns_the_lookup(system: System, postfix: Postfix) -> None:
    assert system.check("unknown-user@example.net")["allowed"]

    mail_through(postfix, "bounces@bounces.localhost", "unknown-user@example.net")

    answer = system.wait_until_suppressed("unknown-user@example.net")
    assert (answer["cause"], answer["scope"]) == ("hard", "*")
    # Nothing proves that this was about mail of ours: the entry is provisional.
    ends_in = datetime.fromisoformat(answer["expires"]) - datetime.now(UTC)
    assert PROVISIONAL - timedelta(minutes=5) < ends_in <= PROVISIONAL


def test_a_bounce_to_a_signed_return_path_makes_an_entry_for_good(system: System, postfix: Postfix) -> None:
    made = system.command("return-path", "unknown-user@example.org", "--stream", "orders")
    return_path = made.stdout.split("<", 1)[1].split(">", 1)[0]

    mail_through(postfix, return_path, "unknown-user@example.org")

    answer = system.wait_until_suppressed("unknown-user@example.org")
    assert (answer["cause"], answer["expires"]) == ("hard", None)
    assert '"return-path"' in json.dumps(history(system, "unknown-user@example.org"))


def test_of_several_recipients_only_the_one_that_does_not_exist_is_suppressed(system: System, postfix: Postfix) -> None:
    mail_through(
        postfix, "bounces@bounces.localhost", "moved-user@example.net", "mailbox-full@example.net", "accepted@example.net"
    )

    system.wait_until_suppressed("moved-user@example.net")
    wait_for_history(system, "mailbox-full@example.net", postfix)
    assert system.check("mailbox-full@example.net")["allowed"]
    assert system.check("accepted@example.net")["allowed"]
    assert history(system, "accepted@example.net") == []


@pytest.mark.parametrize("case", ["policy-block", "refused-after-data", "greylisting", "relay-denied"])
def test_a_failure_that_is_not_the_recipients_fault_is_kept_and_suppresses_nobody(
    system: System, postfix: Postfix, case: str
) -> None:
    address = f"{case}@example.net"

    mail_through(postfix, "bounces@bounces.localhost", address)

    told = json.dumps(wait_for_history(system, address, postfix))
    assert '"fault": "recipient"' not in told
    assert system.check(address)["allowed"]


def test_a_feedback_report_suppresses_as_a_complaint(system: System) -> None:
    report = b"""\
From: feedback@fbl.example.org\r
To: complaints@bounces.localhost\r
Subject: complaint about message from 192.0.2.1\r
MIME-Version: 1.0\r
Content-Type: multipart/report; report-type=feedback-report; boundary="b"\r
\r
--b\r
Content-Type: text/plain\r
\r
This is an email abuse report.\r
--b\r
Content-Type: message/feedback-report\r
\r
Feedback-Type: abuse\r
User-Agent: ExampleLoop/1.0\r
Version: 1\r
Original-Rcpt-To: <complainer@example.net>\r
Source-IP: 192.0.2.1\r
\r
--b\r
Content-Type: message/rfc822\r
\r
From: shop@example.com\r
To: complainer@example.net\r
Subject: Offers\r
Message-ID: <offers@shop.example.com>\r
\r
Buy.\r
--b--\r
"""
    system.send(report, to="fbl@bounces.localhost", sender="feedback@fbl.example.org")

    assert system.wait_until_suppressed("complainer@example.net")["cause"] == "complaint"


def test_a_mail_to_the_signed_unsubscribe_address_stops_its_stream_alone(system: System) -> None:
    made = system.command("return-path", "reader@example.net", "--stream", "News").stdout
    address = made.split("mailto:", 1)[1].split(">", 1)[0]

    system.send(b"From: reader@example.net\r\nSubject: unsubscribe\r\n\r\n", to=address, sender="reader@example.net")

    answer = system.wait_until_suppressed("reader@example.net", stream="news")
    assert (answer["cause"], answer["scope"], answer["expires"]) == ("unsubscribe", "news", None)
    assert system.check("reader@example.net", stream="orders")["allowed"]


def test_a_mail_with_a_links_token_as_its_subject_stops_its_list_alone(system: System, postfix: Postfix) -> None:
    reader = "a.reader.whose.name.is.too.long.for.any.signed.address.of.ours@mail.example.net"
    made = json.loads(system.command("unsubscribe-link", reader, "--stream", "News", "--list", "Weekly", "--json").stdout)
    asked = EmailMessage()
    asked["From"], asked["To"] = "another.address@example.com", "unsubscribe@bounces.localhost"
    asked["Subject"] = made["headers"]["List-Unsubscribe"].partition("?subject=")[2].rstrip(">")
    with smtplib.SMTP(*postfix.submission, timeout=30) as client:
        client.send_message(asked)

    def stopped() -> dict[str, Any] | None:
        answer: dict[str, Any] = system.http.get(
            "/v1/check", params={"address": reader, "stream": "news", "list": "weekly"}
        ).json()
        return None if answer["allowed"] else answer

    answer = wait_for(stopped, what="the entry of the list")
    assert (answer["cause"], answer["scope"], answer["expires"]) == ("unsubscribe", "list:weekly", None)
    assert system.check(reader, stream="news")["allowed"]
    clock = json.loads(system.command("deadlines", "--address", reader, "--json").stdout)
    assert (clock["channel"], clock["verified"], clock["scope"]) == ("mailto", "token", "list:weekly")
    assert clock["received"] <= clock["effective"] < clock["limit_at"]
    assert system.command("deadlines", "--at-risk").stdout == ""


def test_the_same_message_twice_is_one_report(system: System) -> None:
    message = (FIXTURES / "postfix" / "bad-syntax.eml").read_bytes()

    first, second = system.send(message), system.send(message)

    assert first == second
    system.wait_until_suppressed("bad-syntax@example.net")
    reports = [item for item in history(system, "bad-syntax@example.net") if "outcome" in item and item.get("outcome")]
    assert len(reports) == 1


def test_what_can_not_be_read_is_kept_whole_shown_counted_and_replayed(system: System) -> None:
    bytes_of_nothing = b"\x00\x01\x02 this is no mail \xff\xfe\r\nat all\r\n"
    before = int(system.command("dead-letters", "count").stdout)

    words = system.send(bytes_of_nothing)

    assert int(system.command("dead-letters", "count").stdout) == before + 1
    letter = json.loads(system.command("dead-letters", "list", "--json").stdout.splitlines()[-1])
    assert letter["id"] in words
    assert letter["reason"].startswith("not mail")
    shown = system.command("dead-letters", "show", letter["id"])
    assert "this is no mail" in shown.stdout
    replayed = system.command("replay", letter["id"])
    assert "still a dead letter" in replayed.stdout
    assert replayed.returncode == 1


def test_everything_that_was_counted_at_the_mx_is_counted_as_an_outcome(system: System) -> None:
    """G2, as an operator sees it: what came in has come out."""

    def counted(name: str, **labels: str) -> float:
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        lines = system.http.get("/metrics").text.splitlines()
        rows = [line for line in lines if line.startswith(name) and all(label in line for label in wanted)]
        return sum(float(line.rsplit(" ", 1)[1]) for line in rows)

    def balance() -> bool:
        reports = sum(
            counted("nullsender_mx_records_total", topic=topic) for topic in ("bounces", "complaints", "unsubscribes")
        )
        return reports > 0 and reports == counted("nullsender_outcomes_total")

    wait_for(balance, what="the counts to add up")


def test_explain_says_what_a_bounce_would_do(system: System) -> None:
    file = str(FIXTURES / "postfix" / "unknown-user.eml")

    told = json.loads(system.command("explain", "--json", file).stdout)
    in_words = system.command("explain", file).stdout

    assert told["kind"] == "bounce"
    assert [(r["recipient"], r["outcome"], r["fault"]) for r in told["reports"]] == [
        ("unknown-user@example.net", "hard", "recipient")
    ]
    assert "unknown-user@example.net" in in_words
    assert told["reports"][0]["rule"] in in_words


def test_reply_decides_single_smtp_replies(system: System) -> None:
    told = system.command("reply", "--json", input_text='{"text": "552 5.2.2 Mailbox full"}\n')

    assert json.loads(told.stdout)["outcome"] == "soft"
