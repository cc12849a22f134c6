"""What lies on the log: reports, outcomes, raw messages and dead letters, as frozen values and as bytes.

A *report* is what one DSN, feedback report or unsubscribe says of one recipient. An *outcome* is a report with the
decision on it. Both carry everything that is needed to explain an entry of the list years later. On the log they are JSON
with a version; a reader ignores fields that it does not know and fills those that are missing, so that old and new processes
can share a log during an upgrade. A word that it does not know in a list that decides something (what kind, what action, whose
fault, which proof) it refuses: the record becomes a dead letter, which the upgraded process can replay, where a guess would
stand for ever. A word that is only shown is taken as `nowhere`.
"""

from datetime import datetime
from enum import StrEnum
from typing import Self, TypeVar

import msgspec

from nullsender.errors import Invalid

RECORD_VERSION = 1


class Kind(StrEnum):
    """What a message is."""

    BOUNCE = "bounce"
    COMPLAINT = "complaint"
    UNSUBSCRIBE = "unsubscribe"
    AUTO_REPLY = "auto-reply"
    OTHER = "other"


class Action(StrEnum):
    """RFC 3464 2.3.3: what the reporting MTA did."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    RELAYED = "relayed"
    EXPANDED = "expanded"


class Result(StrEnum):
    """The word that an outcome comes to (the field `outcome` of every door)."""

    HARD = "hard"
    SOFT = "soft"
    COMPLAINT = "complaint"
    UNSUBSCRIBE = "unsubscribe"
    NONE = "none"


class Fault(StrEnum):
    """Whose fault a failure is. Only the recipient's may ever suppress (G7)."""

    RECIPIENT = "recipient"
    SENDER = "sender"
    PATH = "path"


class Proof(StrEnum):
    """How a report is tied to mail that we sent, strongest first (docs/guarantees.md, G5)."""

    RETURN_PATH = "return-path"  # it came to an address that carries our HMAC
    TOKEN = "token"  # a header or address that we signed stands in the returned message  # noqa: S105  (a word, not a secret)
    SOURCE = "source"  # it came from an MTA or feedback loop that the operator named
    NONE = "none"


class DerivedFrom(StrEnum):
    """Where the report's recipient was found, most trusted first. It is only shown, once it lies on the log."""

    RETURN_PATH = "return-path"
    TOKEN = "token"  # noqa: S105  (a word, not a secret)
    SENDER_TRACE = "sender-trace"  # a field that the sender's own MTA wrote into the returned message: X-KumoRef, X-MSFBL
    ORIGINAL_RECIPIENT = "original-recipient"
    ORIGINAL_RCPT_TO = "original-rcpt-to"
    REPORT_JSON = "report-json"  # what a report in JSON calls its recipient: XARF's smtp_to, SES's complainedRecipients
    REMOVAL_RECIPIENT = "removal-recipient"
    DELIVERED_TO = "delivered-to"  # X-HmXmrOriginalRecipient, X-Delivered-To and their family
    FAILED_RECIPIENTS = "x-failed-recipients"
    FINAL_RECIPIENT = "final-recipient"
    ORIGINAL_TO = "original-to"  # the only To of the returned message
    TEXT = "text"  # the words of a bounce without a report part
    SENDER = "sender"  # the From of an unsubscribe mail
    NOWHERE = "nowhere"

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        """A word of a newer process; what it says of the place is not worth the record."""
        return cls(cls.NOWHERE) if isinstance(value, str) else None


class Source(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who handed the message to us: the SMTP session's facts, all of them claims but the address."""

    ip: str = ""
    helo: str = ""
    mail_from: str = ""
    rcpt_to: tuple[str, ...] = ()
    tls: bool = False


class Report(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one message says of one recipient.

    `id` is made from the message's bytes, its envelope and the report's place in it, so the same message that arrives
    twice makes the same reports twice (G3). `message_id` names the raw message on the topic `raw`.
    """

    version: int = RECORD_VERSION
    id: str
    message_id: str
    received_at: datetime
    kind: Kind
    format: str  # which reader understood it: "rfc3464", "qmail", "exim", "arf", …
    recipient: str | None = None  # as the report writes it, angle brackets and type taken off
    derived_from: DerivedFrom = DerivedFrom.NOWHERE
    action: Action | None = None
    status: str | None = None  # enhanced status code, "5.1.1"
    reply_code: int | None = None  # SMTP reply code, 550
    diagnostic: str | None = None  # the words of the remote MTA, unfolded
    remote_mta: str | None = None
    reporting_mta: str | None = None
    feedback_type: str | None = None
    occurred_at: datetime | None = None  # when it failed or was complained of, as the report says
    subject: str | None = None
    original_message_id: str | None = None
    original_envelope_id: str | None = None
    original_source_ip: str | None = None  # which host sent the mail that is complained of, as the report or that mail says
    original_mail_from: str | None = None  # that mail's reverse-path
    tenant: str = "default"
    stream: str | None = None
    mailing_list: str | None = None  # which list, where what we signed says it
    message: str | None = None  # the sender's own name for the mail, where what we signed says it
    proof: Proof = Proof.NONE
    withheld: str | None = None  # why this report may act on nobody: it is kept and shown, no more
    source: Source = Source()
    returned_token: str | None = None  # our token as found in the returned message, not yet checked
    notes: tuple[str, ...] = ()  # what the reader met on the way that a person should know


class Decision(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the rules made of a report."""

    outcome: Result
    permanent: bool | None
    fault: Fault | None
    category: str  # one word of classifiers.outcome.Category
    rule: str  # the rule's name: which file and which rule in it
    words: str | None = None  # the words of the report that decided
    blocklist: str | None = None  # the list that refused us, where the reply names it
    ip: str | None = None  # our address that stands on it, as the reply says
    rules_version: str = ""


class Rejudgement(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Says of an outcome that it takes the place of the one that the same report had before (`nullsender replay`)."""

    replay_id: str
    reason: str  # the operator's words
    release_protected: bool = False  # whether it may take back what was read as a complaint or an unsubscribe
    earlier: tuple[Decision, ...] = ()  # what the report was read as before, oldest first; the store writes it down

    @property
    def words(self) -> str:
        """Who and why, for a history."""
        return f"replay {self.replay_id}: {self.reason}"


class Outcome(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A report and the decision on it."""

    version: int = RECORD_VERSION
    report: Report
    decision: Decision
    decided_at: datetime
    rejudged: Rejudgement | None = None


class RawMessage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A message as it came, for evidence and replay; personal data, so it is kept only for days."""

    version: int = RECORD_VERSION
    message_id: str
    received_at: datetime
    source: Source
    content: bytes


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A message or record that could not be dealt with: its bytes, why, and where it came from."""

    version: int = RECORD_VERSION
    id: str
    reason: str
    stage: str  # "ingest", "classify", "suppress"
    dead_at: datetime
    attempts: int = 1
    message_id: str = ""
    source: Source = Source()
    topic: str = ""  # for a record: where it lay
    partition: int = 0
    offset: int = -1
    key: bytes = b""  # the record's own, so that it keeps its place among its like when it is replayed
    content: bytes


Event = TypeVar("Event", Report, Outcome, RawMessage, DeadLetter)

_encoder = msgspec.json.Encoder()


def encode(event: Report | Outcome | RawMessage | DeadLetter) -> bytes:
    """The event as JSON bytes for the log."""
    return _encoder.encode(event)


def decode(kind: type[Event], data: bytes) -> Event:
    """The event that `data` holds; `Invalid` where it does not hold one that this version can read."""
    try:
        event = msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Invalid(f"not a {kind.__name__} record: {error}") from error
    if event.version > RECORD_VERSION:
        raise Invalid(
            f"a {kind.__name__} record of version {event.version}, this process reads up to {RECORD_VERSION}: upgrade it"
        )
    return event
