"""A real Kafka for tests: one broker for all of them, or brokers of one's own for what stops or kills it.

Whoever uses either carries `KAFKA`, so that all of it runs on one worker, beside one broker.
"""

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.servers.kafka import Kafka, KafkaUnavailable, kafka_server

#: The mark of every test that uses a Kafka.
KAFKA = pytest.mark.xdist_group("kafka")

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def kafka() -> Iterator[Kafka]:
    """A running broker, shared: leave it running. Skips where none can be started; in CI that is a failure."""
    with _or_skip(), kafka_server() as server:
        yield server


@pytest.fixture
def topic_prefix() -> str:
    """What no other test's topics on the shared broker begin with."""
    return f"test-{os.getpid()}-{next(_numbers)}-"


@pytest.fixture
def own_kafka() -> Iterator[Callable[..., Kafka]]:
    """Starts brokers that the test may stop and kill; takes what `kafka_server` takes."""
    with ExitStack() as brokers:

        def start(**options: object) -> Kafka:
            with _or_skip():
                return brokers.enter_context(kafka_server(**options))  # type: ignore[arg-type]

        yield start


@contextmanager
def _or_skip() -> Iterator[None]:
    try:
        yield
    except KafkaUnavailable as reason:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(str(reason))
