"""What is sent to every MTA so that it writes a bounce: one line a case.

A case's recipients say who refuses and how: their local parts are names of `refusing_server.REFUSALS`, their domains
names of `world.ZONE`.  Its own name is the name of the file that the bounce goes to.
"""

from __future__ import annotations

from dataclasses import dataclass
from email.message import Message

from tests.mtas.refusing_server import SIZE_ANNOUNCED_BYTES
from tests.mtas.world import FORWARDING_DOMAIN, LOCAL_DOMAIN, SENDER_DOMAIN

# Aliases that every MTA is given.
ALIASES = {f"forwarded@{FORWARDING_DOMAIN}": "unknown-user@example.net"}


@dataclass(frozen=True)
class Case:
    """One message to send and the one kind of DSN to wait for.

    recipients: whom to; by default the refusal of the case's own name at example.net.
    actions: which DSN is kept, by RFC 3464's Action: failed, delayed, relayed, delivered.
    notify: RFC 3461's NOTIFY, or nothing.
    mail_options: more parameters of MAIL.
    padding_bytes: how much longer than a few lines the message is.
    story: what happened there, for the provenance, where neither a reply of the refusing server nor the domain tells.
    """

    name: str
    recipients: tuple[str, ...] = ()
    actions: tuple[str, ...] = ("failed",)
    notify: str = ""
    mail_options: tuple[str, ...] = ()
    padding_bytes: int = 0
    story: str = ""

    @property
    def rcpt_tos(self) -> tuple[str, ...]:
        """The envelope's recipients."""
        return self.recipients or (f"{self.name}@example.net",)

    @property
    def mail_from(self) -> str:
        """The envelope's reverse-path; its tag tells the case when the bounce arrives."""
        return f"bounces+{self.name}@{SENDER_DOMAIN}"

    @property
    def smtputf8(self) -> bool:
        """True if an address is beyond ASCII, so that the message can only go by SMTPUTF8 (RFC 6531)."""
        return not all(recipient.isascii() for recipient in self.rcpt_tos)

    def message(self, date: str) -> bytes:
        """The message as it is submitted, with CRLF line ends."""
        message = Message()
        message["From"] = "Example Shop <news@example.com>"
        message["To"] = ", ".join(self.rcpt_tos)
        message["Subject"] = f"Your order has been shipped ({self.name})"
        message["Date"] = date
        message["Message-ID"] = f"<{self.name}@shop.example.com>"
        message["List-Unsubscribe"] = f"<mailto:unsubscribe+{self.name}@{SENDER_DOMAIN}>"
        head = "".join(f"{name}: {value}\r\n" for name, value in message.items())
        lines = ["Hello,", "", "your order is on its way.", "", "The Example Shop"]
        lines += ["0123456789 abcdefghijklmnopqrstuvwxyz " * 2] * (self.padding_bytes // 78)
        return (head + "\r\n" + "\r\n".join(lines) + "\r\n").encode()


CASES: tuple[Case, ...] = (
    # Refused for good, at each stage of the dialogue.
    Case("unknown-user"),
    Case("disabled-user"),
    Case("mailbox-full"),
    Case("moved-user"),
    Case("bad-syntax"),
    Case("policy-block"),
    Case("policy-block-at-mail", ("someone@example.net",)),
    Case("policy-block-at-connect", ("someone@strict.example",)),
    Case("relay-denied"),
    Case("unauthenticated-mail"),
    Case("refused-after-data"),
    Case("message-too-big", ("someone@example.net",)),
    Case(
        "message-too-big-by-size",
        ("someone@example.net",),
        padding_bytes=2 * SIZE_ANNOUNCED_BYTES,
        story=f"EHLO announces SIZE {SIZE_ANNOUNCED_BYTES}, and the message has twice as many bytes",
    ),
    Case("several-recipients", ("unknown-user@example.net", "mailbox-full@example.net", "accepted@example.net")),
    Case(
        "several-domains",
        ("unknown-user@example.net", "disabled-user@example.net", "someone@no-such-domain.example"),
    ),
    # Refused for a while, until the queue's lifetime is over.
    Case("mailbox-full-for-now"),
    Case("greylisting"),
    Case("greylisting-450"),
    Case("rate-limited"),
    Case("local-trouble"),
    Case("lost-connection"),
    Case("no-greeting", ("someone@silent.example",)),
    Case("connection-refused", ("someone@down.example",)),
    Case("dns-trouble", ("someone@servfail.example",)),
    Case("delayed-warning", ("greylisting@example.net",), actions=("delayed",)),
    # Nowhere to go.
    Case("bad-domain", ("someone@no-such-domain.example",)),
    Case("domain-without-address", ("someone@no-address.example",)),
    Case("mail-host-without-address", ("someone@no-mx-address.example",)),
    Case("null-mx", ("someone@null-mx.example",)),
    Case("mail-loop", ("someone@loop.example",)),
    # The reply's form.
    Case("no-enhanced-code"),
    Case("contradiction"),
    Case("multi-line"),
    Case("long-line"),
    Case("too-long-line"),
    Case("utf8-reply"),
    Case("latin1-reply"),
    # Addresses beyond ASCII.
    Case("smtputf8-recipient", ("пользователь@example.net",)),
    Case("smtputf8-latin-recipient", ("jürgen@bücher.example",)),
    Case("smtputf8-not-offered", ("пользователь@ascii.example",)),
    # What the sender asked for (RFC 3461), and who was addressed.
    Case("return-headers-only", ("unknown-user@example.net",), mail_options=("RET=HDRS", "ENVID=order-4711+3D42")),
    Case(
        "forwarded",
        (f"forwarded@{FORWARDING_DOMAIN}",),
        story="the MTA's own alias sends it on to unknown-user@example.net, which is refused at RCPT",
    ),
    Case("success-relayed", ("accepted@example.net",), actions=("relayed", "delivered"), notify="SUCCESS"),
    Case("success-delivered", (f"reader@{LOCAL_DOMAIN}",), actions=("delivered",), notify="SUCCESS"),
    # Without any other host.
    Case("local-unknown-user", (f"no-such-reader@{LOCAL_DOMAIN}",), story="the MTA's own domain, no such user"),
    Case(
        "local-command-failed",
        (f"broken-command@{LOCAL_DOMAIN}",),
        story="the MTA's own domain, an alias to a command that ends with code 69 (EX_UNAVAILABLE)",
    ),
)
