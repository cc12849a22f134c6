"""What all tests share: fixtures that each part keeps in a file of its own, and reports that can be sent between workers."""

from collections.abc import Generator

import pytest

from tests.asked_fixtures import asked_system as asked_system
from tests.asked_fixtures import destination as destination
from tests.kafka_fixtures import kafka as kafka
from tests.kafka_fixtures import topic_prefix as topic_prefix
from tests.store_fixtures import clock as clock
from tests.store_fixtures import empty_url as empty_url
from tests.store_fixtures import engine as engine
from tests.store_fixtures import postgres as postgres
from tests.store_fixtures import postgres_template as postgres_template
from tests.store_fixtures import sqlite_template as sqlite_template
from tests.store_fixtures import store as store
from tests.store_fixtures import store_url as store_url


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Escape half characters in what a test logged: hostile mail is full of them, and xdist can not send them."""
    report = yield
    report.sections = [(title, text.encode("utf-8", "backslashreplace").decode()) for title, text in report.sections]
    return report
