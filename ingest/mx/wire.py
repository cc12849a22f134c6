"""The octets of an SMTP connection: command lines and messages out of chunks of any size, in bounded memory.

No socket here: chunks go in, lines and messages come out. A command ends at CR LF, and a message at CR LF . CR LF and nowhere
else (RFC 5321 4.1.1.4), so that nobody can smuggle a second message past an MTA that reads line ends differently than we do.
"""

import re
from typing import NamedTuple

from ingest.mx.replies import Reply
from nullsender.limits import COMMAND_BYTES_MAX

_END_OF_MESSAGE = b"\r\n.\r\n"
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


class Command(NamedTuple):
    """A command line: the verb in upper case, and what follows it without surrounding blanks.

    Octets that are no UTF-8 are lone surrogates in `argument`, as Python's `surrogateescape` makes them.
    """

    verb: str
    argument: str


class CommandReader:
    """Command lines out of chunks; it holds at most one line and one chunk."""

    def __init__(self) -> None:
        self._pending = bytearray()
        self._skipping = False  # inside a line that was too long

    def feed(self, chunk: bytes) -> None:
        """Take octets that came."""
        self._pending += chunk

    def take_rest(self) -> bytes:
        """Give up what was not read as a command: the beginning of a message, or what must be forgotten before TLS."""
        rest = bytes(self._pending)
        self._pending.clear()
        return rest

    def next(self) -> Command | Reply | None:
        """The next command, or the reply to a line that is none, or None when the line is not whole yet."""
        end = self._pending.find(b"\n")
        if end < 0:
            if self._skipping or len(self._pending) > COMMAND_BYTES_MAX:
                self._pending.clear()
                self._skipping = True
            return None
        line = bytes(self._pending[: end + 1])
        del self._pending[: end + 1]
        if self._skipping or len(line) > COMMAND_BYTES_MAX:
            self._skipping = False
            return Reply.LINE_TOO_LONG
        return _parse(line)


def _parse(line: bytes) -> Command | Reply:
    # A line that ends in a bare LF is refused: whoever sends it is broken, or hopes that we and a relay before us differ.
    if not line.endswith(b"\r\n") or _CONTROL.search(line, 0, len(line) - 2):
        return Reply.NOT_A_COMMAND
    verb, _, argument = line[:-2].partition(b" ")
    if not verb.isalpha():
        return Reply.NOT_A_COMMAND
    return Command(verb.upper().decode("ascii"), argument.strip(b" \t").decode("utf-8", "surrogateescape"))


class MessageReader:
    """One message out of chunks, up to `bytes_max`; what is too large is read to its end and not kept."""

    def __init__(self, *, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        # The DATA line's own end counts: a message may end with its first line.
        self._kept = bytearray(b"\r\n")
        self.refusal: Reply | None = None

    def feed(self, chunk: bytes) -> bytes | None:
        """Take octets. None: the message goes on; bytes: it has ended, and these came after its end."""
        searched = max(len(self._kept) - len(_END_OF_MESSAGE) + 1, 0)
        self._kept += chunk
        end = self._kept.find(_END_OF_MESSAGE, searched)
        if end >= 0:
            rest = bytes(self._kept[end + len(_END_OF_MESSAGE) :])
            del self._kept[end + 2 :]
        # RFC 1870 5: the octets of the message without the final dot; those that were stuffed are too few to matter.
        if self.refusal or len(self._kept) - 2 > self._bytes_max:
            self.discard(Reply.TOO_LARGE)
        return rest if end >= 0 else None

    def discard(self, refusal: Reply) -> None:
        """Keep nothing of the message but what is needed to find its end; `refusal` is what its sender will be told."""
        self.refusal = self.refusal or refusal
        del self._kept[: -len(_END_OF_MESSAGE) + 1]

    @property
    def held_bytes(self) -> int:
        """How much memory the message takes by now."""
        return len(self._kept)

    def content(self) -> bytes:
        """The message as its sender meant it, stuffed dots taken off (RFC 5321 4.5.2)."""
        return bytes(memoryview(self._kept.replace(b"\r\n.", b"\r\n"))[2:])
