"""The DNS zone of hashed addresses: what is answered to whom, over UDP and TCP, with any bytes at all."""

import base64
import hashlib
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dns.edns
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import pytest
from anyio.from_thread import start_blocking_portal
from hypothesis import example, given
from hypothesis import strategies as st

from api.doors.dns_asking import LookupByDigest
from api.doors.dns_directory import Directory
from api.doors.dns_server import ZoneOnStream
from api.doors.dns_wire import UDP_BYTES_MAX, Malformed
from api.doors.dns_zone import CODES, HASHINGS, Asked, Zone
from api.doors.opening import DoorSettings, Listener, ZoneParts, opened_doors
from api.doors.said import NO_OPINION, Garbage, Kind, Question, Said
from api.doors.words import UNKNOWN
from api.view import View
from nullsender.errors import Invalid, Misconfigured, Transient
from nullsender.limits import DNS_PAYLOAD_BYTES_MAX, DNS_QUESTION_BYTES_MAX, DNS_TTL_SECONDS
from suppression.policy import Cause
from suppression.store.store import Store
from tests.api_world import HASHER, STALENESS_SECONDS_MAX, World, opened_store, opened_world

APEX = "Blocked.example."
ZONE = Zone(APEX, "sha1")
SHA1 = hashlib.sha1(b"ada@example.com").hexdigest()
NUMBER = 4711  # of every packet


def query(name: str, kind: str = "A", **options: Any) -> bytes:
    """A packet that asks for `name` in the zone (as it is, where it ends with a dot)."""
    # With one number for all, not chance's: cases are named by their bytes, and every worker has to give them the same names.
    return dns.message.make_query(name if name.endswith(".") else f"{name}.{APEX}", kind, id=NUMBER, **options).to_wire()


def read(wire: bytes, zone: Zone = ZONE) -> Asked | bytes | Malformed:
    """What a datagram asks."""
    return zone.read(wire, bytes_max=UDP_BYTES_MAX)


def asked(name: str, kind: str = "A", **options: Any) -> Asked:
    """The question for an address."""
    found = read(query(name, kind, **options))
    assert isinstance(found, Asked)
    return found


def message(wire: Asked | bytes | Malformed) -> dns.message.Message:
    """An answer that needs nobody asked."""
    assert isinstance(wire, bytes)
    return dns.message.from_wire(wire)


def suppressed(cause: Cause = Cause.HARD, words: str = "no mail goes there") -> Said:
    """What is said of a listed address."""
    return Said(Kind.SUPPRESSED, words, cause)


# --- the zone ---


def test_a_name_is_a_hash_and_the_view_and_letters_have_no_case() -> None:
    assert asked(SHA1).found == Question(SHA1, "")
    assert asked(f"{SHA1.upper()}.Marketing").found == Question(SHA1, "marketing")
    assert asked(f"{SHA1}.marketing.acme").found == Question(SHA1, "acme/marketing")
    assert asked(f"{SHA1}.*.acme").found == Question(SHA1, "acme/*")
    assert read(query(f"{SHA1}.BLOCKED.EXAMPLE.")) != read(query("blocked.example."))


def test_a_question_goes_back_as_it_came() -> None:
    wire = query(f"{SHA1.upper()}.MarketinG", flags=dns.flags.RD | dns.flags.CD, want_dnssec=True)
    found = read(wire)
    assert isinstance(found, Asked)

    reply = message(ZONE.answer(found, suppressed()))

    assert reply.question[0].name.labels == dns.message.from_wire(wire).question[0].name.labels
    assert reply.flags & (dns.flags.RD | dns.flags.CD) == dns.flags.RD | dns.flags.CD
    assert reply.ednsflags & dns.flags.DO
    assert reply.id == dns.message.from_wire(wire).id


@pytest.mark.parametrize("hashing", HASHINGS)
def test_each_kind_of_hash_is_read_as_filters_write_it(hashing: str) -> None:
    digest = hashlib.new(hashing, b"ada@example.com")
    label = base64.b32encode(digest.digest()).decode().rstrip("=").lower() if hashing == "sha256" else digest.hexdigest()

    found = read(query(label), Zone(APEX, hashing))

    assert isinstance(found, Asked)
    assert found.found == Question(digest.hexdigest(), "")
    assert HASHINGS[hashing].make(b"ada@example.com") == digest.digest()


@pytest.mark.parametrize("cause", Cause)
def test_a_listed_address_has_a_record_that_names_the_cause(cause: Cause) -> None:
    reply = message(ZONE.answer(asked(SHA1), suppressed(cause)))

    assert reply.rcode() == dns.rcode.NOERROR
    assert reply.flags & dns.flags.AA
    assert [str(record) for record in reply.answer[0]] == [f"127.0.0.{CODES[cause]}"]
    assert reply.answer[0].ttl <= DNS_TTL_SECONDS <= 60


def test_every_cause_has_a_number_of_its_own_and_none_is_that_of_the_machine() -> None:
    assert len(set(CODES.values())) == len(Cause)
    assert min(CODES.values()) > 1


def test_a_listed_address_has_a_text_in_our_words() -> None:
    words = 'he said "no" ' + "x" * 300

    reply = message(ZONE.answer(asked(SHA1, "TXT", use_edns=0), suppressed(words=words)))

    assert b"".join(reply.answer[0][0].strings).decode() == words


def test_a_listed_address_has_no_records_of_other_types_and_any_gives_one() -> None:
    for kind in ("AAAA", "MX", "TYPE65280"):
        reply = message(ZONE.answer(asked(SHA1, kind), suppressed()))
        assert (reply.rcode(), reply.answer) == (dns.rcode.NOERROR, [])
        assert reply.authority[0].rdtype == dns.rdatatype.SOA
    assert len(message(ZONE.answer(asked(SHA1, "ANY"), suppressed())).answer) == 1


def test_an_address_that_is_not_listed_does_not_exist_for_a_minute_at_most() -> None:
    reply = message(ZONE.answer(asked(SHA1), NO_OPINION))

    assert reply.rcode() == dns.rcode.NXDOMAIN
    soa = reply.authority[0]
    assert soa.name.to_text().lower() == APEX.lower()
    assert max(soa.ttl, soa[0].minimum) <= 60


def test_what_can_not_be_told_is_a_failure_and_never_a_no() -> None:
    assert message(ZONE.answer(asked(SHA1), UNKNOWN)).rcode() == dns.rcode.SERVFAIL
    assert message(ZONE.answer(asked(SHA1), Said(Kind.REFUSED, "no"))).rcode() == dns.rcode.REFUSED


@pytest.mark.parametrize(
    "wire",
    [
        query(f"{SHA1}.other.example."),
        query("."),
        query(hashlib.md5(b"ada@example.com").hexdigest()),
        query(hashlib.sha256(b"").hexdigest()[:63]),
        query(base64.b32encode(hashlib.sha256(b"").digest()).decode().rstrip("=")),
        query(APEX, "AXFR"),
        query(SHA1, rdclass="CH"),
    ],
)
def test_what_the_zone_can_not_speak_of_is_refused(wire: bytes) -> None:
    found = read(wire)

    assert isinstance(found, Asked)
    assert isinstance(found.found, Said)
    assert message(ZONE.answer(found, found.found)).rcode() == dns.rcode.REFUSED


@pytest.mark.parametrize("name", ["acme", "marketing.acme", "_.acme", "invalid"])
def test_names_between_a_hash_and_the_zone_exist_so_that_resolvers_come_through(name: str) -> None:
    reply = message(read(query(name)))

    assert (reply.rcode(), reply.answer) == (dns.rcode.NOERROR, [])


def test_the_apex_says_who_it_is() -> None:
    assert message(read(query(APEX, "SOA"))).answer[0].rdtype == dns.rdatatype.SOA
    assert message(read(query(APEX, "NS"))).answer[0].rdtype == dns.rdatatype.NS
    assert message(read(query(APEX, "A"))).answer == []
    assert len(message(read(query(APEX, "ANY"))).answer) == 1
    assert message(read(query("a.b.c"))).rcode() == dns.rcode.NXDOMAIN


def test_a_test_entry_is_always_listed() -> None:
    assert [str(record) for record in message(read(query("TEST"))).answer[0]] == ["127.0.0.2"]
    assert message(read(query("test", "TXT"))).answer[0].rdtype == dns.rdatatype.TXT


def test_a_long_answer_is_cut_for_who_takes_no_more_and_says_so() -> None:
    said = suppressed(words="x" * 600)

    assert message(ZONE.answer(asked(SHA1, "TXT"), said)).flags & dns.flags.TC
    wide = ZONE.answer(asked(SHA1, "TXT", use_edns=0, payload=4096), said)
    assert not message(wide).flags & dns.flags.TC
    assert len(ZONE.answer(asked(SHA1, "TXT", use_edns=0, payload=4096), suppressed(words="x" * 3000))) <= DNS_PAYLOAD_BYTES_MAX


def test_extensions_are_answered_in_their_version_and_newer_ones_are_told_so() -> None:
    assert message(ZONE.answer(asked(SHA1, use_edns=0), NO_OPINION)).edns == 0
    assert message(ZONE.answer(asked(SHA1), NO_OPINION)).edns == -1
    newer = read(query(SHA1, use_edns=1))
    assert isinstance(newer, Malformed)
    assert message(newer.reply).rcode() == dns.rcode.BADVERS


def test_no_answer_is_much_longer_than_the_question() -> None:
    for kind in ("A", "TXT", "ANY", "SOA"):
        wire = query(f"{SHA1}.marketing.acme", kind)
        for said in (suppressed(), NO_OPINION, UNKNOWN):
            answer = ZONE.answer(asked(f"{SHA1}.marketing.acme", kind), said)
            assert len(answer) < 2 * len(wire)
    assert len(read(query(APEX, "ANY"))) < 4 * len(query(APEX, "ANY"))


@pytest.mark.parametrize(
    ("wire", "rcode"),
    [
        (b"", None),
        (query(SHA1)[:11], None),
        (struct.pack(">HHHHHH", 7, 0x8180, 1, 0, 0, 0) + query(SHA1)[12:], None),
        (struct.pack(">HHHHHH", 7, 0x2800, 1, 0, 0, 0) + query(SHA1)[12:], dns.rcode.NOTIMP),
        (struct.pack(">HHHHHH", 7, 0, 2, 0, 0, 0) + query(SHA1)[12:], dns.rcode.FORMERR),
        (struct.pack(">HHHHHH", 7, 0, 0, 0, 0, 0), dns.rcode.FORMERR),
        (query(SHA1)[:-3], dns.rcode.FORMERR),
        (query(SHA1)[:12] + b"\xc0\x0c\0\1\0\1", dns.rcode.FORMERR),
        (query(SHA1) + b"\0", dns.rcode.FORMERR),
    ],
)
def test_packets_that_can_not_be_read_get_a_bare_error_or_nothing(wire: bytes, rcode: int | None) -> None:
    found = read(wire)

    assert isinstance(found, Malformed)
    if rcode is None:
        assert found.reply == b""
    else:
        number, flags = struct.unpack_from(">HH", found.reply)
        assert (number, flags & 0x8000, flags & 15) == (struct.unpack_from(">H", wire)[0], 0x8000, rcode)
        assert len(found.reply) == 12


@given(st.binary(max_size=200) | st.tuples(st.integers(0, 60), st.binary(min_size=1, max_size=5)).map(lambda it: flip(*it)))
@example(query(SHA1, use_edns=0))
@example(query(f"{SHA1}.marketing", use_edns=0, options=[dns.edns.ECSOption("192.0.2.0", 24)]))
def test_any_bytes_are_answered_or_dropped_and_nothing_fails(wire: bytes) -> None:
    found = read(wire)
    if isinstance(found, Asked):
        for said in (NO_OPINION, UNKNOWN, suppressed()):
            assert len(ZONE.answer(found, said)) <= DNS_PAYLOAD_BYTES_MAX
    stream, framed = ZoneOnStream(ZONE), struct.pack(">H", len(wire)) + wire
    cut = stream.cut(framed, 0)
    assert cut is not None
    assert cut[1] == len(framed)
    assert all(stream.cut(framed[:end], 0) is None for end in range(len(framed)))


def flip(place: int, by: bytes) -> bytes:
    """A good packet with some bytes of it replaced."""
    wire = query(f"{SHA1}.marketing", use_edns=0)
    return wire[:place] + by + wire[place + len(by) :]


def test_a_connection_that_speaks_no_dns_is_hung_up_on() -> None:
    stream = ZoneOnStream(ZONE)

    assert stream.cut(struct.pack(">H", DNS_QUESTION_BYTES_MAX + 1), 0) == (Garbage("a packet of 4097 bytes"), 2)
    assert stream.last_words("") == b""


def test_a_name_that_is_no_zone_is_told() -> None:
    with pytest.raises(Invalid, match="no name of a DNS zone"):
        Zone("x" * 64 + ".example", "sha1")


# --- the directory ---


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with opened_world(tmp_path) as world:
        yield world


@contextmanager
def opened_directory(world: World, hashing: str = "sha1", store: Store | None = None) -> Iterator[Directory]:
    """The directory of a world's store, or of another one in its place."""
    directory = Directory(
        world.index_folder / "dns",
        store or world.store,
        hashing=hashing,
        digest=HASHINGS[hashing].make,
        clock=world.clock,
        staleness_seconds_max=STALENESS_SECONDS_MAX,
    )
    try:
        yield directory
    finally:
        directory.close()


def catch_up(directory: Directory) -> None:
    """Let it take what there is."""
    while not directory.step():
        pass


def sha1(address: str) -> bytes:
    """The hash of the zone."""
    return hashlib.sha1(address.encode()).digest()


def test_every_address_is_found_by_its_other_hash_old_ones_and_new_ones(world: World) -> None:
    world.suppress("ada@example.com")
    world.suppress("ben@example.com", tenant="acme")
    with opened_directory(world) as directory:
        assert not directory.is_fresh()
        catch_up(directory)
        world.suppress("eve@example.com")
        catch_up(directory)

        for address in ("ada@example.com", "ben@example.com", "eve@example.com"):
            assert directory.find(sha1(address)) == HASHER.hash(address)
        assert directory.find(sha1("nobody@example.com")) is None
        assert directory.is_fresh()


def test_a_directory_is_taken_in_pages_and_goes_on_after_a_restart(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for bound in ("DIRECTORY_NAMES_MAX", "DIRECTORY_BATCH_MAX"):
        monkeypatch.setattr(f"api.doors.dns_directory.{bound}", 2)
    named = [f"{number}@example.com" for number in range(7)]
    for address in named[:5]:
        world.suppress(address)
    with opened_directory(world) as directory:
        for _ in range(3):
            assert not directory.step()
    for address in named[5:]:
        world.suppress(address)
    with opened_directory(world) as directory:
        catch_up(directory)
        assert [directory.find(sha1(address)) for address in named] == [HASHER.hash(address) for address in named]


def test_a_directory_grows_stale_when_nobody_keeps_it(world: World) -> None:
    with opened_directory(world) as directory:
        catch_up(directory)
        world.clock.advance(seconds=STALENESS_SECONDS_MAX)
        assert directory.is_fresh()
        world.clock.advance(seconds=0.1)
        assert not directory.is_fresh()


def test_a_directory_of_another_past_is_made_anew(world: World, tmp_path: Path) -> None:
    world.suppress("ada@example.com")
    with opened_directory(world) as directory:
        catch_up(directory)
    (tmp_path / "restored").mkdir()
    with opened_store(tmp_path / "restored", world.clock) as restored:
        restored.add("default", "ben@example.com", scope="*", cause="hard", reason="a test", expires=None, actor="test")
        with opened_directory(world, store=restored) as directory:
            catch_up(directory)

            assert directory.find(sha1("ben@example.com")) == HASHER.hash("ben@example.com")
            assert directory.find(sha1("ada@example.com")) is None


def test_a_directory_of_another_hash_is_made_anew(world: World) -> None:
    world.suppress("ada@example.com")
    with opened_directory(world) as directory:
        catch_up(directory)
    with opened_directory(world, "md5") as directory:
        catch_up(directory)

        assert directory.find(hashlib.md5(b"ada@example.com").digest()) == HASHER.hash("ada@example.com")
        assert directory.find(sha1("ada@example.com")) is None


def test_a_second_process_is_told_that_there_is_one_already(world: World) -> None:
    with opened_directory(world), pytest.raises(Misconfigured, match="another process keeps"), opened_directory(world):
        pass


# --- the door ---


@pytest.fixture
def directory(world: World) -> Iterator[Directory]:
    """One that knows a few addresses."""
    world.suppress("ada@example.com")
    world.suppress("ben@example.com", scope="news", cause="unsubscribe")
    world.suppress("eve@example.com", scope="news", cause="complaint", tenant="acme")
    world.catch_up()
    with opened_directory(world) as directory:
        catch_up(directory)
        yield directory


@contextmanager
def opened_zone(world: World, directory: Directory, view: View | None = None) -> Iterator[Callable[..., dns.message.Message]]:
    """The door, served; what asks it over UDP (or TCP) for the address of some name below the zone."""
    listener = Listener("dns", ("127.0.0.1", 0), view)
    zone = ZoneParts(ZONE, LookupByDigest(world.lookup(), directory, allow_unknown=()))
    with start_blocking_portal() as portal:
        doors = opened_doors(DoorSettings(listeners=[listener]), world.lookup(), zone)
        with portal.wrap_async_context_manager(doors) as (where,):
            assert isinstance(where, tuple)

            def ask(address: str, words: str = "", kind: str = "A", over: Any = dns.query.udp) -> dns.message.Message:
                name = f"{sha1(address).hex()}{words}.{APEX}"
                reply: dns.message.Message = over(dns.message.make_query(name, kind), where[0], port=where[1], timeout=10)
                return reply

            yield ask


def codes(reply: dns.message.Message) -> list[str]:
    """The addresses that an answer gives."""
    return [str(record) for rrset in reply.answer for record in rrset]


def test_the_zone_answers_over_both_transports_by_view(world: World, directory: Directory) -> None:
    with opened_zone(world, directory) as ask:
        assert codes(ask("ada@example.com")) == ["127.0.0.2"]
        assert codes(ask("ada@example.com", ".news", over=dns.query.tcp)) == ["127.0.0.2"]
        assert ask("ada@example.com", ".news.acme").rcode() == dns.rcode.NXDOMAIN
        assert ask("ben@example.com", over=dns.query.tcp).rcode() == dns.rcode.NXDOMAIN
        assert codes(ask("ben@example.com", ".news")) == ["127.0.0.4"]
        assert codes(ask("eve@example.com", ".news.acme")) == ["127.0.0.3"]
        assert ask("nobody@example.com").rcode() == dns.rcode.NXDOMAIN
        (words,) = codes(ask("ben@example.com", ".news", "TXT"))
        assert "(unsubscribe)" in words
        assert "ben" not in words


def test_a_listener_for_one_view_speaks_of_no_other_tenant(world: World, directory: Directory) -> None:
    with opened_zone(world, directory, View("acme", "news")) as ask:
        assert codes(ask("eve@example.com")) == ["127.0.0.3"]
        assert ask("ada@example.com", ".*").rcode() == dns.rcode.NXDOMAIN
        assert ask("ada@example.com", ".news.default").rcode() == dns.rcode.REFUSED


def test_what_the_directory_has_not_heard_of_is_a_failure_once_it_is_stale(world: World, directory: Directory) -> None:
    with opened_zone(world, directory) as ask:
        world.clock.advance(seconds=STALENESS_SECONDS_MAX + 1)

        assert ask("nobody@example.com").rcode() == dns.rcode.SERVFAIL
        assert codes(ask("ada@example.com")) == ["127.0.0.2"], "the store knows"


def test_a_stale_directory_lets_mail_go_only_where_the_operator_says_so(world: World, directory: Directory) -> None:
    news = View("default", "news")
    lookup = LookupByDigest(world.lookup(), directory, allow_unknown=[news])
    world.clock.advance(seconds=STALENESS_SECONDS_MAX + 1)

    assert lookup.at_once(news, sha1("nobody@example.com").hex()) is None
    verdict = lookup.verdict(news, sha1("nobody@example.com").hex())
    assert (verdict.allowed, verdict.known) == (True, False)
    with pytest.raises(Transient):
        lookup.verdict(View("default", None), sha1("nobody@example.com").hex())


@pytest.mark.parametrize("hashing", ["md5", "sha256"])
def test_whom_somebody_brought_as_the_hash_of_the_zone_is_on_the_list_for_it(world: World, hashing: str) -> None:
    world.suppress("bea@example.com", scope="news", cause="soft")
    world.suppress_hash("bea@example.com", algorithm=hashing)
    world.suppress_hash("mia@example.com", algorithm=hashing)
    world.suppress_hash("ida@example.com", algorithm="md5" if hashing == "sha256" else "sha256")
    world.catch_up()
    news = View("default", "news")
    with opened_directory(world, hashing) as directory:
        catch_up(directory)
        lookup = LookupByDigest(world.lookup(), directory, allow_unknown=())

        def said(address: str, view: View) -> list[Cause | None]:
            digest = HASHINGS[hashing].make(address.encode()).hex()
            at_once = lookup.at_once(view, digest)
            assert at_once is not None
            return [at_once.cause, lookup.verdict(view, digest).cause]

        assert said("mia@example.com", news) == [Cause.UNSUBSCRIBE] * 2
        assert said("bea@example.com", news) == [Cause.UNSUBSCRIBE] * 2, "the gravest of all that stands of her"
        assert said("mia@example.com", View("acme", "news")) == [None, None]
        assert said("ida@example.com", news) == [None, None], "the one hash can not be made of the other"
        world.clock.advance(seconds=STALENESS_SECONDS_MAX + 1)
        digest = HASHINGS[hashing].make(b"mia@example.com").hex()
        assert lookup.verdict(news, digest).cause is Cause.UNSUBSCRIBE, "the store knows, whatever the directory has heard of"
