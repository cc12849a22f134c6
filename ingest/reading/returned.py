"""The mail of ours that came back inside a report, as far as it came back.

It names whom we wrote to, it carries our token, and its signature may prove that it is ours. All of that is a claim of
whoever wrote the report until `ingest/proof.py` has checked it.
"""

import re

import msgspec

from ingest.reading.headers import NO_HEADERS, Headers, read_fields
from ingest.reading.mailboxes import mailboxes_of
from ingest.reading.mentions import is_address
from ingest.reading.mime import HEAD_TYPES, MESSAGE_TYPES, Part
from nullsender.events import DerivedFrom
from nullsender.limits import NAME_CHARACTERS_MAX, RECEIVED_FIELDS_MAX
from nullsender.signing.token import FEEDBACK_ID_HEADER, TOKEN_HEADER, token_in_feedback_id

# Fields that a receiver writes into the mail with the address that it accepted it for, most telling first. Microsoft's
# feedback loop (JMRP) names the complainer in the first.
_DELIVERED_TO = ("x-hmxmroriginalrecipient", "x-delivered-to", "delivered-to", "envelope-to", "x-envelope-to", "x-original-to")


class Returned(msgspec.Struct, frozen=True):
    """The returned message: its bytes (line ends LF, perhaps only the head, perhaps cut) and its fields."""

    content: bytes = b""
    headers: Headers = NO_HEADERS

    def recipient(self) -> tuple[str | None, DerivedFrom]:
        """Whom it was delivered to, as its receiver wrote; else whom it was for, where that was one address only."""
        for name in _DELIVERED_TO:
            for value in self.headers.all(name):
                if is_address(address := value.strip().strip("<>")):
                    return address, DerivedFrom.DELIVERED_TO
        recipients = self.recipients()
        if len(recipients) == 1:
            return recipients[0], DerivedFrom.ORIGINAL_TO
        received_for = self._received_for() if not recipients else ()
        return (received_for[0], DerivedFrom.DELIVERED_TO) if len(received_for) == 1 else (None, DerivedFrom.NOWHERE)

    def _received_for(self) -> tuple[str, ...]:
        """The addresses that servers on its way received it for (RFC 5321 4.4, the For clause), each once."""
        values = self.headers.all("received")[:RECEIVED_FIELDS_MAX]
        found = (match[1] for value in values if (match := _RECEIVED_FOR.search(value)))
        return tuple({address.lower(): address for address in found if is_address(address)}.values())

    def recipients(self) -> tuple[str, ...]:
        """The addresses of its To fields, each once."""
        return tuple({address.lower(): address for address in mailboxes_of(self.headers, "to")}.values())

    def senders(self) -> frozenset[str]:
        """The addresses that it came from (Return-Path, From, Sender), lower-cased."""
        return frozenset(map(str.lower, mailboxes_of(self.headers, "return-path", "from", "sender", "reply-to")))

    def token(self) -> str | None:
        """Our own signed header, or what looks like one in CFBL-Feedback-ID; not yet checked."""
        token = self.headers.get(TOKEN_HEADER.lower())[:NAME_CHARACTERS_MAX]
        feedback_id = self.headers.get(FEEDBACK_ID_HEADER.lower())[:NAME_CHARACTERS_MAX]
        return token or (token_in_feedback_id(feedback_id) if feedback_id else None)

    def message_id(self) -> str | None:
        """RFC 5322 3.6.4, without its angle brackets."""
        return self.headers.get("message-id").strip("<> \t")[:NAME_CHARACTERS_MAX] or None


_RECEIVED_FOR = re.compile(r"\sfor\s+<([^<>\s]{3,320})>", re.IGNORECASE)
NOTHING_RETURNED = Returned()


def returned_message(message: Part) -> Returned:
    """The message that `message` carries inside: the first that has fields."""
    for part in message.walk():
        if part.media_type in MESSAGE_TYPES:
            fields = part.children[0].headers if part.children else NO_HEADERS
        elif part.media_type in HEAD_TYPES:
            fields = read_fields(part.content().lstrip(b"\n").partition(b"\n\n")[0])
        else:
            continue
        if fields.has_several or FEEDBACK_ID_HEADER.lower() in fields:  # RFC 9477 lets a report redact all but that
            return Returned(part.content().lstrip(b"\n"), fields)
    return NOTHING_RETURNED
