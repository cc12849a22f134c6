"""What another process does to an embedded log, so that a test can kill it.

python -m tests.log_child publish FOLDER FIRST SEED   publishes for ever; prints the number of each acknowledged record
python -m tests.log_child consume FOLDER GROUP        reads and stores for ever; prints the partitions it holds
python -m tests.log_child write-lock|read FILE        holds a transaction of an LMDB file until it is killed
"""

import random
import sys
import time
import zlib
from concurrent.futures import Future
from itertools import count
from pathlib import Path

import lmdb

from nullsender.clock import SystemClock
from nullsender.log import Record, Topic
from nullsender.log_embedded import EmbeddedLog

WAITING_MAX = 20


def value_of(number: int, chance: random.Random) -> bytes:
    """A value that says which it is and whether it is whole."""
    body = b"%d " % number + chance.randbytes(int(chance.lognormvariate(7, 2)) % 300_000)
    return b"%08x" % zlib.crc32(body) + body


def number_of(value: bytes) -> int:
    """The number in a value; AssertionError when it is not whole."""
    assert int(value[:8], 16) == zlib.crc32(value[8:])
    return int(value[8:].split(b" ", 1)[0])


def publish(folder: str, first: str, seed: str) -> None:
    """Publish with WAITING_MAX unacknowledged at most."""
    chance = random.Random(int(seed))
    producer = EmbeddedLog(Path(folder), clock=SystemClock()).producer()
    waiting: list[tuple[int, Future[None]]] = []
    for number in count(int(first)):
        topic = chance.choice([Topic.BOUNCES, Topic.COMPLAINTS])
        waiting.append((number, producer.publish([Record(topic, b"%d" % chance.randrange(10), value_of(number, chance))])))
        while len(waiting) > WAITING_MAX or (waiting and waiting[0][1].done()):
            acknowledged, published = waiting.pop(0)
            published.result()
            print(acknowledged, flush=True)


def consume(folder: str, group: str) -> None:
    """Read and store."""
    consumer = EmbeddedLog(Path(folder), clock=SystemClock()).consumer(group, [Topic.BOUNCES])
    while True:
        records = consumer.poll(records_max=10, timeout_seconds=0.02)
        consumer.store({record.partition: record.offset + 1 for record in records})
        print(*(partition.number for partition in consumer.lag()), flush=True)


def hold(path: str, *, write: bool) -> None:
    """Begin a transaction and keep it."""
    with lmdb.open(path, map_size=2**40, max_readers=512, lib_version=0).begin(write=write) as transaction:
        transaction.get(b"anything")
        print("held", flush=True)
        time.sleep(3600)


if __name__ == "__main__":
    work, *arguments = sys.argv[1:]
    if work == "publish":
        publish(*arguments)
    elif work == "consume":
        consume(*arguments)
    else:
        hold(arguments[0], write=work == "write-lock")
