"""A DNS zone of hashed addresses, as filters ask it (rspamd's `rbl`, SpamAssassin's HashBL). Pure: packets in, packets out.

    HASH[.STREAM[.TENANT]].ZONE    A, TXT    may mail go to the address whose lower-cased form has this hash?
    ZONE                           SOA, NS
    test.ZONE                      A, TXT    is always listed, to see that the zone answers (RFC 5782 section 5)

A listed address has an A record that names the cause (`CODES`) and a TXT record in words; any other does not exist (NXDOMAIN).
Nobody is told that an address is not listed where that is not known: SERVFAIL where the list can not tell, REFUSED where the
question can not be understood (a hash of another kind, a tenant that this zone does not speak of). A name between a hash and
the zone exists and has no records (NODATA), so that resolvers that go down name by name (RFC 9156) come through.

Everything is small and no other names are given, so that a forged sender gains next to nothing by asking us; ANY gets one
record (RFC 8482 section 4.1). Answers may be kept for DNS_TTL_SECONDS, those that say no as well (RFC 2308).
"""

import base64
import hashlib
import re
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from api.doors.said import Kind, Question, Said
from api.doors.words import refused
from nullsender.errors import Invalid
from nullsender.limits import DNS_PAYLOAD_BYTES_MAX, DNS_TTL_SECONDS
from suppression.policy import Cause

#: The last octet of 127.0.0.x.
CODES: Final[Mapping[Cause, int]] = {
    Cause.HARD: 2,
    Cause.COMPLAINT: 3,
    Cause.UNSUBSCRIBE: 4,
    Cause.SOFT: 5,
    Cause.MANUAL: 6,
}
UDP_BYTES_MAX: Final = 512  # RFC 1035 4.2.1: what everybody takes who does not say more
STREAM_BYTES_MAX: Final = 0xFFFF  # RFC 1035 4.2.2
_RCODES: Final[Mapping[Kind, dns.rcode.Rcode]] = {
    Kind.ALLOWED: dns.rcode.NXDOMAIN,
    Kind.INVALID: dns.rcode.NXDOMAIN,
    Kind.UNKNOWN: dns.rcode.SERVFAIL,
    Kind.REFUSED: dns.rcode.REFUSED,
}
assert _RCODES.keys() == set(Kind) - {Kind.SUPPRESSED}
_TEST = "test"
_TEST_WORDS = "this entry is always here, to show that the zone answers"
_VIEW_LABELS_MAX = 2  # a stream and its tenant
_TEXT_BYTES_MAX = 255  # RFC 1035 3.3: one character-string
_HEADER = struct.Struct(">HHHHHH")
_IS_ANSWER = 0x8000
_OPCODE_AND_RECURSION = 0x7900
_TRANSFERS = frozenset({dns.rdatatype.AXFR, dns.rdatatype.IXFR})
_LOOKS_LIKE_A_HASH = re.compile(r"[0-9a-f]{32,}|[a-z2-7]{52}")
# Nobody finds this zone by asking for who serves it: resolvers are told. RFC 6761 6.3: this name leads nowhere else.
_NAMESERVER = "localhost."


class Hashing(NamedTuple):
    """One way to hash an address, and to write the hash into a label of a name."""

    make: Callable[[bytes], bytes]
    label: re.Pattern[str]
    digest_of: Callable[[str], bytes]  # of a label that matches


def _from_base32(label: str) -> bytes:
    return base64.b32decode(label.upper() + "=" * (-len(label) % 8))


#: SHA-256 has too many hexadecimal digits for a label (63 octets), so it comes in Base32 (RFC 4648 section 6).
HASHINGS: Final[Mapping[str, Hashing]] = {
    "sha1": Hashing(lambda text: hashlib.sha1(text, usedforsecurity=False).digest(), re.compile("[0-9a-f]{40}"), bytes.fromhex),
    "md5": Hashing(lambda text: hashlib.md5(text, usedforsecurity=False).digest(), re.compile("[0-9a-f]{32}"), bytes.fromhex),
    "sha256": Hashing(lambda text: hashlib.sha256(text).digest(), re.compile("[a-z2-7]{52}"), _from_base32),
}


class Asked(NamedTuple):
    """Somebody asks for one address, and takes an answer of so many bytes."""

    message: dns.message.Message
    bytes_max: int
    found: Question | Said  # a question's address is the hash in hexadecimal


class Malformed(NamedTuple):
    """What is no question that we can read, and what is answered to it (nothing, where the sender can be no resolver)."""

    reason: str
    reply: bytes


class Zone:
    """What there is under one name."""

    def __init__(self, name: str, hashing: str) -> None:
        """`name`: of the zone; `hashing`: one of HASHINGS. `Invalid` where it is no name."""
        try:
            self._apex = dns.name.from_text(name).canonicalize()
        except dns.exception.DNSException as error:
            raise Invalid(f"{name!r} is no name of a DNS zone: {error}") from error
        self._hashing = HASHINGS[hashing]
        ttl = DNS_TTL_SECONDS
        soa = f"{_NAMESERVER} hostmaster.{_NAMESERVER} 1 {ttl} {ttl} {ttl} {ttl}"
        self._soa = dns.rrset.from_text(self._apex, ttl, "IN", "SOA", soa)
        self._ns = dns.rrset.from_text(self._apex, ttl, "IN", "NS", _NAMESERVER)

    def read(self, wire: bytes, *, bytes_max: int) -> Asked | bytes | Malformed:
        """What a packet asks: for an address, or for something of the zone's own, whose answer is here.

        `bytes_max`: how long an answer may be where the packet says nothing of that. Never raises.
        """
        if len(wire) < _HEADER.size:
            return Malformed("a packet that is cut short", b"")
        number, flags, questions, answers, authorities, _ = _HEADER.unpack_from(wire)
        if flags & _IS_ANSWER:
            # Or two servers would answer each other for ever.
            return Malformed("an answer to what nobody asked", b"")
        if dns.opcode.from_flags(flags) != dns.opcode.QUERY:
            return Malformed("an operation that is no query", _bare(number, flags, dns.rcode.NOTIMP))
        if questions != 1 or answers or authorities:
            return Malformed("a packet with other than one question", _bare(number, flags, dns.rcode.FORMERR))
        message = dns.message.from_wire(wire, continue_on_error=True)
        if message.errors or len(message.question) != 1:
            return Malformed("a packet that can not be read", _bare(number, flags, dns.rcode.FORMERR))
        if message.edns >= 0 and bytes_max == UDP_BYTES_MAX:
            bytes_max = min(max(message.payload, UDP_BYTES_MAX), DNS_PAYLOAD_BYTES_MAX)
        if message.edns > 0:
            return Malformed("a version of EDNS to come", self._written(message, dns.rcode.BADVERS, bytes_max))
        return self._asked(message, bytes_max)

    def answer(self, asked: Asked, said: Said) -> bytes:
        """What is said of the address, as DNS says it."""
        if said.cause is not None and said.kind is Kind.SUPPRESSED:
            return self._found(asked.message, CODES[said.cause], said.words, asked.bytes_max)
        return self._written(asked.message, _RCODES[said.kind], asked.bytes_max)

    def _asked(self, message: dns.message.Message, bytes_max: int) -> Asked | bytes:
        asked = message.question[0]
        inside = asked.name.is_subdomain(self._apex)
        if not inside or asked.rdclass != dns.rdataclass.IN or asked.rdtype in _TRANSFERS:
            return Asked(message, bytes_max, refused("a name outside the zone, or a transfer of it"))
        labels = [it.decode("ascii", "replace").lower() for it in asked.name.relativize(self._apex).labels]
        if labels and self._hashing.label.fullmatch(labels[0]):
            digest, view = self._hashing.digest_of(labels[0]), "/".join(reversed(labels[1:]))
            return Asked(message, bytes_max, Question(digest.hex(), view))
        if labels == [_TEST]:
            return self._found(message, CODES[Cause.HARD], _TEST_WORDS, bytes_max)
        if labels and _LOOKS_LIKE_A_HASH.fullmatch(labels[0]):
            return Asked(message, bytes_max, refused("a hash of another kind than doors.dns_hash says"))
        if len(labels) > _VIEW_LABELS_MAX:
            return self._written(message, dns.rcode.NXDOMAIN, bytes_max)
        records = [] if labels else [it for it in (self._soa, self._ns) if asked.rdtype in (it.rdtype, dns.rdatatype.ANY)]
        return self._written(message, dns.rcode.NOERROR, bytes_max, records[:1])

    def _found(self, message: dns.message.Message, code: int, words: str, bytes_max: int) -> bytes:
        asked = message.question[0]
        records = []
        if asked.rdtype in (dns.rdatatype.A, dns.rdatatype.ANY):
            records.append(dns.rrset.from_text(asked.name, DNS_TTL_SECONDS, "IN", "A", f"127.0.0.{code}"))
        elif asked.rdtype == dns.rdatatype.TXT:
            records.append(dns.rrset.from_text(asked.name, DNS_TTL_SECONDS, "IN", "TXT", _quoted(words)))
        return self._written(message, dns.rcode.NOERROR, bytes_max, records)

    def _written(
        self,
        message: dns.message.Message,
        rcode: dns.rcode.Rcode,
        bytes_max: int,
        records: Sequence[dns.rrset.RRset] = (),
    ) -> bytes:
        """The answer with these records; where there are none, the SOA says for how long that may be remembered."""
        reply = dns.message.make_response(message, our_payload=DNS_PAYLOAD_BYTES_MAX)
        reply.set_rcode(rcode)
        if rcode in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
            reply.flags |= dns.flags.AA
            reply.answer.extend(records)
            if not records:
                reply.authority.append(self._soa)
        return reply.to_wire(max_size=bytes_max, prefer_truncation=True)


def _bare(number: int, flags: int, rcode: dns.rcode.Rcode) -> bytes:
    """An answer to what could not be read: no more than its number and what is wrong."""
    return _HEADER.pack(number, _IS_ANSWER | flags & _OPCODE_AND_RECURSION | rcode, 0, 0, 0, 0)


def _quoted(words: str) -> str:
    """A text as the strings of a TXT record are written (RFC 1035 5.1)."""
    text = re.sub(r"[^\x20-\x7e]", "?", words)
    pieces = [text[start : start + _TEXT_BYTES_MAX] for start in range(0, len(text), _TEXT_BYTES_MAX)] or [""]
    return " ".join('"' + re.sub(r'(["\\])', r"\\\1", piece) + '"' for piece in pieces)
