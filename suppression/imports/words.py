"""Every system's words for why an address is on its list, and what they are here: a cause, or why such a row is not taken.

The rule behind the table: what a system holds against an address for good is taken as what it calls it; what it holds against a
message, a sender or an hour is not, for it says nothing of the address. A word that stands in no table is refused with its
row, and never guessed. `docs/imports.md` shows the same table.
"""

from collections.abc import Mapping
from typing import Final, TypeAlias

from nullsender.errors import Invalid
from suppression.policy import Cause

NOT_A_SUPPRESSION: Final = "not a suppression"
_ALLOWED = f"{NOT_A_SUPPRESSION}: it stands on a list of addresses that are always sent to"
_BLOCK = f"{NOT_A_SUPPRESSION}: a block is about one message, and SendGrid itself goes on sending"
_SOFT = f"{NOT_A_SUPPRESSION}: one soft bounce suppresses nobody"
_OURS = f"{NOT_A_SUPPRESSION}: the message or its sender was at fault, not the address"
_ACTIVE = f"{NOT_A_SUPPRESSION}: this person gets mail"

Meaning: TypeAlias = Cause | str  # a text says why such a row is not taken

#: By the system's name, as its shapes have it, and its word in lower case.
WORDS: Final[Mapping[str, Mapping[str, Meaning]]] = {
    "ses": {"bounce": Cause.HARD, "complaint": Cause.COMPLAINT},
    "sendgrid": {
        "bounce": Cause.HARD,
        "invalid email": Cause.HARD,
        "spam report": Cause.COMPLAINT,
        "unsubscribe": Cause.UNSUBSCRIBE,
        "group unsubscribe": Cause.UNSUBSCRIBE,
        "block": _BLOCK,
    },
    "mailgun": {
        "bounce": Cause.HARD,
        "bounce 4xx": Cause.SOFT,
        "complaint": Cause.COMPLAINT,
        "unsubscribe": Cause.UNSUBSCRIBE,
        "allowlist": _ALLOWED,
    },
    "sparkpost": {
        "spam complaint": Cause.COMPLAINT,
        "list unsubscribe": Cause.UNSUBSCRIBE,
        "unsubscribe link": Cause.UNSUBSCRIBE,
        "bounce rule": Cause.HARD,
        "manually added": Cause.MANUAL,
        "compliance": Cause.COMPLAINT,  # nobody may lift it there either
    },
    "postmark": {
        "hardbounce": Cause.HARD,
        "spamcomplaint": Cause.COMPLAINT,
        "manualsuppression recipient": Cause.UNSUBSCRIBE,  # the person used the link
        "manualsuppression customer": Cause.MANUAL,
        "manualsuppression admin": Cause.MANUAL,
        "manualsuppression": Cause.MANUAL,
    },
    "mandrill": {
        "hard-bounce": Cause.HARD,
        "soft-bounce": Cause.SOFT,
        "spam": Cause.COMPLAINT,
        "unsub": Cause.UNSUBSCRIBE,
        "custom": Cause.MANUAL,
        "allowlist": _ALLOWED,
    },
    "powermta": {
        "bad-mailbox": Cause.HARD,
        "inactive-mailbox": Cause.HARD,
        "bad-domain": Cause.HARD,
        "quota-issues": _SOFT,
        "no-answer-from-host": _SOFT,
        "relaying-issues": _OURS,
        "routing-errors": _SOFT,
        "bad-connection": _SOFT,
        "bad-configuration": _OURS,
        "content-related": _OURS,
        "invalid-sender": _OURS,
        "message-expired": _SOFT,
        "other": _OURS,
        "policy-related": _OURS,
        "protocol-errors": _OURS,
        "spam-related": _OURS,
        "virus-related": _OURS,
        "not a bounce": f"{NOT_A_SUPPRESSION}: this record is no bounce",
    },
    "postal": {
        "too many hard fails": Cause.HARD,
        "hard fail": Cause.HARD,
        "too many soft fails": Cause.SOFT,
        "soft fail": Cause.SOFT,
        "bounce": Cause.HARD,
        "manual": Cause.MANUAL,
    },
    "listmonk": {
        "blocklisted": Cause.UNSUBSCRIBE,  # it does not say why; so only that person's consent lifts it
        "unsubscribed": Cause.UNSUBSCRIBE,
        "disabled": Cause.MANUAL,
        "enabled": _ACTIVE,
        "bounce hard": Cause.HARD,
        "bounce complaint": Cause.COMPLAINT,
        "bounce soft": _SOFT,
    },
    "mautic": {
        "1": Cause.UNSUBSCRIBE,
        "unsubscribed": Cause.UNSUBSCRIBE,
        "2": Cause.HARD,
        "bounced": Cause.HARD,
        "3": Cause.MANUAL,
        "manual": Cause.MANUAL,
        "0": _ACTIVE,
        "contactable": _ACTIVE,
        "not email": f"{NOT_A_SUPPRESSION}: it is about another channel than mail",
    },
    "nullsender": {
        **{cause.value: cause for cause in Cause},
        "ended": f"{NOT_A_SUPPRESSION} any more: it had ended there",
        "provisional": f"{NOT_A_SUPPRESSION} for good: nothing tied it to mail that was sent",
    },
    "plain": {
        **{cause.value: cause for cause in Cause},
        **dict.fromkeys(("active", "enabled", "subscribed", "confirmed", "cleaned-active", "deliverable", "valid"), _ACTIVE),
    },
}


def cause_for(system: str, word: str) -> Cause:
    """What a system's word is here; `Invalid` says why a row with it is not taken."""
    meaning = WORDS[system].get(word.strip().lower())
    if isinstance(meaning, Cause):
        return meaning
    raise Invalid(meaning or f"nobody knows what {word[:60]!r} means on this list")
