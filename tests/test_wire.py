"""Commands and messages come out of the octets in the same way, however these are cut into chunks."""

from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.mx.addresses import Path, parse_path
from ingest.mx.replies import Reply, recorded
from ingest.mx.wire import Command, CommandReader, MessageReader
from nullsender.errors import Invalid
from nullsender.limits import ADDRESS_CHARACTERS_MAX, COMMAND_BYTES_MAX

# Octets of which ends of messages are made, so that random ones come close to them.
_NEAR_THE_END = st.lists(st.sampled_from([b"\r", b"\n", b".", b"\r\n", b"\r\n.", b"\r\n.\r\n", b"x"]), max_size=20).map(
    b"".join
)


def _pieces(octets: bytes, cuts: Iterable[int]) -> list[bytes]:
    places = sorted({0, len(octets), *(cut % (len(octets) + 1) for cut in cuts)})
    return [octets[start:end] for start, end in pairwise(places)]


@given(message=_NEAR_THE_END, rest=_NEAR_THE_END, cuts=st.lists(st.integers(0, 1_000)))
def test_a_message_ends_at_its_first_end_wherever_it_is_cut(message: bytes, rest: bytes, cuts: list[int]) -> None:
    octets = message + b"\r\n.\r\n" + rest
    end = (b"\r\n" + octets).index(b"\r\n.\r\n")  # where a reader of the whole finds it
    reader = MessageReader(bytes_max=10_000)
    after = None
    for piece in _pieces(octets, cuts):
        after = reader.feed(piece) if after is None else after + piece

    assert after == octets[end + 3 :]
    assert reader.refusal is None
    assert reader.content() == (b"\r\n" + octets[:end]).replace(b"\r\n.", b"\r\n")[2:]


@given(lines=st.lists(st.text(alphabet="ab. \t", max_size=5)), cuts=st.lists(st.integers(0, 1_000)))
def test_a_message_comes_out_as_its_sender_wrote_it(lines: list[str], cuts: list[int]) -> None:
    message = "".join(f"{line}\r\n" for line in lines).encode()
    stuffed = "".join(f".{line}\r\n" if line.startswith(".") else f"{line}\r\n" for line in lines).encode()
    reader = MessageReader(bytes_max=10_000)
    for piece in _pieces(stuffed + b".\r\n", cuts):
        reader.feed(piece)

    assert reader.content() == message


def test_a_message_that_is_too_large_takes_no_memory_and_its_end_is_still_found() -> None:
    reader = MessageReader(bytes_max=1_000)
    for _ in range(1_000):
        assert reader.feed(b"x" * 997 + b"\r\n.") is None
        assert reader.held_bytes <= 2_000
    assert reader.feed(b"\r\nNOOP\r\n") == b"NOOP\r\n"
    assert reader.refusal is Reply.TOO_LARGE


@given(octets=st.binary(max_size=200), cuts=st.lists(st.integers(0, 1_000)))
def test_commands_do_not_depend_on_how_they_are_cut(octets: bytes, cuts: list[int]) -> None:
    whole, cut = CommandReader(), CommandReader()
    whole.feed(octets)
    expected = _all(whole)
    found: list[Command | Reply] = []
    for piece in _pieces(octets, cuts):
        cut.feed(piece)
        found += _all(cut)

    assert found == expected
    assert whole.take_rest() == cut.take_rest()


def _all(reader: CommandReader) -> list[Command | Reply]:
    found = []
    while (command := reader.next()) is not None:
        found.append(command)
    return found


def test_a_line_without_an_end_is_not_kept() -> None:
    reader = CommandReader()
    for _ in range(1_000):
        reader.feed(b"x" * 10_000)
        assert reader.next() is None
    assert reader.take_rest() == b""
    reader.feed(b"x\r\nNOOP\r\n")
    assert reader.next() is Reply.LINE_TOO_LONG
    assert reader.next() == Command("NOOP", "")


def test_the_longest_command_line_is_taken_and_one_octet_more_is_not() -> None:
    reader = CommandReader()
    longest = b"VRFY " + b"x" * (COMMAND_BYTES_MAX - 7) + b"\r\n"
    reader.feed(longest + b"x" + longest)
    assert reader.next() == Command("VRFY", "x" * (COMMAND_BYTES_MAX - 7))
    assert reader.next() is Reply.LINE_TOO_LONG


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<>", Path("", {})),
        ("<a@b.example>", Path("a@b.example", {})),
        (" <a@b.example> SIZE=10 body=8BITMIME", Path("a@b.example", {"SIZE": "10", "BODY": "8BITMIME"})),
        ("<a@b.example> SMTPUTF8", Path("a@b.example", {"SMTPUTF8": None})),
        ("a@b.example SIZE=10", Path("a@b.example", {"SIZE": "10"})),
        ('<"quoted @ > local"@b.example>', Path('"quoted @ > local"@b.example', {})),
        ("<@relay.example,@other.example:a@b.example>", Path("a@b.example", {})),
        ("<a@[192.0.2.1]>", Path("a@[192.0.2.1]", {})),
        ("<a@[IPv6:2001:db8::1]>", Path("a@[IPv6:2001:db8::1]", {})),
        ("<.odd..dots.@b.example>", Path(".odd..dots.@b.example", {})),
        ("<prvs=0123456789=a@b.example>", Path("prvs=0123456789=a@b.example", {})),
        ("<jörg@bücher.example>", Path("jörg@bücher.example", {})),
        ("<postmaster>", Path("postmaster", {})),
    ],
)  # fmt: skip
def test_an_address_is_taken_apart(text: str, expected: Path) -> None:
    assert parse_path(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", "<", "<a@", "<a@[>", "<a@b", "a b@c>", "<a@b>x", "<a@b> =1", "<a b@c>", "<@b>", "<a@@b>", '<"open@b>',
        "<a\x00@b>", "<a\r@b>", "<\udcff@b>",
    ],
)  # fmt: skip
def test_what_is_no_address_is_invalid(text: str) -> None:
    with pytest.raises(Invalid):
        parse_path(text)


def test_an_address_that_is_too_long_is_invalid() -> None:
    with pytest.raises(Invalid):
        parse_path(f"<{'a' * ADDRESS_CHARACTERS_MAX}@b.example>")


@given(text=st.text(max_size=COMMAND_BYTES_MAX) | st.text(alphabet='<>@":.,[]\\a ', max_size=COMMAND_BYTES_MAX))
def test_any_text_is_an_address_or_invalid(text: str) -> None:
    try:
        path = parse_path(text)
    except Invalid:
        return
    assert len(path.address) <= ADDRESS_CHARACTERS_MAX
    assert "\r" not in path.address
    assert "\n" not in path.address


@pytest.mark.parametrize("reply", Reply, ids=lambda reply: reply.name)
def test_every_reply_has_a_code_its_enhanced_status_code_and_words(reply: Reply) -> None:
    code, status, words = reply.split(" ", 2)

    assert code.isdigit()
    assert words.isprintable()
    assert words.isascii()
    assert len(f"{reply}\r\n") <= 512  # RFC 5321 4.5.3.1.5
    if code != "354":  # RFC 2034 4: the classes agree; an intermediate reply has none
        assert [part.isdigit() for part in status.split(".")] == [True] * 3
        assert status[0] == code[0]


def test_a_recorded_message_is_named_with_the_number_of_its_reports() -> None:
    assert recorded("ab12", 1) == "250 2.0.0 recorded as ab12, 1 report"
    assert recorded("ab12", 2) == "250 2.0.0 recorded as ab12, 2 reports"
