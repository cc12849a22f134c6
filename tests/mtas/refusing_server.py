"""An SMTP server that refuses: the world outside, for a real MTA that is made to bounce.

`REFUSALS` is the one table: a case's name, the stage of the SMTP dialogue where the answer differs, and the reply.
A recipient whose local part is a case's name meets that reply (`unknown-user@example.net` is refused at RCPT); a
reverse-path tagged with it (`bounces+message-too-big@bounces.example.com`) meets the ones that come before any
recipient is known.  Every other recipient is accepted, and the message kept exactly as it came over the wire, so the
same server is the sink that collects bounces.

One thread a connection, blocking sockets with a timeout: a dialogue reads from top to bottom.
It speaks SMTP by hand and not by a library because the replies must be able to be wrong: eight bit, far too long,
without an enhanced status code.
"""

from __future__ import annotations

import enum
import re
import socketserver
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from tests.mtas.addresses import HostPort

COMMAND_BYTES_MAX = 8192  # RFC 5321 4.5.3.1.4 says 512 and extensions add to it; no MTA comes near this
MESSAGE_BYTES_MAX = 2**25  # the largest message a case sends is 200 kB
DIALOGUE_SECONDS_MAX = 60.0  # an MTA keeps a connection open between messages for a few seconds
SIZE_ANNOUNCED_BYTES = 20_000  # what EHLO's SIZE says: one case sends a message above it
# Not DSN: without it, it is the sending MTA that reports success (RFC 3461 5.2.2), and that report is what we collect.
EXTENSIONS = ("PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES")


class Stage(enum.Enum):
    """Where in the dialogue a case's reply is given."""

    CONNECT = "connect"  # the greeting; chosen by the address connected to, see RefusingServer(greeting_case=)
    MAIL = "MAIL"
    RCPT = "RCPT"
    MESSAGE = "end of DATA"


@dataclass(frozen=True)
class Refusal:
    """One answer: where it is given and its bytes, without the last CRLF; `{recipient}` and `{sender}` are filled in."""

    stage: Stage
    reply: bytes
    hang_up: bool = False

    def filled(self, *, sender: bytes, recipient: bytes) -> bytes:
        """The reply as it goes over the wire, CRLF included."""
        return self.reply.replace(b"{recipient}", recipient).replace(b"{sender}", sender) + b"\r\n"


def _at_rcpt(reply: str) -> Refusal:
    return Refusal(Stage.RCPT, reply.encode())


# 192.0.2.25 and 2001:db8:: are documentation addresses (RFC 5737, RFC 3849), .example a reserved domain (RFC 2606).
REFUSALS: Mapping[str, Refusal] = {
    # The recipient's fault.
    "unknown-user": _at_rcpt("550 5.1.1 <{recipient}>: Recipient address rejected: User unknown in virtual mailbox table"),
    "disabled-user": _at_rcpt("550 5.2.1 The email account that you tried to reach is disabled."),
    "mailbox-full": _at_rcpt("552 5.2.2 <{recipient}>: Recipient address rejected: Mailbox is full"),
    "mailbox-full-for-now": _at_rcpt("452 4.2.2 The email account that you tried to reach is over quota"),
    "moved-user": _at_rcpt("551 5.1.6 User not local; please try <moved@example.org>"),
    "bad-syntax": _at_rcpt("553 5.1.3 <{recipient}>: Invalid address syntax"),
    # The sender's fault.
    "policy-block": _at_rcpt(
        "554 5.7.1 Service unavailable; Client host [192.0.2.25] blocked using bl.blocklist.example; "
        "https://blocklist.example/query/ip/192.0.2.25"
    ),
    "policy-block-at-mail": Refusal(
        Stage.MAIL,
        b"550 5.7.1 Unfortunately, messages from [192.0.2.25] weren't sent. Please contact your Internet service "
        b"provider since part of their network is on our block list (S3140).",
    ),
    "policy-block-at-connect": Refusal(
        Stage.CONNECT, b"554 5.7.1 mx.strict.example: your IP 192.0.2.25 has a poor reputation on blocklist.example", True
    ),
    "relay-denied": _at_rcpt("554 5.7.1 <{recipient}>: Relay access denied"),
    "unauthenticated-mail": Refusal(
        Stage.MESSAGE,
        b"550-5.7.26 This message does not pass authentication checks (SPF and DKIM both\r\n"
        b"550 5.7.26 do not pass). SPF check for [bounces.example.com] does not pass with ip: [192.0.2.25].",
    ),
    "rate-limited": Refusal(
        Stage.RCPT, b"421 4.7.0 [192.0.2.25] Our system has detected an unusual rate of mail from your IP.", True
    ),
    "refused-after-data": Refusal(Stage.MESSAGE, b"554 5.7.1 Message content rejected, id=24115-07 - SPAM"),
    "message-too-big": Refusal(Stage.MAIL, b"552 5.3.4 Message size exceeds fixed limit"),
    # Nobody's, for the time being.
    "greylisting": _at_rcpt("451 4.7.1 <{recipient}>: Recipient address rejected: Greylisted, try again in 300 seconds"),
    "greylisting-450": _at_rcpt("450 4.7.1 <{recipient}>: Recipient address rejected: Greylisted, see https://g.example/"),
    "local-trouble": Refusal(Stage.MESSAGE, b"451 4.3.0 Error: queue file write error"),
    "lost-connection": Refusal(Stage.MESSAGE, b"", True),
    # Addresses beyond ASCII (RFC 6531).
    "пользователь": _at_rcpt("550 5.1.1 <{recipient}>: Recipient address rejected: User unknown"),
    "jürgen": _at_rcpt("550 5.1.1 Unknown user"),
    # What the reply looks like.
    "no-enhanced-code": _at_rcpt("550 No such user here"),
    "contradiction": _at_rcpt("550 4.2.2 mailbox of {recipient} is temporarily full"),
    "multi-line": _at_rcpt(
        "550-5.1.1 The email account that you tried to reach does not exist. Please try\r\n"
        "550-5.1.1 double-checking the recipient's email address for typos or\r\n"
        "550-5.1.1 unnecessary spaces. For more information, go to\r\n"
        "550 5.1.1  https://support.example/answer?p=NoSuchUser d9443c01a7336-1a2b3c4d5e6si1234567plb.89 - smtp"
    ),
    "long-line": _at_rcpt("550 5.1.1 No mailbox {recipient} here" + "; it has been looked for with great care" * 11),
    "too-long-line": _at_rcpt("550 5.1.1 No mailbox {recipient} here" + "; it has been looked for with great care" * 60),
    "utf8-reply": _at_rcpt("550 5.1.1 Empfänger {recipient} unbekannt, почтовый ящик не найден"),
    "latin1-reply": Refusal(Stage.RCPT, "550 5.1.1 Boîte aux lettres désactivée: {recipient}".encode("latin-1")),
}


@dataclass(frozen=True)
class Envelope:
    """A message that was accepted: what MAIL and RCPT said, and its bytes as they came, dots unstuffed (RFC 5321 4.5.2)."""

    mail_from: bytes
    rcpt_tos: tuple[bytes, ...]
    message: bytes


@dataclass
class _Accepted:
    envelopes: list[Envelope] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def add(self, envelope: Envelope) -> None:
        with self.changed:
            self.envelopes.append(envelope)
            self.changed.notify_all()


class RefusingServer:
    """The server; a context manager.  It listens from construction on, so its port can be told to others at once.

    host, port: where to listen; port 0 takes a free one.
    name: what greeting and EHLO call it.
    greeting_case: a case of stage CONNECT; everyone who connects is refused with it.
    size_bytes: what EHLO announces as SIZE.
    extensions: what else EHLO announces; the server takes what they allow whether announced or not.
    Raises OSError if the port is taken.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        name: str = "mx.example.net",
        greeting_case: str | None = None,
        size_bytes: int = SIZE_ANNOUNCED_BYTES,
        extensions: Sequence[str] = EXTENSIONS,
    ) -> None:
        self.name = name
        self.size_bytes = size_bytes
        self.extensions = (f"SIZE {size_bytes}", *extensions)
        self.greeting_refusal = REFUSALS[greeting_case] if greeting_case else None
        self._accepted = _Accepted()
        self._server = _ThreadingServer((host, port), self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def address(self) -> HostPort:
        """Where it listens."""
        host, port = self._server.server_address[:2]
        return HostPort(str(host), int(port))

    @property
    def accepted(self) -> list[Envelope]:
        """What has been accepted so far, oldest first; a copy."""
        with self._accepted.changed:
            return list(self._accepted.envelopes)

    def wait_for(self, enough: Callable[[list[Envelope]], bool], *, timeout_seconds: float) -> list[Envelope]:
        """All accepted messages, as soon as `enough` says so of them or the time is over, whichever comes first."""
        deadline = time.monotonic() + timeout_seconds
        with self._accepted.changed:
            while not enough(self._accepted.envelopes) and (left := deadline - time.monotonic()) > 0:
                self._accepted.changed.wait(left)
            return list(self._accepted.envelopes)

    def start(self) -> None:
        """Answer connections from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Stop listening; dialogues under way end with their sockets."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def keep(self, envelope: Envelope) -> None:
        """Called by a dialogue, just before it answers 250."""
        self._accepted.add(envelope)


class _ThreadingServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False  # an MTA may keep an idle connection; stop() does not wait for it
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], owner: RefusingServer) -> None:
        self.owner = owner
        super().__init__(address, _Dialogue)


class _HungUp(Exception):
    """The dialogue is over: the client left, or the case says that we do."""


class _Dialogue(socketserver.StreamRequestHandler):
    """One connection, from greeting to QUIT."""

    server: _ThreadingServer
    timeout = DIALOGUE_SECONDS_MAX
    mail_from: bytes | None = None
    rcpt_tos: list[bytes]

    def handle(self) -> None:
        self.rcpt_tos = []
        try:
            self.wfile.write(self._greeting())
            while True:
                self.wfile.write(self._answer(self._line(COMMAND_BYTES_MAX).rstrip(b"\r\n")))
        except (_HungUp, OSError):
            return

    def _greeting(self) -> bytes:
        owner = self.server.owner
        if owner.greeting_refusal:
            return self._refused(owner.greeting_refusal)
        return _said(f"220 {owner.name} ESMTP")

    def _answer(self, line: bytes) -> bytes:
        commands: Mapping[bytes, Callable[[bytes], bytes]] = {
            b"EHLO": self._ehlo,
            b"HELO": self._helo,
            b"MAIL": self._mail,
            b"RCPT": self._rcpt,
            b"DATA": self._data,
            b"RSET": self._rset,
            b"QUIT": self._quit,
        }
        return commands.get(line.split(b" ", 1)[0].upper(), self._unknown)(line)

    def _ehlo(self, _: bytes) -> bytes:
        owner = self.server.owner
        lines = [owner.name, *owner.extensions]
        return _said("".join(f"250-{line}\r\n" for line in lines[:-1]) + f"250 {lines[-1]}")

    def _helo(self, _: bytes) -> bytes:
        return _said(f"250 {self.server.owner.name}")

    def _mail(self, line: bytes) -> bytes:
        sender = _path(line)
        refusal = _refusal(_tag(sender), Stage.MAIL)
        if refusal:
            return self._refused(refusal, sender=sender)
        if _size_bytes(line) > self.server.owner.size_bytes:  # RFC 1870 6.1 (2)
            return _said("552 5.3.4 Message size exceeds fixed limit")
        self.mail_from, self.rcpt_tos = sender, []
        return _said("250 2.1.0 Ok")

    def _rcpt(self, line: bytes) -> bytes:
        if self.mail_from is None:
            return _said("503 5.5.1 Error: need MAIL command")
        recipient = _path(line)
        refusal = _refusal(_local_part(recipient), Stage.RCPT)
        if refusal:
            return self._refused(refusal, sender=self.mail_from, recipient=recipient)
        self.rcpt_tos.append(recipient)
        return _said("250 2.1.5 Ok")

    def _data(self, _: bytes) -> bytes:
        if self.mail_from is None or not self.rcpt_tos:
            return _said("554 5.5.1 Error: no valid recipients")
        self.wfile.write(_said("354 End data with <CR><LF>.<CR><LF>"))
        envelope = Envelope(self.mail_from, tuple(self.rcpt_tos), self._message())
        self._rset(b"")
        for recipient in envelope.rcpt_tos:
            refusal = _refusal(_local_part(recipient), Stage.MESSAGE)
            if refusal:
                return self._refused(refusal, sender=envelope.mail_from, recipient=recipient)
        self.server.owner.keep(envelope)
        return _said("250 2.0.0 Ok: queued")

    def _message(self) -> bytes:
        lines: list[bytes] = []
        size_bytes = 0
        while (line := self._line(MESSAGE_BYTES_MAX)) != b".\r\n":
            lines.append(line[1:] if line.startswith(b".") else line)
            size_bytes += len(line)
            if size_bytes > MESSAGE_BYTES_MAX:
                raise _HungUp
        return b"".join(lines)

    def _rset(self, _: bytes) -> bytes:
        self.mail_from, self.rcpt_tos = None, []
        return _said("250 2.0.0 Ok")

    def _quit(self, _: bytes) -> bytes:
        self.wfile.write(_said("221 2.0.0 Bye"))
        raise _HungUp

    def _unknown(self, _: bytes) -> bytes:
        return _said("502 5.5.2 Error: command not recognized")

    def _refused(self, refusal: Refusal, *, sender: bytes = b"", recipient: bytes = b"") -> bytes:
        reply = refusal.filled(sender=sender, recipient=recipient) if refusal.reply else b""
        if refusal.hang_up:
            self.wfile.write(reply)
            raise _HungUp
        return reply

    def _line(self, limit_bytes: int) -> bytes:
        line = self.rfile.readline(limit_bytes)
        if not line.endswith(b"\n"):
            raise _HungUp
        return line


def _said(reply: str) -> bytes:
    return reply.encode() + b"\r\n"


def _refusal(case: str, stage: Stage) -> Refusal | None:
    refusal = REFUSALS.get(case)
    return refusal if refusal and refusal.stage is stage else None


def _path(line: bytes) -> bytes:
    """The address between the angle brackets of MAIL FROM or RCPT TO; empty for the null sender."""
    match = re.search(rb"<([^>]*)>", line)
    return match[1] if match else b""


def _size_bytes(line: bytes) -> int:
    """What MAIL says of the message's size, or 0."""
    match = re.search(rb"\bSIZE=(\d{1,18})", line, re.IGNORECASE)
    return int(match[1]) if match else 0


def _local_part(address: bytes) -> str:
    return address.rpartition(b"@")[0].decode("utf-8", "replace").lower()


def _tag(address: bytes) -> str:
    return _local_part(address).partition("+")[2]
