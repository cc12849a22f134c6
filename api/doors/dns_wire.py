"""DNS packets, as far as a zone of short answers needs them (RFC 1035 section 4, RFC 6891). Pure.

A question is read, an answer written. The question goes back as it came, letters and all, so that a resolver knows it again,
and every name in an answer is a pointer into it. What else is in the packet (EDNS options, signatures of transactions) is
passed over. A library for all of DNS takes twenty times as long for this.
"""

import struct
from collections.abc import Sequence
from enum import IntEnum
from typing import Final, NamedTuple

from nullsender.limits import DNS_PAYLOAD_BYTES_MAX

UDP_BYTES_MAX: Final = 512  # RFC 1035 4.2.1: what everybody takes who does not say more
STREAM_BYTES_MAX: Final = 0xFFFF  # RFC 1035 4.2.2
INTERNET: Final = 1  # the class of every record

_HEADER = struct.Struct(">HHHHHH")
_QUESTION_END = struct.Struct(">HH")  # type, class
_RECORD = struct.Struct(">HHIH")  # behind its name: type, class, time to live, length of the data
_POINTER = struct.Struct(">H")
_IS_ANSWER, _IS_AUTHORITATIVE, _IS_CUT = 0x8000, 0x0400, 0x0200
_OPCODE_MASK = 0x7800
_KEPT = _OPCODE_MASK | 0x0110  # RD and CD go back as they came (RFC 1035 4.1.1, RFC 4035 3.1.6)
_IS_POINTER = 0xC0
_NAME_BYTES_MAX = 255
_LABEL_BYTES_MAX = 63
_TEXT_BYTES_MAX = 255
_WANTS_SIGNATURES = 0x8000  # goes back as it came (RFC 3225 section 3)


class Type(IntEnum):
    """Types of records, and of questions for them."""

    A = 1
    NS = 2
    SOA = 6
    TXT = 16
    OPT = 41
    IXFR = 251
    AXFR = 252
    ANY = 255


class Rcode(IntEnum):
    """What is wrong, if anything is."""

    NOERROR = 0
    FORMERR = 1
    SERVFAIL = 2
    NXDOMAIN = 3
    NOTIMP = 4
    REFUSED = 5
    BADVERS = 16


class Extended(NamedTuple):
    """What the sender says of itself in an OPT record."""

    payload_bytes_max: int
    version: int
    flags: int


class Packet(NamedTuple):
    """One question. `name`: its labels in lower case; `raw`: all of it as it came, with type and class."""

    number: int
    flags: int
    name: Sequence[bytes]
    kind: int
    rdclass: int
    raw: bytes
    extended: Extended | None


class Malformed(NamedTuple):
    """What is no question that we can read, and what is answered to it (nothing, where the sender can be no resolver)."""

    reason: str
    reply: bytes


class Record(NamedTuple):
    """A record of the name that was asked for, or of the end of it that is so many bytes long on the wire."""

    kind: Type
    ttl_seconds: int
    data: bytes
    name_bytes: int | None = None


def packet_in(wire: bytes) -> Packet | Malformed:
    """The question in a packet. Never raises."""
    if len(wire) < _HEADER.size:
        return Malformed("a packet that is cut short", b"")
    number, flags, questions, answers, authorities, others = _HEADER.unpack_from(wire)
    if flags & _IS_ANSWER:
        return Malformed("an answer to what nobody asked", b"")  # or two servers would answer each other for ever
    if flags & _OPCODE_MASK:
        return Malformed("an operation that is no query", _bare(number, flags, Rcode.NOTIMP))
    if questions != 1 or answers or authorities:
        return Malformed("a packet with other than one question", _bare(number, flags, Rcode.FORMERR))
    try:
        name, at = _name_at(wire, _HEADER.size)
        kind, rdclass = _QUESTION_END.unpack_from(wire, at)
        raw = wire[_HEADER.size : at + _QUESTION_END.size]
        extended = _extended_in(wire, at + _QUESTION_END.size, others)
    except (IndexError, struct.error, _Unreadable):
        return Malformed("a packet that can not be read", _bare(number, flags, Rcode.FORMERR))
    packet = Packet(number, flags, name, kind, rdclass, raw, extended)
    if extended is not None and extended.version:
        return Malformed("a version of EDNS to come", answer_to(packet, Rcode.BADVERS, bytes_max=UDP_BYTES_MAX))
    return packet


def answer_to(
    packet: Packet,
    rcode: Rcode,
    *,
    bytes_max: int,
    is_authoritative: bool = False,
    answers: Sequence[Record] = (),
    authorities: Sequence[Record] = (),
) -> bytes:
    """The answer to a question. One that is longer than `bytes_max` is left out, and the bit set that says so."""
    flags = _IS_ANSWER | packet.flags & _KEPT | rcode & 0xF | (_IS_AUTHORITATIVE if is_authoritative else 0)
    body = b"".join(_written(record, packet.raw) for record in (*answers, *authorities))
    opt = b""
    if packet.extended is not None:
        further = rcode >> 4 << 24 | packet.extended.flags & _WANTS_SIGNATURES
        opt = b"\0" + _RECORD.pack(Type.OPT, DNS_PAYLOAD_BYTES_MAX, further, 0)
    counts = (1, len(answers), len(authorities), 1 if opt else 0)
    if _HEADER.size + len(packet.raw) + len(body) + len(opt) > bytes_max:
        flags, body, counts = flags | _IS_CUT, b"", (1, 0, 0, counts[3])
    return _HEADER.pack(packet.number, flags, *counts) + packet.raw + body + opt


def name_of(labels: Sequence[bytes]) -> bytes:
    """A name as the wire has it."""
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def text_of(words: str) -> bytes:
    """The data of a TXT record: strings of 255 bytes at most."""
    text = words.encode("ascii", "replace")
    pieces = [text[start : start + _TEXT_BYTES_MAX] for start in range(0, len(text), _TEXT_BYTES_MAX)] or [b""]
    return b"".join(bytes([len(piece)]) + piece for piece in pieces)


class _Unreadable(Exception):
    """Not of the grammar."""


def _name_at(wire: bytes, at: int) -> tuple[Sequence[bytes], int]:
    """The labels of a name that has no pointer in it, in lower case, and where it ends."""
    start, labels = at, []
    while size := wire[at]:
        if size > _LABEL_BYTES_MAX:
            raise _Unreadable
        labels.append(wire[at + 1 : at + 1 + size].lower())
        at += 1 + size
        if at - start >= _NAME_BYTES_MAX:
            raise _Unreadable
    return labels, at + 1


def _extended_in(wire: bytes, at: int, records: int) -> Extended | None:
    """What the records behind the question say; there must be as many as that, and nothing behind them."""
    extended = None
    for _ in range(records):
        at = _after_name(wire, at)
        kind, payload_bytes_max, further, size = _RECORD.unpack_from(wire, at)
        at += _RECORD.size + size
        if kind == Type.OPT:
            if extended is not None:
                raise _Unreadable  # RFC 6891 6.1.1
            extended = Extended(payload_bytes_max, further >> 16 & 0xFF, further & 0xFFFF)
    if at != len(wire):
        raise _Unreadable
    return extended


def _after_name(wire: bytes, at: int) -> int:
    while size := wire[at]:
        if size >= _IS_POINTER:
            return at + _POINTER.size
        at += 1 + size
    return at + 1


def _written(record: Record, raw: bytes) -> bytes:
    """The record, its name a pointer to where the question has it."""
    name_bytes = len(raw) - _QUESTION_END.size
    offset = _HEADER.size + name_bytes - (record.name_bytes or name_bytes)
    behind = _RECORD.pack(record.kind, INTERNET, record.ttl_seconds, len(record.data))
    return _POINTER.pack(_IS_POINTER << 8 | offset) + behind + record.data


def _bare(number: int, flags: int, rcode: Rcode) -> bytes:
    """An answer to what could not be read: no more than its number and what is wrong."""
    return _HEADER.pack(number, _IS_ANSWER | flags & _KEPT | rcode, 0, 0, 0, 0)
