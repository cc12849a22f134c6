"""Reading fixtures: a message's envelope by its file's name, and a reading as the JSON that stands beside the message.

`python -m tests.readings FILE.eml...` writes that JSON; whoever runs it looks at what it wrote before he commits it.
"""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from ingest.reading.report import Reading, Unreadable, read_message
from nullsender.events import Report, Source, encode

RECEIVED_AT = datetime(2026, 3, 3, 12, tzinfo=UTC)
MAIL = Path(__file__).resolve().parents[1] / "fixtures" / "mail"
_ROLES = ("unsubscribe", "complaints")
# What depends on the bytes and the envelope alone, and what every report of one run has in common.
_IDENTITY = ("id", "message_id", "received_at", "source", "kind", "format")


def read(content: bytes, *, rcpt_to: str = "bounces@bounces.example.com", ip: str = "") -> Reading:
    """The reading of a message that can be read."""
    reading = read_message(content, source=Source(ip=ip, rcpt_to=(rcpt_to,)), received_at=RECEIVED_AT)
    assert not isinstance(reading, Unreadable), reading.reason
    return reading


def read_file(path: Path | str) -> Reading:
    """The reading of a fixture; one whose name begins with a role came to that role's address, others to the bounces'."""
    path = Path(path)
    role = next((role for role in _ROLES if path.stem.startswith(f"{role}-")), "bounces")
    return read(path.read_bytes(), rcpt_to=f"{role}@bounces.example.com")


def only(reading: Reading) -> Report:
    """The only report of a reading."""
    (report,) = reading.reports
    return report


def expected_of(path: Path | str) -> dict[str, object]:
    """The reading of a fixture in the form of the JSON beside it: of each report the fields that its reader set."""
    reading = read_file(path)
    # Collected mail is collected anew from time to time, so its times change; handmade mail keeps them.
    left_out = _IDENTITY if Path(path).parent.name == "handmade" else (*_IDENTITY, "occurred_at")
    records = [json.loads(encode(report)) for report in reading.reports]
    reports = [{name: value for name, value in record.items() if name not in left_out} for record in records]
    return {"kind": reading.kind.value, "format": reading.format, "reports": reports}


if __name__ == "__main__":
    for name in sys.argv[1:]:
        Path(name).with_suffix(".json").write_text(json.dumps(expected_of(name), indent=2, ensure_ascii=False) + "\n")
