"""What is mailed to us in a history: short messages of every kind, each with what has to come of it.

The expectations are said here a second time, independently of readers and rules.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from ipaddress import ip_network
from random import Random
from typing import NamedTuple

import msgspec

from ingest.intake import Intake
from nullsender.events import Fault, Result, Source
from nullsender.signing.keys import Claims, SigningKeys
from nullsender.signing.return_path import Purpose, ReturnPaths
from tests.sim.clock import START

PEOPLE = ("ada@example.com", "ben@example.com", "eve@example.org")
_TOLD_OF = (6, 2, 1)  # how often: what is told of one person meets what was told before
STREAMS = (None, "news")
TRUSTED, STRANGER = "192.0.2.1", "198.51.100.7"

_KEYS = SigningKeys({"k1": b"the signing key of a simulation."})
_PATHS = ReturnPaths(_KEYS)
_SENT_ON = (START - timedelta(days=10)).date()


class Expected(NamedTuple):
    """What a report comes to."""

    result: Result
    fault: Fault | None


class Mail(NamedTuple):
    """One message on its way to us; `tells` is what it says of whom, empty where it can not be read."""

    number: int
    content: bytes
    source: Source
    tells: Mapping[str | None, Expected]


class Reason(NamedTuple):
    """Why a delivery failed, as a DSN says it."""

    action: str
    status: str
    diagnostic: str
    expected: Expected


REASONS = (
    Reason("failed", "5.1.1", "550 5.1.1 no such user", Expected(Result.HARD, Fault.RECIPIENT)),
    Reason("failed", "5.2.2", "552 5.2.2 mailbox full", Expected(Result.SOFT, Fault.RECIPIENT)),
    Reason("failed", "5.2.2", "552 5.2.2 mailbox full", Expected(Result.SOFT, Fault.RECIPIENT)),  # strikes come to something
    Reason("failed", "5.7.1", "550 5.7.1 message looks like spam", Expected(Result.SOFT, Fault.SENDER)),
    Reason("failed", "4.4.1", "connection timed out", Expected(Result.SOFT, Fault.PATH)),
    Reason("delayed", "4.2.2", "452 4.2.2 mailbox full", Expected(Result.NONE, Fault.RECIPIENT)),
)


def intake() -> Intake:
    """The intake that knows our keys and our trusted source."""
    return Intake(keys=_KEYS, trusted_sources=[ip_network(TRUSTED)])


def some_mail(chance: Random, count: int) -> list[Mail]:
    """So many messages, a few of them a second time from a stranger."""
    mails: list[Mail] = []
    while len(mails) < count:
        mail = _MAKERS[chance.choices(range(len(_MAKERS)), _WEIGHTS)[0]](chance, len(mails))
        mails.append(mail)
        if mail.source.ip == TRUSTED and chance.random() < 0.3:
            copied = msgspec.structs.replace(mail.source, ip=STRANGER)
            mails.append(mail._replace(number=len(mails), source=copied))
    return mails


def _dsn(chance: Random, number: int) -> Mail:
    """A bounce of one mail to one person: signed, or from the trusted source, or from anybody."""
    recipient, reason = _somebody(chance), chance.choice(REASONS)
    content = _dsn_about(number, {recipient: reason})
    return Mail(number, content, _arriving(chance, number, recipient, Purpose.BOUNCE), {recipient: reason.expected})


def _dsn_about_several(chance: Random, number: int) -> Mail:
    reasons = {recipient: chance.choice(REASONS) for recipient in chance.sample(PEOPLE, 2)}
    source = _from(chance.choice((TRUSTED, STRANGER)), "bounces")
    return Mail(number, _dsn_about(number, reasons), source, {who: reason.expected for who, reason in reasons.items()})


def _complaint(chance: Random, number: int) -> Mail:
    recipient = _somebody(chance)
    content = _COMPLAINT.format(number=number, recipient=recipient).encode()
    source = _from(chance.choice((TRUSTED, STRANGER)), "complaints")
    return Mail(number, content, source, {recipient: Expected(Result.COMPLAINT, Fault.RECIPIENT)})


def _unsubscribe(chance: Random, number: int) -> Mail:
    recipient = _somebody(chance)
    content = _UNSUBSCRIBE.format(number=number, recipient=recipient).encode()
    source = msgspec.structs.replace(_arriving(chance, number, recipient, Purpose.UNSUBSCRIBE), mail_from=recipient)
    return Mail(number, content, source, {recipient: Expected(Result.UNSUBSCRIBE, Fault.RECIPIENT)})


def _holiday(chance: Random, number: int) -> Mail:
    content = _HOLIDAY.format(number=number).encode()
    return Mail(number, content, _from(STRANGER, "bounces"), {None: Expected(Result.NONE, None)})


def _unreadable(chance: Random, number: int) -> Mail:
    return Mail(number, b"what is this %d\r\n" % number, _from(STRANGER, "bounces"), {})


_MAKERS = (_dsn, _dsn_about_several, _complaint, _unsubscribe, _holiday, _unreadable)
_WEIGHTS = (8, 1, 3, 3, 1, 1)


def _somebody(chance: Random) -> str:
    return chance.choices(PEOPLE, _TOLD_OF)[0]


def _arriving(chance: Random, number: int, recipient: str, purpose: Purpose) -> Source:
    how = chance.choice(("signed", TRUSTED, STRANGER))
    if how == "signed":
        claims = Claims("default", chance.choice(STREAMS), recipient, _SENT_ON, f"m{number}")
        return _from(STRANGER, _PATHS.make(claims, purpose=purpose))
    return _from(how, "bounces" if purpose is Purpose.BOUNCE else "unsubscribe")


def _from(ip: str, local_part: str) -> Source:
    address = local_part if "@" in local_part else f"{local_part}@bounces.localhost"
    return Source(ip=ip, helo="mta.example.net", rcpt_to=(address,))


def _dsn_about(number: int, reasons: Mapping[str, Reason]) -> bytes:
    groups: Sequence[str] = [
        f"Final-Recipient: rfc822; {recipient}\r\nAction: {reason.action}\r\nStatus: {reason.status}\r\n"
        f"Diagnostic-Code: smtp; {reason.diagnostic}\r\n\r\n"
        for recipient, reason in reasons.items()
    ]
    return _DSN.format(number=number, groups="".join(groups)).encode()


_DSN = """\
From: MAILER-DAEMON@mx.example.net\r
To: bounces@bounces.localhost\r
Subject: Undelivered Mail Returned to Sender\r
Message-ID: <notice-{number}@mx.example.net>\r
MIME-Version: 1.0\r
Content-Type: multipart/report; report-type=delivery-status; boundary="B"\r
\r
--B\r
Content-Type: text/plain\r
\r
It could not be delivered.\r
--B\r
Content-Type: message/delivery-status\r
\r
Reporting-MTA: dns; mx.example.net\r
\r
{groups}--B--\r
"""

_COMPLAINT = """\
From: feedback@fbl.example.net\r
To: complaints@bounces.localhost\r
Subject: abuse report\r
Message-ID: <complaint-{number}@fbl.example.net>\r
MIME-Version: 1.0\r
Content-Type: multipart/report; report-type=feedback-report; boundary="F"\r
\r
--F\r
Content-Type: message/feedback-report\r
\r
Feedback-Type: abuse\r
User-Agent: Example/1.0\r
Version: 1\r
Original-Rcpt-To: <{recipient}>\r
\r
--F--\r
"""

_UNSUBSCRIBE = """\
From: {recipient}\r
To: unsubscribe@bounces.localhost\r
Subject: unsubscribe\r
Message-ID: <unsubscribe-{number}@mail.example.com>\r
\r
No more of this, please.\r
"""

_HOLIDAY = """\
From: somebody@example.com\r
To: bounces@bounces.localhost\r
Subject: Out of office\r
Auto-Submitted: auto-replied\r
Message-ID: <holiday-{number}@mail.example.com>\r
\r
Back on Monday.\r
"""
