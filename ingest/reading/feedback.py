"""What people and their providers say of mail that arrived: the readers of feedback reports, surest first.

Each looks at one sign that costs nothing (the type of a part, a field, the sender) before it reads anything.
"""

from ingest.reading.arf import read_arf
from ingest.reading.finding import Findings
from ingest.reading.mime import Part
from ingest.reading.older_loops import read_older_loop
from ingest.reading.returned import Returned
from ingest.reading.spamcop import SPAMCOP, read_spamcop
from ingest.reading.xarf import read_xarf


def read_feedback(message: Part, returned: Returned) -> Findings | None:
    """What the feedback report `message` says, or None where it is none; `returned` is the mail that it brings back."""
    if message.children:
        parts = [part for part in message.walk() if not part.children]
        found = read_xarf(parts) or read_arf(message, parts, returned)
        if found is not None:
            return found
    sender = message.headers.get("from").lower()
    if SPAMCOP in sender:
        return read_spamcop(message)
    return read_older_loop(message, sender, returned)
