"""Which reports an incident's marks are those of, and what a report counts for when several incidents hold."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some
from msgspec.structs import replace

from nullsender.errors import Invalid
from nullsender.events import Outcome, Source
from suppression.incidents.incident import Held, IncidentKind, Marks, Said, reading_of, require_sense
from suppression.incidents.matching import Facts, Match, Matcher, facts_of
from tests.outcomes import START, an_outcome

SAID = Said(outcome="hard", category="mailbox-unknown", rule="r", scope="*", did="added", why="")


def a_report(**fields: Any) -> Outcome:
    """An outcome of a report with everything that marks ask for."""
    outcome = an_outcome("1", stream="news")
    known = {
        "remote_mta": "mx1.mail.example.net (192.0.2.25)",
        "reporting_mta": "out.example.org",
        "diagnostic": "550 5.1.1 No such User",
        "original_source_ip": "198.51.100.7",
        "source": Source(ip="203.0.113.9"),
    }
    return replace(outcome, report=replace(outcome.report, **(known | fields)))


@pytest.mark.parametrize(
    ("marks", "matches"),
    [
        ({"since": START}, True),
        ({"since": START + timedelta(seconds=1)}, False),
        ({"until": START}, False),
        ({"until": START + timedelta(seconds=1)}, True),
        ({"sending_ip": "198.51.100.0/24"}, True),
        ({"sending_ip": "198.51.100.8"}, False),
        ({"sending_ip": "2001:db8::/32"}, False),
        ({"provider": "example.net"}, True),
        ({"provider": "EXAMPLE.com."}, True),  # the recipient's
        ({"provider": "xample.net"}, False),
        ({"text": "no such user"}, True),
        ({"text": "full"}, False),
        ({"pattern": r"5\.1\.\d"}, True),
        ({"pattern": r"^full"}, False),
        ({"rule": "a rule of the tests"}, True),
        ({"rule": "another"}, False),
        ({"category": "mailbox-unknown", "stream": "news"}, True),
        ({"category": "mailbox-unknown", "stream": "receipts"}, False),
        ({"source": "203.0.113.0/24"}, True),
        ({"source": "example.org"}, True),
        ({"source": "198.51.100.7"}, False),
    ],
)
def test_all_marks_have_to_be_there(marks: dict[str, Any], matches: bool) -> None:
    assert Matcher(Marks(**marks)).match(facts_of(a_report(), START)) is (Match.YES if matches else Match.NO)


def test_of_a_report_without_words_only_its_row_is_judged() -> None:
    row = Facts(START, "r", "mailbox-unknown", None, None)

    assert Matcher(Marks(rule="r")).match(row) is Match.YES
    assert Matcher(Marks(rule="r", text="full")).match(row) is Match.UNKNOWN
    assert Matcher(Marks(rule="x", text="full")).match(row) is Match.NO


@given(text=some.text(max_size=300), host=some.text(max_size=80), ip=some.text(max_size=40))
def test_whatever_a_report_holds_is_judged(text: str, host: str, ip: str) -> None:
    odd = a_report(diagnostic=text, remote_mta=host, reporting_mta=host, original_source_ip=ip, source=Source(ip=ip))
    every = Marks(sending_ip="192.0.2.1", provider="example.com", text="a", pattern="b+", source="example.com")

    assert Matcher(every).match(facts_of(odd, START)) is Match.NO


def test_a_long_reply_is_searched_in_bounded_time() -> None:
    endless = a_report(diagnostic="a" * 10_000_000 + "!")

    assert Matcher(Marks(pattern="(a+)+b")).match(facts_of(endless, START)) is Match.NO


@pytest.mark.parametrize("marks", [{"pattern": "(a)\\1"}, {"pattern": "("}, {"sending_ip": "nowhere"}, {"provider": "\udcff"}])
def test_what_can_not_be_looked_for_is_refused(marks: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        Matcher(Marks(**marks))


@pytest.mark.parametrize("marks", [{}, {"text": ""}, {"text": "x" * 501}, {"since": START, "until": START}])
def test_marks_without_sense_are_refused(marks: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        require_sense(Marks(**marks), IncidentKind.SENDER_FAULT, START)


@given(
    holding=some.permutations([Held(1, SAID), Held(2, None), Held(3, replace(SAID, rule="three"))]), count=some.integers(0, 3)
)
def test_what_a_report_counts_for_does_not_depend_on_the_order(holding: list[Held], count: int) -> None:
    some_of_them = holding[:count]

    assert reading_of(SAID, some_of_them) == reading_of(SAID, sorted(some_of_them, key=lambda held: held.incident_id))
    read, set_aside = reading_of(SAID, some_of_them)
    assert read.rule == ("three" if any(held.incident_id == 3 for held in some_of_them) else "r")
    assert set_aside == any(held.read_as is None for held in some_of_them)
