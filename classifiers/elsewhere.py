"""Our categories in the words of others, for people who come from there or compare: the data behind docs/categories.md.

The nearest word of each system, where it has one. The lists are public: Sisimai 5.1's reasons, KumoMTA's bounce classes,
PowerMTA's bounce categories (17), SparkPost's bounce classification codes, Amazon SES's bounce types and subtypes.
"""

from typing import NamedTuple

from classifiers.outcome import MEANINGS, Category


class Elsewhere(NamedTuple):
    """The nearest word of each system; `""` where it has none."""

    sisimai: str
    kumomta: str
    powermta: str
    sparkpost: str
    ses: str


_C = Category
_E = Elsewhere

ELSEWHERE: dict[Category, Elsewhere] = {
    _C.MAILBOX_UNKNOWN: _E("userunknown", "InvalidRecipient", "bad-mailbox", "10 Invalid Recipient", "Permanent/NoEmail"),
    _C.MAILBOX_CLOSED: _E("suspend", "InactiveMailbox", "inactive-mailbox", "10 Invalid Recipient", "Permanent/General"),
    _C.MOVED: _E("hasmoved", "InvalidRecipient", "bad-mailbox", "10 Invalid Recipient", "Permanent/General"),
    _C.ADDRESS_INVALID: _E("userunknown", "InvalidRecipient", "bad-mailbox", "10 Invalid Recipient", "Permanent/General"),
    _C.DOMAIN_UNKNOWN: _E("hostunknown", "BadDomain", "bad-domain", "10 Invalid Recipient", "Permanent/General"),
    _C.DOMAIN_TAKES_NO_MAIL: _E("notaccept", "BadDomain", "bad-domain", "10 Invalid Recipient", "Permanent/General"),
    _C.MAILBOX_DISABLED: _E("suspend", "InactiveMailbox", "inactive-mailbox", "20 Soft", "Transient/General"),
    _C.MAILBOX_FULL: _E("mailboxfull", "QuotaIssues", "quota-issues", "22 Mailbox Full", "Transient/MailboxFull"),
    _C.MAILBOX_UNAVAILABLE: _E("onhold", "InvalidRecipient", "other", "20 Soft", "Transient/General"),
    _C.RECIPIENT_REFUSES: _E("filtered", "PolicyRelated", "policy-related", "50 Mail Block", "Transient/ContentRejected"),
    _C.RECIPIENT_RATE_LIMITED: _E("speeding", "QuotaIssues", "quota-issues", "20 Soft", "Transient/General"),
    _C.SPAM_CONTENT: _E("spamdetected", "SpamContent", "spam-related", "52 Spam Content", "Transient/ContentRejected"),
    _C.VIRUS: _E("virusdetected", "VirusRelated", "virus-related", "53 Prohibited Attachment", "Transient/AttachmentRejected"),
    _C.CONTENT_REJECTED: _E(
        "contenterror, notcompliantrfc",
        "ContentRelated, ProhibitedAttachment",
        "content-related",
        "20 Soft",
        "Transient/ContentRejected",
    ),
    _C.MESSAGE_TOO_LARGE: _E(
        "mesgtoobig, exceedlimit", "ContentRelated", "content-related", "23 Too Large", "Transient/MessageTooLarge"
    ),
    _C.BLOCKLISTED: _E("blocked", "SpamBlock", "spam-related", "51 Spam Block", "Transient/General"),
    _C.BAD_REPUTATION: _E("badreputation", "SpamBlock", "spam-related", "51 Spam Block", "Transient/General"),
    _C.AUTHENTICATION_FAILED: _E("authfailure", "AuthenticationFailed", "policy-related", "50 Mail Block", "Transient/General"),
    _C.REVERSE_DNS_MISSING: _E("requireptr", "BadConfiguration", "bad-configuration", "50 Mail Block", "Transient/General"),
    _C.SENDER_REJECTED: _E("rejected", "InvalidSender", "invalid-sender", "50 Mail Block", "Transient/General"),
    _C.RELAY_DENIED: _E(
        "norelaying, securityerror", "RelayDenied", "relaying-issues", "54 Relaying Denied", "Transient/General"
    ),
    _C.POLICY: _E("policyviolation, securityerror", "PolicyRelated", "policy-related", "50 Mail Block", "Transient/General"),
    _C.RATE_LIMITED: _E(
        "speeding, toomanyconn", "TransientFailure, TooManyRecipients", "policy-related", "20 Soft", "Transient/General"
    ),
    _C.GREYLISTED: _E("blocked", "TransientFailure", "other", "70 Transient", "Transient/General"),
    _C.TLS_REQUIRED: _E("failedstarttls", "BadConfiguration", "policy-related", "20 Soft", "Transient/General"),
    _C.PROTOCOL_ERROR: _E("syntaxerror", "ProtocolErrors", "protocol-errors", "20 Soft", "Transient/General"),
    _C.DNS_FAILURE: _E("networkerror", "DNSFailure", "bad-domain, routing-errors", "21 DNS", "Transient/General"),
    _C.CONNECTION_FAILED: _E(
        "networkerror",
        "BadConnection, NoAnswerFromHost",
        "bad-connection, no-answer-from-host",
        "24 Timeout",
        "Transient/General",
    ),
    _C.MESSAGE_EXPIRED: _E("expired", "MessageExpired", "message-expired", "24 Timeout", "Transient/General"),
    _C.MAIL_LOOP: _E("networkerror", "RoutingErrors", "routing-errors", "25 Admin Failure", "Transient/General"),
    _C.SYSTEM_ERROR: _E("systemerror, mailererror", "TransientFailure", "other", "20 Soft", "Transient/General"),
    _C.SYSTEM_FULL: _E("systemfull", "TransientFailure", "other", "20 Soft", "Transient/General"),
    _C.SUPPRESSED_ELSEWHERE: _E("suppressed", "", "", "25 Admin Failure", "Permanent/Suppressed, OnAccountSuppressionList"),
    _C.UNKNOWN: _E("undefined", "Uncategorized", "other", "1 Undetermined", "Undetermined"),
    _C.COMPLAINT: _E("feedback", "", "", "", "Complaint"),
    _C.UNSUBSCRIBE: _E("feedback", "Unsubscribe", "", "90 Unsubscribe", "Complaint"),
    _C.AUTO_REPLY: _E("vacation", "AutoReply, ChallengeResponse", "", "60 Auto-Reply", "Transient/General"),
    _C.DELIVERED: _E("delivered", "", "", "", "Delivery"),
    _C.FEEDBACK_ONLY: _E("feedback", "", "", "", "Complaint"),
    _C.NOTHING_REPORTED: _E("", "", "", "", ""),
}

assert set(ELSEWHERE) == set(Category), "every category has its line on the page"


def categories_page() -> str:
    """docs/categories.md as it has to be."""
    return "\n".join([*_HEAD, *_meanings(), *_BETWEEN, *_words_elsewhere(), ""])


_HEAD = (
    "# Categories",
    "",
    "Generated from `classifiers/outcome.py` and `classifiers/elsewhere.py` by `make docs`.",
    "",
    "A category is the reason of an outcome in one word. It fixes whose fault a failure is and whether it can be *hard*: that",
    "the address itself can not receive mail. A rule may still call such a failure soft where its words leave a doubt, and a",
    "temporary answer is never hard.",
    "",
    "*User unknown* and *no such user* make an address hard where they answered RCPT TO or the code says the same. A filter",
    "says so too, after it has seen the content; where the report shows neither, they are soft and count as a strike.",
    "",
    "| category | fault | hard | what it means |",
    "| --- | --- | --- | --- |",
)
_BETWEEN = (
    "",
    "## The words of others",
    "",
    "The nearest word of each system. Others draw the line of *hard* elsewhere: SparkPost and SES go by reply codes, PowerMTA",
    "and KumoMTA leave it to the operator.",
    "",
    "| category | Sisimai | KumoMTA | PowerMTA | SparkPost | Amazon SES |",
    "| --- | --- | --- | --- | --- | --- |",
)


def _meanings() -> list[str]:
    return [
        f"| `{category}` | {meaning.fault or ''} | {'hard' if meaning.hard else ''} | {meaning.line} |"
        for category, meaning in MEANINGS.items()
    ]


def _words_elsewhere() -> list[str]:
    return [f"| `{category}` | {' | '.join(ELSEWHERE[category])} |" for category in MEANINGS]
