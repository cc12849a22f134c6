"""What the readers of formats give back, before the message's own facts are added to it.

A reader takes the tree of a message and answers with a `Reading`'s raw material, or with None where the message is not of
its format. `ingest/reading/report.py` asks them in order and makes reports of the findings.
"""

import re
from datetime import datetime

import msgspec

from ingest.reading.charsets import decode_bytes
from ingest.reading.codes import reply_code_in, status_code_in
from ingest.reading.returned import Returned
from nullsender.errors import Invalid
from nullsender.events import Action, DerivedFrom, Kind
from nullsender.limits import DIAGNOSTIC_CHARACTERS_MAX, REPORTS_MAX


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What a message says of one recipient; the fields are those of `nullsender.events.Report`.

    Only `final_recipient` is not kept: whom the words of the notice may name in the recipient's place.
    """

    recipient: str | None = None
    derived_from: DerivedFrom = DerivedFrom.NOWHERE
    action: Action | None = None
    status: str | None = None
    reply_code: int | None = None
    diagnostic: str | None = None
    remote_mta: str | None = None
    reporting_mta: str | None = None
    feedback_type: str | None = None
    occurred_at: datetime | None = None
    original_envelope_id: str | None = None
    original_source_ip: str | None = None
    original_mail_from: str | None = None
    final_recipient: str | None = None
    notes: tuple[str, ...] = ()


class TooManyRecipients(Invalid):
    """A message on more recipients than are read. None of them may be dropped unseen, so the message is kept whole instead."""

    def __init__(self) -> None:
        super().__init__(f"it reports on more than {REPORTS_MAX} recipients, or is too long to be sure that all are read")


class Findings(msgspec.Struct, frozen=True, kw_only=True):
    """What a reader made of a whole message; at least one finding.

    `returned` is set where the mail that came back is not the one that the message carries at first sight. `numbers` are the
    places of the findings in the message, by which their reports are named, where some that say the same were left out.
    """

    kind: Kind
    format: str
    findings: tuple[Finding, ...]
    returned: Returned | None = None
    numbers: tuple[int, ...] = ()


def with_diagnostic(finding: Finding, words: str) -> Finding:
    """`finding` with `words` as its diagnostic, and with the codes that stand in them where it has none yet."""
    diagnostic, status, reply_code = codes_and_words(words)
    return msgspec.structs.replace(
        finding,
        diagnostic=diagnostic,
        status=finding.status or status,
        reply_code=finding.reply_code or reply_code,
    )


def codes_and_words(words: str) -> tuple[str | None, str | None, int | None]:
    """What a mail system said, as it is kept: the words on one line, the enhanced status code and the reply code in them."""
    diagnostic = one_line(_ESCAPED_OCTETS.sub(_octets, words) if "\\" in words else words)
    return (diagnostic, status_code_in(diagnostic), reply_code_in(diagnostic)) if diagnostic else (None, None, None)


# Exim writes what is not ASCII in a reply as octal escapes: \303\244.
_ESCAPED_OCTETS = re.compile(r"(?:\\[23][0-7]{2})+")


def _octets(match: re.Match[str]) -> str:
    return decode_bytes(bytes(int(octet, 8) for octet in match.group().split("\\")[1:]))


def one_line(words: str) -> str:
    """`words` unfolded: every run of white space is one space; bounded; only what can be shown."""
    if len(words) <= DIAGNOSTIC_CHARACTERS_MAX and "  " not in words and words.isprintable():
        return words.strip()  # most are so already
    return shown(" ".join(words[: 2 * DIAGNOSTIC_CHARACTERS_MAX].split()))[:DIAGNOSTIC_CHARACTERS_MAX]


def shown(text: str) -> str:
    """`text` without control characters, NUL and halves of characters: stores refuse them, and terminals obey them."""
    return text if text.isprintable() else "".join(filter(str.isprintable, text))
