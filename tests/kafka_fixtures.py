"""A real Kafka for tests: one broker for all of them, with a name space for each.

Whoever uses it carries `KAFKA`, so that all of them run on one worker, beside one broker. What stops or kills a broker starts
one of its own (`tests/servers/kafka.py`).
"""

import itertools
import os
from collections.abc import Iterator

import pytest

from tests.missing import give_up
from tests.servers.kafka import Kafka, KafkaUnavailable, kafka_server

#: The mark of every test that uses a Kafka.
KAFKA = pytest.mark.xdist_group("kafka")

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def kafka() -> Iterator[Kafka]:
    """A running broker, shared: leave it running. Skips where none can be started; in CI that is a failure."""
    try:
        with kafka_server() as server:
            yield server
    except KafkaUnavailable as reason:
        give_up(reason)


@pytest.fixture
def topic_prefix() -> str:
    """What no other test's topics on the shared broker begin with."""
    return f"test-{os.getpid()}-{next(_numbers)}-"
