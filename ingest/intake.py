"""What a message becomes on the log: its raw bytes and one record for each report, or a dead letter. Nothing is left over (G2).

The records depend on the message, its envelope and the time of arrival alone: the same message that comes again has the same
ids, and is known for what it is by whoever reads the log (G3).
"""

import logging
from collections.abc import Iterable
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network

import msgspec

from ingest.proof import Prover
from ingest.reading.report import Unreadable, message_id_of, read_message
from ingest.roles import role_of
from nullsender.address import canonical
from nullsender.errors import Invalid
from nullsender.events import DeadLetter, Kind, RawMessage, Report, Source, encode
from nullsender.limits import DIAGNOSTIC_CHARACTERS_MAX
from nullsender.log import Record, Topic
from nullsender.signing.keys import SigningKeys

_log = logging.getLogger("mx")

_TOPICS = {
    Kind.BOUNCE: Topic.BOUNCES,
    Kind.COMPLAINT: Topic.COMPLAINTS,
    Kind.UNSUBSCRIBE: Topic.UNSUBSCRIBES,
}


# Kinds that say what a person wants.
_OF_PEOPLE = frozenset({Kind.COMPLAINT, Kind.UNSUBSCRIBE})
#: The kind of a message that nothing can be read in.
UNREADABLE = "unreadable"


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """What to publish for one message: `kind` is the message's, or UNREADABLE; `reports` is how many there are.

    `nameless` counts the complaints and unsubscribes among them that name nobody, so that nobody's address is kept from mail.
    """

    message_id: str
    kind: str
    reports: int
    nameless: int = 0
    records: tuple[Record, ...]

    def facts(self) -> dict[str, object]:
        """What the log line about the message says."""
        return {"message_id": self.message_id, "kind": self.kind, "reports": self.reports}


class Intake:
    """Turns messages into records."""

    def __init__(self, *, keys: SigningKeys, trusted_sources: Iterable[IPv4Network | IPv6Network] = ()) -> None:
        self._prover = Prover(keys, trusted_sources=trusted_sources)

    def take(self, content: bytes, source: Source, received_at: datetime) -> Taken:
        """The records of one message; any bytes give some, and none raise. `received_at` is aware, in UTC."""
        message_id = message_id_of(content, source)
        raw = RawMessage(message_id=message_id, received_at=received_at, source=source, content=content)
        try:
            return self._read(raw)
        except Exception as error:
            # Our mistake. A 451 would bring the same message again and again until its sender gives up and it is lost;
            # kept whole it can be replayed once the mistake is mended.
            _log.error("our reader failed", exc_info=error, extra={"facts": {"message_id": message_id}})
            return _dead(raw, f"our reader failed: {type(error).__name__}: {error}")

    def _read(self, raw: RawMessage) -> Taken:
        reading = read_message(raw.content, source=raw.source, received_at=raw.received_at)
        if isinstance(reading, Unreadable):
            return _dead(raw, reading.reason)
        reports = self._prover.prove(reading, raw.source, today=raw.received_at.date())
        topic = _TOPICS.get(reading.kind) or _topic_of_envelope(raw.source)
        return Taken(
            message_id=raw.message_id,
            kind=reading.kind,
            reports=len(reports),
            nameless=sum(report.recipient is None for report in reports) if reading.kind in _OF_PEOPLE else 0,
            records=(
                Record(Topic.RAW, raw.message_id.encode(), encode(raw)),
                *(Record(topic, _key(report), encode(report)) for report in reports),
            ),
        )


def _topic_of_envelope(source: Source) -> Topic:
    return next(filter(None, map(role_of, source.rcpt_to)), Topic.BOUNCES)


def _key(report: Report) -> bytes:
    """Reports about one address keep their order on the log."""
    try:
        return canonical(report.recipient or "").encode()
    except Invalid:
        return report.message_id.encode()


def _dead(raw: RawMessage, reason: str) -> Taken:
    letter = DeadLetter(
        id=raw.message_id,
        reason=reason.encode("utf-8", "backslashreplace").decode()[:DIAGNOSTIC_CHARACTERS_MAX],
        stage="ingest",
        dead_at=raw.received_at,
        message_id=raw.message_id,
        source=raw.source,
        content=raw.content,
    )
    record = Record(Topic.DEAD_LETTERS, letter.id.encode(), encode(letter))
    return Taken(message_id=raw.message_id, kind=UNREADABLE, reports=0, records=(record,))
