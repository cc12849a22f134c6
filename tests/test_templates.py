"""Templates: a million replies of one kind are one line, two kinds are two, and any text at all has one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifiers.templates import SIGNS, constant_words, example_of, template_of
from nullsender.limits import TEMPLATE_CHARACTERS_MAX


@pytest.mark.parametrize(
    ("text", "template"),
    [
        ("550 5.7.1 <kiji@example.com>: zone closed", "550 5.7.1 <address>: zone closed"),
        ("550 zone closed for kiji@example.com.", "550 zone closed for <address>"),
        ("550-5.7.1 zone\r\n550 5.7.1 closed", "550-5.7.1 zone closed"),
        ("host mx1.example.com[192.0.2.7]:25 said no", "host <host>[<ip>]:<number> said no"),
        ("[2001:db8::7:25] zone closed", "[<ip6>] zone closed"),
        ("see https://help.example.com/a?b=c,d#e for more", "see <url> for more"),
        ("4Z8xKq2pYz: zone closed (in reply)", "<id>: zone closed (in reply)"),
        ("zone closed d9443c01-27e5-4b1f-9f3a-0123456789ab", "zone closed <id>"),
        ("zone closed " + "q" * 40, "zone closed <id>"),
        ("closed since Mon, 3 Feb 2025 10:12:11 +0200 (CET)", "closed since <date>"),
        ("closed since 2026-11-22T08:00:00Z, 08:00", "closed since <date>"),
        ("closed since Nov 22 08:00:00 2026", "closed since <date>"),
        ("closed at 9:15 am today", "closed at <date> today"),
        ("waited for 3.5 hours, 120s, 10,240 of 1024kb", "waited for <number> hours, <number> of <number>"),
        ("550 zone 551 closed: 552 no", "550 zone <number> closed: 552 no"),
        ("zone x1 of ipv6 closed", "zone x1 of ipv6 closed"),
        ("Nachricht für Größe abgelehnt", "nachricht fur große abgelehnt"),
        ("", ""),
        (" \r\n ", ""),
    ],
)
def test_what_is_anothers_in_each_reply_becomes_a_sign(text: str, template: str) -> None:
    assert template_of(text) == template


def test_the_recipient_is_a_sign_without_the_domain_too() -> None:
    assert template_of("zone of Kiji closed", "kiji@example.com") == "zone of <user> closed"
    assert template_of("zone of kiji closed") == "zone of kiji closed"
    assert template_of("zone of kiji closed", "nobody at all") == "zone of kiji closed"


def test_the_code_tells_two_kinds_apart() -> None:
    assert len({template_of(f"{code} zone closed") for code in ("450 4.7.1", "550 5.7.1", "550 5.7.2")}) == 3


def test_a_list_of_any_length_is_one_kind() -> None:
    lists = ("kiji@example.com", "kiji@example.com, neko@example.com", "a@example.com, b@example.com, c@example.com")

    assert {template_of(f"no zone for {these} here") for these in lists} == {"no zone for <address> here"}


def test_a_long_reply_is_told_by_its_beginning() -> None:
    one, other = (template_of("zone closed " * 50 + tail) for tail in ("here", "there"))

    assert one == other
    assert len(one) <= TEMPLATE_CHARACTERS_MAX
    assert one.endswith("zone …")
    assert template_of("か" * 500) == template_of("か" * 501)


def test_an_example_names_nobody_and_is_of_the_same_template() -> None:
    text = "550 5.7.1 <kiji@example.org> [203.0.113.9] mx.kiji.example 4Z8xKq2pYz 3 Feb 2025 10:12 https://kiji.example/x: no"
    template = template_of(text)

    assert set(SIGNS) - {"<user>", "<ip6>", "<number>"} == {sign for sign in SIGNS if sign in template}
    assert "kiji" not in example_of(template)
    assert template_of(example_of(template)) == template


@pytest.mark.parametrize("sign", [sign for sign in SIGNS if sign != "<user>"])
def test_what_stands_for_a_sign_is_read_as_that_sign(sign: str) -> None:
    assert template_of(f"zone {SIGNS[sign]} closed") == f"zone {sign} closed"


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("550 5.7.1 <address>: zone <id> is closed for today", "is closed for today"),
        ("550 5.7.1 zone is closed, <address>", "zone is closed"),
        ("554-zone (<ip>) \"closed\"", 'closed'),
        ("host <host>[<ip>] said: 554 5.7.1 zone closed (in reply to rcpt to command)", "zone closed"),
        ("<address> <id>", ""),
        ("", ""),
    ],
)  # fmt: skip
def test_a_rule_looks_for_the_longest_words_that_do_not_vary(template: str, words: str) -> None:
    assert constant_words(template) == words


replies = st.lists(
    st.sampled_from(["kiji@example.com", "mx1.example.com", "[192.0.2.1]", "zone", "closed,", "550", "5.7.1", "3:14:15", "::"])
    | st.text(max_size=20),
    max_size=30,
).map(" ".join)


@given(replies | st.text(max_size=600))
def test_any_text_has_a_template_of_bounded_length_on_one_line(text: str) -> None:
    template = template_of(text, "kiji@example.com")

    assert len(template) <= TEMPLATE_CHARACTERS_MAX
    assert "\n" not in template
    assert constant_words(template) in template


@given(st.sampled_from("a1.-@:/[ <éか"), st.integers(1, 100_000))
def test_one_character_over_and_over_is_no_burden(character: str, times: int) -> None:
    """It would not end in time if the search went back over what it took."""
    assert len(template_of(character * times)) <= TEMPLATE_CHARACTERS_MAX
