"""Who asks Kafka what it holds and how far groups are, for as long as the process lives.

A consumer's client that joins no group. Where a broker stood still or was gone for long, such a client may go on asking
nobody though the broker is back (librdkafka since 2.10, its issue 5301). So one that is not answered is given up, and the next
question goes out by a new one.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from confluent_kafka import Consumer as Client
from confluent_kafka import KafkaError, KafkaException, TopicPartition

_SILENCE = (KafkaError._TRANSPORT, KafkaError._TIMED_OUT, KafkaError._ALL_BROKERS_DOWN, KafkaError._WAIT_COORD)

Answer = TypeVar("Answer")


class Asker:
    """Asks as a client does, whose methods these are. Any number of threads may ask at once."""

    def __init__(self, config: Mapping[str, Any], client: Client | None = None) -> None:
        """`config` is the client's; `client` one that was made of it already."""
        self._config = dict(config)
        self._client = client or Client(self._config)
        self._lock = threading.Lock()

    def poll(self, timeout: float) -> None:
        """Hand over what was heard meanwhile."""
        self._client.poll(timeout)

    def list_topics(self, timeout: float) -> Any:
        """Brokers, topics and partitions. `KafkaException`: nobody answers within `timeout` seconds."""
        return self._ask(lambda client: client.list_topics(timeout=timeout))

    def offsets_for_times(self, partitions: Sequence[TopicPartition], timeout: float) -> Sequence[TopicPartition]:
        """Where the times begin that stand in the place of offsets. `KafkaException`, as above."""
        return self._ask(lambda client: client.offsets_for_times(list(partitions), timeout=timeout))

    def committed(self, partitions: Sequence[TopicPartition], timeout: float) -> Sequence[TopicPartition]:
        """How far the group of this client is. `KafkaException`, as above."""
        return self._ask(lambda client: client.committed(list(partitions), timeout=timeout))

    def _ask(self, question: Callable[[Client], Answer]) -> Answer:
        client = self._client
        try:
            return question(client)
        except KafkaException as exception:
            if exception.args[0].code() in _SILENCE:
                self._give_up(client)
            raise

    def _give_up(self, client: Client) -> None:
        """Ask by a new one from now on, unless another thread has seen to that."""
        with self._lock:
            if self._client is not client:
                return
            self._client = Client(self._config)
        # It goes with the last who holds it, for another thread may wait for its answer still; going takes time, so not here.
        threading.Thread(target=[client].clear, name="kafka leaving", daemon=True).start()
