"""Every message in fixtures/mail is read as the JSON beside it says."""

import json
from pathlib import Path

import pytest

from nullsender.events import Action, DerivedFrom, Kind
from tests.readings import MAIL, expected_of, only, read_file

MESSAGES = sorted(MAIL.glob("*/*.eml"))
HANDMADE = MAIL / "handmade"


@pytest.mark.parametrize("path", MESSAGES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_fixture_is_read_as_the_file_beside_it_says(path: Path) -> None:
    assert expected_of(path) == json.loads(path.with_suffix(".json").read_text())


def test_no_expectation_stands_alone() -> None:
    """Every JSON has its message; a message that was renamed would otherwise not be tested any more."""
    alone = [path.name for path in MAIL.glob("*/*.json") if not path.with_suffix(".eml").exists()]

    assert not alone
    assert len(MESSAGES) > 70


def test_the_original_recipient_counts_where_a_forward_failed() -> None:
    report = only(read_file(HANDMADE / "dsn-forwarded-recipient.eml"))

    assert (report.recipient, report.derived_from) == ("anna@example.org", DerivedFrom.ORIGINAL_RECIPIENT)


def test_a_success_report_is_no_bounce() -> None:
    reading = read_file(HANDMADE / "dsn-success.eml")

    assert reading.kind is Kind.OTHER
    assert only(reading).action is Action.DELIVERED


def test_a_redacted_complaint_names_nobody_but_returns_our_token() -> None:
    report = only(read_file(HANDMADE / "arf-redacted.eml"))

    assert report.recipient is None
    assert report.returned_token == "t1.example-token"
    assert report.notes


@pytest.mark.parametrize("path", sorted(HANDMADE.glob("other-*.eml")), ids=lambda path: path.stem)
def test_mail_about_bounces_is_no_bounce(path: Path) -> None:
    reading = read_file(path)

    assert reading.kind is Kind.OTHER
    assert only(reading).recipient is None


def test_bare_carriage_returns_and_nul_change_nothing() -> None:
    """The same notice, once with LF, once with bare CR line ends and a NUL in its first word."""
    ruined, whole = read_file(HANDMADE / "ruined-lines.eml"), read_file(HANDMADE / "qmail.eml")

    assert [report.diagnostic for report in ruined.reports] == [report.diagnostic for report in whole.reports]
