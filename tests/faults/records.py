"""Reports that a test puts on the log itself, as another version of the code would have written them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from ingest.intake import Intake
from nullsender.events import Source
from nullsender.log import Record, Topic
from nullsender.signing.keys import SigningKeys
from tests.faults.mail import Mail


class Reported(NamedTuple):
    """One message, its name, and the records of its reports."""

    mail: Mail
    message_id: str
    records: Sequence[Record]


def reported(mail: Mail, keys: SigningKeys) -> Reported:
    """What the MX would put on the log for `mail`, its raw bytes apart."""
    taken = Intake(keys=keys).take(mail.content, Source(ip="127.0.0.2", rcpt_to=(mail.to,)), datetime.now(UTC))
    return Reported(mail, taken.message_id, [record for record in taken.records if record.topic is not Topic.RAW])


def rewritten(records: Sequence[Record], *, without: Sequence[str] = (), **fields: Any) -> list[Record]:
    """The same records without some fields of their JSON, and with others."""
    return [msgspec.structs.replace(record, value=_rewritten(record.value, without, fields)) for record in records]


def _rewritten(value: bytes, without: Sequence[str], fields: dict[str, Any]) -> bytes:
    told = {name: held for name, held in msgspec.json.decode(value).items() if name not in without}
    return msgspec.json.encode(told | fields)
