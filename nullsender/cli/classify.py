"""`nullsender classify`: reports in, outcomes out."""

import argparse

from classifiers.consumer import ClassifyStage
from classifiers.rules import Rules
from nullsender.cli import parts
from nullsender.cli.running import role
from nullsender.cli.running.stages import consume


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Nothing of its own."""
    role.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Decide reports until told to stop."""
    with role.running("classify", arguments) as ours, parts.open_log(ours.settings) as log, log.producer() as producer:
        stage = ClassifyStage(Rules.load(own=ours.settings.classify.rules), outcomes=producer, clock=parts.CLOCK)
        consume(ours, log, stage, producer=producer)
    return 0
