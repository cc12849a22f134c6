"""`nullsender follow`: keeps this machine's lookup table up to date."""

import argparse

from api.index.follower import follow
from nullsender.cli import parts, store_parts
from nullsender.cli.running import role


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Nothing of its own."""
    role.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Follow the store's change feed until told to stop."""
    with role.running("follow", arguments) as ours:
        stopping = ours.heart.pulse("the follower")
        follow(store_parts.open_store(ours.settings), ours.settings.index_folder, parts.CLOCK, stopping)
    return 0
