"""Runs a stage: a loop and a thread for each of its topics, so that no topic waits behind a flood on another."""

import logging
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime
from typing import Protocol

from nullsender import telemetry
from nullsender.cli import parts
from nullsender.cli.running.role import Role
from nullsender.cli.running.stopping import Stop
from nullsender.clock import Clock
from nullsender.consume import ConsumeLoop, Handler, Status
from nullsender.in_hand import InHandFiles
from nullsender.limits import READY_AGE_SECONDS_MAX, READY_BUSY_SECONDS_MAX
from nullsender.log import Log, Producer, StartAt, Topic


def consume(role: Role, log: Log, handler: Handler, *, producer: Producer, start_at: StartAt | None = None) -> None:
    """Run the stage that has the role's name until told to stop."""
    in_hand = InHandFiles(role.settings.in_hand_folder, role.name)
    with ExitStack() as consumers:
        loops = []
        for topic in parts.READERS[role.name]:
            loop = ConsumeLoop(
                role.name,
                consumer=consumers.enter_context(log.consumer(role.name, [topic], start_at=start_at)),
                handler=handler,
                dead_letters=producer,
                clock=parts.CLOCK,
                stopping=role.heart.pulse(f"{role.name} on {topic}"),
                in_hand=in_hand,
            )
            role.heart.watch(LoopWatch(role.name, topic, loop, parts.CLOCK))
            loops.append(loop)
        _run(loops, role.stop)


class Looped(Protocol):
    """What is watched (`ConsumeLoop`)."""

    def status(self) -> Status:
        """How it is doing now. Thread-safe."""


class LoopWatch:
    """Shows how a loop is doing, and says what is wrong with it. Anybody may read that: it names no records."""

    def __init__(self, group: str, topic: Topic, loop: Looped, clock: Clock) -> None:
        self._group = group
        self._topic = topic
        self._loop = loop
        self._clock = clock

    def __call__(self) -> str | None:
        """What is wrong; the gauges are set as well."""
        status = self._loop.status()
        age_seconds = self._age_seconds(status.oldest_record_at)
        telemetry.CONSUMER_BRAKED.labels(self._group, self._topic).set(status.braked)
        telemetry.CONSUMER_BUSY.labels(self._group, self._topic).set(status.busy_seconds)
        telemetry.CONSUMER_OLDEST.labels(self._group, self._topic).set(age_seconds)
        if status.braked:
            return f"{self._group} goes no further on {self._topic}: too many records in a row can not be dealt with"
        if status.busy_seconds > READY_BUSY_SECONDS_MAX:
            return f"{self._group} has dealt with nothing of {self._topic} for {status.busy_seconds:.0f} s, though records wait"
        if status.silent_seconds > READY_BUSY_SECONDS_MAX:
            return f"{self._group} has had no answer from the log about {self._topic} for {status.silent_seconds:.0f} s"
        if age_seconds > READY_AGE_SECONDS_MAX:
            return f"{self._group} is behind: a record of {self._topic} has waited for {age_seconds:.0f} s"
        return None

    def _age_seconds(self, appended_at: datetime | None) -> float:
        return max((self._clock.now() - appended_at).total_seconds(), 0.0) if appended_at else 0.0


def _run(loops: Sequence[ConsumeLoop], stop: Stop) -> None:
    """Each loop in a thread of its own. One that fails stops the others; its failure is raised."""
    failures: list[BaseException] = []

    def run(loop: ConsumeLoop) -> None:
        try:
            loop.run()
        except BaseException as failure:
            logging.getLogger("consume").exception("a consumer failed")
            failures.append(failure)
            stop.request()

    threads = [threading.Thread(target=run, args=(loop,), name=f"loop-{n}") for n, loop in enumerate(loops)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
