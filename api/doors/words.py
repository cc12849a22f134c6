"""The words of every door, and their codes: what a sender reads whose mail is refused.

The address is not among them: the mail server names it beside them, and so nobody's bytes come back as ours.
"""

from collections.abc import Mapping

from api.doors.said import Kind, Said
from nullsender.limits import DOOR_TEXT_CHARACTERS_MAX
from suppression.policy import Cause

SUPPRESSED_TEXT = "this recipient is on the suppression list ({cause}), so no mail is sent there"
INVALID_TEXT = "this recipient is not a valid e-mail address"
UNKNOWN_TEXT = "it can not be told now whether mail may go to this recipient, try again later"

CAUSES: Mapping[Cause, str] = {
    Cause.COMPLAINT: "complaint",
    Cause.UNSUBSCRIBE: "unsubscribe",
    Cause.HARD: "hard bounce",
    Cause.MANUAL: "by hand",
    Cause.SOFT: "soft bounces",
}

#: SMTP reply code (RFC 5321 4.2.3) and enhanced status code (RFC 3463) of what is no yes. Our own trouble is never permanent.
CODES: Mapping[Kind, tuple[int, str]] = {
    Kind.SUPPRESSED: (550, "5.7.1"),
    Kind.INVALID: (553, "5.1.3"),
    Kind.UNKNOWN: (451, "4.3.0"),
    Kind.REFUSED: (451, "4.3.5"),  # system incorrectly configured: the operator's, who mends it while the mail waits
}
assert CODES.keys() == set(Kind) - {Kind.ALLOWED}

INVALID = Said(Kind.INVALID, INVALID_TEXT)
# Whoever asks about nothing is set up wrongly: a permanent refusal would bounce all their mail.
NO_ADDRESS = Said(Kind.REFUSED, "the question names no address")
UNKNOWN = Said(Kind.UNKNOWN, UNKNOWN_TEXT)
UNCHECKED = Said(Kind.ALLOWED, mark="unchecked")


def refused(reason: str) -> Said:
    """What is said to a question that is itself at fault. The reason may quote it, and it may be long."""
    return Said(Kind.REFUSED, plain(reason[:DOOR_TEXT_CHARACTERS_MAX]))


def suppressed(cause: Cause, scope: str | None, text: str = SUPPRESSED_TEXT) -> Said:
    """The list stops this mail; `text` is the sentence that says so, with the cause in the place of `{cause}`."""
    return Said(Kind.SUPPRESSED, text.replace("{cause}", CAUSES[cause]), cause, scope)


def shadow_of(said: Said) -> Said:
    """The same during a trial run: the mail goes, with a mark that says what would have become of it."""
    if said.kind is Kind.ALLOWED:
        return said
    cause = "" if said.cause is None else f" ({CAUSES[said.cause]})"
    return Said(Kind.ALLOWED, cause=said.cause, scope=said.scope, mark=f"would be {said.kind}{cause}")


def smtp_reply(said: Said) -> str:
    """`said` as an SMTP server says it: `550 5.7.1 …`. Not for a yes, of which SMTP has its own."""
    code, status = CODES[said.kind]
    return f"{code} {status} {said.words}"


def plain(text: str) -> str:
    """`text` as one line of printable ASCII; a question mark in the place of everything else."""
    return "".join(character if " " <= character <= "~" else "?" for character in text)
