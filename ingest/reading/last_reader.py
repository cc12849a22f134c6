"""The last one who is asked: GNU Mailman's collection of bounce detectors (flufl.bounce).

It knows systems that nobody has seen for twenty years. It is asked only for the recipients of a mail that is a bounce
already, never how hard it is (it calls nearly everything permanent); and it sees a small plain copy of the notice, made here,
because it bounds nothing itself and some of its detectors raise.
"""

from email.message import Message

from flufl.bounce import all_failures

from ingest.reading.mentions import is_address
from ingest.reading.mime import Part
from ingest.reading.notice_words import Notice
from nullsender.limits import LAST_READER_CHARACTERS_MAX, LAST_READER_LINE_CHARACTERS_MAX, NAME_CHARACTERS_MAX


def last_recipients(message: Part, notice: Notice) -> tuple[str, ...]:
    """The failed recipients that one of the detectors finds, sorted; none is an answer too."""
    try:
        temporary, permanent = all_failures(_copy(message, notice))
    except Exception:  # whatever an old detector stumbles over is no news: the message stays a bounce without a recipient
        return ()
    found = (address.decode("utf-8", "replace") for address in temporary | permanent)
    return tuple(sorted(address for address in found if is_address(address)))


def _copy(message: Part, notice: Notice) -> Message:
    copy = Message()
    for name in ("From", "To", "Subject"):
        copy[name] = " ".join(message.headers.get(name.lower())[:NAME_CHARACTERS_MAX].split())
    if "@" not in copy["From"]:
        copy.replace_header("From", "nobody@invalid")  # one detector takes it for granted that there is an address
    copy["Content-Type"] = "text/plain; charset=utf-8"
    lines = (line[:LAST_READER_LINE_CHARACTERS_MAX] for line in notice.lines)
    copy.set_payload("\n".join(lines)[:LAST_READER_CHARACTERS_MAX].encode("utf-8", "replace").decode("latin-1"))
    return copy
