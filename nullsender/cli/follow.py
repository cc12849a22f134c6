"""`nullsender follow`: keeps this machine's lookup table up to date."""

import argparse

from api.follower import follow
from nullsender.cli import parts, store_parts
from nullsender.cli.stopping import stop_on_signals


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Nothing of its own."""
    parts.add_role_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Follow the store's change feed until told to stop."""
    settings = parts.start_role(arguments)
    stop = stop_on_signals(supervised=arguments.supervised)
    follow(store_parts.open_store(settings), settings.index_folder, parts.CLOCK, stop)
    return 0
