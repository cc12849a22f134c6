"""Dates in fields: the usual form, which is read fast, and all others."""

from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.reading.dates import parse_date

ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.datetimes(datetime(1980, 1, 1), datetime(2199, 1, 1), timezones=ZONES))
def test_a_date_is_the_moment_that_its_writer_meant(moment: datetime) -> None:
    assert parse_date(format_datetime(moment)) == moment.replace(microsecond=0)


@pytest.mark.parametrize(
    "value",
    [
        "Tue, 3 Mar 2026 11:05:00 +0100 (CET)",
        "3 Mar 2026 10:05:00 +0000",
        "Tue,  3 Mar 2026 05:05:00 -0500 (EST)",
        "Tue, 3 Mar 2026 10:05:00 GMT",
        "Tue, 03 Mar 26 10:05 +0000",
        "Tue, 3 Mar 2026 10:05:00",
    ],
)
def test_one_moment_is_written_in_many_ways(value: str) -> None:
    moment = parse_date(value)

    assert moment is not None
    assert moment.replace(second=0) == datetime(2026, 3, 3, 10, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    "value", ["", "today", "31 Feb 2026 10:05:00 +0000", "3 Foo 2026 10:05:00 +0000", "Tue, 3 Mar 2026 25:05:00 +0000"]
)
def test_what_names_no_moment_is_none(value: str) -> None:
    assert parse_date(value) is None
