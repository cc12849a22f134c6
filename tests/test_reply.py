"""Taking a reply apart: its codes, and the form in which rules look at it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifiers.reply import detail_of, fold, is_status, read_reply
from nullsender.limits import DIAGNOSTIC_CHARACTERS_MAX


@pytest.mark.parametrize(
    ("text", "status", "code"),
    [
        ("550 5.1.1 no", "5.1.1", 550),
        ("550-5.1.1 no", "5.1.1", 550),
        ("550: : no", None, 550),
        ("Sorry, no mailbox here by that name. (#5.1.1)", "5.1.1", None),
        ("host mx.example.com[192.0.2.1] said: 451 4.7.1 later", "4.7.1", 451),
        ("Remote Server returned '550 5.1.10 not found'", "5.1.10", 550),
        ("smtp; 552 5.2.2 full", "5.2.2", 552),
        ("<<< 553 no", None, 553),
        ("no codes at all", None, None),
        ("", None, None),
    ],
)
def test_the_codes_are_found_where_servers_write_them(text: str, status: str | None, code: int | None) -> None:
    reply = read_reply(text)

    assert (reply.status, reply.reply_code) == (status, code)


@pytest.mark.parametrize(
    "text",
    [
        "blocked [10.5.1.1]",
        "192.5.1.1 said no",
        "version 15.1.1 of 4.2.1.7",
        "5.1.1234 files",
        "5.1",
        "exim 4.92.3 says no",
        "no, says mta-4.2.1",
        "no, says v5.1.1",
        "no, says mx4.2.2.example.com",
        "no, says gate.5.7.1.example.com",
    ],
)
def test_an_ip_address_or_a_version_is_no_status_code(text: str) -> None:
    assert read_reply(text).status is None


def test_a_status_code_is_found_behind_any_number_of_ip_addresses() -> None:
    assert read_reply("550 refused: " + "mx.example.com[192.0.2.1] " * 40 + "5.7.1 listed").status == "5.7.1"


@pytest.mark.parametrize("text", ["message of 512 kilobytes", "after 240 hours", "on port 465"])
def test_any_three_digits_are_no_reply_code(text: str) -> None:
    assert read_reply(text).reply_code is None


def test_the_code_that_gives_a_reason_wins_over_a_vaguer_one() -> None:
    """Gateways wrap the real reply into their own."""
    assert read_reply("5.1.0 - unknown address error '5.2.2 full'").status == "5.2.2"
    assert read_reply("550 5.7.1 no", status="5.0.0").status == "5.7.1"
    assert read_reply("550 5.0.0 no", status="5.1.1").status == "5.1.1"


def test_the_first_of_two_codes_that_give_a_reason_wins() -> None:
    assert read_reply("554 5.4.7 expired, the last answer was 421 4.4.2 time-out").status == "5.4.7"


def test_the_words_tell_the_reason_where_the_report_has_another_code() -> None:
    assert read_reply("550 5.7.1 no", status="5.1.1").status == "5.7.1"
    assert read_reply("450 4.2.2 full", status="5.1.1").status == "4.2.2"
    assert read_reply("550 no", status="5.1.1").status == "5.1.1"


def test_a_code_that_the_words_and_the_report_agree_on_wins_over_others_of_the_words() -> None:
    assert read_reply("550 5.7.1 no: 550 5.1.1 unknown", status="5.1.1").status == "5.1.1"


def test_a_status_behind_a_host_name_or_inside_brackets_is_found() -> None:
    assert read_reply("host mx4.example.com[10.5.1.1] said: 550 5.7.1 no").status == "5.7.1"
    assert read_reply("mx.example.com 5.1.1 unknown").status == "5.1.1"
    assert read_reply("no (5.1.1)").status == read_reply("no, DSN=5.1.1").status == read_reply("no #5.1.1").status == "5.1.1"


def test_the_reply_code_of_the_report_stands_before_the_one_of_the_words() -> None:
    assert read_reply("550 no", reply_code=421).reply_code == 421


def test_numbers_behind_a_zero_subject_say_nothing() -> None:
    """Some tools put their own verdict there; it is not a code of the registry."""
    assert detail_of("5.0.911") == detail_of("5.0.0") == 0 < detail_of("5.1.0") < detail_of("5.1.1")


def test_what_is_no_status_code_is_not_taken_for_one() -> None:
    assert read_reply("no", status="5.1.1 (bad)").status is None
    assert is_status("5.1.1")
    assert not is_status("5.1.1.1")


def test_an_address_becomes_a_bare_at_sign() -> None:
    assert read_reply("550 <spam@example.com>: user unknown").folded == b"550 @: user unknown"
    assert read_reply("RCPT TO:<a@b.example>: a@c.example... no").folded == b"rcpt to:@: @ no"


def test_the_domains_of_addresses_are_known() -> None:
    assert read_reply("550 <a@B.example> and c@d.example no").domains() == ["b.example", "d.example"]


def test_a_reply_of_many_lines_reads_as_one_sentence() -> None:
    reply = read_reply("550-5.7.1 this message is likely 550-5.7.1 unsolicited\r\n mail. 550 5.7.1 see there")

    assert reply.folded == b"550-5.7.1 this message is likely unsolicited mail. see there"
    assert reply.status == "5.7.1"


def test_a_reply_is_cut_where_more_of_it_would_say_nothing_new() -> None:
    assert (
        read_reply("no " * DIAGNOSTIC_CHARACTERS_MAX).text
        == ("no " * DIAGNOSTIC_CHARACTERS_MAX)[:DIAGNOSTIC_CHARACTERS_MAX].strip()
    )


@pytest.mark.parametrize("blank", ["\t", "\r\n", "\x1c", "  ", "\u00a0", "\u3000"])
def test_any_white_space_is_a_blank(blank: str) -> None:
    reply = read_reply(f"{blank}550 5.1.1{blank}User{blank}unknown{blank}")

    assert (reply.text, reply.folded, reply.status) == ("550 5.1.1 User unknown", b"550 5.1.1 user unknown", "5.1.1")


def test_accents_case_and_curly_quotes_make_no_difference() -> None:
    assert fold("Boîte PLEINE, n\u2019existe pas") == "boite pleine, n'existe pas"
    assert fold("нет Й") == "нет и"


@given(st.text(), st.none() | st.text(), st.none() | st.integers(0, 999))
def test_any_text_at_all_gives_a_reply(text: str, status: str | None, code: int | None) -> None:
    reply = read_reply(text, status, code)

    assert len(reply.text) <= DIAGNOSTIC_CHARACTERS_MAX
    assert reply.status is None or is_status(reply.status)
    assert b"\n" not in reply.folded


@given(st.text(alphabet="a@<>. 5-", max_size=200))
def test_no_address_is_left_in_the_folded_text(text: str) -> None:
    """Brackets are set off here: words that touch those of an address are no part of it, and stay beside its @."""
    folded = read_reply(text.replace("<", " <").replace(">", "> ")).folded.decode()

    assert all(not before[-1:].isalnum() or not after[:1].isalnum() for before, after in zip(*_around(folded), strict=True))


def _around(folded: str) -> tuple[list[str], list[str]]:
    pieces = folded.split("@")
    return pieces[:-1], pieces[1:]
