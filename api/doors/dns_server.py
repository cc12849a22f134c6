"""Serves a DNS zone: datagrams, and connections for whom an answer was too long (RFC 7766), on the same port."""

import asyncio
import struct
from typing import Any

from api.doors.asking import Asking
from api.doors.dns_wire import STREAM_BYTES_MAX, UDP_BYTES_MAX, Malformed
from api.doors.dns_zone import Asked, Zone
from api.doors.said import Found, Garbage, Question, Said
from api.doors.words import refused
from nullsender.limits import DNS_QUESTION_BYTES_MAX

_LENGTH = struct.Struct(">H")  # RFC 1035 4.2.2


class ZoneOnStream:
    """The grammar of one connection: packets with their length before them. Questions are answered in their order."""

    name = "dns"
    question_bytes_max = _LENGTH.size + DNS_QUESTION_BYTES_MAX
    is_for_one_question = False

    def __init__(self, zone: Zone) -> None:
        self._zone = zone
        self._asked: Asked | None = None  # what the answer that is being looked for is to
        self._last_words = b""

    def cut(self, held: bytes, start: int) -> tuple[Found, int] | None:
        """What the packet at `start` asks."""
        begin = start + _LENGTH.size
        if len(held) < begin:
            return None
        end = begin + _LENGTH.unpack_from(held, start)[0]
        if end - start > self.question_bytes_max:
            return Garbage(f"a packet of {end - begin} bytes"), len(held)
        if len(held) < end:
            return None
        read = self._zone.read(held[begin:end], bytes_max=STREAM_BYTES_MAX)
        if isinstance(read, Asked):
            self._asked = read
            return read.found, end
        if isinstance(read, Malformed):
            self._last_words = _with_length(read.reply) if read.reply else b""
            return Garbage(read.reason), len(held)
        return _with_length(read), end

    def answer(self, said: Said) -> bytes:
        """To the question that was cut out last."""
        assert self._asked is not None, "an answer follows a question"
        return _with_length(self._zone.answer(self._asked, said))

    def last_words(self, _reason: str, /) -> bytes:
        """What DNS has for it; nothing, where we say no word of the caller's."""
        return self._last_words


class ZoneOnDatagrams(asyncio.DatagramProtocol):
    """One socket. An answer that is not known at once does not keep the next question waiting."""

    def __init__(self, zone: Zone, asking: Asking) -> None:
        self._zone = zone
        self._asking = asking
        self._waiting: set[asyncio.Task[None]] = set()  # as many as the store's threads let wait

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        """The socket is open."""
        self._transport = transport

    def datagram_received(self, wire: bytes, sender: Any) -> None:
        """A packet, or what somebody takes for one."""
        read = self._zone.read(wire, bytes_max=UDP_BYTES_MAX)
        if isinstance(read, Malformed):
            self._asking.answered(refused(read.reason))
            read = read.reply
        if isinstance(read, bytes):
            if read:
                self._transport.sendto(read, sender)
            return
        said = self._asking.at_once(read.found) if isinstance(read.found, Question) else self._asking.answered(read.found)
        if said is not None:
            self._transport.sendto(self._zone.answer(read, said), sender)
            return
        task = asyncio.get_running_loop().create_task(self._answer_later(read, sender))
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    async def _answer_later(self, asked: Asked, sender: Any) -> None:
        assert isinstance(asked.found, Question)
        said = await self._asking.said(asked.found)
        self._transport.sendto(self._zone.answer(asked, said), sender)


def _with_length(packet: bytes) -> bytes:
    return _LENGTH.pack(len(packet)) + packet
