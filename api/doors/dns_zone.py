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

from api.doors.dns_wire import (
    INTERNET,
    UDP_BYTES_MAX,
    Malformed,
    Packet,
    Rcode,
    Record,
    Type,
    answer_to,
    name_of,
    packet_in,
    text_of,
)
from api.doors.said import Kind, Question, Said
from api.doors.words import refused
from nullsender.address import domain_to_ascii
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
_RCODES: Final[Mapping[Kind, Rcode]] = {
    Kind.ALLOWED: Rcode.NXDOMAIN,
    Kind.INVALID: Rcode.NXDOMAIN,
    Kind.UNKNOWN: Rcode.SERVFAIL,
    Kind.REFUSED: Rcode.REFUSED,
}
assert _RCODES.keys() == set(Kind) - {Kind.SUPPRESSED}
_TEST = "test"
_TEST_WORDS = "this entry is always here, to show that the zone answers"
_VIEW_LABELS_MAX = 2  # a stream and its tenant
_LOOKS_LIKE_A_HASH = re.compile(r"[0-9a-f]{32,}|[a-z2-7]{52}")
_APEX = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")
_APEX_BYTES_MAX = 100  # a hash, a stream and a tenant have to fit before it (RFC 1035 2.3.4: 255 bytes)
# Nobody finds this zone by asking for who serves it: resolvers are told. RFC 6761 6.3: this name leads nowhere else.
_NAMESERVER = name_of([b"localhost"])
_POSTMASTER = name_of([b"hostmaster", b"localhost"])


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

    packet: Packet
    bytes_max: int
    found: Question | Said  # a question's address is the hash in hexadecimal


class Zone:
    """What there is under one name."""

    def __init__(self, name: str, hashing: str) -> None:
        """`name`: of the zone; `hashing`: one of HASHINGS. `Invalid` where it is no name."""
        apex = domain_to_ascii(name.strip().removesuffix("."))
        if len(apex) > _APEX_BYTES_MAX or not _APEX.fullmatch(apex):
            raise Invalid(f"{name!r} is no name of a DNS zone: labels of up to 63 letters with dots between, 100 in all")
        self._apex = [label.encode() for label in apex.split(".")]
        self._hashing = HASHINGS[hashing]
        soa = _NAMESERVER + _POSTMASTER + struct.pack(">5I", 1, *[DNS_TTL_SECONDS] * 4)
        name_bytes = len(name_of(self._apex))
        self._soa = Record(Type.SOA, DNS_TTL_SECONDS, soa, name_bytes)
        self._ns = Record(Type.NS, DNS_TTL_SECONDS, _NAMESERVER, name_bytes)

    def read(self, wire: bytes, *, bytes_max: int) -> Asked | bytes | Malformed:
        """What a packet asks: for an address, or for something of the zone's own, whose answer is here.

        `bytes_max`: how long an answer may be where the packet says nothing of that. Never raises.
        """
        packet = packet_in(wire)
        if isinstance(packet, Malformed):
            return packet
        if packet.extended is not None and bytes_max == UDP_BYTES_MAX:
            bytes_max = min(max(packet.extended.payload_bytes_max, UDP_BYTES_MAX), DNS_PAYLOAD_BYTES_MAX)
        apex, name = self._apex, packet.name
        if name[-len(apex) :] != apex or packet.rdclass != INTERNET or packet.kind in (Type.AXFR, Type.IXFR):
            return Asked(packet, bytes_max, refused("a name outside the zone, or a transfer of it"))
        return self._asked(packet, [label.decode("ascii", "replace") for label in name[: -len(apex)]], bytes_max)

    def answer(self, asked: Asked, said: Said) -> bytes:
        """What is said of the address, as DNS says it."""
        if said.cause is not None and said.kind is Kind.SUPPRESSED:
            return self._listed(asked.packet, CODES[said.cause], said.words, asked.bytes_max)
        rcode = _RCODES[said.kind]
        if rcode is Rcode.NXDOMAIN:
            return self._known(asked.packet, asked.bytes_max, rcode=rcode)
        return answer_to(asked.packet, rcode, bytes_max=asked.bytes_max)

    def _asked(self, packet: Packet, labels: Sequence[str], bytes_max: int) -> Asked | bytes:
        """What is asked of the name that these labels and the zone's own make together."""
        if labels and self._hashing.label.fullmatch(labels[0]):
            digest, view = self._hashing.digest_of(labels[0]), "/".join(reversed(labels[1:]))
            return Asked(packet, bytes_max, Question(digest.hex(), view))
        if labels == [_TEST]:
            return self._listed(packet, CODES[Cause.HARD], _TEST_WORDS, bytes_max)
        if labels and _LOOKS_LIKE_A_HASH.fullmatch(labels[0]):
            return Asked(packet, bytes_max, refused("a hash of another kind than doors.dns_hash says"))
        if len(labels) > _VIEW_LABELS_MAX:
            return self._known(packet, bytes_max, rcode=Rcode.NXDOMAIN)
        own = [] if labels else [it for it in (self._soa, self._ns) if packet.kind in (it.kind, Type.ANY)]
        return self._known(packet, bytes_max, own[:1])

    def _listed(self, packet: Packet, code: int, words: str, bytes_max: int) -> bytes:
        records = []
        if packet.kind in (Type.A, Type.ANY):
            records.append(Record(Type.A, DNS_TTL_SECONDS, bytes([127, 0, 0, code])))
        elif packet.kind == Type.TXT:
            records.append(Record(Type.TXT, DNS_TTL_SECONDS, text_of(words)))
        return self._known(packet, bytes_max, records)

    def _known(self, packet: Packet, bytes_max: int, records: Sequence[Record] = (), *, rcode: Rcode = Rcode.NOERROR) -> bytes:
        """What the zone says for certain; where that is no record, the SOA tells for how long it may be remembered."""
        authorities = [] if records else [self._soa]
        return answer_to(packet, rcode, bytes_max=bytes_max, is_authoritative=True, answers=records, authorities=authorities)
