"""A broker that stands still and comes back, while a process asks for lag and readers: it lives on and is answered again.

librdkafka ends its own process here when it is asked in the wrong way, so the asking is a child's.
"""

import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.kafka_fixtures import KAFKA
from tests.log_kafka_world import migrated, settings_for
from tests.missing import give_up
from tests.servers.kafka import Kafka, KafkaUnavailable, kafka_server

pytestmark = KAFKA

#: Several threads: the more questions are open when the broker comes back, the likelier is its end.
ASKING = """
import sys, threading
from nullsender.errors import Transient
from nullsender.log import Topic
from tests.log_kafka_world import opened, settings_for
from tests.missing import give_up

def ask(question):
    while True:
        try:
            question("stage", [Topic.BOUNCES])
            print(question.__name__, flush=True)
        except Transient:
            print("nobody", flush=True)

with opened(settings_for(sys.argv[1])) as log:
    for question in 3 * [log.group_lag, log.unread]:
        threading.Thread(target=ask, args=[question], daemon=True).start()
    sys.stdin.read()
"""


@pytest.fixture
def server() -> Iterator[Kafka]:
    """A broker of this test's own: others would stand still with it."""
    try:
        with kafka_server() as kafka:
            yield kafka
    except KafkaUnavailable as reason:
        give_up(reason)


def hear(asking: "subprocess.Popen[str]", wanted: str, times: int) -> None:
    """Read what it says until it has said `wanted` so often."""
    heard: Counter[str] = Counter()
    assert asking.stdout is not None
    while heard[wanted] < times:
        line = asking.stdout.readline()
        assert line, f"the process that asks ended with {asking.wait()}"
        heard[line.strip()] += 1


def test_a_broker_that_stands_still_ends_nobody_who_asks_for_lag_and_readers(server: Kafka) -> None:
    migrated(settings_for(server.servers))
    command = [sys.executable, "-c", ASKING, server.servers]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as asking:
        too_late = threading.Timer(90, asking.kill)  # `hear` waits for a line, and tells of the end
        too_late.start()
        try:
            hear(asking, "unread", 3)
            server.freeze()
            hear(asking, "nobody", 6)
            server.thaw()
            hear(asking, "unread", 3)
            hear(asking, "group_lag", 3)
        finally:
            server.thaw()
            too_late.cancel()
            asking.kill()
