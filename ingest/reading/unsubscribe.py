"""Mail that asks for no more mail: to an address that is there for it, or from a mail client that says so.

Who wants out is who wrote it (RFC 2369 section 3.2 says no more than that); a token in the address it came to says it better,
and is looked at later, with the other proofs.
"""

import msgspec

from ingest.reading.finding import Finding, Findings
from ingest.reading.mailboxes import mailbox_in
from ingest.reading.mime import Part
from ingest.roles import role_of
from nullsender.events import DerivedFrom, Kind, Source
from nullsender.log import Topic
from nullsender.signing.return_path import is_return_path
from nullsender.signing.unsubscribe_link import tokens_in


def read_client_unsubscribe(message: Part) -> Findings | None:
    """Apple Mail's unsubscribe button. It calls its mail an automatic reply, so it is asked before those are."""
    if message.headers.get("x-apple-unsubscribe").lower() != "true":
        return None
    return _from_sender(message, "apple-mail")


def read_signed_unsubscribe(message: Part, source: Source) -> Findings | None:
    """Mail to an address that we signed for one recipient's unsubscribe, or with the token of a link of ours as its subject.

    It is asked before automatic answers: providers press that button for people, from the null sender and marked as automatic.
    Nobody else knows the address or the token. Whether the signature holds is checked with the other proofs.
    """
    if tokens_in(message.headers.get("subject")):
        return read_unsubscribe(message, source)
    signed = (address for address in source.rcpt_to if is_return_path(address.rpartition("@")[0]))
    return read_unsubscribe(message, msgspec.structs.replace(source, rcpt_to=tuple(signed)))


def read_unsubscribe(message: Part, source: Source) -> Findings | None:
    """Any mail that is left and came to an unsubscribe address."""
    if not any(role_of(address) is Topic.UNSUBSCRIBES for address in source.rcpt_to):
        return None
    return _from_sender(message, "mailto")


def _from_sender(message: Part, format_name: str) -> Findings:
    # RFC 5322 3.6.2: where several wrote it, Sender is who sent it.
    sender = mailbox_in(message.headers.get("from")) or mailbox_in(message.headers.get("sender"))
    finding = Finding(recipient=sender, derived_from=DerivedFrom.SENDER if sender else DerivedFrom.NOWHERE)
    return Findings(kind=Kind.UNSUBSCRIBE, format=format_name, findings=(finding,))
