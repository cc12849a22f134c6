"""The closed list of reasons, and what each one means for the address.

A category is the reason in one word. It fixes two things that nobody may decide case by case: whose fault it is, and whether
it can make an outcome *hard*. Hard means that the address itself cannot receive mail; a refusal that is the sender's or the
path's fault never is (G7), and the table below is checked for that at import.
"""

from enum import StrEnum
from typing import NamedTuple

from nullsender.events import Fault


class Category(StrEnum):
    """The reason, one word. The words are stable: they stand in entries, exports and other people's dashboards."""

    MAILBOX_UNKNOWN = "mailbox-unknown"
    MAILBOX_CLOSED = "mailbox-closed"
    MOVED = "moved"
    ADDRESS_INVALID = "address-invalid"
    DOMAIN_UNKNOWN = "domain-unknown"
    DOMAIN_TAKES_NO_MAIL = "domain-takes-no-mail"
    MAILBOX_DISABLED = "mailbox-disabled"
    MAILBOX_FULL = "mailbox-full"
    MAILBOX_UNAVAILABLE = "mailbox-unavailable"
    RECIPIENT_REFUSES = "recipient-refuses"
    RECIPIENT_RATE_LIMITED = "recipient-rate-limited"

    SPAM_CONTENT = "spam-content"
    VIRUS = "virus"
    CONTENT_REJECTED = "content-rejected"
    MESSAGE_TOO_LARGE = "message-too-large"
    BLOCKLISTED = "blocklisted"
    BAD_REPUTATION = "bad-reputation"
    AUTHENTICATION_FAILED = "authentication-failed"
    REVERSE_DNS_MISSING = "reverse-dns-missing"
    SENDER_REJECTED = "sender-rejected"
    RELAY_DENIED = "relay-denied"
    POLICY = "policy"
    RATE_LIMITED = "rate-limited"
    GREYLISTED = "greylisted"
    TLS_REQUIRED = "tls-required"
    PROTOCOL_ERROR = "protocol-error"

    DNS_FAILURE = "dns-failure"
    CONNECTION_FAILED = "connection-failed"
    MESSAGE_EXPIRED = "message-expired"
    MAIL_LOOP = "mail-loop"
    SYSTEM_ERROR = "system-error"
    SYSTEM_FULL = "system-full"

    SUPPRESSED_ELSEWHERE = "suppressed-elsewhere"
    UNKNOWN = "unknown"
    COMPLAINT = "complaint"
    UNSUBSCRIBE = "unsubscribe"
    AUTO_REPLY = "auto-reply"
    DELIVERED = "delivered"
    FEEDBACK_ONLY = "feedback-only"
    NOTHING_REPORTED = "nothing-reported"


class Meaning(NamedTuple):
    """What a category says of the address: whose fault, whether it can be hard, and one line for a person."""

    fault: Fault | None
    hard: bool
    line: str


_RECIPIENT, _SENDER, _PATH = Fault.RECIPIENT, Fault.SENDER, Fault.PATH
_C = Category

#: Every category, in the order in which docs/categories.md shows them.
MEANINGS: dict[Category, Meaning] = {
    _C.MAILBOX_UNKNOWN: Meaning(_RECIPIENT, True, "There is no such mailbox at that domain."),
    _C.MAILBOX_CLOSED: Meaning(_RECIPIENT, True, "The mailbox existed and was closed for good."),
    _C.MOVED: Meaning(_RECIPIENT, True, "The person has another address now; this one takes no mail."),
    _C.ADDRESS_INVALID: Meaning(_RECIPIENT, True, "The recipient's address is not one that can exist."),
    _C.DOMAIN_UNKNOWN: Meaning(_RECIPIENT, True, "The recipient's domain does not exist."),
    _C.DOMAIN_TAKES_NO_MAIL: Meaning(_RECIPIENT, True, "The recipient's domain says that it takes no mail (RFC 7505)."),
    _C.MAILBOX_DISABLED: Meaning(_RECIPIENT, False, "The mailbox is inactive, locked or suspended; it may come back."),
    _C.MAILBOX_FULL: Meaning(_RECIPIENT, False, "The mailbox is over its quota."),
    _C.MAILBOX_UNAVAILABLE: Meaning(_RECIPIENT, False, "The recipient was refused without a clear reason."),
    _C.RECIPIENT_REFUSES: Meaning(_RECIPIENT, False, "The recipient's own settings, group or list do not take this mail."),
    _C.RECIPIENT_RATE_LIMITED: Meaning(_RECIPIENT, False, "The mailbox may not take so much mail in that time."),
    _C.SPAM_CONTENT: Meaning(_SENDER, False, "The content was taken for spam or phishing."),
    _C.VIRUS: Meaning(_SENDER, False, "The content was taken for a virus."),
    _C.CONTENT_REJECTED: Meaning(_SENDER, False, "A header, a link, an attachment or the form of the message was refused."),
    _C.MESSAGE_TOO_LARGE: Meaning(_SENDER, False, "The message is larger than they take."),
    _C.BLOCKLISTED: Meaning(_SENDER, False, "Our IP address or domain stands on a block list."),
    _C.BAD_REPUTATION: Meaning(_SENDER, False, "Our IP address or domain has a bad name with them."),
    _C.AUTHENTICATION_FAILED: Meaning(_SENDER, False, "SPF, DKIM or DMARC did not pass."),
    _C.REVERSE_DNS_MISSING: Meaning(_SENDER, False, "Our IP address has no (matching) reverse DNS, or our HELO is wrong."),
    _C.SENDER_REJECTED: Meaning(_SENDER, False, "Our sender address or its domain was refused."),
    _C.RELAY_DENIED: Meaning(_SENDER, False, "We may not send through that server, or did not log in."),
    _C.POLICY: Meaning(_SENDER, False, "A policy of theirs that is not said more exactly."),
    _C.RATE_LIMITED: Meaning(_SENDER, False, "We send too much, too fast or over too many connections."),
    _C.GREYLISTED: Meaning(_SENDER, False, "They ask an unknown sender to try again later."),
    _C.TLS_REQUIRED: Meaning(_SENDER, False, "They want (better) transport encryption, or it failed."),
    _C.PROTOCOL_ERROR: Meaning(_SENDER, False, "They did not understand the SMTP that was spoken to them."),
    _C.DNS_FAILURE: Meaning(_PATH, False, "The DNS gave no usable answer; the domain may be good."),
    _C.CONNECTION_FAILED: Meaning(_PATH, False, "Their server could not be reached, or the connection broke."),
    _C.MESSAGE_EXPIRED: Meaning(_PATH, False, "The message waited for too long and was given up."),
    _C.MAIL_LOOP: Meaning(_PATH, False, "The message went round in a circle."),
    _C.SYSTEM_ERROR: Meaning(_PATH, False, "Their server is broken, busy or set up wrongly."),
    _C.SYSTEM_FULL: Meaning(_PATH, False, "Their server has run out of space."),
    _C.SUPPRESSED_ELSEWHERE: Meaning(None, False, "A provider that sends for us did not try: its own list holds the address."),
    _C.UNKNOWN: Meaning(None, False, "The report does not say why, or in words that no rule knows."),
    _C.COMPLAINT: Meaning(_RECIPIENT, False, "The recipient reported the message as unwanted."),
    _C.UNSUBSCRIBE: Meaning(_RECIPIENT, False, "The recipient wants no more of this mail."),
    _C.AUTO_REPLY: Meaning(None, False, "A machine answered for the recipient; the mail arrived."),
    _C.DELIVERED: Meaning(None, False, "The message was delivered, relayed or expanded."),
    _C.FEEDBACK_ONLY: Meaning(None, False, "Feedback that holds nothing against the mail: not spam, or telemetry."),
    _C.NOTHING_REPORTED: Meaning(None, False, "The message reports nothing about mail that we sent."),
}

assert set(MEANINGS) == set(Category), "the table of meanings is total"
assert all(meaning.fault is Fault.RECIPIENT for meaning in MEANINGS.values() if meaning.hard), "other faults are never hard"
