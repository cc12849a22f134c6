"""How a person asked for no more mail: which way, when, and what shows that it was that person."""

from datetime import datetime
from enum import StrEnum

import msgspec

from nullsender.events import Outcome, Report, Result


class Channel(StrEnum):
    """The way that an unsubscribe came."""

    ONE_CLICK = "one-click"  # the mail provider's button (RFC 8058)
    PAGE = "page"  # the button on our own page
    MAILTO = "mailto"
    APPLE_MAIL = "apple-mail"  # the button of Apple's mail program, which sends a mail
    ARF = "arf"  # a provider's feedback report of the type opt-out
    IMPORT = "import"
    OPERATOR = "operator"


class Asking(msgspec.Struct, frozen=True, kw_only=True):
    """One person's word, as it reached us."""

    channel: Channel
    verified: str  # what ties it to mail that we sent: a word of `Proof`, or `operator`, or `import`
    received_at: datetime | None = None  # None: in the turn that heeds it
    ip: str | None = None
    user_agent: str | None = None
    token: str | None = None  # the id of the token that was shown
    message: str | None = None  # the sender's own name for the mail that it was about
    report_id: str | None = None


#: What an operator's own entry rests on.
BY_OPERATOR = Asking(channel=Channel.OPERATOR, verified="operator")


def asking_of(outcome: Outcome) -> Asking | None:
    """How the person asked whose report came to this outcome; None where it is no unsubscribe."""
    if outcome.decision.outcome is not Result.UNSUBSCRIBE:
        return None
    report = outcome.report
    return Asking(
        channel=_channel_of(report),
        verified=report.proof.value,
        received_at=report.received_at,
        ip=report.source.ip or None,
        message=report.message or report.original_message_id,
        report_id=report.id,
    )


def _channel_of(report: Report) -> Channel:
    if report.feedback_type is not None:
        return Channel.ARF
    return Channel.APPLE_MAIL if report.format == "apple-mail" else Channel.MAILTO
