"""`nullsender classify`: reports in, outcomes out."""

import argparse

from classifiers.consumer import GROUP, ClassifyStage
from classifiers.rules import Rules
from nullsender.cli import parts
from nullsender.cli.stopping import stop_on_signals


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Nothing of its own."""
    parts.add_role_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Decide reports until told to stop."""
    settings = parts.start_role(arguments)
    stop = stop_on_signals(supervised=arguments.supervised)
    with parts.open_log(settings) as log, log.producer() as producer:
        stage = ClassifyStage(Rules.load(), outcomes=producer, clock=parts.CLOCK)
        parts.consume(log, GROUP, stage, producer=producer, stop=stop)
    return 0
