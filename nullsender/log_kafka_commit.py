"""Storing a member's offsets in Kafka, with an end to the wait.

librdkafka's synchronous commit knows no time-out. A coordinator that goes away in the middle of one leaves it waiting, even after
that is back. So it is made in a thread of its own, one at a time, and whoever waits goes on after a while: the member polls, and
what it could not store it stores later.
"""

import threading
from concurrent.futures import Future

from confluent_kafka import Consumer as Client
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from nullsender.limits import KAFKA_REQUEST_SECONDS_MAX
from nullsender.log_kafka_client import error_of

_Outcome = KafkaError | None


class Commits:
    """The commits of one member, which one thread asks for."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._last: Future[_Outcome] = Future()
        self._last.set_result(None)

    @property
    def is_busy(self) -> bool:
        """Whether one is still under way that nobody waits for any more."""
        return not self._last.done()

    def make(self, places: list[TopicPartition]) -> _Outcome:
        """The error of storing `places`, `_TIMED_OUT` among them; None: the group has them, durably."""
        try:
            self._last.result(KAFKA_REQUEST_SECONDS_MAX)
            self._last = Future()
            threading.Thread(target=self._make, args=(places, self._last), name="kafka commit", daemon=True).start()
            return self._last.result(KAFKA_REQUEST_SECONDS_MAX)
        except TimeoutError:
            return KafkaError(KafkaError._TIMED_OUT)

    def _make(self, places: list[TopicPartition], outcome: Future[_Outcome]) -> None:
        try:
            answers = self._client.commit(offsets=places, asynchronous=False)
        except KafkaException as exception:
            outcome.set_result(error_of(exception))
        except BaseException as failure:
            outcome.set_exception(failure)
        else:
            outcome.set_result(next((answer.error for answer in answers if answer.error is not None), None))
