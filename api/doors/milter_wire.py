"""The milter protocol, as far as a filter needs it that looks at recipients alone. Pure.

There is no RFC: the protocol is what libmilter (`mfdef.h`, versions 2 to 6) and Postfix's MILTER_README say. A packet is a
length of 32 bits (of all that follows), one byte that names a command, and its data; texts in it end with a NUL.

    O   the MTA offers a version, what we may do to mail, and which steps it can leave out   we choose            O
    D   macros for the command that it names: who has logged in                                                  none
    R   one recipient                                                                        the answer to it     c or y
    C H M T L N B U E    connection, HELO, MAIL, DATA, headers, body, unknown, end           no opinion           c
    A K Q   the message, or the connection, is over                                                              none

We ask for every step to be left out but R and E (which can not be), and that no answer be awaited where the MTA can not leave a
step out. An MTA that offers less is served as well: whatever it sends gets the answer that it waits for.
"""

import struct
from typing import Final

from api.doors.said import Found, Garbage, Kind, Question, Said
from api.doors.words import smtp_reply
from nullsender.limits import MILTER_PACKET_BYTES_MAX

VERSION_MIN: Final = 2
VERSION_MAX: Final = 6

#: Steps that the MTA may leave out (SMFIP_NO…), by the command that would carry it.
_LEAVE_OUT: Final = {b"C": 0x1, b"H": 0x2, b"M": 0x4, b"B": 0x10, b"L": 0x20, b"N": 0x40, b"U": 0x100, b"T": 0x200}
#: Steps whose answer the MTA need not wait for (SMFIP_NR_…).
_NO_ANSWER: Final = {
    b"L": 0x80,
    b"C": 0x1000,
    b"H": 0x2000,
    b"M": 0x4000,
    b"T": 0x10000,
    b"U": 0x20000,
    b"N": 0x40000,
    b"B": 0x80000,
}
_WANTED: Final = sum(_LEAVE_OUT.values()) | sum(_NO_ANSWER.values())
_ANSWERED: Final = frozenset(_NO_ANSWER) | {b"E"}
_OVER: Final = frozenset({b"A", b"K", b"Q"})
_LOGIN: Final = b"{auth_authen}"
_NOTHING: Final = b""

_LENGTH = struct.Struct(">I")
_OPTIONS = struct.Struct(">III")


def packet(command: bytes, data: bytes = b"") -> bytes:
    """One packet as it goes over the wire."""
    return _LENGTH.pack(1 + len(data)) + command + data


_CONTINUE: Final = packet(b"c")


class Milter:
    """The grammar of one connection: what was agreed upon, and who is logged in, hold until an MTA says otherwise."""

    name = "milter"
    question_bytes_max = _LENGTH.size + MILTER_PACKET_BYTES_MAX
    is_for_one_question = False

    def __init__(self) -> None:
        self._unanswered: int | None = None  # steps whose answer the MTA does not wait for; None: nothing is agreed yet
        self._login = ""

    def cut(self, held: bytes, start: int) -> tuple[Found, int] | None:
        """What the packet at `start` asks for."""
        if len(held) - start < _LENGTH.size:
            return None
        (size_bytes,) = _LENGTH.unpack_from(held, start)
        begin = start + _LENGTH.size
        if not 0 < size_bytes <= MILTER_PACKET_BYTES_MAX:
            return Garbage(f"a packet of {size_bytes} bytes"), len(held)
        if len(held) < begin + size_bytes:
            return None
        return self._found(held[begin : begin + 1], held[begin + 1 : begin + size_bytes]), begin + size_bytes

    def answer(self, said: Said) -> bytes:
        """What becomes of one recipient: the MTA goes on, or gives the client our words in place of its own.

        It takes them for a format, so percent signs are doubled.
        """
        if said.kind is Kind.ALLOWED:
            return _CONTINUE
        return packet(b"y", smtp_reply(said).encode("ascii", "replace").replace(b"%", b"%%") + b"\0")

    def last_words(self, _reason: str, /) -> bytes:
        """None: an MTA that loses its filter does what its operator chose for that (Postfix: `milter_default_action`)."""
        return _NOTHING

    def _found(self, command: bytes, data: bytes) -> Found:
        if command == b"O":
            return self._agree(data)
        if self._unanswered is None:
            return Garbage(f"{command!r} before anything was agreed upon")
        if command == b"R":
            return Question(_path_of(data), user=self._login)
        if command == b"D":
            self._note_login(data)
        elif command in _OVER:
            self._login = ""
        elif command not in _ANSWERED:
            return Garbage(f"the command {command!r}, of which nobody knows whether it wants an answer")
        elif not _NO_ANSWER.get(command, 0) & self._unanswered:
            return _CONTINUE
        return _NOTHING

    def _agree(self, data: bytes) -> Found:
        if len(data) < _OPTIONS.size:
            return Garbage("an offer that is cut short")
        version, _, steps = _OPTIONS.unpack_from(data)
        if version < VERSION_MIN:
            return Garbage(f"version {version} of the protocol, which nobody speaks any more")
        self._unanswered = _WANTED & steps
        # No actions: we do nothing to mail, and an MTA that does not offer some can not object.
        return packet(b"O", _OPTIONS.pack(min(version, VERSION_MAX), 0, _WANTED & steps))

    def _note_login(self, data: bytes) -> None:
        """`data`: the command that the macros belong to, then name and value by turns. Those of MAIL begin a new message."""
        words = data[1:].split(b"\0")
        login = dict(zip(words[::2], words[1::2], strict=False)).get(_LOGIN, b"").decode("utf-8", "replace")
        if login or data[:1] == b"M":
            self._login = login


def _path_of(data: bytes) -> str:
    """The recipient without its brackets; what follows it (ESMTP arguments) is of no interest."""
    # Bytes that are no text become half characters, which no address has.
    path = data.partition(b"\0")[0].decode("utf-8", "surrogateescape")
    return path[1:-1] if path.startswith("<") and path.endswith(">") else path
