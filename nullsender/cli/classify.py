"""`nullsender classify`: reports in, outcomes out."""

import argparse

from classifiers.consumer import GROUP, TOPICS, ClassifyStage
from classifiers.rules import Rules
from nullsender.cli import parts
from nullsender.cli.stopping import stop_on_signals
from nullsender.consume import ConsumeLoop


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Nothing of its own."""
    parts.add_role_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Decide reports until told to stop: one loop a topic, so that a complaint never waits behind a flood of bounces."""
    settings = parts.start_role(arguments)
    stop = stop_on_signals(supervised=arguments.supervised)
    with parts.open_log(settings) as log, log.producer() as producer:
        stage = ClassifyStage(Rules.load(), outcomes=producer, clock=parts.CLOCK)
        consumers = [log.consumer(GROUP, [topic]) for topic in TOPICS]
        loops = [
            ConsumeLoop(GROUP, consumer=consumer, handler=stage, dead_letters=producer, clock=parts.CLOCK, stopping=stop)
            for consumer in consumers
        ]
        try:
            parts.run_loops(loops, stop)
        finally:
            for consumer in consumers:
                consumer.close()
    return 0
