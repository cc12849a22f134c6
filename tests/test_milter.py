"""The milter door's grammar: what MTAs send, whole, in pieces or broken, and what each packet is answered."""

import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from api.doors.milter_wire import VERSION_MAX, VERSION_MIN, Milter, packet
from api.doors.said import NO_OPINION, Found, Garbage, Kind, Question, Said
from nullsender.limits import MILTER_PACKET_BYTES_MAX

ALL_STEPS = 0x1FFFFF  # what Postfix and Sendmail offer in version 6
OLD_STEPS = 0x7F  # in version 2: steps to leave out, and no more
CONTINUE = packet(b"c")


def offer(version: int = 6, steps: int = ALL_STEPS) -> bytes:
    """How an MTA begins."""
    return packet(b"O", struct.pack(">III", version, 0x1FF, steps))


def macros(command: bytes, **named: str) -> bytes:
    """Macros that an MTA sends before a command."""
    words = [word for name, value in named.items() for word in ("{" + name + "}", value)]
    return packet(b"D", command + "".join(f"{word}\0" for word in words).encode())


def recipient(path: str, *arguments: str) -> bytes:
    """RCPT TO."""
    return packet(b"R", "".join(f"{word}\0" for word in (path, *arguments)).encode())


def found_in(wire: bytes, milter: Milter | None = None) -> list[Found]:
    """Everything that the packets of one connection say."""
    milter, start, found = milter or Milter(), 0, list[Found]()
    while (cut := milter.cut(wire, start)) is not None:
        found.append(cut[0])
        start = cut[1]
        if isinstance(cut[0], Garbage):
            break
    return found


def agreed(steps: int = ALL_STEPS) -> Milter:
    """A conversation that has begun."""
    milter = Milter()
    assert isinstance(found_in(offer(steps=steps), milter)[0], bytes)
    return milter


@pytest.mark.parametrize("version", [*range(VERSION_MIN, VERSION_MAX + 1), 7])
def test_every_version_since_the_second_is_agreed_upon_and_no_newer_one_than_we_know(version: int) -> None:
    (reply,) = found_in(offer(version))

    assert isinstance(reply, bytes)
    assert reply[:5] == b"\0\0\0\x0dO"
    assert struct.unpack(">III", reply[5:])[:2] == (min(version, 6), 0)


def test_all_steps_are_left_out_but_recipients_and_the_end() -> None:
    (reply,) = found_in(offer())

    assert isinstance(reply, bytes)
    steps = struct.unpack(">III", reply[5:])[2]
    assert steps == 0x377 | 0xF7080, "SMFIP_NO… of all but RCPT, SMFIP_NR_… of all but RCPT"


def test_no_step_is_asked_for_that_the_mta_does_not_offer() -> None:
    (reply,) = found_in(offer(2, OLD_STEPS))

    assert isinstance(reply, bytes)
    assert struct.unpack(">III", reply[5:])[2] == 0x77


def test_a_recipient_is_a_question_whatever_stands_around_the_address() -> None:
    for wire in (recipient("<ada@example.com>"), recipient("ada@example.com"), recipient("<ada@example.com>", "NOTIFY=NEVER")):
        assert found_in(wire, agreed()) == [Question("ada@example.com")]


def test_bytes_that_are_no_text_are_no_address_and_no_crash() -> None:
    (question,) = found_in(packet(b"R", b"<\xff\xfe@example.com>\0"), agreed())

    assert question == Question("\udcff\udcfe@example.com")


def test_who_is_logged_in_asks_until_the_message_is_over() -> None:
    asks = recipient("<ada@example.com>")
    wire = macros(b"M", auth_authen="news", i="4711") + asks + macros(b"R", rcpt_host="example.com") + asks
    wire += packet(b"A") + asks + macros(b"R", auth_authen="shop") + asks + macros(b"M", i="4712") + asks

    users = [found.user for found in found_in(wire, agreed()) if isinstance(found, Question)]

    assert users == ["news", "news", "", "shop", ""]


def test_a_recipient_goes_on_or_is_answered_with_our_words() -> None:
    milter = Milter()

    assert milter.answer(NO_OPINION) == CONTINUE
    assert milter.answer(Said(Kind.SUPPRESSED, "100% sure")) == packet(b"y", b"550 5.7.1 100%% sure\0")
    assert milter.answer(Said(Kind.UNKNOWN, "come again"))[4:6] == b"y4"
    assert milter.answer(Said(Kind.INVALID, "no address")).startswith(packet(b"y", b"553 5.1.3 no address\0"))


def test_steps_that_can_not_be_left_out_are_gone_on_with() -> None:
    everything = [b"C", b"H", b"M", b"T", b"L", b"N", b"B", b"U", b"E"]
    wire = b"".join(packet(command, b"x\0") for command in everything)

    assert found_in(wire, agreed(steps=0)) == [CONTINUE] * len(everything)
    assert found_in(wire, agreed()) == [b""] * 8 + [CONTINUE], "nobody waits for an answer but at the end"


def test_a_message_that_is_over_wants_no_answer_and_the_next_may_follow() -> None:
    wire = packet(b"A") + recipient("<ada@example.com>") + packet(b"K") + offer() + packet(b"Q")

    assert [type(found) for found in found_in(wire, agreed())] == [bytes, Question, bytes, bytes, bytes]


@pytest.mark.parametrize(
    "wire",
    [
        recipient("<ada@example.com>"),
        packet(b"O", b"\0\0\0\6"),
        offer(version=1),
        offer() + packet(b"X"),
        offer() + packet(b"\0"),
        b"\0\0\0\0",
        struct.pack(">I", MILTER_PACKET_BYTES_MAX + 1),
        b"GET / HTTP/1.1\r\n\r\n",
    ],
)
def test_what_is_not_of_the_protocol_is_hung_up_on(wire: bytes) -> None:
    assert isinstance(found_in(wire)[-1], Garbage)


@given(
    st.binary(max_size=300)
    | st.lists(st.builds(packet, st.sampled_from("OCHMRDLNBETUAKQ").map(str.encode), st.binary())).map(b"".join)
)
@example(offer() + macros(b"M", auth_authen="news") + recipient("<ada@example.com>") + packet(b"E"))
def test_bytes_say_the_same_however_they_are_cut_and_never_fail(wire: bytes) -> None:
    wire = offer() + wire
    whole = found_in(wire)
    milter, held, pieces = Milter(), b"", list[Found]()
    for place in range(len(wire)):
        held += wire[place : place + 1]
        while (cut := milter.cut(held, 0)) is not None:
            pieces.append(cut[0])
            held = held[cut[1] :]
        if pieces and isinstance(pieces[-1], Garbage):
            break

    assert pieces == whole
    for found in whole:
        assert isinstance(found, (bytes, Question, Garbage))
