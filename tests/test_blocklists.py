"""A refusal names its list and our address; what strangers write into it bounds neither time nor the metric."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifiers.blocklists import BLOCKLISTS, OTHER_LIST, Listing, label_of, listing_in
from classifiers.outcome import Category
from classifiers.rules import Rules
from nullsender.limits import LISTED_ADDRESSES_TRIED_MAX

RULES = Rules.load()


@pytest.mark.parametrize(
    ("text", "blocklist", "ip"),
    [
        ("554 5.7.1 Service unavailable; Client host [192.0.2.4] blocked using zen.spamhaus.org", "Spamhaus ZEN", "192.0.2.4"),
        ("550 5.7.1 Mail from IP 192.0.2.4 was rejected due to listing in Spamhaus SBL.", "Spamhaus SBL", "192.0.2.4"),
        ("553 http://www.spamhaus.org/query/bl?ip=192.0.2.22", "Spamhaus", "192.0.2.22"),
        ("550 blocked using Trend Micro Reputation, see x.example?ip=192.0.2.7", "Trend Micro ERS", "192.0.2.7"),
        ("554 blocked using Barracuda Reputation; x.example?r=1&ip=192.0.2.9", "Barracuda", "192.0.2.9"),
        (
            "550 5.7.1 Unfortunately, messages from [192.0.2.4] weren't sent. On our block list (S3150).",
            "Microsoft",
            "192.0.2.4",
        ),
        ("553 5.7.1 [BL21] Connections not accepted from 192.0.2.3", "Yahoo", "192.0.2.3"),
        ("554 IP=192.0.2.67 - A problem. Ask your postmaster for help or tosa@rx.t-online.de", "T-Online", "192.0.2.67"),
        ("550 5.7.1 Client host [2001:db8::7] blocked using bl.example.org", "bl.example.org", "2001:db8::7"),
        ("550 from IPv6:2001:DB8:0:0::7 listed at dnsbl.example.net; see there", "dnsbl.example.net", "2001:db8::7"),
        ("554 5.7.1 192.0.2.4 is on a list, see https://check.example.com/lookup?what=you", "check.example.com", "192.0.2.4"),
        ("550 IP address blacklisted by recipient", None, None),
    ],
)
def test_a_refusal_names_its_list_and_our_address(text: str, blocklist: str | None, ip: str | None) -> None:
    assert listing_in(text) == Listing(blocklist, ip)


@pytest.mark.parametrize(
    "before",
    [
        "host mx.example.com[192.0.2.200] said: ",
        "host mx.example.com [192.0.2.200] SMTP error from remote mail server after RCPT TO:<kiji@example.com>: ",
        "192.0.2.200 does not like recipient. Remote host said: ",
    ],
)
def test_the_address_of_the_server_that_refused_is_not_ours(before: str) -> None:
    assert listing_in(f"{before}554 5.7.1 Client host [192.0.2.4] blocked using bl.example.org").ip == "192.0.2.4"
    assert listing_in(f"{before}554 5.7.1 blocked using bl.example.org").ip is None
    assert listing_in(f"{before}554 5.7.1 192.0.2.200: your host is listed by bl.example.org").ip is None


def test_the_server_that_refused_is_told_before_a_reply_without_a_code_too() -> None:
    before = "SMTP error from remote mail server after MAIL FROM: host mx.example.com [192.0.2.200]: "

    assert listing_in(f"{before}rejected by bl.example.org").ip is None
    assert listing_in(f"{before}192.0.2.4 rejected by bl.example.org").ip == "192.0.2.4"


def test_the_server_that_the_report_names_is_not_ours() -> None:
    said = "554 5.7.1 192.0.2.200 says: your host is listed by bl.example.org"

    assert listing_in(said, "mx.example.com [192.0.2.200]").ip is None
    assert listing_in(said, "mx.example.com (TCP|192.0.2.200|34042|192.0.2.7|25)").ip == "192.0.2.200"


@pytest.mark.parametrize(
    ("text", "ip"),
    [
        ("550 Connection from remote host 192.0.2.200: 550 blocked 192.0.2.4, see bl.example.org", "192.0.2.4"),
        ("550 5.7.1 blacklisted for 192.0.2.200: 192.0.2.4, see bl.example.org", None),
        ("550 5.7.1 192.0.2.4 is listed by bl.example.org, see https://bl.example.org/192.0.2.4", "192.0.2.4"),
    ],
)
def test_of_several_addresses_only_one_that_is_called_ours_is(text: str, ip: str | None) -> None:
    assert listing_in(text).ip == ip


@pytest.mark.parametrize("text", ["550 listed: 127.0.0.2", "550 rule 300.1.2.3", "550 at 12:34:56 version 1.2.3", "550 ::"])
def test_what_only_looks_like_our_address_is_none(text: str) -> None:
    assert listing_in(text).ip is None


@pytest.mark.parametrize("address", ["192.0.2.%d", "2001:db8::%x"])
def test_only_so_many_addresses_of_a_reply_are_looked_at(address: str) -> None:
    many = " ".join(address % number for number in range(LISTED_ADDRESSES_TRIED_MAX))

    assert listing_in(f"550 blocked, seen were {many} and client {address % 99}").ip is None
    assert listing_in(f"550 blocked, seen were {address % 7} and client {address % 99}").ip == address % 99


def test_every_list_is_found_by_each_of_its_signs_and_none_hides_another() -> None:
    for name, signs in BLOCKLISTS.items():
        for sign in signs:
            assert sign == sign.lower()
            assert listing_in(f"550 see {sign} now").blocklist == name, sign


@given(st.text(max_size=300) | st.text(alphabet="0123456789.:[]ip= abcdef-/", max_size=300))
def test_any_text_has_an_answer_and_the_metric_a_bounded_one(text: str) -> None:
    assert label_of(listing_in(text).blocklist) in {*BLOCKLISTS, OTHER_LIST}


def test_a_decision_about_a_list_carries_both() -> None:
    decision = RULES.decide_reply("554 5.7.1 Service unavailable; Client host [192.0.2.4] blocked using bl.spamcop.net")

    assert (decision.category, decision.blocklist, decision.ip) == (Category.BLOCKLISTED, "SpamCop", "192.0.2.4")


def test_a_decision_about_anything_else_carries_neither() -> None:
    decision = RULES.decide_reply("550 5.1.1 no such user, says 192.0.2.4 of mail.ru")

    assert (decision.blocklist, decision.ip) == (None, None)
