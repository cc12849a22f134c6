"""Who reads what, asked by a process that may die.

Only librdkafka's administrative client can ask for the members of a group, and it aborts its process when a broker that stood
still comes back. So a child has the client and asks; where it dies the answer is `Transient`, and the next question starts
another. It holds nothing that could be lost, and it ends when its parent does.
"""

import os
import resource
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection

from confluent_kafka.admin import AdminClient

from nullsender.errors import NullsenderError, Transient
from nullsender.limits import KAFKA_MEMBERS_SECONDS_MAX, KAFKA_REQUEST_SECONDS_MAX
from nullsender.log_kafka_client import asked, client_config
from nullsender.log_kafka_settings import KafkaSettings

#: A partition in Kafka's words: a topic's name and a number.
Place = tuple[str, int]


class KafkaMembers:
    """The members of groups, by way of a child that is started with the first question. Thread-safe."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._child: _Child | None = None
        self._asking = threading.Lock()

    def places(self, groups: Sequence[str]) -> set[Place]:
        """What the members of `groups` read at this moment. `Transient`: nobody answers, or the child died."""
        with self._asking:
            self._child = self._child or _started(self._settings)
            answer = self._child.answer(groups)
            if isinstance(answer, NullsenderError):
                self._end()  # who was not answered once may be deaf for good
                raise answer
            return answer

    def close(self) -> None:
        """End the child."""
        with self._asking:
            self._end()

    def _end(self) -> None:
        if self._child is not None:
            self._child.end()
            self._child = None


class _Child:
    """The other process, as its parent sees it."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._pipe, theirs = Pipe()
        with theirs:
            # A session of its own: what a terminal sends to its parent is no business of the child's.
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", __name__, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        with suppress(OSError):  # that it is dead shows at the first question
            self._pipe.send(settings)  # not as arguments, which every user of the machine may read

    def answer(self, groups: Sequence[str]) -> set[Place] | NullsenderError:
        """What it found out, or why it did not."""
        try:
            self._pipe.send(groups)
            if self._pipe.poll(KAFKA_MEMBERS_SECONDS_MAX):
                answer: set[Place] | NullsenderError = self._pipe.recv()
                return answer
        except (EOFError, OSError):
            return Transient("the process that asks Kafka for the members of groups died")
        return Transient("the process that asks Kafka for the members of groups did not answer in time")

    def end(self) -> None:
        """At once: nothing is lost with it."""
        self._process.kill()
        self._process.wait()
        self._pipe.close()


def _started(settings: KafkaSettings) -> _Child:
    try:
        return _Child(settings)
    except OSError as trouble:
        raise Transient(f"the process that asks Kafka for the members of groups can not be started: {trouble}") from trouble


def _answer(admin: AdminClient, groups: Sequence[str]) -> set[Place] | NullsenderError:
    described = admin.describe_consumer_groups(list(groups), request_timeout=KAFKA_REQUEST_SECONDS_MAX)
    try:
        answers = asked(lambda: [future.result(KAFKA_REQUEST_SECONDS_MAX) for future in described.values()])
    except NullsenderError as error:
        return error
    return {
        (place.topic, place.partition)
        for answer in answers
        for member in answer.members
        if member.assignment is not None
        for place in member.assignment.topic_partitions
    }


def _run(pipe: Connection) -> None:
    """Answer until the parent hangs up."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a death that is expected leaves nothing on the disk
    settings: KafkaSettings = pipe.recv()
    admin = AdminClient(client_config(settings, {"log_level": 0}))
    try:
        while True:
            pipe.send(_answer(admin, pipe.recv()))
    except (EOFError, OSError):
        os._exit(0)  # without the client's own farewell, which may take long


if __name__ == "__main__":
    _run(Connection(int(sys.argv[1])))
