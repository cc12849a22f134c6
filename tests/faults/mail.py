"""Mail as MTAs, feedback loops and readers write it, each about people of its own, with what has to become of it.

No two messages name the same address, so an address says which message an outcome came from, without asking the product.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from random import Random
from typing import NamedTuple

from nullsender.events import Result
from nullsender.signing.keys import Claims, SigningKeys
from nullsender.signing.return_path import Purpose, ReturnPaths
from nullsender.signing.token import TOKEN_HEADER, Tokens
from suppression.policy import EVERYWHERE, NOT_TRANSACTIONAL, Cause

DOMAIN = "bounces.localhost"
STREAM = "news"
RETURNED_LINES_MAX = 400


class Expected(NamedTuple):
    """What has to become of one report."""

    recipient: str
    outcome: Result
    cause: Cause | None = None  # of the one entry that it makes; None: it makes none
    scope: str = EVERYWHERE
    provisional: bool = False


class Mail(NamedTuple):
    """One message. One that expects nothing can not be read, and has to become a dead letter whole."""

    name: str
    to: str
    sender: str
    content: bytes
    expected: tuple[Expected, ...]


def a_letter(content: bytes) -> Mail:
    """What has to become a dead letter and was never mail: a record."""
    return Mail("a record", "the log", "", content, ())


class Failure(NamedTuple):
    """One way in which a delivery fails."""

    action: str
    status: str
    reply: str
    outcome: Result
    cause: Cause | None


UNKNOWN_USER = Failure("failed", "5.1.1", "550 5.1.1 <{}>: User unknown in virtual mailbox table", Result.HARD, Cause.HARD)
NO_HOST = Failure("failed", "5.1.2", "550 5.1.2 <{}>: Host or domain name not found", Result.HARD, Cause.HARD)
MAILBOX_FULL = Failure("failed", "5.2.2", "552 5.2.2 <{}>: The mailbox is full", Result.SOFT, None)
BLOCKED = Failure("failed", "5.7.1", "554 5.7.1 Service unavailable; client host blocked by our policy", Result.SOFT, None)
DELAYED = Failure("delayed", "4.4.1", "connect to mx.example.net[192.0.2.25]:25: Connection timed out", Result.NONE, None)
_ONE = (UNKNOWN_USER, UNKNOWN_USER, UNKNOWN_USER, NO_HOST, MAILBOX_FULL, BLOCKED)
_ANY = (UNKNOWN_USER, MAILBOX_FULL, BLOCKED, DELAYED)


class Writer:
    """Writes an endless row of messages; the same `chance` writes the same row. `name` sets its people apart from others'."""

    def __init__(self, name: str, keys: SigningKeys, chance: Random) -> None:
        self._name = name
        self._paths = ReturnPaths(keys)
        self._tokens = Tokens(keys)
        self._chance = chance
        self._people = 0
        self._written = 0

    def __iter__(self) -> Iterator[Mail]:
        kinds: Sequence[tuple[int, Callable[[], Mail]]] = (
            (56, self.bounce),
            (14, self.bounce_of_several),
            (12, self.complaint),
            (12, self.unsubscribe),
            (6, self.garbage),
        )
        shares, writers = zip(*kinds, strict=True)
        while True:
            yield self._chance.choices(writers, shares)[0]()

    def bounce(self) -> Mail:
        """A DSN on one recipient, to a signed return path."""
        person, failure = self._person(), self._chance.choice(_ONE)
        return self._dsn(self._path(person, Purpose.BOUNCE), [(person, failure)], proven=True)

    def bounce_of_several(self) -> Mail:
        """A DSN on several recipients, to the role address: nothing proves it."""
        failed = [(self._person(), self._chance.choice(_ANY)) for _ in range(self._chance.randint(2, 4))]
        return self._dsn(f"bounces@{DOMAIN}", failed, proven=False)

    def complaint(self) -> Mail:
        """A feedback report on mail that carries our token, or none."""
        person, proven = self._person(), self._chance.random() < 0.5
        token = f"{TOKEN_HEADER}: {self._tokens.make(self._claims(person))}\r\n" if proven else ""
        content = (
            f"From: feedback@fbl.example.org\r\nTo: fbl@{DOMAIN}\r\nSubject: complaint\r\nMIME-Version: 1.0\r\n"
            'Content-Type: multipart/report; report-type=feedback-report; boundary="limit"\r\n\r\n'
            "--limit\r\nContent-Type: text/plain\r\n\r\nThis is an email abuse report.\r\n\r\n"
            "--limit\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\nUser-Agent: ExampleLoop/1.0\r\n"
            f"Version: 1\r\nOriginal-Rcpt-To: <{person}>\r\nSource-IP: 192.0.2.1\r\n\r\n"
            f"--limit\r\nContent-Type: message/rfc822\r\n\r\n{token}{self._returned(person)}\r\n--limit--\r\n"
        )
        expected = Expected(person, Result.COMPLAINT, Cause.COMPLAINT, scope=NOT_TRANSACTIONAL, provisional=not proven)
        return self._mail(f"fbl@{DOMAIN}", content.encode(), [expected], sender="feedback@fbl.example.org")

    def unsubscribe(self) -> Mail:
        """A mail to the address of a List-Unsubscribe field."""
        person = self._person()
        content = f"From: {person}\r\nSubject: unsubscribe\r\nMessage-ID: <{person}>\r\n\r\nNo more of this.\r\n"
        expected = Expected(person, Result.UNSUBSCRIBE, Cause.UNSUBSCRIBE, scope=STREAM)
        return self._mail(self._path(person, Purpose.UNSUBSCRIBE), content.encode(), [expected], sender=person)

    def garbage(self) -> Mail:
        """Bytes that are no mail at all."""
        octets = bytes(self._chance.choices([octet for octet in range(1, 256) if octet not in b"\r\n.:"], k=60))
        return self._mail(f"bounces@{DOMAIN}", b"\x01" + octets + self._person().encode() + b"\r\nat all\r\n", [])

    def _dsn(self, to: str, failed: Sequence[tuple[str, Failure]], *, proven: bool) -> Mail:
        words = "".join(f"<{person}>: {failure.reply.format(person)}\r\n\r\n" for person, failure in failed)
        groups = "".join(
            f"Final-Recipient: rfc822; {person}\r\nAction: {failure.action}\r\nStatus: {failure.status}\r\n"
            f"Remote-MTA: dns; mx.example.net\r\nDiagnostic-Code: smtp; {failure.reply.format(person)}\r\n\r\n"
            for person, failure in failed
        )
        content = (
            f"From: Mail Delivery System <MAILER-DAEMON@mta.example.com>\r\nTo: {to}\r\n"
            "Subject: Undelivered Mail Returned to Sender\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
            'Content-Type: multipart/report; report-type=delivery-status; boundary="limit"\r\n\r\n'
            "--limit\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nThis is the mail system at host mta.example.com.\r\n\r\n"
            f"{words}--limit\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mta.example.com\r\n\r\n"
            f"{groups}--limit\r\nContent-Type: message/rfc822\r\n\r\n{self._returned(failed[0][0])}\r\n--limit--\r\n"
        )
        expected = [
            Expected(person, failure.outcome, failure.cause, provisional=not proven and failure.cause is not None)
            for person, failure in failed
        ]
        return self._mail(to, content.encode(), expected)

    def _returned(self, person: str) -> str:
        body = "It is on its way to you, and here is more about it.\r\n" * self._chance.randint(0, RETURNED_LINES_MAX)
        return f"From: Shop <shop@example.com>\r\nTo: {person}\r\nMessage-ID: <{person}>\r\nSubject: Your order\r\n\r\n{body}"

    def _mail(self, to: str, content: bytes, expected: Sequence[Expected], *, sender: str = "") -> Mail:
        self._written += 1
        return Mail(f"{self._name}/{self._written}", to, sender, content, tuple(expected))

    def _person(self) -> str:
        self._people += 1
        return f"{self._name}-{self._people}@example.net"

    def _path(self, person: str, purpose: Purpose) -> str:
        return f"{self._paths.make(self._claims(person), purpose=purpose)}@{DOMAIN}"

    def _claims(self, person: str) -> Claims:
        return Claims("default", STREAM, person, datetime.now(UTC).date(), "m")
